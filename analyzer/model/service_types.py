"""Whether anything in a capture gives packets a type of service, which routing rules, routes and rules of netfilter may ask for.

Packets are taken to be sent with type 0 (``IP_TOS`` of a socket is); the targets TOS and DSCP (net/netfilter/xt_DSCP.c) and nft's ``ip dscp set``
change it, as do flows of Open vSwitch. ECN's two bits are none that routes look at (``INET_DSCP_MASK`` of include/net/inet_dscp.h).
"""

from __future__ import annotations

from analyzer.facts.netfilter import Pass
from analyzer.model.network import Namespace, Network

WORDS = (" TOS", " DSCP")
UNCHANGED = "packets are sent with the type of service 0, and nothing in the capture changes it"


def service_type_changes(network: Network) -> bool:
    """Whether a rule or a flow of any namespace changes the type of service."""
    return any(in_rulesets(space) or in_tables(space) or in_switches(space) for space in network.namespaces.values())


def in_rulesets(space: Namespace) -> bool:
    """Whether a rule of iptables does."""
    chains = (chain for ruleset in space.rulesets for table in ruleset.tables.values() for chain in table.values())
    return any(f"-j{word}" in text for chain in chains for text in (chain.rules.whole(),) for word in WORDS)


def in_switches(space: Namespace) -> bool:
    """Whether a flow of Open vSwitch may: its actions, with all that they hold, name the field."""
    flows = (flow.actions for switch in space.switches.values() for flow in switch.flows or ())
    buckets = (
        bucket.actions for switch in space.switches.values() for group in switch.groups.values() for bucket in group.buckets
    )
    return any("'nw_tos'" in str(actions) for actions in (*flows, *buckets))


def in_tables(space: Namespace) -> bool:
    """Whether a native rule does."""
    chains = (chain for table in space.nft_tables for chain in table.chains.values())
    return any(Pass("dscp") in rule.statements for chain in chains for rule in chain.rules)
