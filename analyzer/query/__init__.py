"""The questions: guarantees, traces; every answer is three-way."""
