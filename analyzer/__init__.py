"""A static configuration and policy analyzer for Kubernetes networking."""

__version__ = "0.1.0"
