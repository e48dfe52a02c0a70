"""The netfilter hooks of a network namespace, walked by one packet over the records of its rulesets.

``HookTables.of`` prepares a namespace once per family; ``run_hook`` takes one packet through one hook: the base chains of the tables of both back ends and
native nft chains in the order of the kernel's priorities (``enum nf_ip_hook_priorities``), conntrack and address translation in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.model.network import Namespace
from analyzer.solve.netfilter_state import (
    Connection,
    Connections,
    Flow,
    Hook,
    HookPacket,
    HookResult,
    Judgement,
    Surroundings,
    Tracked,
)
from analyzer.solve.oracle import Oracle

__all__ = [
    "Connection",
    "Connections",
    "Flow",
    "Hook",
    "HookPacket",
    "HookResult",
    "HookTables",
    "Judgement",
    "Surroundings",
    "Tracked",
    "run_hook",
]


@dataclass(frozen=True, slots=True)
class HookTables:
    """What a namespace's hooks run, for one family; make it once and keep it for all walks."""

    namespace: Namespace
    family: int

    @staticmethod
    def of(namespace: Namespace, family: int) -> HookTables:
        """The hooks of a namespace."""
        return HookTables(namespace, family)


def run_hook(
    tables: HookTables, hook: Hook, arriving: HookPacket, surroundings: Surroundings, connections: Connections, oracle: Oracle
) -> HookResult:
    """Takes the packet through one hook. ``connections`` belongs to the walk (one for each namespace); confirmed connections are stored in it."""
    del tables, hook, surroundings, connections, oracle
    return HookResult(Judgement.UNKNOWN, arriving, reason="netfilter is not walked yet")
