"""The forwarding table of a bridge: its entries, and which of them may have moved (net/bridge/br_fdb.c)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.facts.neighbours import ForwardingFact
from analyzer.model.network import Interface
from analyzer.transfer.space import Context

FIXED = frozenset({"static", "permanent", "extern_learn", "sticky"})
MOVING = frozenset({"static", "extern_learn"})
"""Entries that do not age, of which MOVING go to the port where their MAC is heard, but sticky ones (br_fdb.c ``br_fdb_update``)."""


def entries(context: Context, bridge: Interface) -> list[ForwardingFact]:
    """The forwarding table of a bridge."""
    ports = {*context.ports.get(bridge, ()), bridge.device}
    facts = context.space(bridge.scope).forwarding
    return [
        fact
        for fact in facts
        if fact.device in ports and (fact.master == bridge.device or (not fact.own and fact.destination is None))
    ]


def elsewhere(context: Context, bridge: Interface, fact: ForwardingFact, ends: Mapping[str, None]) -> bool:
    """Whether the entry may have moved by now: an interface with its MAC is behind another port, which learns."""
    if "sticky" in fact.flags or not fact.flags & MOVING:
        return False
    ports = context.space(bridge.scope).ports
    return any(port != fact.device and (port not in ports or ports[port].learning is not False) for port in ends)
