"""Cilium's policies: what its settings, labels, entities, addresses and ports mean."""
