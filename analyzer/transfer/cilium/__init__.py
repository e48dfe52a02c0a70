"""Cilium's programs in the language, by their maps."""
