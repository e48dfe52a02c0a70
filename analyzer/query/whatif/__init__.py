"""The input as it would be after edits of objects and of captured node state."""
