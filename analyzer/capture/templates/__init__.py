"""Helm charts and kustomizations, rendered by the user's own programs, with their findings on the lines that they were made from."""
