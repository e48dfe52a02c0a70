"""What is wanted of each pod: who may send to it on which ports, and which addresses outside it may send to, from compiled policies.

Flows are TCP, UDP and SCTP to ports from 1: what NetworkPolicies can say. Ends are pods, by their numbers, and addresses of each family: those
outside, and those of nodes where the network system holds blocks against nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from analyzer.addresses import default_prefix
from analyzer.policy.atoms import Atoms
from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors
from analyzer.policy.ports import WITH_PORTS
from analyzer.policy.terms import Box, Kind
from analyzer.query.connectivity.rectangles import Row, columns, rows
from analyzer.query.policies import Policies
from analyzer.ranges import Ranges, contains, difference, intersection, normalised, union

PORTS: Ranges = ((1, 65535),)
PROTOCOLS = (6, 17, 132)
Ports = tuple[tuple[int, Ranges], ...]
EVERY_PORT: Ports = tuple((protocol, PORTS) for protocol in PROTOCOLS)
Addresses = tuple[tuple[int, Ranges], ...]


class Ends(NamedTuple):
    """Other ends: pods as bits, and addresses by family (families without any are left out)."""

    pods: int = 0
    addresses: Addresses = ()

    def __or__(self, other: Ends) -> Ends:
        found = dict(self.addresses)
        for family, ranges in other.addresses:
            found[family] = union(found.get(family, ()), ranges)
        return Ends(self.pods | other.pods, tuple(sorted(found.items())))


Demand = tuple[tuple[Ports, Ends], ...]


class Space(NamedTuple):
    """The addresses of a family: ``counted`` are those outside and those of the nodes that count, ``aside`` those of the pods' networks that nobody
    has, ``held`` those of each pod."""

    family: int
    counted: Ranges
    aside: Ranges
    held: Mapping[int, Ranges]


class Doubt(NamedTuple):
    """Flows of which it is not known whether they are wanted: the ends, and why."""

    source: str
    destination: str
    why: str


@dataclass(frozen=True)
class Scene:
    """Who is there, in all families that are asked about."""

    policies: Policies
    doubts: list[Doubt] = field(default_factory=list)

    @cached_property
    def pods(self) -> tuple[Entity, ...]:
        """The pods; a pod's number is its place."""
        return tuple(sorted(self.policies.world.pods(), key=lambda pod: (pod.namespace, pod.name)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The numbers of the pods by name."""
        return {pod.name: number for number, pod in enumerate(self.pods)}

    @cached_property
    def families(self) -> tuple[int, ...]:
        """The families that are asked about."""
        return self.policies.families()

    @cached_property
    def nodes(self) -> tuple[Entity, ...]:
        """The nodes that blocks can mean."""
        counts = self.policies.profile.blocks_match_nodes is True
        return tuple(item for item in self.policies.world.entities if counts and item.kind is Kind.HOST and item.addresses)

    @cached_property
    def speaking(self) -> dict[int, int]:
        """The pods that have an address of a family, or may."""
        return {
            f: sum(1 << number for number, pod in enumerate(self.pods) if self.policies.speaks(pod, f)) for f in self.families
        }

    @cached_property
    def spaces(self) -> dict[int, Space]:
        """The addresses of each family."""
        return {family: self.space(family) for family in self.families}

    def space(self, family: int) -> Space:
        """The addresses of a family."""
        whole = default_prefix(family)
        nodes = addresses_of(self.nodes, family)
        stated = (item.prefix for item in self.policies.world.cluster.ranges if item.purpose == "pod" and item.prefix.length)
        networks = normalised((one.value, one.last) for one in stated if one.family == family)
        owned = addresses_of(self.policies.world.entities, family)
        outside = difference(difference(((whole.value, whole.last),), owned), networks)
        own = {number: ranges for number, pod in enumerate(self.pods) if (ranges := addresses_of((pod,), family))}
        return Space(family, union(outside, nodes), difference(networks, owned), own)

    def families_spoken(self, number: int) -> tuple[int, ...]:
        """The families that a pod speaks, of those that are asked about."""
        return tuple(family for family in self.families if self.speaking[family] >> number & 1)

    def itself(self, number: int) -> int:
        """A pod as bits, where it is one pod: it always reaches itself, whatever policies say."""
        return 1 << number if self.pods[number].replicas == 1 else 0


def addresses_of(entities: Iterable[Entity], family: int) -> Ranges:
    """The addresses of a family that entities have."""
    own = (address.value for entity in entities for address in entity.addresses if address.family == family)
    return normalised((value, value) for value in own)


def incoming(scene: Scene) -> list[Demand]:
    """For each pod who may send to it."""
    return of_families(scene, lambda side: columns(side.factors, side.factors.universe.all, side.pods), into=True)


def outgoing(scene: Scene) -> list[Demand]:
    """For each pod which addresses it may send to; pods are left to ``incoming``."""
    return of_families(scene, lambda side: rows(side.factors, side.pods, side.factors.universe.all & ~side.pods), into=False)


class Side:
    """The classes of one family as ends."""

    def __init__(self, scene: Scene, family: int) -> None:
        self.scene, self.family = scene, family
        self.factors: Factors = scene.policies.factors(family)
        universe = self.factors.universe
        self.pods = universe.kinds[Kind.POD]
        self.flows = self.factors.atoms.of_box(Box(WITH_PORTS, PORTS))
        self.counted = scene.spaces[family].counted
        self.nodes = {node.name for node in scene.nodes}
        self.each = [self.of_class(number) for number in range(len(universe.classes))]
        self.known: dict[int, Ends] = {}

    def of_class(self, number: int) -> Ends:
        """One class."""
        universe = self.factors.universe
        match universe.classes[number].kind:
            case Kind.POD:
                numbers = (self.scene.numbers[pod.name] for pod in universe.members[number])
                return Ends(sum(1 << place for place in numbers) & self.scene.speaking[self.family])
            case Kind.HOST:
                inside = (node for node in universe.members[number] if node.name in self.nodes)
                found = addresses_of(inside, self.family)
            case Kind.OUTSIDE:
                blocks = universe.classes[number].blocks
                found = intersection(normalised((block.value, block.last) for block in blocks), self.counted)
                found = difference(found, addresses_of(self.scene.nodes, self.family))
        return Ends(0, ((self.family, found),) if found else ())

    def ends(self, classes: int) -> Ends:
        """Several classes."""
        found = self.known.get(classes)
        if found is None:
            pods, ranges = 0, []
            for number in members(classes):
                pods |= self.each[number].pods
                ranges += [pair for _, own in self.each[number].addresses for pair in own]
            found = self.known[classes] = Ends(pods, ((self.family, normalised(ranges)),) if ranges else ())
        return found


def of_families(scene: Scene, read: Callable[[Side], Mapping[Row, int]], *, into: bool) -> list[Demand]:
    """What is wanted of each pod in all families."""
    found: list[list[Demand]] = [[] for _ in scene.pods]
    for family in scene.families:
        side = Side(scene, family)
        for row, classes in read(side).items():
            pods = side.ends(classes).pods
            demand = demand_of(side, row, pods, into=into) if pods else ()
            for number in members(pods):
                found[number].append(demand)
    known: dict[tuple[Demand, ...], Demand] = {}
    return [known.setdefault(tuple(each), merged(each)) for each in found]


def demand_of(side: Side, row: Row, pods: int, *, into: bool) -> Demand:
    """One row as a demand; what of it is not certain is noted."""
    found: dict[Ports, Ends] = {}
    for part in row:
        ports, ends = ports_of(side.factors.atoms, part.flows & side.flows), side.ends(part.others)
        if part.why and pods & (pods - 1) == 0:
            ends = ends._replace(pods=ends.pods & ~side.scene.itself(pods.bit_length() - 1))
        if not ports or not (ends.pods or ends.addresses):
            continue
        if part.why:
            side.scene.doubts.append(doubt(side, ends, pods, part.why, into=into))
        found[ports] = found.get(ports, Ends()) | ends
    return tuple(sorted(found.items()))


def doubt(side: Side, ends: Ends, pods: int, why: str, *, into: bool) -> Doubt:
    """What is not certain, by the first of its ends."""
    own = side.scene.pods[(pods & -pods).bit_length() - 1].name
    other = side.scene.pods[(ends.pods & -ends.pods).bit_length() - 1].name if ends.pods else "outside"
    return Doubt(other, own, why) if into else Doubt(own, other, why)


def merged(demands: Iterable[Demand]) -> Demand:
    """What is wanted in several families together."""
    found: dict[Ports, Ends] = {}
    for ports, ends in (item for demand in demands for item in demand):
        found[ports] = found.get(ports, Ends()) | ends
    return tuple(sorted(found.items()))


def ports_of(atoms: Atoms, flows: int) -> Ports:
    """A set of flows as protocols with their ports; source ports aside."""
    found: dict[int, Ranges] = {}
    for protocols, ranges in atoms.ports(flows):
        for protocol in PROTOCOLS:
            if protocols[0] <= protocol <= protocols[1] and (own := intersection(ranges, PORTS)):
                found[protocol] = union(found.get(protocol, ()), own)
    return tuple(sorted(found.items()))


def by_port(demand: Demand) -> Demand:
    """The same with ports apart from each other, each with all of its ends; as it stands, ends are apart from each other."""
    found: dict[Ends, dict[int, list[tuple[int, int]]]] = {}
    for protocol in PROTOCOLS:
        of_protocol = [(ranges, own) for ports, own in demand for number, ranges in ports if number == protocol]
        for low, high in pieces(demand, protocol):
            ends = Ends()
            for ranges, own in of_protocol:
                ends |= own if contains(ranges, low) else Ends()
            found.setdefault(ends, {}).setdefault(protocol, []).append((low, high))
    gathered = ((ends, {protocol: normalised(pairs) for protocol, pairs in ports.items()}) for ends, ports in found.items())
    apart = [(tuple(sorted(ports.items())), ends) for ends, ports in gathered if ends != Ends()]
    return tuple(sorted((simplest(ports, ends, apart), ends) for ports, ends in apart))


def simplest(ports: Ports, ends: Ends, every: Sequence[tuple[Ports, Ends]]) -> Ports:
    """The ports, or all that are wanted of these ends and of others, where that is less to write."""
    more: dict[int, Ranges] = {}
    for own, others in every:
        if ends | others == others:
            for protocol, ranges in own:
                more[protocol] = union(more.get(protocol, ()), ranges)
    wider = tuple(sorted(more.items()))
    return wider if length(wider) < length(ports) else ports


def length(ports: Ports) -> int:
    """How many ports and ranges are written."""
    return 0 if ports == EVERY_PORT else sum(len(ranges) for _, ranges in ports)


def pieces(demand: Demand, protocol: int) -> Iterator[tuple[int, int]]:
    """The ranges of ports of a protocol that the demand tells apart."""
    own = [ranges for ports, _ in demand for number, ranges in ports if number == protocol]
    edges = sorted({edge for ranges in own for low, high in ranges for edge in (low, high + 1)})
    yield from ((low, after - 1) for low, after in pairwise(edges))
