"""Native nftables tables in the language."""
