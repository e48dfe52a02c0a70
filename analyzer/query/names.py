"""Who may ask the cluster's DNS: its pods, their port, and what NetworkPolicies admit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.addresses import WIDTH, Address, prefix_of
from analyzer.facts.kubernetes import PodFact, ServiceFact
from analyzer.model.network import Network
from analyzer.policy.bits import members
from analyzer.policy.classes import Universe
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow, NamedPort
from analyzer.policy.evaluation import matches
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.policy.terms import All, AnyOf, Kind, Named, Of, Peer
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules
from analyzer.query.name_caches import Server, has_cache, servers, servers_stated
from analyzer.query.policies import Policies, of_network
from analyzer.query.policy_services import Backend, reached
from analyzer.query.state import backends, pods_by_name

SERVICES = frozenset({"kube-dns", "coredns", "rke2-coredns-rke2-coredns", "dns-default"})
DNS_NAMESPACES = frozenset({"kube-system", "openshift-dns"})
"""Where the cluster's DNS may be, when it is not in the input."""
UDP = 17
PROTOCOLS = (("UDP", 17), ("TCP", 6))
PORTS = (53, 5353, 8053, 1053)
# What a server of names calls its ports, as kubeadm, OpenShift and others write it.
SERVER = Entity(
    "{dns}",
    Kind.POD,
    ports=tuple(
        NamedPort(name, protocol, 53)
        for protocol, names in ((17, ("dns", "domain", "udp-53")), (6, ("dns-tcp", "domain-tcp", "tcp-53", "dns")))
        for name in names
    ),
)


def dns_services(network: Network) -> dict[tuple[str, str], ServiceFact]:
    """The services of the cluster's DNS."""
    found = network.cluster.services.items()
    return {key: service for key, service in found if key[1] in SERVICES or service.labels.get("k8s-app") == "kube-dns"}


def dns_pods(network: Network) -> Iterator[tuple[PodFact, int]]:
    """The pods of the cluster's DNS with the port they answer on; none where a cache on each node answers instead."""
    if has_cache(network):
        return
    for service in dns_services(network).values():
        for pod in backends(network, service):
            for port in service.ports:
                if port.protocol == UDP and port.port == 53 and (number := number_of(pod, port.target)):
                    yield pod, number


def number_of(pod: PodFact, target: int | str) -> int | None:
    """The number of a target port."""
    if isinstance(target, int):
        return target
    return next((port.port for port in pod.ports if port.name == target and port.protocol == UDP), None)


class Kept(NamedTuple):
    """A policy, a pod that it selects, and by which protocols policies keep the pod from the DNS that it asks: of the cluster, or at
    ``cache``, an address of its node. ``certain``: it asks there, and its network system holds that against the policies."""

    policy: Policy
    pod: PodFact
    protocols: tuple[str, ...]
    cache: Server | None = None
    certain: bool = True


def kept_from_dns(network: Network) -> Iterator[Kept]:
    """The policies that let pods send something and no question to the DNS that they ask, each with a pod that it selects."""
    answering = [(pod, port) for pod, port in dns_pods(network)]
    policies = of_network(network)
    told: set[str] = set()
    if policies.none or not (answering or has_cache(network)):
        return
    for pod in pods_by_name(network):
        if pod.finished or pod.host_network or pod.dns_policy == "None" or pod in [one for one, _ in answering]:
            continue
        policy = next(filter(sends_something, isolating(policies, pod)), None)
        if policy is None or str(policy) in told:
            continue
        kept = of_pods(policies, policy, pod, answering) if answering else of_cache(network, policies, policy, pod)
        if kept is not None:
            told.add(str(policy))
            yield kept


def of_pods(policies: Policies, policy: Policy, pod: PodFact, answering: list[tuple[PodFact, int]]) -> Kept | None:
    """What keeps a pod from the pods of the cluster's DNS."""
    closed = [name for name, number in PROTOCOLS if not any(may_ask(policies, pod, *one, number) for one in answering)]
    return Kept(policy, pod, tuple(closed)) if closed else None


def of_cache(network: Network, policies: Policies, policy: Policy, pod: PodFact) -> Kept | None:
    """What keeps a pod from the cache of its node, by each address that it may ask."""
    source = policies.world.by_name.get(f"{pod.namespace}/{pod.name}")
    asked = servers(network, pod)
    if source is None or not asked:
        return None
    host = policies.world.by_name.get(f"node:{pod.node}") or Entity(f"node:{pod.node}", Kind.HOST, node=pod.node)
    closed = closed_at(policies, source, host, asked)
    certain = len(asked) == 1 and asked[0].certain and policies.world.profile.name != UNKNOWN_SYSTEM.name
    return Kept(policy, pod, closed, asked[0], certain) if closed else None


def closed_at(policies: Policies, source: Entity, host: Entity, asked: Sequence[Server]) -> tuple[str, ...]:
    """The protocols by which policies keep an end from all the addresses of its node that it may ask."""
    unknown = policies.world.profile.name == UNKNOWN_SYSTEM.name
    ends = [(end, one.address.family) for one in asked for end in (as_address(host, one.address), host_at(host, one.address))]
    ways = ends[::2] if unknown else ends
    return tuple(
        name
        for name, number in PROTOCOLS
        if all(decide(policies.all, source, end, Flow(family, number, 53)).admitted is False for end, family in ways)
    )


def host_at(host: Entity, address: Address) -> Entity:
    """The node, as what has the address."""
    return replace(host, addresses=(address,))


def as_address(host: Entity, address: Address) -> Entity:
    """The same taken for an address of nobody: what a network system takes it for that does not know the cache's device."""
    return replace(host, kind=Kind.OUTSIDE, addresses=(address,), blocks=(prefix_of(address, WIDTH[address.family]),))


class Unasked(NamedTuple):
    """A policy, an entity that it selects, and by which protocols no rule of any policy lets the entity ask for names; at ``cache``, an address of its node."""

    policy: Policy
    entity: Entity
    protocols: tuple[str, ...]
    cache: Server | None = None


def without_names(network: Network) -> Iterator[Unasked]:
    """Of manifests: the policies that let pods send something, and no question to the workload of the cluster's DNS; without that, where no rule of any policy is for port 53, to whomever."""
    policies = of_network(network)
    caches = servers_stated(network) if has_cache(network) else []
    if policies.none or next(dns_pods(network), None) or (has_cache(network) and (not caches or network.cluster.pods)):
        return
    told: set[str] = set()
    answering = [item for key in dns_services(network) for item in reached(policies.world, *key) if item.port == 53]
    universe = policies.factors(policies.families()[0]).universe
    for entities, selecting in zip(universe.members, sending(policies, universe), strict=True):
        entity = next(iter(entities), None)  # policies treat all of a class alike
        if entity is None or entity.kind is not Kind.POD:
            continue
        own = next((policy for policy, rules, _ in selecting if rules.isolates and sends_something(policy)), None)
        if own is None or str(own) in told:
            continue
        unasked = tuple(name for name, _ in PROTOCOLS if not any(name in asked for _, _, asked in selecting))
        if caches:
            unasked = closed_at(policies, entity, Entity("node:", Kind.HOST), caches)
        elif answering:
            unasked = unanswered(policies, entity, answering)
        if unasked:
            told.add(str(own))
            yield Unasked(own, entity, unasked, caches[0] if caches else None)


def unanswered(policies: Policies, entity: Entity, answering: Sequence[Backend]) -> tuple[str, ...]:
    """The protocols by which policies keep an entity from all that answers over them; none for the DNS itself."""
    family = policies.families()[0]
    found = []
    for name, number in PROTOCOLS:
        ends = [item for item in answering if item.protocol == number]
        flows = ((item.entity, Flow(family, number, item.target)) for item in ends)
        if ends and all(decide(policies.all, entity, end, flow).admitted is False for end, flow in flows):
            found.append(name)
    return () if any(item.entity is entity for item in answering) else tuple(found)


def sending(policies: Policies, universe: Universe) -> list[list[tuple[Policy, Rules, frozenset[str]]]]:
    """For each class the policies that select it in egress, or may, with their rules and the protocols by which these may let ask for names."""
    found: list[list[tuple[Policy, Rules, frozenset[str]]]] = [[] for _ in universe.members]
    for policy in policies.all.policies():
        if (rules := policy.egress) is not None:
            asked = frozenset(name for name, number in PROTOCOLS if any(for_names(rule, number) for rule in rules.rules))
            for position in members(universe.sides(policy.subject)[1]):
                found[position].append((policy, rules, asked))
    return found


def for_names(rule: Rule, protocol: int) -> bool:
    """Whether a rule may be for questions to a DNS server: by its ports (its own, or one that it answers on behind a service), and by whom it lets reach."""
    asked = (matches(rule.traffic, Flow(4, protocol, port), SERVER) for port in PORTS)
    within = confined(rule.peer)
    there = within is None or not within.isdisjoint(DNS_NAMESPACES)
    return there and rule.action is not Action.DENY and any(value is not False for value in asked)


def confined(peer: Peer) -> frozenset[str] | None:
    """The namespaces that are named for all that a test is true of; None where it may be true of anything else."""
    match peer:
        case Named(Of.NAMESPACE, names):
            return names
        case All(terms):
            known = [inside for term in terms if (inside := confined(term)) is not None]
            return frozenset.intersection(*known) if known else None
        case AnyOf(terms):
            every = [confined(term) for term in terms]
            return None if None in every else frozenset[str]().union(*filter(None, every))
        case _:
            return None


def may_ask(policies: Policies, pod: PodFact, answering: PodFact, port: int, protocol: int = UDP) -> bool:
    """Whether policies admit a pod's questions to another pod, or may."""
    known = policies.world.by_name
    ends = [known[name] for one in (pod, answering) if (name := f"{one.namespace}/{one.name}") in known]
    families = {address.family for address in answering.addresses} or {4}
    return len(ends) < 2 or any(
        decide(policies.all, ends[0], ends[1], Flow(family, protocol, port)).admitted is not False for family in families
    )


def isolating(policies: Policies, pod: PodFact) -> Iterator[Policy]:
    """The policies of the pod's namespace that isolate what it sends."""
    entity = policies.world.by_name[f"{pod.namespace}/{pod.name}"]
    for tier in policies.all.selecting(entity, pod.addresses[0].family if pod.addresses else 4, Direction.EGRESS):
        yield from (item.policy for item in tier if item.rules.isolates and item.policy.namespace == pod.namespace)


def sends_something(policy: Policy) -> bool:
    """Whether the policy has a rule that lets its pods send: one without any is meant to cut them off."""
    return policy.egress is not None and any(rule.action is Action.ALLOW for rule in policy.egress.rules)
