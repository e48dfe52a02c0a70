"""What Calico's selectors can select: pods, network sets and host endpoints, each by the labels that Calico gives it.

Follows libcalico-go lib/backend: k8s/conversion (labels of pods, and of namespaces and service accounts as profiles: ``pcns.`` and ``pcsa.``) and
syncersv1/updateprocessors (network sets and host endpoints). Felix compares packets with the addresses of what is selected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import and_, or_

from analyzer.addresses import Prefix, host_prefix, prefix
from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.memory import Same
from analyzer.parsers._view import View
from analyzer.policy.calico.selectors import NAMESPACE_KEY, mapped
from analyzer.policy.entities import NamedPort
from analyzer.policy.evaluation import label_holds
from analyzer.policy.reading import group_of, view_of
from analyzer.policy.terms import (
    EVERYONE,
    NOBODY,
    All,
    AnyOf,
    HasLabel,
    InBlocks,
    Is,
    Kind,
    LabelIn,
    LabelText,
    Named,
    Not,
    Of,
    Part,
    Peer,
)
from analyzer.policy.world import NAME_LABEL, World
from analyzer.source import Span

GROUPS = ("projectcalico.org", "crd.projectcalico.org")
PODS: Peer = Is(frozenset({Kind.POD}))
ACCOUNT_KEY = "projectcalico.org/serviceaccount"
ORCHESTRATOR_KEY = "projectcalico.org/orchestrator"
NAME_KEY = "projectcalico.org/name"
OF_NAMESPACE, OF_ACCOUNT = "pcns.", "pcsa."
# Where calicoctl and the API server keep the labels of objects of crd.projectcalico.org.
# The profile that allows everything.
ALLOWING = "projectcalico-default-allow"
METADATA = "projectcalico.org/metadata"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A network set: the labels that selectors see, and its blocks."""

    labels: Mapping[str, str]
    blocks: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class HostEndpoint:
    """A host endpoint. ``interface``: ``*``, a name, or empty where its addresses say which it is."""

    name: str
    node: str
    interface: str
    labels: Mapping[str, str]
    blocks: tuple[Prefix, ...]
    profiles: tuple[str, ...]
    ports: tuple[NamedPort, ...]
    at: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What a cluster has of them, and its tiers by name."""

    world: World
    sets: tuple[Labelled, ...]
    hosts: tuple[HostEndpoint, ...]
    profiles: Mapping[str, OtherObjectFact]
    tiers: Mapping[str, OtherObjectFact]
    accounts: frozenset[str] = frozenset()
    memory: dict[Peer, Peer] = field(default_factory=dict, repr=False, compare=False)
    leaves: dict[Peer, int] = field(default_factory=dict, repr=False, compare=False)
    ranks: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def peer(self, selector: Peer) -> Peer:
        """Whose addresses are those of something that a selector selects."""
        found = self.memory.get(selector)
        if found is None:
            found = self.memory[selector] = self.resolved(selector)
        return found

    def resolved(self, selector: Peer) -> Peer:
        """The pods by their labels, all else by the addresses that it has now: one peer, of which neither is one by itself."""
        chosen = self.members(selector)
        blocks = [block for place, item in enumerate(self.others) if chosen >> place & 1 for block in item.blocks]
        pods = self.pods(selector)
        return All((AnyOf((pods, InBlocks(tuple(sorted(set(blocks)))))),)) if blocks else pods

    @property
    def others(self) -> tuple[Labelled | HostEndpoint, ...]:
        """What is selected and is no pod."""
        return (*self.sets, *self.hosts)

    def members(self, selector: Peer) -> int:
        """Which of the others a selector selects, as a set of bits."""
        whole = (1 << len(self.sets) + len(self.hosts)) - 1
        match selector:
            case All(terms):
                return reduce(and_, (self.members(term) for term in terms), whole)
            case AnyOf(terms):
                return reduce(or_, (self.members(term) for term in terms), 0)
            case Not(term):
                return whole & ~self.members(term)
            case _:
                found = self.leaves.get(selector)
                if found is None:
                    chosen = (1 << place for place, item in enumerate(self.others) if selects(selector, item.labels))
                    found = self.leaves[selector] = sum(chosen)
                return found

    def pods(self, selector: Peer) -> Peer:
        """The pods that a selector selects."""
        test = mapped(selector, lambda leaf: of_pods(leaf, self.accounts))
        return PODS if test == EVERYONE else All((PODS, test))

    def selected_hosts(self, selector: Peer) -> tuple[HostEndpoint, ...]:
        """The host endpoints that a selector selects."""
        chosen = self.members(selector) >> len(self.sets)
        return tuple(item for place, item in enumerate(self.hosts) if chosen >> place & 1)


def of_pods(leaf: Peer, accounts: frozenset[str]) -> Peer:
    """A test of a label as a test of pods: some keys are names, or labels of the pod's namespace or service account."""
    match leaf:
        case LabelIn(key=key, values=values):
            return in_pods(key, values)
        case HasLabel(key=key):
            whose, rest = whose_label(key)
            always = (rest == NAME_KEY and whose is not Of.POD) or key in (NAMESPACE_KEY, ACCOUNT_KEY, ORCHESTRATOR_KEY)
            return EVERYONE if always else HasLabel(whose, rest)
        case LabelText(key=key, part=part, text=text):
            return text_in_pods(key, part, text, accounts)
        case _:
            return leaf


def whose_label(key: str) -> tuple[Of, str]:
    """Whose label a key means, and the key there."""
    for start, of in ((OF_NAMESPACE, Of.NAMESPACE), (OF_ACCOUNT, Of.ACCOUNT)):
        if key.startswith(start):
            return of, key[len(start) :]
    return Of.POD, key


def in_pods(key: str, values: frozenset[str]) -> Peer:
    """A label of a pod that has one of the values."""
    if key == ORCHESTRATOR_KEY:
        return EVERYONE if "k8s" in values else NOBODY
    if (of := name_in(key)) is not None:
        return Named(of, values)
    whose, rest = whose_label(key)
    return LabelIn(whose, rest, values)


def name_in(key: str) -> Of | None:
    """Whose name a key holds; None where it is a label."""
    if key in (NAMESPACE_KEY, OF_NAMESPACE + NAME_KEY):
        return Of.NAMESPACE
    return Of.ACCOUNT if key in (ACCOUNT_KEY, OF_ACCOUNT + NAME_KEY) else None


def text_in_pods(key: str, part: Part, text: str, accounts: frozenset[str]) -> Peer:
    """A label of a pod with a text in it. Of a namespace's name its own label says the same; of service accounts the names are known."""
    test = LabelText(Of.POD, key, part, text)
    if key == ORCHESTRATOR_KEY:
        return EVERYONE if label_holds(test, {key: "k8s"}) else NOBODY
    match name_in(key):
        case Of.NAMESPACE:
            return LabelText(Of.NAMESPACE, NAME_LABEL, part, text)
        case Of.ACCOUNT:
            return Named(Of.ACCOUNT, frozenset(name for name in accounts if label_holds(test, {key: name})))
        case _:
            whose, rest = whose_label(key)
            return LabelText(whose, rest, part, text)


def selects(selector: Peer, labels: Mapping[str, str]) -> bool:
    """Whether a selector holds for something with these labels."""
    match selector:
        case All(terms):
            return all(selects(term, labels) for term in terms)
        case AnyOf(terms):
            return any(selects(term, labels) for term in terms)
        case Not(term):
            return not selects(term, labels)
        case LabelIn() | HasLabel() | LabelText():
            return label_holds(selector, labels)
        case _:
            return False


def endpoints_of(world: World) -> Endpoints:
    """What Calico's selectors can select in a world; worked out once."""
    return endpoints_in(Same(world))


@lru_cache(maxsize=1)
def endpoints_in(key: Same[World]) -> Endpoints:
    """What Calico's selectors can select in a world."""
    world = key.value
    objects: dict[str, list[OtherObjectFact]] = {}
    for item in world.cluster.others:
        if group_of(item) in GROUPS:
            objects.setdefault(item.kind, []).append(item)
    profiles = {item.name: item for item in objects.get("Profile", ())}
    sets = [*(local_set(item, world) for item in objects.get("NetworkSet", ()))]
    sets += [Labelled(labels_of(item), nets(item)) for item in objects.get("GlobalNetworkSet", ())]
    hosts = unique((*automatic(objects, world), *(host_endpoint(item, profiles) for item in objects.get("HostEndpoint", ()))))
    accounts = frozenset(item.account for item in world.pods())
    return Endpoints(world, tuple(sets), hosts, profiles, {item.name: item for item in objects.get("Tier", ())}, accounts)


def automatic(objects: Mapping[str, list[OtherObjectFact]], world: World) -> Iterator[HostEndpoint]:
    """The host endpoints that kube-controllers makes for nodes where it is told so (kube-controllers/pkg/controllers/node/hostendpoints.go): of all interfaces, with the node's
    labels and addresses, and a profile that allows everything. Those that are given come in their place."""
    for config in objects.get("KubeControllersConfiguration", ()):
        spec = view_of(config).part("spec").part("controllers").part("node").part("hostEndpoint")
        if (
            config.name != "default"
            or spec.text("autoCreate") != "Enabled"
            or spec.text("createDefaultHostEndpoint") == "Disabled"
        ):
            continue
        for name, node in sorted(world.cluster.nodes.items()):
            labels = {**node.labels, "projectcalico.org/created-by": "calico-kube-controllers"}
            blocks = tuple(host_prefix(address) for _, address in node.addresses)
            yield HostEndpoint(f"{name}-auto-hep", name, "*", labels, blocks, (ALLOWING,), (), config.at)


def unique(hosts: Iterable[HostEndpoint]) -> tuple[HostEndpoint, ...]:
    """Host endpoints by name; the last of a name counts."""
    return tuple(item for _, item in sorted({item.name: item for item in hosts}.items()))


def local_set(fact: OtherObjectFact, world: World) -> Labelled:
    """A NetworkSet: it has the labels of its namespace as well."""
    namespace = fact.namespace or "default"
    inherited = {OF_NAMESPACE + key: value for key, value in world.namespace_labels(namespace).items()}
    own = {**inherited, OF_NAMESPACE + NAME_KEY: namespace, **labels_of(fact), NAMESPACE_KEY: namespace}
    return Labelled(own, nets(fact))


def nets(fact: OtherObjectFact) -> tuple[Prefix, ...]:
    """The blocks of a network set; what is none is complained of where the set itself is read."""
    found = (block_of(text) for text in view_of(fact).part("spec").texts("nets"))
    return tuple(item for item in found if item is not None)


def block_of(text: str) -> Prefix | None:
    """An address or a CIDR; None where it is neither."""
    try:
        return prefix(text)
    except ValueError:
        return None


def host_endpoint(fact: OtherObjectFact, profiles: Mapping[str, OtherObjectFact]) -> HostEndpoint:
    """A HostEndpoint with the labels that its profiles apply."""
    spec = view_of(fact).part("spec")
    names = tuple(spec.texts("profiles"))
    inherited: dict[str, str] = {}
    for name in names:
        if name in profiles:
            inherited |= view_of(profiles[name]).part("spec").strings("labelsToApply")
    found = (block_of(text) for text in spec.texts("expectedIPs"))
    blocks = tuple(item for item in found if item is not None)
    labels = {**inherited, **labels_of(fact)}
    ports = tuple(port for item in spec.parts("ports") if (port := named_port(item)))
    return HostEndpoint(fact.name, spec.text("node"), spec.text("interfaceName"), labels, blocks, names, ports, fact.at)


def named_port(view: View) -> NamedPort | None:
    """A named port of an endpoint."""
    protocol = {"tcp": 6, "udp": 17, "sctp": 132, "6": 6, "17": 17, "132": 132}.get(str(view.value.get("protocol")).lower())
    port = view.value.get("port")
    if protocol is None or not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        return None
    return NamedPort(view.text("name"), protocol, port)


def labels_of(fact: ObjectFact) -> dict[str, str]:
    """An object's labels, also those that an object of crd.projectcalico.org keeps in an annotation."""
    return {**fact.labels, **dict(kept_labels(fact.annotations.get(METADATA, "")))}


def kept_labels(text: str) -> Iterator[tuple[str, str]]:
    """The labels in the annotation's JSON."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return
    labels = found.get("labels") if isinstance(found, dict) else None
    for key, value in (labels if isinstance(labels, dict) else {}).items():
        if isinstance(value, str):
            yield str(key), value
