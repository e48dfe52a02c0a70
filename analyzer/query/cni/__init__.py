"""CNI configuration: what each plugin accepts, what it refuses, and how plugins make a chain."""
