"""The reading of the language for all packets at once, by sets of states."""
