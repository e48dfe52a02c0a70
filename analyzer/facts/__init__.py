"""What the text says, by subject: typed, located records with names still as text."""
