"""Real networks in namespaces of this machine: built, broken, captured, predicted and compared with real packets."""
