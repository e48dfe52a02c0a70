"""Asks become questions of choice: addresses that nobody tells apart are one resource, taken ones left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Network
from analyzer.query.ipam.asking import Ask, asks
from analyzer.query.ipam.choices import Answer, Demand, Impossible, Options, Question, Resource, settle
from analyzer.query.ipam.records import Record, records
from analyzer.query.plan import running_pods
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kube_ovn import subnets
from analyzer.ranges import Ranges, difference, intersection, normalised, size
from analyzer.source import Span

CONFLICTS_MOST = 20
Owner = tuple[Prefix, Span, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer, with the asks behind each demand."""

    space: str
    question: Question
    answer: Answer
    asks: tuple[Ask, ...]


def asked(network: Network) -> Iterator[Asked]:
    """The questions of a cluster, one for each space in which addresses are unique; those in which nobody wants anything are not asked."""
    found = asks(network)
    known = list(records(network))
    places = node_places(network)
    for space in sorted({item.space for item in found}):
        mine = tuple(item for item in found if item.space == space and item.count and readable(item))
        if mine:
            question = question_of(network, mine, used(network, known, space), places)
            yield Asked(space, question, settle(question), mine)


def readable(item: Ask) -> bool:
    """Whether the addresses that an ask names could be read: what it wants is else not known, and told of by itself."""
    return item.entries is None or all(item.entries)


def used(network: Network, known: list[Record], space: str) -> dict[int, Ranges]:
    """The addresses of a space that are taken, by family: of its records, and of pods that no record has in another space. What is kept for a pod that
    is not there is that pod's."""
    values: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    elsewhere = {(item.pod, item.address) for item in known if item.space != space}
    for pod in running_pods(network) if not space.startswith("whereabouts/") else ():
        for address in pod.addresses:
            if ((pod.namespace, pod.name), address) not in elsewhere:
                values[address.family].append((address.value, address.value))
    for item in known:
        if item.space == space and not (item.kept and item.pod not in network.cluster.pods):
            values[item.address.family].append((item.address.value, item.address.value))
    return {family: normalised(pairs) for family, pairs in values.items()}


def node_places(network: Network) -> dict[str, int]:
    """How many more pods each node takes, where it says so."""
    there = Counter(pod.node for pod in network.cluster.pods.values() if not pod.finished)
    found: dict[str, int] = {}
    for name, node in sorted(network.cluster.nodes.items()):
        status = node.document.get("status")
        allocatable = status.get("allocatable") if isinstance(status, dict) else None
        text = str(allocatable.get("pods")) if isinstance(allocatable, dict) else ""
        if text.isdecimal() and len(text) < 8:
            found[name] = max(int(text) - there[name], 0)
    return found


@dataclass(frozen=True, slots=True)
class Atoms:
    """Sets of addresses that no ask tells apart: every ask wants all of a set or nothing of it. ``names`` finds that of a single address that is named."""

    parts: Mapping[str, Ranges]
    names: Mapping[Address, str]

    def of(self, family: int, domain: Ranges) -> Options:
        """The sets inside a domain, an option each."""
        found = (name for name, part in self.parts.items() if name[0] == str(family) and intersection(part, domain))
        return tuple((name,) for name in found)


def atoms_of(mine: tuple[Ask, ...]) -> Atoms:
    """Each address that is named is a set of its own; the rest of the domains is parted where they differ."""
    single = sorted({one for item in mine for entry in item.entries or () for one in entry})
    names = {one: f"{one.family}/{one}" for one in single}
    parts: dict[str, Ranges] = {name: ((one.value, one.value),) for one, name in names.items()}
    for family in (4, 6):
        named = normalised((one.value, one.value) for one in single if one.family == family)
        domains = dict.fromkeys(
            domain for item in mine if item.entries is None and item.family == family for domain in domains_of(item)
        )
        rest = difference(normalised(pair for domain in domains for pair in domain), named)
        pieces = [rest] if rest else []
        for domain in domains:
            inner = ((piece, intersection(piece, domain)) for piece in pieces)
            pieces = [found for piece, common in inner for found in (common, difference(piece, common)) if found]
        parts |= {f"{family}/{number}": piece for number, piece in enumerate(pieces)}
    return Atoms(parts, names)


def domains_of(item: Ask) -> list[Ranges]:
    """The domains of an ask: those of its nodes, or its own."""
    return [domain for _, domain in item.by_node] or [item.domain]


def question_of(network: Network, mine: tuple[Ask, ...], taken: dict[int, Ranges], places: dict[str, int]) -> Question:
    """The question of one space."""
    atoms, owners = atoms_of(mine), list(owners_of(network))
    resources = {name: resource(name, part, taken, owners, mine[0].at) for name, part in atoms.parts.items()}
    known: dict[tuple[int, Ranges], Options] = {}
    demands = []
    for item in mine:
        if item.entries is not None:
            options: Options = tuple(
                dict.fromkeys(tuple(dict.fromkeys(atoms.names[one] for one in entry)) for entry in item.entries)
            )
        elif item.by_node:
            options = tuple(dict.fromkeys(node_options(network, item, atoms, places, resources, known)))
        else:
            options = options_of(item.family, item.domain, atoms, known)
        suffix = f" (IPv{item.family})" if item.family == 6 and item.entries is None else ""
        demands.append(Demand(item.title + suffix, item.count, options, item.at))
    return Question(tuple(demands), resources)


def options_of(family: int, domain: Ranges, atoms: Atoms, known: dict[tuple[int, Ranges], Options]) -> Options:
    """The options of a domain, worked out once."""
    if (family, domain) not in known:
        known[family, domain] = atoms.of(family, domain)
    return known[family, domain]


def node_options(
    network: Network,
    item: Ask,
    atoms: Atoms,
    places: dict[str, int],
    resources: dict[str, Resource],
    known: dict[tuple[int, Ranges], Options],
) -> Iterator[tuple[str, ...]]:
    """An address on a node: one of its addresses, and a place on it where it says how many it has. Places count for one family."""
    for node, domain in item.by_node:
        for option in options_of(item.family, domain, atoms, known):
            if node in places and item.family == 4:
                name = f"node/{node}"
                resources[name] = Resource(name, places[node], f"places for pods on node {node}", network.cluster.nodes[node].at)
                yield (*option, name)
            else:
                yield option


def resource(name: str, part: Ranges, taken: dict[int, Ranges], owners: list[Owner], at: Span) -> Resource:
    """A set of addresses with those that are free of it, named by its first and last, and placed where its pool, subnet or node says it."""
    family = int(name[0])
    free = size(difference(part, taken.get(family, ())))
    low, high = Address(family, part[0][0]), Address(family, part[-1][1])
    title = str(low) if low == high else f"{low}-{high}"
    place, owner = next(((place, owner) for prefix, place, owner in owners if prefix.covers(low)), (at, ""))
    return Resource(name, free, f"{title}{owner}", place)


def owners_of(network: Network) -> Iterator[Owner]:
    """Where addresses come from: the network, its place, and words for it."""
    for pool in pools(network):
        yield pool.prefix, pool.fact.place("spec", "cidr"), f" of IPPool {pool.fact.name}"
    for subnet in subnets(network):
        for prefix in subnet.networks:
            yield prefix, subnet.fact.place("spec", "cidrBlock"), f" of subnet {subnet.fact.name}"
    for name, node in sorted(network.cluster.nodes.items()):
        for index, prefix in enumerate(node.pod_cidrs):
            yield prefix, node.place("spec", "podCIDRs", index), f" of node {name}"


def conflicts(network: Network) -> Iterator[Impossible]:
    """The conflicts of all questions: after one, what the others ask for is asked again without those who take part in it."""
    for item in asked(network):
        answer, question = item.answer, item.question
        for _ in range(CONFLICTS_MOST):
            if not isinstance(answer, Impossible):
                break
            yield answer
            rest = tuple(one for one in question.demands if not any(one is other for other in answer.demands))
            question = Question(rest, question.resources)
            answer = settle(question)
