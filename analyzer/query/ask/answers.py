"""Answers: a verdict, and the flow that shows it, replayed by the plain reading of policies before anybody sees it."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.display import heading, paragraph, table
from analyzer.findings import Verdict
from analyzer.policy.decision import Decision
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.tiers import Policy
from analyzer.ranges import Ranges

Alike = tuple[tuple[tuple[int, int], Ranges], ...]
"""Protocols with ranges of ports."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A flow, and what policies decide over it. ``alike``: what of the flows asked about is treated alike between the two ends.
    ``imagined``: what of the ends is not in the input, in words. ``service_port``: the port that was asked of a ``service`` (namespace, name), 0 where none
    was."""

    source: Entity
    destination: Entity
    flow: Flow
    decision: Decision
    alike: Alike = ()
    imagined: tuple[str, ...] = ()
    service_port: int = 0
    about: str = ""
    service: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question. ``scope``: over what it was decided; ``engine``: by what. ``path``: several flows one after another, where hops were
    asked for. ``settle`` says what would decide an undecided question. ``policies`` answers which they are."""

    question: str
    verdict: Verdict
    statement: str
    scope: str = ""
    engine: str = ""
    path: tuple[Witness, ...] = ()
    policies: tuple[Policy, ...] = ()
    notes: tuple[str, ...] = ()
    settle: tuple[str, ...] = ()

    @property
    def witness(self) -> Witness | None:
        """The flow, or the first of several."""
        return self.path[0] if self.path else None

    def __bool__(self) -> bool:
        """Whether it is proved."""
        return self.verdict is Verdict.PROVED

    def __repr__(self) -> str:
        shown = f": {described(self.path[0])}" if self.path else ""
        return f"<{self.verdict}: {self.statement}{shown}>"

    def _repr_html_(self) -> str:
        """The answer as a notebook shows it: the flow that shows it, and what decides over that."""
        flows = [(described(item), "; ".join(item.imagined)) for item in self.path]
        return (
            heading(f"{self.verdict}: {self.statement}")
            + paragraph(f"over {self.scope}" if self.scope else "")
            + table(("flow", "not in the input"), flows)
            + table(("policy", "where"), [(item, item.at) for item in self.policies])
            + table(("to be known",), [(text,) for text in (*self.notes, *self.settle)])
        )


class Disagreement(RuntimeError):
    """Two engines, or an engine and the replay of its witness, do not say the same: an error in the analyzer, and no verdict."""


PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6", 132: "SCTP", 136: "UDPLite"}


def described(witness: Witness) -> str:
    """A witness in words."""
    said = {True: "is admitted", False: "is denied", None: "may be admitted"}[witness.decision.admitted]
    return f"{witness.source.name} to {witness.destination.name} on {flow_text(witness.flow)} {said}"


def flow_text(flow: Flow) -> str:
    """A flow's protocol and port."""
    name = PROTOCOLS.get(flow.protocol, f"protocol {flow.protocol}")
    if flow.protocol in (1, 58):
        return f"{name} type {flow.port >> 8}"
    return f"{name} port {flow.port}" if flow.protocol in PROTOCOLS else name


def alike_text(alike: Alike) -> str:
    """Protocols and ports, shortly."""
    return "; ".join(f"{protocols_text(protocols)}{ports_text(protocols, ports)}" for protocols, ports in alike)


def protocols_text(protocols: tuple[int, int]) -> str:
    """A range of protocol numbers."""
    low, high = protocols
    if low == high:
        return PROTOCOLS.get(low, f"protocol {low}")
    return "any protocol" if (low, high) == (0, 255) else f"protocols {low}-{high}"


def ports_text(protocols: tuple[int, int], ports: Ranges) -> str:
    """Ranges of ports; nothing where all are meant."""
    if ports == ((0, 65535),):
        return ""
    if protocols[0] == protocols[1] and protocols[0] in (1, 58):
        ports = tuple((low >> 8, high >> 8) for low, high in ports)
    return " " + ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ports)
