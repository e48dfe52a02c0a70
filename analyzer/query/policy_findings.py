"""What is to be said of policies as they are written: looked up here for the rules in ``rules/policies``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.network import Network
from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.planes import kinds
from analyzer.policy.reading import Complaint, group_of
from analyzer.policy.redundancy import Redundant, redundancies
from analyzer.policy.terms import EVERYONE, All, AnyOf, Kind, LabelIn, Named, Not, Of, Peer, PortName, Traffic, leaves
from analyzer.policy.tiers import Action, Direction, Policy, Rule
from analyzer.policy.words import peer_words, traffic_words
from analyzer.query.near_labels import BUILT_IN, Near, asked, near_namespace, near_pod, place_of, text_below
from analyzer.query.operators import operated
from analyzer.query.policies import Identity, Policies, Whole, known, of_network, profile_of
from analyzer.query.slips import LEAST
from analyzer.query.workloads import pods_wanted
from analyzer.source import Span

__all__ = ["BUILT_IN", "Action", "Complaint", "Redundant", "peer_words", "traffic_words"]


SELECTORS = ("podSelector", "endpointSelector", "nodeSelector", "selector", "subject", "appliedTo")


class Idle(NamedTuple):
    """A rule whose peers, or one of them, match nobody."""

    policy: Policy
    rule: Rule
    peer: Peer


def complaints(network: Network, *, rejected: bool) -> Iterator[Complaint]:
    """What is wrong with policies: what the API server would not take, or what does something else than it seems to say."""
    yield from dict.fromkeys(item for item in of_network(network).all.complaints if item.rejected is rejected)


def policy_objects(network: Network) -> Iterator[OtherObjectFact]:
    """The objects that are policies."""
    known = kinds()
    return (item for item in network.cluster.others if f"{group_of(item)}/{item.kind}" in known)


def written(network: Network) -> tuple[Policy, ...]:
    """The policies that somebody wrote and that can be read, each once; not those that a network system has of itself."""
    return found_written(Whole(network))


@lru_cache(maxsize=4)
def found_written(key: Whole) -> tuple[Policy, ...]:
    """The same, once for all who ask."""
    network = key.network
    names = {(item.kind, item.namespace, item.name) for item in policy_objects(network)}
    every = dict.fromkeys(of_network(network).all.policies())
    return tuple(policy for policy in every if policy.readable and (policy.kind, policy.namespace, policy.name) in names)


def selector_place(network: Network, policy: Policy) -> Span:
    """Where a policy says whom it selects; its own place where it says nothing."""
    item = policy_objects_by_name(Whole(network)).get(name_of(policy))
    if item is None:
        return policy.at
    whole = item.place("spec")
    places = (item.place("spec", key) for key in SELECTORS)
    return next((at for at in places if at != whole), policy.at)


@lru_cache(maxsize=1)
def policy_objects_by_name(whole: Whole) -> dict[tuple[str, str, str], OtherObjectFact]:
    """The objects that are policies by kind, namespace and name, the first of each; once for all who ask."""
    return {(item.kind, item.namespace, item.name): item for item in reversed([*policy_objects(whole.network)])}


def homeless(network: Network) -> Iterator[OtherObjectFact]:
    """Policies in a namespace that is not among those given, where any are given, and in which nothing else is."""
    given = of_network(network).world.given
    lived = {item.namespace for item in pods_wanted(network)} | {namespace for namespace, _ in network.cluster.services}
    there = given | BUILT_IN | lived if given else given
    return (item for item in policy_objects(network) if there and item.namespace and item.namespace not in there)


def captured(network: Network) -> bool:
    """Whether the input is of a whole cluster, so that who is not in it is not there; not where pods are only listed, of whose labels nothing is shown."""
    return {"Node", "Pod"} <= network.cluster.known and not network.cluster.listed.pods


def on_hosts(network: Network, policy: Policy) -> tuple[Entity, ...]:
    """The pods in their node's network that a policy would select if they were in one of their own."""
    return tuple(entity for entity, as_pod in host_pods(Whole(network)) if holds(policy.subject, as_pod, 4))


@lru_cache(maxsize=1)
def host_pods(whole: Whole) -> tuple[tuple[Entity, Entity], ...]:
    """The pods in their node's network, each also as one that has its own; once for all who ask."""
    hosts = (entity for entity in of_network(whole.network).world.entities if entity.kind is Kind.HOST and entity.namespace)
    return tuple((entity, replace(entity, kind=Kind.POD)) for entity in hosts)


def unselective(network: Network) -> Iterator[Policy]:
    """Policies that select nobody. Of manifests: where the namespace has pods in the input, so that theirs are not just elsewhere."""
    found = of_network(network)
    populated = Counter(entity.namespace for entity in found.world.entities)
    selecting = {name_of(policy) for policy in written(network) if selects_somebody(found, policy)}
    for policy in written(network):
        if name_of(policy) in selecting:
            continue
        here = policy.namespace and populated[policy.namespace]
        there = captured(network) or (here and (not operated(network, policy.namespace) or misspelt(found, policy.subject)))
        if there or on_hosts(network, policy) or near_namespace(network, policy.subject):
            selecting.add(name_of(policy))
            yield policy


def name_of(policy: Policy) -> tuple[str, str, str]:
    """The object that a policy is of: one may be several policies, for pods and for nodes."""
    return policy.kind, policy.namespace, policy.name


def selects_somebody(found: Policies, policy: Policy) -> bool:
    """Whether a policy selects anybody, or may."""
    return any(found.factors(family).universe.sides(policy.subject)[1] for family in found.families())


def idle(network: Network) -> Iterator[Idle]:
    """Rules with peers that match nobody, inside or outside. Of manifests: where pods of the namespaces that are meant are in the input."""
    found = of_network(network)
    every: dict[Line, list[tuple[Policy, Rule]]] = {}
    for policy in written(network):
        for direction in Direction:
            rules = policy.direction(direction)
            for rule in rules.rules if rules is not None else ():
                every.setdefault(line_of(policy, direction, rule), []).append((policy, rule))
    for cases in every.values():
        yield from idle_in(network, found, cases)


def idle_in(network: Network, found: Policies, cases: list[tuple[Policy, Rule]]) -> Iterator[Idle]:
    """The peers of a rule that match nobody. Where it is several here (by the namespaces of its subjects, or for nodes): one, if all of them do."""
    if len(cases) == 1:
        policy, rule = cases[0]
        peers = rule.peer.terms if isinstance(rule.peer, AnyOf) else (rule.peer,)
        yield from (Idle(policy, rule, peer) for peer in peers if matches_nobody(network, found, peer))
    elif all(matches_nobody(network, found, rule.peer) for _, rule in cases):
        yield Idle(*cases[0], cases[0][1].peer)


def matches_nobody(network: Network, found: Policies, peer: Peer) -> bool:
    """Whether a peer matches nobody, and somebody could be expected to be there."""
    if any(found.factors(family).universe.sides(peer)[1] for family in found.families()):
        return False
    if any(isinstance(leaf, Named) and leaf.of is Of.SERVICE for leaf in leaves(peer)):
        return False
    if near_namespace(network, peer) is not None:
        return True
    within = All(tuple(term for term in terms_of(peer) if about_namespaces(term)))
    universe = found.factors(found.families()[0]).universe
    there = universe.sides(within)[1] & universe.kinds[Kind.POD] if within != EVERYONE else 0
    spaces = {entity.namespace for position in members(there) for entity in universe.members[position]}
    made = any(operated(network, namespace) for namespace in spaces)
    return captured(network) or bool(there and (not made or misspelt(found, peer)))


def misspelt(found: Policies, peer: Peer) -> bool:
    """Whether a test of pods' labels is a slip of one that pods have: so it is, whatever operators make beside them."""
    return near_pod(found, peer, LEAST) is not None


def near(network: Network, peer: Peer) -> Near | None:
    """What a peer or a subject that matches nobody is probably meant to say."""
    return near_namespace(network, peer) or near_pod(of_network(network), peer)


def told(found: Near | None) -> str:
    """What is there, as the end of a sentence: of namespaces, which might be elsewhere if none were almost so."""
    return f"; {found.words}" if found and found.asked.of is Of.NAMESPACE else ""


def place_asked(network: Network, policy: Policy, around: Span, peer: Peer, found: Near | None) -> Span:
    """Where a policy asks for what is almost there, or else for the one label that it asks for, below a place; that place, where it is not found."""
    item = policy_objects_by_name(Whole(network)).get(name_of(policy))
    labels = [test for test in asked(peer) if isinstance(test, LabelIn)]
    of_pods = [test for test in labels if test.of is Of.POD]
    only = next((tests[0] for tests in (labels, of_pods) if len(tests) == 1), None)
    test = found.asked if found else only
    return (place_of(item, around, test) if item and test else None) or around


def port_place(network: Network, policy: Policy, rule: Rule, port: PortName) -> Span:
    """Where a rule says the name of a port; the rule's place, where that is not found."""
    item = policy_objects_by_name(Whole(network)).get(name_of(policy))
    return (text_below(item, rule.at, port.name) if item else None) or rule.at


def terms_of(peer: Peer) -> tuple[Peer, ...]:
    """The tests that must all hold."""
    return peer.terms if isinstance(peer, All) else (peer,)


def about_namespaces(term: Peer) -> bool:
    """Whether a test is about a pod's namespace, by name or by label."""
    if isinstance(term, All | AnyOf):
        return bool(term.terms) and all(about_namespaces(one) for one in term.terms)
    return getattr(term, "of", None) is Of.NAMESPACE


class Open(NamedTuple):
    """The pods of a namespace that no policy isolates, and a policy that isolates others there (None: there is none)."""

    namespace: str
    pods: tuple[Entity, ...]
    policy: Policy | None


def open_pods(network: Network, direction: str) -> Iterator[Open]:
    """The namespaces with pods that no policy isolates in the direction. None where the network system enforces none."""
    found = of_network(network)
    if not any(policy.kind != "ConfigMap" for policy in found.all.policies()):
        return
    way = Direction(direction)
    universe = found.factors(found.families()[0]).universe
    isolated, guards = 0, dict[str, Policy]()
    for policy in found.all.policies():
        rules = policy.direction(way)
        if rules is not None and rules.isolates:
            selected = universe.sides(policy.subject)[1] & universe.kinds[Kind.POD]
            isolated |= selected
            if selected and policy.namespace:
                guards.setdefault(policy.namespace, policy)
    free: dict[str, list[Entity]] = {}
    for position in members(universe.kinds[Kind.POD] & ~isolated):
        for entity in universe.members[position]:
            free.setdefault(entity.namespace, []).append(entity)
    for namespace, pods in sorted(free.items()):
        yield Open(namespace, tuple(sorted(pods, key=lambda entity: entity.name)), guards.get(namespace))


class Nameless(NamedTuple):
    """A rule with a name of a port that no destination of it has."""

    policy: Policy
    rule: Rule
    port: PortName


class Differing(NamedTuple):
    """A rule with a name of a port, which is several numbers: each with one of those that have it."""

    policy: Policy
    rule: Rule
    port: PortName
    numbers: tuple[tuple[int, str], ...]


def differing_ports(network: Network) -> Iterator[Differing]:
    """Rules with a name of a port that the destinations give to different numbers."""
    found = of_network(network)
    for policy, rule, port, destinations in named_ports(network):
        factors = found.factors(found.families()[0])
        selected = factors.universe.sides(destinations)[1] & factors.universe.kinds[Kind.POD]
        numbers: dict[int, str] = {}
        for ports, classes in factors.universe.by_ports.items():
            for position in members(classes & selected):
                one = next(iter(factors.universe.members[position]))
                for item in ports:
                    if item.name == port.name and any(low <= item.protocol <= high for low, high in port.protocols):
                        numbers.setdefault(item.port, one.name)
        if len(numbers) > 1:
            yield Differing(policy, rule, port, tuple(sorted(numbers.items())))


def named_ports(network: Network) -> Iterator[tuple[Policy, Rule, PortName, Peer]]:
    """The names of ports in rules, with who has the port."""
    for policy in written(network):
        for direction in Direction:
            rules = policy.direction(direction)
            for rule in rules.rules if rules is not None else ():
                destinations = policy.subject if direction is Direction.INGRESS else rule.peer
                yield from ((policy, rule, port, destinations) for port in port_names(rule.traffic))


def unnamed_ports(network: Network) -> Iterator[Nameless]:
    """Rules for peers that are there, with names that no container of the destinations gives a port."""
    found = of_network(network)
    for policy, rule, port, destinations in named_ports(network):
        if nobody_has(found, port, destinations):
            yield Nameless(policy, rule, port)


def nobody_has(found: Policies, port: PortName, destinations: Peer) -> bool:
    """Whether none of the destinations, of which there are some, has the port."""
    factors = found.factors(found.families()[0])
    selected = factors.universe.sides(destinations)[1] & factors.universe.kinds[Kind.POD]
    here = [ports for ports, classes in factors.universe.by_ports.items() if classes & selected]
    return bool(here) and not any(factors.atoms.of(port, ports)[1] for ports in here)


def port_names(traffic: Traffic) -> Iterator[PortName]:
    """The names of ports in a test."""
    match traffic:
        case PortName():
            yield traffic
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from port_names(term)
        case Not(term):
            yield from port_names(term)
        case _:
            pass


def redundant(network: Network) -> tuple[Redundant, ...]:
    """Rules that change nothing because others decide the same. A rule as it is written may be several here, all of which are to change nothing."""
    found = of_network(network)
    own = set(written(network))
    every = [item for item in redundancies(found.all, found.every_family(), own) if item.policy in own]
    counts = Counter(line for policy in own for line in lines_of(policy))
    idle = Counter(line_of(item.policy, item.direction, item.rule) for item in every)
    kept: dict[Line, Redundant] = {}
    for item in every:
        line = line_of(item.policy, item.direction, item.rule)
        whole = idle[line] == counts[line] and item.policy.kind not in MODES
        if whole and not item.nothing and all(policy.readable for policy, _ in item.covers):
            kept.setdefault(line, item)
    return tuple(kept.values())


# Kinds that say a mode and have no rules of their own: to say what holds anyway is good practice.
MODES = frozenset({"HostEndpoint", "PeerAuthentication"})
Line = tuple[str, str, str, Direction, Span]


def line_of(policy: Policy, direction: Direction, rule: Rule) -> Line:
    """A rule as it is written."""
    return (*name_of(policy), direction, rule.at)


def lines_of(policy: Policy) -> Iterator[Line]:
    """The rules of a policy as they are written, each as often as it is a rule here."""
    for direction in Direction:
        if (rules := policy.direction(direction)) is not None:
            yield from (line_of(policy, direction, rule) for rule in rules.rules if rule.action is not Action.LOG)


class Ineffective(NamedTuple):
    """A rule that admits flows between pods of which the other end's policies admit none."""

    policy: Policy
    rule: Rule
    direction: Direction


def ineffective(network: Network) -> Iterator[Ineffective]:
    """Rules that allow what the policies of the other end deny, all of it, where the other end is pods only."""
    found = of_network(network)
    for policy in written(network):
        for direction in Direction:
            rules = policy.direction(direction)
            for rule in rules.rules if rules is not None else ():
                if rule.action is Action.ALLOW and all(
                    no_flow(found, family, policy, rule, direction) for family in found.families()
                ):
                    yield Ineffective(policy, rule, direction)


def no_flow(found: Policies, family: int, policy: Policy, rule: Rule, direction: Direction) -> bool:
    """Whether no flow of the rule passes the other end; False where there is none, or where not only pods are meant."""
    factors = found.factors(family)
    universe = factors.universe
    subjects, peers = universe.sides(policy.subject)[1], universe.sides(rule.peer)[1]
    if not subjects or not peers or peers & ~universe.kinds[Kind.POD] or subjects == peers:
        return False
    other = factors.ingress if direction is Direction.EGRESS else factors.egress
    for position in members(peers):
        ports = universe.classes[position].ports
        for cell in other.cells[other.group[position]]:
            if cell.may & subjects and (direction is Direction.INGRESS or cell.flows & factors.atoms.of(rule.traffic, ports)[1]):
                return False
    return True


def unenforced(network: Network) -> tuple[tuple[OtherObjectFact, ...], str]:
    """The policies that the network system of the input does not enforce, and the system's name."""
    profile = profile_of(network)
    return known(Identity(network.cluster), profile).all.ignored, profile.name
