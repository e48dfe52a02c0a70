"""What runs on a node beside the kernel: routing daemons with their sessions, tables and configuration, each once, and Weave's peer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from analyzer.facts.bgp import DaemonConfigFact, DaemonTableFact, ProtocolFact, SessionFact
from analyzer.facts.weave import ConnectionStateFact, RingEntryFact, RingFact
from analyzer.model.ordering import Ordered
from analyzer.source import Gap


@dataclass(frozen=True, slots=True)
class Router:
    """The daemons of a node. ``lost``: the kinds of listings of which a line was not understood."""

    node: str
    sessions: tuple[SessionFact, ...] = ()
    protocols: tuple[ProtocolFact, ...] = ()
    tables: tuple[DaemonTableFact, ...] = ()
    configs: tuple[DaemonConfigFact, ...] = ()
    rings: tuple[RingFact, ...] = ()
    shares: tuple[RingEntryFact, ...] = ()
    connections: tuple[ConnectionStateFact, ...] = ()
    lost: frozenset[str] = frozenset()


Told = SessionFact | ProtocolFact | DaemonTableFact | DaemonConfigFact | RingFact | RingEntryFact | ConnectionStateFact
KINDS = (SessionFact, ProtocolFact, DaemonTableFact, DaemonConfigFact, RingFact, RingEntryFact, ConnectionStateFact)


def routers(facts: Ordered, gaps: Iterable[Gap]) -> dict[str, Router]:
    """The routers by node."""
    nodes = sorted({fact.scope.node for kind in KINDS for fact in facts.all(kind) if fact.scope is not None})
    if not nodes:
        return {}
    missed: dict[str, set[str]] = {}
    for gap in gaps:
        if gap.scope is not None:
            missed.setdefault(gap.scope.node, set()).add(gap.subject)
    return {
        node: Router(
            node,
            sessions(fact for fact in facts.all(SessionFact) if on(fact, node)),
            tuple({fact.name: fact for fact in facts.all(ProtocolFact) if on(fact, node)}.values()),
            tuple(dict.fromkeys(fact for fact in facts.all(DaemonTableFact) if on(fact, node))),
            tuple(dict.fromkeys(fact for fact in facts.all(DaemonConfigFact) if on(fact, node))),
            tuple(dict.fromkeys(fact for fact in facts.all(RingFact) if on(fact, node))),
            tuple(dict.fromkeys(fact for fact in facts.all(RingEntryFact) if on(fact, node))),
            tuple(dict.fromkeys(fact for fact in facts.all(ConnectionStateFact) if on(fact, node))),
            frozenset(missed.get(node, ())),
        )
        for node in nodes
    }


def on(fact: Told, node: str) -> bool:
    """Whether a fact is about a daemon of the node."""
    return fact.scope is not None and fact.scope.node == node


def sessions(found: Iterable[SessionFact]) -> tuple[SessionFact, ...]:
    """Each session once, from the listing that says most of it. What ``calicoctl`` says of BIRD's sessions is left out where BIRD says it itself."""
    best: dict[tuple[str, str, object], SessionFact] = {}
    for fact in found:
        key = fact.program, fact.name, fact.peer if fact.peer is not None or not fact.name else fact.name
        if key not in best or told(fact) > told(best[key]):
            best[key] = fact
    by_bird = {fact.peer for fact in best.values() if fact.program == "bird"}
    kept = (fact for fact in best.values() if fact.program != "calico" or fact.peer not in by_bird)
    return tuple(sorted(kept, key=lambda fact: (fact.at, fact.name)))


def told(fact: SessionFact) -> int:
    """How many of its fields a listing has filled."""
    return sum(getattr(fact, one.name) not in (None, "") for one in fields(fact))
