"""The netfilter hooks of a namespace, iptables rules and connection tracking, for one packet."""
