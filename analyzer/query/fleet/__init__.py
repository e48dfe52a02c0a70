"""Many clusters at once: what is told of each, and what they have in common."""
