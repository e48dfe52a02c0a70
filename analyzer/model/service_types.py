"""Types of service, which routing rules, routes and rules of netfilter may ask for: with which packets are sent, which bits routes look at, and who changes them.

Packets are taken to be sent with type 0 (``IP_TOS`` of a socket is); the targets TOS and DSCP (net/netfilter/xt_DSCP.c) and nft's ``ip dscp set``
change it, as do flows of Open vSwitch. Who answers a ping does so with its type (net/ipv4/icmp.c ``icmp_reply``, net/ipv6/icmp.c ``icmpv6_echo_reply``), and
so does who accepts a connection where ``tcp_reflect_tos`` is set (net/ipv4/tcp_ipv4.c ``tcp_v4_send_synack``).
"""

from __future__ import annotations

import re

from analyzer.facts.netfilter import SetService
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.network import Namespace, Network
from analyzer.model.texts import may_say

WORDS = (" TOS", " DSCP", " ECN")
SENT = "packets are sent with the type of service 0"
ROUTED = {4: 0x1C, 6: 0xFC}
"""The bits of the byte that routes and routing rules look at: three in IPv4 (``INET_DSCP_LEGACY_TOS_MASK`` of include/net/ip_fib.h ``fib_dscp_masked_match``,
IPTOS_RT_MASK before), the whole class in IPv6 (net/ipv6/fib6_rules.c ``fib6_rule_match``)."""
REFLECTING = "net.ipv4.tcp_reflect_tos"
TCP, CONGESTION, CLASS, INHERIT = 6, 3, 0xFC, "inherit"
NUMBERS = {8: re.compile("[0-7]{1,5}"), 10: re.compile("[0-9]{1,5}"), 16: re.compile("0[xX][0-9a-fA-F]{1,5}")}


def outer_service(written: str, inside: int | None) -> int | None:
    """The type of service of what a tunnel sends, of which ECN's bits are those of the packet inside (include/net/inet_ecn.h ``INET_ECN_encapsulate``): CE
    becomes ECT(0). ``written`` is the device's, ``inherit`` that of the packet inside; None: not known."""
    if inside is None:
        return None
    own = inside if written == INHERIT else int(written or "0", 16)
    return own & ~CONGESTION | (2 if inside & CONGESTION == CONGESTION else inside & CONGESTION)


def service_of(port: SwitchPortFact) -> str:
    """The type of service of a tunnel port of Open vSwitch, as ``outer_service`` takes it: its option ``tos``, which is ``inherit`` or a class in any of C's bases
    without bits of ECN; what is anything else is not set (lib/netdev-vport.c ``set_tunnel_config``, vswitchd/vswitch.xml)."""
    text = port.option("tos")
    if text == INHERIT:
        return INHERIT
    base = 16 if NUMBERS[16].fullmatch(text) else 8 if text[:1] == "0" else 10
    value = int(text, base) if NUMBERS[base].fullmatch(text) else 0
    return f"{value:x}" if value and not value & ~CLASS else ""


def reflects_service(space: Namespace, protocol: int) -> bool:
    """Whether who accepts a connection answers with the type of service of what opened it."""
    value = space.sysctl(REFLECTING) if protocol == TCP else None
    return value is not None and value.strip() not in ("", "0")


def service_type_changes(network: Network) -> bool:
    """Whether a rule or a flow of any namespace changes the type of service."""
    return any(changes_service(network, space) for space in network.namespaces.values())


def changes_service(network: Network, space: Namespace) -> bool:
    """Whether a rule or a flow of a namespace does."""
    return in_rulesets(network, space) or in_tables(space) or in_switches(space)


def in_rulesets(network: Network, space: Namespace) -> bool:
    """Whether a rule of iptables may: its text has the name of such a target (behind ``-j`` or ``--jump``)."""
    rulesets = (ruleset for ruleset in space.rulesets if may_say(network, ruleset, map(str.strip, WORDS)))
    chains = (chain for ruleset in rulesets for table in ruleset.tables.values() for chain in table.values())
    return any(word in text for chain in chains for text in (chain.rules.whole(),) for word in WORDS)


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
    return any(isinstance(item, SetService) for chain in chains for rule in chain.rules for item in rule.statements)
