"""Asks become questions of choice: addresses that nobody tells apart are one resource, taken ones left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.ipam.asking import Ask, asks
from analyzer.query.ipam.choices import Answer, Demand, Impossible, Question, Resource, settle
from analyzer.query.ipam.records import Record, records
from analyzer.query.plan import running_pods
from analyzer.query.systems.calico import pools
from analyzer.query.systems.kube_ovn import subnets
from analyzer.ranges import Ranges, difference, intersection, normalised, size
from analyzer.source import Span

CONFLICTS_MOST = 20


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


def question_of(network: Network, mine: tuple[Ask, ...], taken: dict[int, Ranges], places: dict[str, int]) -> Question:
    """The question of one space."""
    atoms = {family: atoms_of(family, mine) for family in (4, 6)}
    resources: dict[str, Resource] = {}
    for family, parts in atoms.items():
        for number, part in enumerate(parts):
            resources[f"{family}/{number}"] = resource(network, family, number, part, taken.get(family, ()), mine[0].at)
    demands = []
    for item in mine:
        if item.entries is not None:
            options = [tuple(dict.fromkeys(name for one in entry for name in names_of(one, atoms))) for entry in item.entries]
            options = [option for option, entry in zip(options, item.entries, strict=True) if len(option) == len(set(entry))]
        elif item.by_node:
            options = list(node_options(network, item, atoms[item.family], places, resources))
        else:
            options = [
                (f"{item.family}/{number}",) for number, part in enumerate(atoms[item.family]) if intersection(part, item.domain)
            ]
        suffix = f" (IPv{item.family})" if item.family == 6 and item.entries is None else ""
        demands.append(Demand(item.title + suffix, item.count, tuple(dict.fromkeys(options)), item.at))
    return Question(tuple(demands), resources)


def atoms_of(family: int, mine: tuple[Ask, ...]) -> list[Ranges]:
    """Sets of addresses of a family that no ask tells apart: every ask wants all of a set or nothing of it."""
    domains: list[Ranges] = []
    for item in mine:
        if item.entries is not None:
            domains += [((one.value, one.value),) for entry in item.entries for one in entry if one.family == family]
        elif item.family == family:
            domains += [domain for _, domain in item.by_node] or [item.domain]
    rest = normalised(pair for domain in domains for pair in domain)
    parts = [rest] if rest else []
    for domain in dict.fromkeys(domains):
        inner = ((part, intersection(part, domain)) for part in parts)
        parts = [piece for part, common in inner for piece in (common, difference(part, common)) if piece]
    return parts


def names_of(one: Address, atoms: dict[int, list[Ranges]]) -> Iterator[str]:
    """The set that holds a single address."""
    for number, part in enumerate(atoms[one.family]):
        if intersection(part, ((one.value, one.value),)):
            yield f"{one.family}/{number}"


def node_options(
    network: Network, item: Ask, parts: list[Ranges], places: dict[str, int], resources: dict[str, Resource]
) -> Iterator[tuple[str, ...]]:
    """An address on a node: one of its addresses, and a place on it where it says how many it has. Places count for one family."""
    for node, domain in item.by_node:
        for number, part in enumerate(parts):
            if not intersection(part, domain):
                continue
            option: tuple[str, ...] = (f"{item.family}/{number}",)
            if node in places and item.family == 4:
                name = f"node/{node}"
                resources[name] = Resource(name, places[node], f"places for pods on node {node}", network.cluster.nodes[node].at)
                option = (*option, name)
            yield option


def resource(network: Network, family: int, number: int, part: Ranges, taken: Ranges, at: Span) -> Resource:
    """A set of addresses with those that are free of it, named by its first and last, and placed where its pool, subnet or node says it."""
    free = size(difference(part, taken))
    low, high = Address(family, part[0][0]), Address(family, part[-1][1])
    title = str(low) if low == high else f"{low}-{high}"
    place, owner = owner_of(network, low, at)
    return Resource(f"{family}/{number}", free, f"{title}{owner}", place)


def owner_of(network: Network, low: Address, at: Span) -> tuple[Span, str]:
    """Where an address comes from."""
    for pool in pools(network):
        if pool.prefix.covers(low):
            return pool.fact.place("spec", "cidr"), f" of IPPool {pool.fact.name}"
    for subnet in subnets(network):
        if any(prefix.covers(low) for prefix in subnet.networks):
            return subnet.fact.place("spec", "cidrBlock"), f" of subnet {subnet.fact.name}"
    for name, node in sorted(network.cluster.nodes.items()):
        for index, prefix in enumerate(node.pod_cidrs):
            if prefix.covers(low):
                return node.place("spec", "podCIDRs", index), f" of node {name}"
    return at, ""


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
