"""What is installed (network) and what is wanted (cluster), with names resolved."""
