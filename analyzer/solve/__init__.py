"""Three readings of one network: the concrete walk, sets, and Z3."""
