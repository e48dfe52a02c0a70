"""The verdicts on the guarantees, over all packets (TCP, UDP and SCTP on every port, and pings) between the pods, nodes and services of the capture.

Each family is decided by itself. A proof holds for every packet of the scope; a refutation shows a packet that the concrete walk has sent;
what a policy may want to be cut is neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import or_

from analyzer.addresses import Address
from analyzer.findings import Guarantee, Verdict
from analyzer.model.network import Network
from analyzer.query import tracked
from analyzer.query.alike.callers import telling
from analyzer.query.alike.told import AT_ONCE
from analyzer.query.causes import Breach, Broken
from analyzer.query.choosing import sendings
from analyzer.query.encapsulated import closed, taken
from analyzer.query.failures import ADMITTED, LATER, LOST, OPENING, REPLY, SEEN_DESTINATION, SEEN_SOURCE, UNFAMILIAR, WRONG
from analyzer.query.flows import PORTED, PORTS, Aim, aims
from analyzer.query.grouping import Group, addresses_of, grouped, node_groups
from analyzer.query.listed_services import UNSAID, excused, listed_portals, unshown
from analyzer.query.name_caches import cached
from analyzer.query.neglect import neglect
from analyzer.query.outside import Gate, entrances, from_outside, gates
from analyzer.query.parties import (
    Party,
    Portal,
    absent_nodes,
    absent_pods,
    addresses,
    captured,
    decidable,
    families,
    nearby,
    nodes,
    owners,
    pods,
    portals,
)
from analyzer.query.policies import of_network
from analyzer.query.published import at_published_addresses, by_sources
from analyzer.query.reach import Reach, decided, united
from analyzer.query.sending import asking_ports
from analyzer.query.static import (
    ENFORCED,
    NO_GATE,
    NO_POLICY,
    ORDER,
    OUTSIDE,
    STATIC,
    Answer,
    counted,
    inapplicable,
    nobody,
    unread,
)
from analyzer.transfer.graph import NetworkProgram

CUT = (LOST, WRONG, REPLY, OPENING, LATER)
SEEN = (SEEN_SOURCE, SEEN_DESTINATION)
NAMES = {4: "IPv4", 6: "IPv6"}
MANY = 40
EVERY = ("Cluster", "Local")
COSTLY = ("services", "pods", "nodes to pods", "pods to nodes")


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdicts, and the pairs that fail one."""

    guarantees: tuple[Guarantee, ...]
    breaches: tuple[Breach, ...]

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Every pair that fails one, by itself."""
        return tuple(one for breach in self.breaches for one in breach.each())


@dataclass(frozen=True, slots=True)
class Case:
    """A guarantee about flows: which flows, which failures of them. ``note``: why it is no error where it fails.
    ``governed``: it is about pairs that policies say something of; ``beside``: flows of which it is about what policies deny."""

    id: str
    flows: str
    kinds: tuple[str, ...]
    note: str = ""
    governed: bool = False
    beside: tuple[str, ...] = ()


CASES = (
    Case("pod-to-pod", "pods", CUT),
    Case("pod-to-pod-without-nat", "pods", SEEN),
    Case("node-to-pod", "nodes to pods", CUT),
    Case("node-to-pod-without-nat", "nodes to pods", SEEN),
    Case(
        "pod-to-node-without-nat",
        "pods to nodes",
        SEEN,
        "by design: ipMasq of flannel and others translates pods' packets to nodes",
    ),
    Case("pod-sees-its-own-address", "pods", (SEEN_SOURCE, UNFAMILIAR)),
    Case("pod-to-service", "services", CUT),
    Case(ENFORCED, "pods", (ADMITTED, *CUT), governed=True, beside=("services", OUTSIDE)),
)
BESIDE = tuple(flows for case in CASES for flows in case.beside)


Key = tuple[str, int]
Task = tuple[Key, Group | Gate]
Spread = Callable[[Sequence[Task], Callable[[Task], Reach]], Sequence[Reach]]


def one_by_one(tasks: Sequence[Task], work: Callable[[Task], Reach]) -> Sequence[Reach]:
    """All tasks one after the other."""
    return [work(task) for task in tasks]


def decide(network: Network, only: Sequence[str] = (), spread: Spread = one_by_one, least: int = MANY) -> Decided:
    """The verdicts in the order of the contract; ``only`` some of them. ``spread`` may decide flows side by side, of at ``least`` so many senders."""
    wanted = [identifier for identifier in ORDER if not only or identifier in only]
    found = reaches(network, keys_of(network, wanted), spread, least)
    answers = [answer(network, identifier, found) for identifier in wanted]
    return Decided(tuple(one for one, _ in answers), tuple(item for _, broken in answers for item in broken))


def keys_of(network: Network, wanted: Sequence[str] = ORDER) -> list[Key]:
    """The kinds of flows that guarantees are about, in each family."""
    flows = dict.fromkeys(case.flows for case in sorted(CASES, key=lambda case: COSTLY.index(case.flows)) if case.id in wanted)
    flows |= {OUTSIDE: None} if OUTSIDE in wanted else {}
    flows |= dict.fromkeys(BESIDE) if ENFORCED in wanted and not of_network(network).none else {}
    return [(name, family) for name in flows for family in families(network)]


def reaches(network: Network, keys: Sequence[Key], spread: Spread, least: int = MANY) -> dict[Key, Reach]:
    """What is known of the flows of each kind and family."""
    tasks = [(key, group) for key in keys for group in GROUPS[key[0]](network, key[1])]
    versions = {family for _, family in keys}
    programs = {family: NetworkProgram(network, family) for family in versions}
    dead = {family: neglect(network, family) for family in versions}

    def work(task: Task) -> Reach:
        (_, family), group = task
        if isinstance(group, Gate):
            return from_outside(network, programs[family], group, dead[family])
        return excused(decided(network, programs[family], group, dead[family]), group)

    many = sum(len(group.senders) for _, group in tasks) >= least
    parts = (spread if many else one_by_one)(tasks, work)
    found = {key: united([part for (own, _), part in zip(tasks, parts, strict=True) if own == key]) for key in keys}
    for reach in found.values():
        reach.assumptions.update(dict.fromkeys(tracked.assumed(network)))
    return found


def answer(network: Network, identifier: str, found: Mapping[Key, Reach]) -> Answer:
    """The verdict on one guarantee."""
    if identifier in STATIC:
        return STATIC[identifier](network)
    if identifier == OUTSIDE:
        return outside(network, found)
    case = next(case for case in CASES if case.id == identifier)
    if case.governed and of_network(network).none:
        return inapplicable(case.id, NO_POLICY)
    own = {family: reach for (flows, family), reach in found.items() if flows == case.flows}
    beside = {key: arriving(reach) for key, reach in found.items() if key[0] in case.beside and reach.governed}
    every = {family: united((own[family], *(one for (_, other), one in beside.items() if other == family))) for family in own}
    return flow_answer(network, case, every, ", also through services" if beside else "")


def arriving(reach: Reach) -> Reach:
    """What is known of flows, as far as it is about what policies deny."""
    found = Reach([one for one in reach.failures if one.kind == ADMITTED], {}, reach.assumptions, unenforced=reach.unenforced)
    found.pairs, found.governed, found.share = reach.pairs, reach.governed, reach.share
    return found


def flow_answer(network: Network, case: Case, found: Mapping[int, Reach], through: str = "") -> Answer:
    """The verdict on a guarantee about flows, over every family that the pods have."""
    reaches = {family: reach for family, reach in sorted(found.items()) if (reach.governed if case.governed else reach.pairs)}
    if not reaches:
        return nobody(case.id)
    scope = f"{size(network, case, tuple(reaches))}{through}, {' and '.join(NAMES[family] for family in reaches)}"
    return verdict(case, reaches, scope, unseen(network, case, reaches))


def unseen(network: Network, case: Case, found: Iterable[int]) -> str:
    """In words: who is a party too by the API, and was not captured."""
    every = dict.fromkeys(name for family in found for name in absent_pods(network, family))
    every |= dict.fromkeys(name for name in absent_nodes(network) if case.flows in ("nodes to pods", "pods to nodes"))
    names = list(every)
    more = f" and {len(names) - 1} more were" if len(names) > 1 else " was"
    return f"{names[0]}{more} not captured; between the others it holds" if names else next(unread(network), "")


def verdict(case: Case, reaches: Mapping[int, Reach], scope: str, absent: str = "") -> Answer:
    """What the flows of each family amount to. ``absent``: of whom nothing is known."""
    broken = [item for reach in reaches.values() for item in reach.broken(case.id, case.kinds, case.governed)]
    pairs = sum(reach.ruled if case.governed else reach.pairs for reach in reaches.values())
    assumptions = tuple(dict.fromkeys(text for reach in reaches.values() for text in reach.assumptions))
    doubts = list(dict.fromkeys(text for reach in reaches.values() for text in doubts_of(reach, case)))
    left = len(reduce(or_, (reach.left for reach in reaches.values())))
    silent = sum(map(unheard, reaches.values())) if case.kinds != CUT and not case.governed else 0
    open_ended = doubts or left or silent >= pairs
    word = Verdict.REFUTED if broken else Verdict.UNDECIDED if open_ended or absent else Verdict.PROVED
    unheard_of = f"{silent} of {pairs} pairs do not talk at all" if silent else ""
    reason = reason_of(case, broken, doubts, left, pairs) or (unheard_of if open_ended else absent or unheard_of)
    shown = next((item.counterexample for item in broken if item.counterexample is not None), None)
    asked = united(tuple(reaches.values())).share.words(sum(reach.pairs for reach in reaches.values()))
    return (
        Guarantee(
            case.id,
            word,
            scope,
            reason,
            shown,
            assumptions,
            sum(len(one.pairs) for one in broken),
            pairs,
            bool(broken and case.note),
            cross_checked=asked if word is Verdict.PROVED else "",
        ),
        () if case.note else tuple(broken),
    )


def unheard(reach: Reach) -> int:
    """How many pairs fail of which nothing arrives, so that nothing is said of what is seen of them."""
    return sum(len(one.pairs - reach.heard) for one in reach.broken("", CUT))


def doubts_of(reach: Reach, case: Case) -> Iterator[str]:
    """What is not known of some flows, for a guarantee."""
    yield from reach.doubts
    if case.governed:
        yield from reach.unenforced


def reason_of(case: Case, broken: Sequence[Breach], doubts: Sequence[str], left: int, pairs: int) -> str:
    """The verdict's reason, in words."""
    if broken:
        note = f" ({case.note})" if case.note else ""
        source, target = broken[0].pairs.first()
        failing = sum(len(one.pairs) for one in broken)
        return f"{failing} of {pairs} pairs fail: {source} to {target}: {broken[0].reason}{note}"
    if doubts:
        more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
        return doubts[0] + more
    if left:
        return f"{left} pairs are cut, and it is not known whether policies want it"
    return ""


def size(network: Network, case: Case, found: tuple[int, ...]) -> str:
    """Over how much the verdict is."""
    some_pods = {party.name for family in found for party in pods(network, family)}
    some_nodes = {party.name for family in found for party in nodes(network, family)}
    text = f"{counted(len(some_pods), 'pod')} on {counted(len({p.scope.node for f in found for p in pods(network, f)}), 'node')}"
    if case.flows == "services":
        every = [(family, (*portals(network, family, EVERY), *listed_portals(network, family))) for family in found]
        decided = [(family, captured(network, family, some)) for family, some in every]
        decided_ports = sum(len(some) for _, some in decided)
        rest = sum(len(some) + unshown(network, family) for family, some in every) - decided_ports
        outer = sum(1 for family, some in decided for _ in at_published_addresses(some, family))
        more = f", {outer} of them at addresses for outside too" if outer else ""
        why = f" ({rest} more are left out: their endpoints were not captured)" if rest else ""
        return f"{text}, {counted(decided_ports, 'service port')}{more}{why}"
    return text if case.flows == "pods" else f"{text}, {counted(len(some_nodes), 'node')}"


def between_pods(network: Network, family: int) -> Iterator[Group]:
    """Every pod to every pod."""
    found = pods(network, family)
    if len(found) > 1:
        yield from pods_to(network, found, owners(found), family)


def pods_to(
    network: Network, sources: tuple[Party, ...], targets: Mapping[int, tuple[Party, ...]], family: int
) -> Iterator[Group]:
    """Every pod to the targets, from each source that the pod's routes choose."""
    holders = {value: frozenset(party.scope for party in found) for value, found in targets.items()}
    names = {value: tuple(party.name for party in found) for value, found in targets.items()}
    sent = sendings(network, sources, addresses(party for found in targets.values() for party in found), tuple(targets))
    return grouped(network, sent, aims(family, holders, closed(network).ports, taken(network)), names, targets, PORTS)


def pods_to_nodes(network: Network, family: int) -> Iterator[Group]:
    """Every pod to every node."""
    targets = owners(nodes(network, family))
    if targets:
        yield from pods_to(network, pods(network, family), targets, family)


def nodes_to_pods(network: Network, family: int) -> Iterator[Group]:
    """Every node to every pod, from the sources that the node's routes choose."""
    return node_groups(network, nodes(network, family), owners(pods(network, family)), partial(aims, family, of=taken(network)))


def pods_to_services(network: Network, family: int) -> Iterator[Group]:
    """Every pod to every service port that has a ready endpoint in the capture; some nodes' pods at once. With internalTrafficPolicy Local the pods
    of a node to the endpoints there: where there is none, packets are dropped by design. To addresses for the world outside, who may ask there."""
    found, every = pods(network, family), decidable(network, family, EVERY)
    hosts, outer = sorted({party.scope.node for party in found}), list(at_published_addresses(every, family))
    shown = captured(network, family, tuple(listed_portals(network, family)))
    cluster, local = (tuple(one for one in (*every, *shown) if one.internal_policy == policy) for policy in EVERY)
    everyone = (*cluster, *(one.portal for one in outer if not one.sources))
    by_few, rest = telling(network, everyone) if of_network(network).none else ((), everyone)
    if by_few:
        yield from to_portals(network, family, found, by_few)
    for start in range(0, len(hosts) if rest else 0, AT_ONCE):
        near = tuple(party for party in found if party.scope.node in hosts[start : start + AT_ONCE])
        yield from to_portals(network, family, near, rest)
    for host in hosts if local else ():
        mine = tuple(replace(portal, endpoints=own) for portal in local if (own := nearby(network, portal, host)))
        if mine:
            yield from to_portals(network, family, tuple(party for party in found if party.scope.node == host), mine)
    if unsaid := tuple(one for one in shown if not one.internal_policy):
        yield from (replace(group, excuse=UNSAID) for group in to_portals(network, family, found, unsaid))
    for first, portals_of_some in by_sources([one for one in outer if one.sources]):
        yield from to_portals(network, family, found, portals_of_some, first.admits)


def everybody(source: Address) -> bool:
    """Whoever asks, may."""
    del source
    return True


def to_portals(
    network: Network,
    family: int,
    senders: Sequence[Party],
    known: Sequence[Portal],
    admits: Callable[[Address], bool] = everybody,
) -> Iterator[Group]:
    """Some pods to some service ports, from the addresses that may ask."""
    found = pods(network, family)
    holders = {value: frozenset(p.scope for p in parties) for value, parties in owners((*found, *nodes(network, family))).items()}
    translated: dict[tuple[int, int, int], frozenset[tuple[int, int]]] = {}
    caches = cached(network)
    for one in known:
        asked, kept = (one.protocol, one.address.value, one.port), caches.get(one.address, frozenset())
        translated[asked] = translated.get(asked, frozenset()) | one.endpoints
        if kept:
            translated[asked] |= {(one.address.value, one.port)}
            holders[one.address.value] = holders.get(one.address.value, frozenset()) | kept
    aim = Aim(family, PORTED, PORTS, holders, translated)
    names: dict[int, tuple[str, ...]] = {}
    for portal in known:
        names[portal.address.value] = tuple(dict.fromkeys((*names.get(portal.address.value, ()), portal_name(portal))))
    sent = sendings(network, senders, addresses_of(names), tuple(names))
    asking = (one for one in sent if admits(Address(family, one.source)))
    yield from grouped(network, asking, (aim,), names, ports=asking_ports(network))


def portal_name(portal: Portal) -> str:
    """What a service is called at an address."""
    cluster = portal.service is None or portal.address in portal.service.cluster_addresses
    return f"svc:{portal.name}" if cluster else f"svc:{portal.name} at {portal.address}"


GROUPS: Mapping[str, Callable[[Network, int], Iterator[Group] | Iterator[Gate]]] = {
    "pods": between_pods,
    "nodes to pods": nodes_to_pods,
    "pods to nodes": pods_to_nodes,
    "services": pods_to_services,
    OUTSIDE: gates,
}


def outside(network: Network, found: Mapping[Key, Reach]) -> Answer:
    """Node ports from outside, on every node that is to answer."""
    reaches = {family: reach for (flows, family), reach in sorted(found.items()) if flows == OUTSIDE and reach.pairs}
    if not reaches:
        known = any(portal.node_port for family in families(network) for portal in portals(network, family, EVERY))
        why = "no endpoint, or no interface that leads outside, was captured" if known else NO_GATE
        return inapplicable(OUTSIDE, why)
    ways = {party.name for family in reaches for party, _ in entrances(network, family)}
    scope = f"{counted(sum(reach.pairs for reach in reaches.values()), 'port')} for outside on {counted(len(ways), 'node')}"
    every = sum(bool(one.node_port) for family in reaches for one in portals(network, family, EVERY))
    rest = every - sum(bool(one.node_port) for family in reaches for one in decidable(network, family, EVERY))
    why = f" ({counted(rest, 'service port')} left out: their endpoints were not captured)" if rest else ""
    scope += f"{why}, {' and '.join(NAMES[family] for family in reaches)}"
    return verdict(Case(OUTSIDE, OUTSIDE, CUT), reaches, scope, next(unread(network), ""))
