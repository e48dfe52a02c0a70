"""Who a name means in a question about policies: pods, workloads, namespaces, labels, nodes, services, addresses and networks, ``outside``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches

from analyzer.addresses import Address, Prefix, host_prefix, prefix
from analyzer.facts.kubernetes import ServiceFact
from analyzer.facts.listings import PodListing
from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors
from analyzer.policy.secondary import having
from analyzer.policy.terms import Kind
from analyzer.policy.world import World
from analyzer.query.policies import Policies
from analyzer.query.policy_services import ends_of, service_at, service_meant

EXPECTED = (
    "NS/POD, NS/NAME[KIND], deploy:NS/NAME (and the other workload kinds), ns:NAME, labels:k=v,k2=v2, node:NAME, svc:NS/NAME, "
    "an address, a CIDR, or outside"
)
SHORT = {
    "deploy": "deployment",
    "ds": "daemonset",
    "sts": "statefulset",
    "rs": "replicaset",
    "rc": "replicationcontroller",
    "cj": "cronjob",
}


def entities_named(policies: Policies, text: str) -> tuple[Entity, ...]:
    """The entities that a name means, each once, in the order of the world; those outside last, one for each class that policies tell apart.

    A CIDR means the pods and nodes that have an address in it, and what of it is outside. ValueError, with what was expected, when the
    name means nobody. ``class_of`` gives the class of each of them, also of addresses that stand in no class by their name."""
    found = tuple(understood(policies, text.strip()))
    if not found:
        raise ValueError(f"{text!r} means nobody in the input")
    return tuple(dict.fromkeys(found))


def class_of(factors: Factors, entity: Entity) -> int | None:
    """The class of an entity, also of an address that is a part of one; None for addresses of another family."""
    known = factors.universe.of.get(entity.name)
    if known is not None or entity.kind is not Kind.OUTSIDE:
        return known
    own = next((block for block in entity.blocks if block.family == factors.universe.family), None)
    return None if own is None else outside_class(factors, own)


def outside_class(factors: Factors, part: Prefix) -> int | None:
    """The class of the addresses outside that are in no smaller block than the prefix is."""
    around = factors.universe.blocks.smallest(part)
    for number, entity in enumerate(factors.universe.classes):
        if entity.kind is Kind.OUTSIDE and factors.universe.inside[number] == (around,):
            return number
    return None


def understood(policies: Policies, text: str) -> Iterable[Entity]:
    """Reads the name by its form."""
    kind, colon, rest = text.partition(":")
    if text == "outside":
        return outside(policies)
    forms: dict[str, Callable[[Policies, str], Iterable[Entity]]] = {
        "pod": pods_named,
        "node": nodes_named,
        "ns": in_namespace,
        "namespace": in_namespace,
        "labels": with_labels,
        "svc": of_service,
        "service": of_service,
    }
    if colon and kind in forms:
        return forms[kind](policies, rest)
    if colon and (whole := workload_kind(policies, kind)):
        return of_workload(policies, whole, rest)
    try:
        found = prefix(text)
    except ValueError:
        return pods_named(policies, text)
    return of_network(policies, found, "/" in text)


def split(text: str) -> tuple[str, str]:
    """Namespace and name; without a namespace it is ``default``."""
    namespace, slash, name = text.partition("/")
    if not (namespace and (name or not slash)) or "/" in name:
        raise ValueError(f"{text!r} names nobody: expected {EXPECTED}")
    return (namespace, name) if slash else ("default", namespace)


def pods_named(policies: Policies, text: str) -> Iterator[Entity]:
    """A pod, or the workloads of the name where no pod has it; ``[Pod]`` behind it, as in the answers, means the pod."""
    namespace, name = split(text)
    entity = policies.world.by_name.get(f"{namespace}/{name.removesuffix('[Pod]')}")
    if entity is not None:
        yield entity
        return
    plain, bracket, kind = name.removesuffix("]").partition("[")
    found = [
        entity
        for entity in policies.world.entities
        if entity.namespace == namespace and entity.workload[1] == plain and (not bracket or entity.workload[0] == kind)
    ]
    if not found:
        if f"node:{text}" in policies.world.by_name:
            raise ValueError(f"there is no pod {namespace}/{name} in the input: did you mean node:{text}?")
        fact = policies.world.cluster.pods.get((namespace, name))
        if any((item.namespace, item.name) == (namespace, name) for item in policies.world.cluster.listed.pods):
            raise ValueError(listed_alone(f"{namespace}/{name}"))
        if fact is not None and fact.finished:
            raise ValueError(f"pod {namespace}/{name} has finished ({fact.phase}): it has no traffic any more")
        raise ValueError(missing("pod", f"{namespace}/{name}", policies.world.by_name))
    yield from found


def nodes_named(policies: Policies, name: str) -> Iterator[Entity]:
    """A node."""
    entity = policies.world.by_name.get(f"node:{name}")
    if entity is None:
        known = (item.node for item in policies.world.entities if item.kind is Kind.HOST)
        raise ValueError(missing("node", name, known))
    yield entity


def in_namespace(policies: Policies, name: str) -> list[Entity]:
    """The pods of a namespace."""
    if name not in policies.world.namespaces:
        raise ValueError(missing("namespace", name, policies.world.namespaces))
    found = [entity for entity in policies.world.entities if entity.namespace == name]
    if not found:
        if (listed := next((item for item in policies.world.cluster.listed.pods if item.namespace == name), None)) is not None:
            raise ValueError(f"namespace {name} has no pods in full in the input, but {listed_alone(f'{name}/{listed.name}')}")
        raise ValueError(f"namespace {name} has no pods in the input")
    return found


def with_labels(policies: Policies, text: str) -> list[Entity]:
    """The pods with all of the labels, in any namespace."""
    pairs = [item.partition("=") for item in text.split(",")]
    if any(not key or not equals for key, equals, _ in pairs):
        raise ValueError(f"'labels:{text}' names nobody: expected labels:k=v,k2=v2")
    wanted = {key.strip(): value.strip() for key, _, value in pairs}
    found = [
        entity
        for entity in policies.world.entities
        if entity.namespace and all(entity.labels.get(key) == value for key, value in wanted.items())
    ]
    if not found:
        unsure = next(
            (item for item in policies.world.cluster.listed.pods if item.labels is None or wanted.items() <= item.labels.items()),
            None,
        )
        if unsure is not None:
            raise ValueError(
                f"no pod has the labels {text} for sure, but may have {listed_alone(f'{unsure.namespace}/{unsure.name}')}"
            )
        raise ValueError(f"no pod has the labels {text}")
    return found


def of_service(policies: Policies, text: str) -> tuple[Entity, ...]:
    """The pods behind a service."""
    namespace, name = split(text)
    if (namespace, name) not in policies.world.cluster.services:
        known = (f"{one}/{other}" for one, other in policies.world.cluster.services)
        raise ValueError(missing("service", f"{namespace}/{name}", known))
    found = ends_of(policies.world, namespace, name)
    if not found:
        service = policies.world.cluster.services[namespace, name]
        raise ValueError(f"service {namespace}/{name} {leads_nowhere(policies.world, service)}")
    return found


def leads_nowhere(world: World, service: ServiceFact) -> str:
    """Why a service leads to nobody of the input."""
    if service.type == "ExternalName":
        other = service_meant(world, service)
        instead = f"svc:{'/'.join(other)}" if other else "its addresses"
        return f"is a name for {service.external_name}: ask about {instead}"
    return "has no selector, and no endpoints in the input" if not service.selector else "has no pods in the input"


def workload_kind(policies: Policies, kind: str) -> str:
    """The kind that is meant by a kind's name, or by its usual abbreviation; empty where it is none."""
    wanted = SHORT.get(kind.lower(), kind.lower())
    kinds = {entity.workload[0] for entity in policies.world.entities if entity.workload[0]}
    known = {found.lower(): found for found in sorted(kinds)}
    return known.get(wanted, wanted if wanted in (*SHORT.values(), "job") else "")


def of_workload(policies: Policies, kind: str, text: str) -> list[Entity]:
    """The pods of a workload."""
    namespace, name = split(text)
    found = [item for item in policies.world.entities if item.namespace == namespace and item.workload == (kind, name)]
    if not found:
        known = (f"{item.namespace}/{item.workload[1]}" for item in policies.world.entities if item.workload[0] == kind)
        raise ValueError(missing(kind, f"{namespace}/{name}", known))
    return found


def of_network(policies: Policies, network: Prefix, several: bool) -> list[Entity]:
    """Whatever has an address: a pod, a node, the pods behind a service; of a network, all of these and what of it is outside."""
    owners = [item for item in policies.world.entities if any(network.covers(own) for own in item.addresses)]
    if several:
        return [*owners, *outside_in(policies, network)]
    if owners:
        return owners
    for item in policies.world.cluster.listed.pods:
        if Address(network.family, network.value) in item.addresses:
            raise ValueError(f"{network} is {listed_alone(f'{item.namespace}/{item.name}' if item.namespace else item.name)}")
    service = service_at(policies.world, Address(network.family, network.value))
    if service is None and (elsewhere := having(policies.world.cluster, Address(network.family, network.value))) is not None:
        pod, name = elsewhere
        raise ValueError(
            f"{Address(network.family, network.value)} is an address of {pod} on the network {name}: ask with --network {name}"
        )
    return [*of_service(policies, "/".join(service))] if service else [part(network, str(Address(network.family, network.value)))]


def outside(policies: Policies) -> Iterator[Entity]:
    """The addresses outside, class by class; not those that pods and nodes have, or pods alone may have."""
    for family in policies.families():
        classes = policies.factors(family).universe.classes
        yield from (classes[place] for place in members(policies.elsewhere(family)))


def outside_in(policies: Policies, network: Prefix) -> Iterator[Entity]:
    """The addresses of a network that no pod and no node has, class by class."""
    for entity in policies.factors(network.family).universe.classes:
        if entity.kind is Kind.OUTSIDE:
            inside = tuple(kept for block in entity.blocks if (kept := common(block, network)) is not None)
            if all(map(policies.taken, inside)):
                continue
            yield entity if inside == entity.blocks else Entity(", ".join(map(str, inside)), Kind.OUTSIDE, blocks=inside)


def pod_name(item: PodListing) -> str:
    """A listed pod in words."""
    return f"{item.namespace}/{item.name}" if item.namespace else item.name


def listed_alone(name: str) -> str:
    """That policies cannot be asked about a pod."""
    return f"pod {name}, which is only listed: policies look at more than a listing shows (kubectl get pods -A -o yaml)"


def common(block: Prefix, network: Prefix) -> Prefix | None:
    """The addresses in both, of which one holds the other or none."""
    if network.covers(block):
        return block
    return network if block.covers(network) else None


def part(network: Prefix, name: str) -> Entity:
    """An address outside."""
    return Entity(name, Kind.OUTSIDE, blocks=(host_prefix(Address(network.family, network.value)),))


def missing(what: str, name: str, known: Iterable[str]) -> str:
    """That something is not there, with what is called nearly so."""
    near = get_close_matches(name, sorted(set(known))[:20000], 3, 0.75)
    return f"there is no {what} {name} in the input" + (f": did you mean {' or '.join(near)}?" if near else "")
