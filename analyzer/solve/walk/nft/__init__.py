"""Native nftables tables, for one packet."""
