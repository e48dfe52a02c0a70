"""Pods and nodes that are alike: what a few of them may do is decided, and holds for all of them."""
