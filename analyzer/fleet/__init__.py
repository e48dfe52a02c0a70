"""Engines for many independent tasks: each in a process of its own, with limits; what does not come back is told, never lost."""
