"""Antrea's own policies: who their rules are about, and which flows."""
