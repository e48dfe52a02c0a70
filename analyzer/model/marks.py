"""Which bits of a packet's mark anything in a namespace asks for. A mark leaves its namespace with no packet (net/core/skbuff.c ``skb_scrub_packet``), but by
a device over one that is elsewhere, where what goes out has it still (``macvlan_queue_xmit``, ``vlan_dev_hard_start_xmit``)."""

from __future__ import annotations

import re

from analyzer.facts.links import Ipvlan, Macvlan, Vlan
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Namespace
from analyzer.model.reflecting import REFLECTED, reflects

ALL = 0xFFFFFFFF
NUMBER = r"(0x[\da-fA-F]+|\d+)"
TESTED = re.compile(rf"--mark {NUMBER}(?:/{NUMBER})?")
SET = re.compile(
    r'--comment (?:"(?:[^"\\]|\\.)*"|\S+)|-[AIjg] \S+|--(?:set|set-x|and-|or-|xor-|tproxy-)-?mark \S+|--restore-mark|-m (?:conn)?mark(?= )'
)
"""What sets marks, and names."""


def asked_for(space: Namespace) -> int:
    """The bits; all of them where not every use is understood: what has more than rules of iptables, sets with marks, or answers that have a packet's."""
    others = (space.virtual_servers, space.switches, space.filters, space.cilium, space.route_answers)
    stacked = any(isinstance(link.kind, Macvlan | Ipvlan | Vlan) for link in space.links.values())
    if stacked or any(others) or any(reflects(space, protocol) for protocol in REFLECTED):
        return ALL
    if any("mark" in fact.type for fact in space.sets.values()) or any("mark" in text for text in native(space)):
        return ALL
    found = 0
    for ruleset in space.rulesets:
        for chains in ruleset.tables.values():
            for chain in chains.values():
                found |= of_rules(chain.rules.whole())
    return found | of_routing(space)


def native(space: Namespace) -> list[str]:
    """The rules of native tables, but of those that iptables-save lists too."""
    tables = [table for table in space.nft_tables if not saved(space, table)]
    return [rule.text for table in tables for chain in table.chains.values() for rule in chain.rules]


def saved(space: Namespace, table: NftTableFact) -> bool:
    """Whether iptables-save lists all chains of a table."""
    family = {"ip": 4, "ip6": 6}.get(table.family)
    listed = (fact.tables.get(table.name, {}) for fact in space.rulesets if fact.family == family and fact.backend == "nft")
    return any(all(name in chains for name in table.chains) for chains in listed)


def of_rules(text: str) -> int:
    """The bits that rules of iptables ask for; all where one speaks of marks in other words."""
    if "mark" not in text:
        return 0
    rest, found = SET.sub("", text), 0
    for _, mask in TESTED.findall(rest):
        found |= int(mask, 16) if mask.startswith("0x") else ALL
    return ALL if "mark" in TESTED.sub("", rest) else found


def of_routing(space: Namespace) -> int:
    """The bits that routing rules ask for."""
    found = 0
    for rule in (rule for rules in space.rules.values() for rule in rules):
        found |= ALL if rule.unknown else rule.mask if rule.mark is not None else 0
    return found
