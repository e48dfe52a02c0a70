"""Calico's policies: selectors, fields, endpoints and tiers, which the readers in ``kinds`` put together."""
