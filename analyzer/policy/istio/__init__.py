"""Istio's authorization: who a request is from, as far as a connection shows it."""
