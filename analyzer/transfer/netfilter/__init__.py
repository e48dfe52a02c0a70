"""The netfilter hooks in the language: iptables rules, connection tracking, translation."""
