"""Addresses as a resource: who is recorded to have them, who asks for them, and whether all who ask can be served."""
