"""Why flows of a group of subjects are not decided: the tests in its policies whose value is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.policy.factors import Factors
from analyzer.policy.terms import All, AnyOf, InBlocks, Named, Not, Opaque, Peer, Traffic
from analyzer.policy.tiers import Direction, Rule

TIED = "policies of one priority disagree, and which of them decides is not defined"


@dataclass(frozen=True, slots=True)
class Doubts:
    """Looks for the reasons in one direction."""

    factors: Factors
    direction: Direction

    def of(self, group: int, flows: int, peers: int) -> list[tuple[int, str]]:
        """Why a group's flows with peers are not decided, in words: peers with the same reason together."""
        factor = self.factors.egress if self.direction is Direction.EGRESS else self.factors.ingress
        number = (factor.classes[group] & -factor.classes[group]).bit_length() - 1
        subject = self.factors.universe.classes[number]
        selecting = self.factors.policies.selecting(subject, self.factors.universe.family, self.direction)
        found: dict[str, int] = {}
        for selected in (item for tier in selecting for item in tier):
            if not selected.certain:
                found |= dict.fromkeys(unknown_in(selected.policy.subject), peers)
            for rule in selected.rules.rules:
                for text, concerned in self.of_rule(rule, number, flows, peers):
                    found[text] = found.get(text, 0) | concerned
        return parted(peers, found)

    def of_rule(self, rule: Rule, subject: int, flows: int, peers: int) -> Iterator[tuple[str, int]]:
        """What of a rule is not known for the flows, and the peers with which."""
        sure, may = self.factors.universe.sides(rule.peer)
        ports = self.factors.universe.classes[subject].ports if self.direction is Direction.INGRESS else ()
        traffic = self.factors.atoms.of(rule.traffic, ports)
        if not (may & peers and traffic[1] & flows):
            return
        if unsure := may & ~sure & peers:
            yield from ((text, unsure) for text in unknown_in(rule.peer))
        if traffic[1] & ~traffic[0] & flows:
            yield from ((text, may & peers) for text in unknown_in(rule.traffic))
        own = self.factors.universe.sides(rule.own)
        if (own[1] & ~own[0]) >> subject & 1:
            yield from ((text, may & peers) for text in unknown_in(rule.own))


def parted(peers: int, found: dict[str, int]) -> list[tuple[int, str]]:
    """The peers by the reasons that concern them."""
    parts: list[tuple[int, tuple[str, ...]]] = [(peers, ())]
    for text, concerned in found.items():
        split = [(have & concerned, (*known, text)) for have, known in parts]
        parts = [part for part in [*split, *((have & ~concerned, known) for have, known in parts)] if part[0]]
    return [(have, "; ".join(sorted(known)) or TIED) for have, known in parts]


def unknown_in(test: Peer | Traffic) -> Iterator[str]:
    """What the value of a test can hang on that is not known."""
    match test:
        case Opaque(text):
            yield text
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from unknown_in(term)
        case Not(term):
            yield from unknown_in(term)
        case InBlocks():
            yield "the pods' addresses are not known"
        case Named(of=of) if of.value.startswith("node"):
            yield "the node that the pods will be on is not known"
        case _:
            pass
