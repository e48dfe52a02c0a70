"""Linkerd's policies: who is in its mesh, and whom a server's authorizations admit."""

PLANE = "linkerd"
