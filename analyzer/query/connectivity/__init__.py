"""Who may talk to whom, for all pairs and ports at once; and the ways in from outside."""
