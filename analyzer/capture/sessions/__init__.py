"""Pasted sessions: the outputs of several commands in one text, and where each of them ran."""
