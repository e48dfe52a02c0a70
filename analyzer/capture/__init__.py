"""From files, archives and pasted text to sources."""
