"""Harnesses; the cases are text in ``samples``."""
