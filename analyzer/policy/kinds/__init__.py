"""The kinds of policies, one file per group of kinds, each ending in ``KIND``."""
