"""Cilium's programs by their maps, for one packet."""
