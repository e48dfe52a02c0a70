"""The entities of a cluster: its pods, the pods that its workloads would make, its nodes; and the names that policies can refer to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analyzer.addresses import Address
from analyzer.facts.kubernetes import ContainerPort, NodeFact, ObjectFact, OtherObjectFact, PodFact
from analyzer.model.cluster import Cluster
from analyzer.policy.entities import Entity, NamedPort
from analyzer.policy.made_pods import job_labels, ordinals, told_apart, unknown_labels
from analyzer.policy.names import names_of
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile
from analyzer.policy.terms import Kind

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
NAME_LABEL = "kubernetes.io/metadata.name"
# Kinds whose pods are named by more than one step: the owner of the owner is the workload that people know.
MADE_BY = {"ReplicaSet": "Deployment", "Job": "CronJob"}


@dataclass(frozen=True, slots=True)
class World:
    """Who is there. ``namespaces``: the labels of each namespace that is given or that an object stands in; ``given``: those with an
    object of their own. ``by_name`` finds an entity by its name. ``places`` are the nodes that are given or that entities are on,
    ``by_kind`` the further objects of each kind, ``by_port_name`` the protocols and ports for which pods use a name, ``names`` the addresses
    of the DNS names that are given."""

    cluster: Cluster
    profile: Profile
    entities: tuple[Entity, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    given: frozenset[str] = frozenset()
    by_name: Mapping[str, Entity] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    by_kind: Mapping[str, tuple[OtherObjectFact, ...]] = field(default_factory=dict)
    by_port_name: Mapping[str, frozenset[tuple[int, int]]] = field(default_factory=dict)
    names: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)

    def pods(self) -> Iterator[Entity]:
        """The entities that policies can select as pods."""
        return (entity for entity in self.entities if entity.kind is Kind.POD)

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """A namespace's labels; the API server gives each its name as a label."""
        return self.namespaces.get(name) or {NAME_LABEL: name}


def world_of(cluster: Cluster, profile: Profile = UNKNOWN_SYSTEM, before: World | None = None) -> World:
    """The world of a cluster, as the profile sees it; pods of an earlier world with that profile that are the same are the same objects."""
    namespaces, given = namespaces_of(cluster)
    accounts = {(item.namespace, item.name): item.labels for item in cluster.others if item.kind == "ServiceAccount"}
    maker = Maker(profile, namespaces, accounts, cluster.nodes)
    owners = owners_of(cluster)
    facts = [fact for _, fact in sorted(cluster.pods.items()) if not fact.finished]
    known = (maker.same(fact, owners, before) if before is not None else None for fact in facts)
    found = [entity or maker.pod(fact, owners) for fact, entity in zip(facts, known, strict=True)]
    have_pods = {(entity.namespace, *entity.workload) for entity in found}
    wanted = [item for item in templates(cluster) if (item.namespace, item.kind, item.name) not in have_pods]
    apart = any(item.kind == "StatefulSet" for item in wanted) and told_apart(cluster)
    found += [entity for item in wanted for entity in (maker.each(item, cluster) if apart else (maker.template(item),))]
    found += [maker.node(fact) for _, fact in sorted(cluster.nodes.items())]
    by_name = {entity.name: entity for entity in found}
    places = tuple(sorted({*cluster.nodes, *(entity.node for entity in found if entity.node)}))
    return World(
        cluster,
        profile,
        tuple(found),
        namespaces,
        given,
        by_name,
        places,
        kinds_of(cluster),
        port_names_of(found),
        names_of(cluster),
    )


def kinds_of(cluster: Cluster) -> dict[str, tuple[OtherObjectFact, ...]]:
    """The further objects by kind, in their order."""
    found: dict[str, list[OtherObjectFact]] = {}
    for item in cluster.others:
        found.setdefault(item.kind, []).append(item)
    return {kind: tuple(items) for kind, items in found.items()}


def port_names_of(entities: Iterable[Entity]) -> dict[str, frozenset[tuple[int, int]]]:
    """What pods of a network of their own mean by each name of a port."""
    found: dict[str, set[tuple[int, int]]] = {}
    different = dict.fromkeys(entity.ports for entity in entities if entity.kind is Kind.POD)
    for port in (port for ports in different for port in ports):
        found.setdefault(port.name, set()).add((port.protocol, port.port))
    return {name: frozenset(ports) for name, ports in found.items()}


def namespaces_of(cluster: Cluster) -> tuple[dict[str, Mapping[str, str]], frozenset[str]]:
    """The labels of every namespace, and which have an object."""
    found: dict[str, Mapping[str, str]] = {}
    for item in cluster.others:
        if item.kind == "Namespace":
            found[item.name] = {**item.labels, NAME_LABEL: item.name}
    given = frozenset(found)
    used = {name for name, _ in cluster.pods} | {item.namespace for item in cluster.others if item.namespace}
    for name in sorted(used - given):
        found[name] = {NAME_LABEL: name}
    return found, given


def owners_of(cluster: Cluster) -> dict[tuple[str, str, str], tuple[str, str]]:
    """The owner of each owner that is given: (namespace, kind, name) of a ReplicaSet or Job to kind and name."""
    found = {}
    for item in cluster.others:
        owner = controller_of(item)
        if item.kind in MADE_BY and owner:
            found[item.namespace, item.kind, item.name] = owner
    return found


def controller_of(item: ObjectFact) -> tuple[str, str] | None:
    """The object that made this one."""
    references = mapping(item.document.get("metadata")).get("ownerReferences")
    for reference in listed(references):
        if isinstance(reference, dict):
            return str(reference.get("kind", "")), str(reference.get("name", ""))
    return None


def templates(cluster: Cluster) -> Iterator[OtherObjectFact]:
    """The workloads of the input: whatever has a pod template, that no other object of the input made, and that is not over."""
    known = {(item.namespace, item.kind, item.name) for item in cluster.others}
    for item in cluster.others:
        owner = controller_of(item)
        if pod_template(item) is not None and not (owner and (item.namespace, *owner) in known) and not is_over(item):
            yield item


def is_over(item: OtherObjectFact) -> bool:
    """Whether an object is a Job that has no pods any more, nor will have (batch/v1, JobConditionType)."""
    conditions = listed(mapping(item.document.get("status")).get("conditions")) if item.kind == "Job" else []
    return any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in map(mapping, conditions))


def pod_template(item: OtherObjectFact) -> Mapping[str, Any] | None:
    """The template of the pods that an object makes: ``spec.template``, or a CronJob's ``spec.jobTemplate.spec.template``."""
    spec = mapping(item.document.get("spec"))
    if item.kind == "CronJob":
        spec = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    template = mapping(spec.get("template"))
    return template if isinstance(mapping(template.get("spec")).get("containers"), list) else None


def listed(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, (dict, Mapping)) else {}


Known = dict[tuple[tuple[str, int, int], ...], tuple[NamedPort, ...]]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes entities of facts."""

    profile: Profile
    namespaces: Mapping[str, Mapping[str, str]]
    accounts: Mapping[tuple[str, str], Mapping[str, str]]
    nodes: Mapping[str, NodeFact]
    known_ports: Known = field(default_factory=dict)

    def pod(self, fact: PodFact, owners: Mapping[tuple[str, str, str], tuple[str, str]]) -> Entity:
        """A pod."""
        account = str(mapping(fact.document.get("spec")).get("serviceAccountName") or "default")
        kind, ports = self.kind(fact.host_network), named_ports(self.known_ports, fact.ports) if fact.ports else ()
        apart = () if self.profile.sidecar_port_names else self.of_sidecars(fact)
        return Entity(
            name=f"{fact.namespace}/{fact.name}",
            kind=kind,
            namespace=fact.namespace,
            labels=fact.labels,
            namespace_labels=self.labels_of(fact.namespace),
            account=account,
            account_labels=self.accounts.get((fact.namespace, account), {}),
            node=fact.node,
            node_labels=self.node_labels(fact.node),
            addresses=fact.addresses or self.node_addresses(fact),
            ports=() if kind is Kind.HOST else tuple(port for port in ports if port not in apart) if apart else ports,
            served=ports if kind is Kind.HOST else apart,
            workload=workload_of(fact, owners),
            host_network=fact.host_network,
            at=fact.at,
        )

    def same(self, fact: PodFact, owners: Mapping[tuple[str, str, str], tuple[str, str]], before: World) -> Entity | None:
        """The pod as it was, where nothing of it has changed."""
        if before.cluster.pods.get((fact.namespace, fact.name)) is not fact or (fact.host_network and not fact.addresses):
            return None
        found = before.by_name[f"{fact.namespace}/{fact.name}"]
        labels = self.labels_of(fact.namespace), self.accounts.get((fact.namespace, found.account), {})
        around = (found.namespace_labels, found.account_labels) == labels and found.node_labels == self.node_labels(fact.node)
        return found if around and found.workload == workload_of(fact, owners) else None

    def of_sidecars(self, fact: PodFact) -> tuple[NamedPort, ...]:
        """The named ports of a pod that init containers alone declare."""
        spec = mapping(fact.document.get("spec"))
        names = (
            {str(mapping(item).get("name")) for item in listed(spec.get("initContainers"))} if "initContainers" in spec else set()
        )
        if not names:
            return ()
        others = named_ports(self.known_ports, tuple(port for port in fact.ports if port.container not in names))
        return tuple(port for port in named_ports(self.known_ports, fact.ports) if port not in others)

    def template(self, item: OtherObjectFact) -> Entity:
        """The pods that a workload would make."""
        template = pod_template(item) or {}
        spec = mapping(template.get("spec"))
        labels = mapping(mapping(template.get("metadata")).get("labels"))
        made = unknown_labels(item, mapping(item.document.get("spec")))
        host = spec.get("hostNetwork") is True
        account = str(spec.get("serviceAccountName") or "default")
        namespace = item.namespace or "default"
        found = tuple(declared(spec))
        named = found if self.profile.sidecar_port_names else tuple(declared(spec, ("containers",)))
        return Entity(
            name=f"{namespace}/{item.name}[{item.kind}]",
            kind=self.kind(host),
            namespace=namespace,
            labels={
                **{str(key): value for key, value in labels.items() if isinstance(value, str) and key not in made},
                **job_labels(item, mapping(item.document.get("spec"))),
            },
            namespace_labels=self.labels_of(namespace),
            account=account,
            account_labels=self.accounts.get((namespace, account), {}),
            node_labels=None,
            ports=() if self.kind(host) is Kind.HOST else named,
            served=found if self.kind(host) is Kind.HOST else tuple(port for port in found if port not in named),
            workload=(item.kind, item.name),
            host_network=host,
            replicas=replicas_of(item),
            made=made,
            at=item.at,
        )

    def each(self, item: OtherObjectFact, cluster: Cluster) -> Iterator[Entity]:
        """The pods that a workload would make, a StatefulSet's one by one, as services or policies tell them apart."""
        every = self.template(item)
        own = tuple(ordinals(item, mapping(item.document.get("spec")), every.replicas, cluster))
        for name, labels in own:
            made = {key: sure for key, sure in every.made.items() if key not in labels}
            yield replace(every, name=f"{every.namespace}/{name}", labels={**every.labels, **labels}, replicas=1, made=made)
        if not own:
            yield every

    def node(self, fact: NodeFact) -> Entity:
        """A node: its own network namespace."""
        addresses = tuple(found for _, found in fact.addresses)
        return Entity(
            f"node:{fact.name}",
            Kind.HOST,
            labels=fact.labels,
            node=fact.name,
            node_labels=fact.labels,
            addresses=addresses,
            at=fact.at,
        )

    def node_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a node; None where the node is not given."""
        return self.nodes[name].labels if name in self.nodes else None

    def node_addresses(self, fact: PodFact) -> tuple[Address, ...]:
        """The addresses of a pod that shares them with its node, where it does not say them itself."""
        shared = fact.host_network and fact.node in self.nodes
        return tuple(found for _, found in self.nodes[fact.node].addresses) if shared else ()

    def kind(self, host_network: bool) -> Kind:
        """A pod in its node's network is as its node, which has no named ports, unless the system sees it as a pod."""
        return Kind.HOST if host_network and not self.profile.host_network_pods else Kind.POD

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace."""
        return self.namespaces.get(namespace) or {NAME_LABEL: namespace}


def named_ports(known: Known, declared: Iterable[ContainerPort]) -> tuple[NamedPort, ...]:
    """The ports that have a name; equal ones are the same object."""
    key = tuple([(port.name, port.protocol, port.port) for port in declared if port.name])
    found = known.get(key)
    if found is None:
        found = known[key] = tuple(NamedPort(*port) for port in key)
    return found


def workload_of(fact: PodFact, owners: Mapping[tuple[str, str, str], tuple[str, str]]) -> tuple[str, str]:
    """The workload that a pod belongs to. A ReplicaSet or Job that is not given is named after what made it, by the suffix it has."""
    if fact.owner is None:
        return "", ""
    kind, name = fact.owner
    if (known := owners.get((fact.namespace, kind, name))) is not None:
        return known
    if kind == "ReplicaSet" and "pod-template-hash" in fact.labels:
        return "Deployment", name.removesuffix("-" + fact.labels["pod-template-hash"])
    return kind, name


def declared(spec: Mapping[str, Any], kinds: tuple[str, ...] = ("containers", "initContainers")) -> Iterator[NamedPort]:
    """The named ports of a template's containers (also of init containers that go on running, ``restartPolicy: Always``)."""
    for key in kinds:
        for container in listed(spec.get(key)):
            if key == "initContainers" and mapping(container).get("restartPolicy") != "Always":
                continue
            for item in listed(mapping(container).get("ports")):
                port = mapping(item)
                if isinstance(port.get("containerPort"), int) and port.get("name"):
                    protocol = PROTOCOLS.get(str(port.get("protocol") or "TCP"), 0)
                    yield NamedPort(str(port["name"]), protocol, port["containerPort"])


def replicas_of(item: OtherObjectFact) -> int:
    """How many pods a workload makes; what makes one on each node counts as two, so that they can meet each other."""
    spec = mapping(item.document.get("spec"))
    if item.kind == "DaemonSet":
        return 2
    key = "parallelism" if item.kind in ("Job", "CronJob") else "replicas"
    value = spec.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 1
