"""Truth tables and Z3 over random tests of every form, held against the plain reading of the cases, and of pods that are no case."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from analyzer.addresses import Address, prefix
from analyzer.model.cluster import Cluster
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow, NamedPort
from analyzer.policy.planes import PolicySet
from analyzer.policy.possible import End, Possible
from analyzer.policy.programs import Reader
from analyzer.policy.terms import (
    All,
    AnyOf,
    Box,
    HasLabel,
    InBlocks,
    Is,
    Kind,
    LabelIn,
    LabelText,
    Named,
    Not,
    Of,
    Opaque,
    Part,
    Peer,
    PortName,
    Traffic,
)
from analyzer.policy.tiers import Action, Plane, Policy, Rule, Rules, Tier
from analyzer.policy.truth_tables import TooWide, table
from analyzer.policy.world import world_of
from analyzer.query.ask.traffic import boxes
from analyzer.solve.smt.labels import Frame, Sought
from analyzer.solve.smt.symbolic_labels import Example, NoExample, exists
from analyzer.source import Span
from tests.test_ask_engines import SLOW, cases, entities, fresh

TEXT = ("ab", "ba", "aba", "b", "x")


class Terms:
    """Policies of random tests of every form, in tiers of random ends, put together without any objects."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def peer(self, depth: int = 2) -> Peer:
        pick = self.random.choice
        if depth and self.random.random() < 0.5:
            inner = tuple(self.peer(depth - 1) for _ in range(self.random.randint(0, 2)))
            return pick((All(inner), AnyOf(inner), Not(self.peer(depth - 1))))
        of, key = pick((Of.POD, Of.POD, Of.NAMESPACE, Of.ACCOUNT)), pick(("a", "b"))
        return pick(
            (
                LabelIn(of, key, frozenset(self.random.sample(TEXT, 2))),
                HasLabel(of, key),
                LabelText(of, key, pick(tuple(Part)), pick(("a", "b", "ab"))),
                Named(pick((Of.NAMESPACE, Of.POD, Of.ACCOUNT, Of.PLACE)), frozenset(self.random.sample((*TEXT, "n1", "n2"), 3))),
                Is(frozenset(self.random.sample(tuple(Kind), 2))),
                InBlocks(
                    (prefix(pick(("10.0.0.0/30", "10.0.0.0/8", "0.0.0.0/0", "fd00::/64"))),), pods=self.random.random() < 0.8
                ),
                Opaque(pick(("whether one", "whether two")), Span("p", 1)),
            )
        )

    def traffic(self, depth: int = 1) -> Traffic:
        pick = self.random.choice
        if depth and self.random.random() < 0.3:
            inner = tuple(self.traffic(depth - 1) for _ in range(self.random.randint(1, 2)))
            return pick((All(inner), AnyOf(inner), Not(self.traffic(depth - 1))))
        ports = ((80, 80),) if self.random.random() < 0.5 else ((0, 65535),)
        return pick((Box(((6, 6),), ports), Box(), PortName("web", ((6, 6),)), Opaque("whether ports", Span("p", 1))))

    def rules(self) -> Rules | None:
        if self.random.random() < 0.2:
            return None
        own = self.peer(1) if self.random.random() < 0.3 else All()
        rules = (
            Rule(self.random.choice(tuple(Action)), self.peer(), Span("p", 1), self.traffic(), own)
            for _ in range(self.random.randint(0, 3))
        )
        return Rules(tuple(rules), self.random.random() < 0.7)

    def plane(self, name: str) -> Plane:
        policies = [
            Policy(
                "K", "", f"p{number}", Span("p", 1), self.peer(), self.rules(), self.rules(), order=(self.random.randrange(3), "")
            )
            for number in range(self.random.randint(1, 4))
        ]
        half = self.random.randint(0, len(policies))
        tiers = tuple(
            Tier(
                str(number), tuple(sorted(part, key=lambda policy: policy.order)), self.random.choice((Action.DENY, Action.PASS))
            )
            for number, part in enumerate((policies[:half], policies[half:]))
        )
        return Plane(name, tiers, self.random.choice((Action.ALLOW, Action.ALLOW, Action.DENY)))


def labels(random: Random) -> dict[str, str]:
    return {key: random.choice(TEXT) for key in ("a", "b") if random.random() < 0.7}


def other_end(random: Random) -> Entity:
    ports = (NamedPort("web", 6, random.choice((80, 81))),)
    own = (Address(4, 0x0A000000 + random.randrange(8)),)
    return Entity(
        "n2/other", Kind.POD, "n2", labels(random), {"kubernetes.io/metadata.name": "n2"}, addresses=own, ports=ports, node="x"
    )


@SLOW  # type: ignore[untyped-decorator]
@given(st.integers(0, 1 << 32))  # type: ignore[untyped-decorator]
def test_tables_and_z3_read_tests_of_every_form(seed: int) -> None:
    random = Random(seed)
    made_of = Terms(random)
    world = world_of(Cluster())
    policies = PolicySet(world, tuple(made_of.plane(name) for name in ("one", "two")[: random.randint(1, 2)]))
    spaces = frozenset({"n1", "n2"})
    networks = (prefix("10.0.0.0/29"),)
    base = Entity("n1/new-pod", Kind.POD, "n1", {}, {"kubernetes.io/metadata.name": "n1", "a": "ab"})
    new = Entity("new-namespace/new-pod", Kind.POD, "new-namespace")
    pod = random.choice(
        (Possible(base, networks=networks), Possible(new, new_namespace=True, networks=networks, existing=spaces))
    )
    ends_: tuple[End, End] = (pod, other_end(random)) if random.random() < 0.5 else (other_end(random), pod)
    flows = boxes(((6, 80, 81),), 4)
    try:
        made = table(Reader(policies, *ends_, 4, flows).program(), *ends_, flows, 4)
    except TooWide:
        return
    positions = set(random.sample(range(made.count), min(made.count, 60)))
    for position, flow, said in cases(made, flows, 4) if made.count <= 1 << 14 else ():
        if position in positions:
            one, other = entities(ends_, made.assignment(position), flow)
            assert decide(fresh(policies), one, other, flow).admitted is said, (seed, position)
    everything = (1 << made.count) - 1
    for sought, bits in (
        (Sought.ADMITTED, [case.sure for case in made.cases]),
        (Sought.MAY_REFUSE, [everything & ~case.sure for case in made.cases]),
    ):
        answer = exists(policies, [Frame(*ends_)], flows, 4, sought)
        assert isinstance(answer, Example if any(bits) else NoExample), (seed, sought)
    said_of = {answer for _, _, answer in cases(made, flows, 4)} if made.count <= 1 << 14 else set()
    for _ in range(20 if said_of and not pod.new_namespace else 0):
        chosen = replace(
            base,
            name="n1/chosen",
            labels=labels(random),
            account=random.choice(TEXT),
            account_labels=labels(random),
            node=random.choice(TEXT),
            addresses=(Address(4, 0x0A000000 + random.randrange(8)),),
            ports=random.choice(((), (NamedPort("web", 6, 80),))),
        )
        sides = [chosen if isinstance(end, Possible) else end for end in ends_]
        one, other = sides
        assert decide(fresh(policies), one, other, Flow(4, 6, 80)).admitted in said_of, seed
