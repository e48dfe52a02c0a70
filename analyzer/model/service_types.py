"""Whether anything in a capture gives packets a type of service, which routing rules and routes may ask for.

Packets are taken to be sent with type 0 (``IP_TOS`` of a socket is); the targets TOS and DSCP (net/netfilter/xt_DSCP.c) and nft's ``ip dscp set``
change it. ECN's two bits are none that routes look at (``INET_DSCP_MASK`` of include/net/inet_dscp.h).
"""

from __future__ import annotations

from analyzer.facts.netfilter import Pass
from analyzer.model.network import Namespace, Network

WORDS = (" TOS", " DSCP")
UNCHANGED = "packets are sent with the type of service 0, and nothing in the capture changes it"


def service_type_changes(network: Network) -> bool:
    """Whether a rule of any namespace changes the type of service."""
    return any(in_rulesets(space) or in_tables(space) for space in network.namespaces.values())


def in_rulesets(space: Namespace) -> bool:
    """Whether a rule of iptables does."""
    chains = (chain for ruleset in space.rulesets for table in ruleset.tables.values() for chain in table.values())
    return any(f"-j{word}" in text for chain in chains for text in (chain.rules.whole(),) for word in WORDS)


def in_tables(space: Namespace) -> bool:
    """Whether a native rule does."""
    chains = (chain for table in space.nft_tables for chain in table.chains.values())
    return any(Pass("dscp") in rule.statements for chain in chains for rule in chain.rules)
