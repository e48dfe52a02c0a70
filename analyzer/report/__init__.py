"""Output formats: one file each, ending in ``FORMAT``."""
