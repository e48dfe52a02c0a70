"""Ignores: findings that do not count, and who says so. ``apart.py`` applies them to a report."""
