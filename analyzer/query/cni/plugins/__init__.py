"""One file per CNI plugin, each ending in ``PLUGIN``: its fields, what it refuses, and what is yet hardly meant."""
