"""The other end of a Cilium rule: endpoints by labels, entities, nodes, blocks of addresses, services and names.

Follows pkg/policy/api (entity.go, cidr.go, egress.go, selector.go), pkg/k8s/apis/cilium.io/utils (the namespace that a selector is
about, and that an empty list selects nobody) and pkg/policy/k8s/service.go. Entities that no object shows (init, health,
ingress and unmanaged endpoints) are never an end of a flow here. The entity "cluster" is pods, nodes and the API servers that are given.

Whether a node is the entity "host" or "remote-node" depends on which node the subject is on: see ``Sides``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from analyzer.addresses import Address, Prefix, address, default_prefix, host_prefix, prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.cilium.labels import PODS, Label, LabelReader, label_of
from analyzer.policy.cilium.selectors import keys_of, nobody, selector
from analyzer.policy.cilium.settings import Settings
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.exclusions import beside, only_excludes
from analyzer.policy.metadata import PLACEHOLDER
from analyzer.policy.names import NameReader, cilium
from analyzer.policy.reading import Complaint, group_of, view_of
from analyzer.policy.terms import EVERYONE, NOBODY, All, InBlocks, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World
from analyzer.source import Span

HOSTS: Peer = Is(frozenset({Kind.HOST}))
OUTSIDE: Peer = Is(frozenset({Kind.OUTSIDE}))
INSIDE: Peer = Is(frozenset({Kind.POD, Kind.HOST}))
NAME = re.compile(r"(?=.{1,255}\Z)[-a-zA-Z0-9_]+(\.[-a-zA-Z0-9_]+)*\.?")
PATTERN = re.compile(r"(?=.{1,255}\Z)[-a-zA-Z0-9_*]+(\.[-a-zA-Z0-9_*]+)*\.?")
DERIVED = "io.cilium.network.policy.kind"
UNSEEN = ("init", "health", "ingress", "unmanaged", "none")
ENTITIES = ("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "kube-apiserver", *UNSEEN)


class Where(Enum):
    """Whether a node is looked at as the subject's own or as another."""

    OWN = "host"
    OTHER = "remote-node"


@dataclass(frozen=True, slots=True)
class Sides:
    """A test of the other end: where it is the subject's own node, and where it is anybody else."""

    own: Peer
    other: Peer


def everywhere(peer: Peer) -> Sides:
    """A test for which it does not matter which node is whose."""
    return Sides(peer, peer)


def any_side(found: list[Sides]) -> Sides:
    """One of the tests, as simply as it is said."""
    own, other = terms_of(item.own for item in found), terms_of(item.other for item in found)
    return everywhere(either(own)) if set(own) == set(other) else Sides(either(own), either(other))


def terms_of(tests: Iterable[Peer]) -> tuple[Peer, ...]:
    """The tests of which one is to hold, without those that others hold for as well."""
    found = dict.fromkeys(test for test in tests if test != NOBODY)
    if EVERYONE in found:
        return (EVERYONE,)
    return tuple(test for test in found if test not in (HOSTS, PODS) or INSIDE not in found)


@dataclass(frozen=True, slots=True)
class PeerReader:
    """Reads the peers of one object's rules; ``advice`` collects what is not as it looks."""

    fact: OtherObjectFact
    world: World
    settings: Settings
    advice: list[Complaint]

    @property
    def labels(self) -> LabelReader:
        """Reads labels."""
        return LabelReader(self.settings.cluster, self.settings.label_filter)

    def sides(self, rule: View, prefix: str) -> Sides | None:
        """The peers of a rule (``prefix`` is "from" or "to"); None where the rule names none."""
        given = {name: read for name, read in self.readers(prefix).items() if rule.value.get(name) is not None}
        if not given:
            return None
        if len(used := sorted(name for name in given if rule.value[name])) > 1:
            rule.wrong(f"{used[0]} and {used[1]} cannot be in one rule: write a rule for each", used[1])
        return any_side([side for name, read in given.items() for side in read(rule, name)])

    def readers(self, prefix: str) -> Mapping[str, Callable[[View, str], Iterator[Sides]]]:
        """The fields that name peers."""
        common = {
            prefix + "Endpoints": self.endpoints,
            prefix + "Entities": self.entities,
            prefix + "Nodes": self.nodes,
            prefix + "CIDR": self.cidrs,
            prefix + "CIDRSet": self.cidr_sets,
            prefix + "Groups": self.groups,
        }
        return common if prefix == "from" else {**common, "toServices": self.services, "toFQDNs": self.names}

    def endpoints(self, rule: View, key: str) -> Iterator[Sides]:
        """Endpoints by labels, of the policy's namespace unless a selector says which itself."""
        for item in rule.parts(key):
            yield self.endpoint(item)

    def endpoint(self, item: View) -> Sides:
        """One selector of endpoints."""
        keys = [label_of(key) for key in keys_of(item)]
        if any(label.reserved for label in keys):
            labels = replace(self.labels, nodes=self.settings.node_labels)
            return Sides(selector(item, labels, self.own_entity), selector(item, labels, self.other_entity))
        pods = All((PODS, *self.within(keys), selector(item, self.labels, nobody)))
        if not self.says_namespace(keys) or not only_excludes(item.value):
            return everywhere(pods)
        return everywhere(beside(pods, self.world.profile, item.at()))

    def says_namespace(self, keys: list[Label]) -> bool:
        """Whether Cilium adds no requirement of a namespace to a selector (getEndpointSelector)."""
        spoken = any(label.chooses_namespace for label in keys)
        return spoken or (bool(self.fact.namespace) and any(label.about_namespace_labels for label in keys))

    def within(self, keys: list[Label]) -> Iterator[Peer]:
        """The namespace that a selector is about where it does not say so."""
        if self.fact.namespace and not self.says_namespace(keys):
            yield Named(Of.NAMESPACE, frozenset({self.fact.namespace}))

    def entities(self, rule: View, key: str) -> Iterator[Sides]:
        """Entities by name."""
        for index, name in enumerate(rule.texts(key)):
            if name not in ENTITIES:
                rule.wrong(f"unknown entity {name!r}: it must be one of {', '.join(sorted(ENTITIES))}", key, index)
            at = rule.at(key, index)
            yield Sides(self.own_entity(name, at), self.other_entity(name, at))

    def own_entity(self, name: str, at: Span) -> Peer:
        """Who an entity is, where a node is the subject's own."""
        return self.entity(name, Where.OWN, at)

    def other_entity(self, name: str, at: Span) -> Peer:
        """Who an entity is, where a node is another."""
        return self.entity(name, Where.OTHER, at)

    def entity(self, name: str, where: Where, at: Span) -> Peer:
        """Who an entity is."""
        match name:
            case "all":
                return EVERYONE
            case "world":
                return OUTSIDE
            case "world-ipv4" | "world-ipv6":
                return InBlocks((default_prefix(4 if name == "world-ipv4" else 6),), pods=False, hosts=False)
            case "host" | "remote-node":
                return HOSTS if where.value == name else NOBODY
            case "kube-apiserver":
                return self.api_servers(at)
            case "cluster":
                given = self.settings.api_servers
                return either((INSIDE, addresses(given, hosts=True))) if given else INSIDE
            case _:
                return NOBODY

    def api_servers(self, at: Span) -> Peer:
        """The API servers: nodes or addresses outside that are endpoints of ``default/kubernetes``."""
        if self.settings.api_servers is not None:
            return addresses(self.settings.api_servers, hosts=True)
        return All((Not(PODS), Opaque("which addresses the API servers have: endpoints of default/kubernetes are not given", at)))

    def nodes(self, rule: View, key: str) -> Iterator[Sides]:
        """Other nodes by their labels, where Cilium gives nodes identities by label."""
        for item in rule.parts(key):
            test: Peer = All((HOSTS, selector(item, LabelReader(plain=Of.NODE))))
            if self.settings.node_labels is None:
                test = All((test, Opaque("whether Cilium's enable-node-selector-labels is on", item.at())))
            elif not self.settings.node_labels:
                rule.wrong(f"{key} needs Cilium's enable-node-selector-labels", key)
            yield Sides(NOBODY, test)

    def cidrs(self, rule: View, key: str) -> Iterator[Sides]:
        """Blocks of addresses."""
        for index, text in enumerate(rule.texts(key)):
            found = block(rule, text, key, index)
            if found is not None:
                yield everywhere(self.in_blocks((found,)))

    def in_blocks(self, blocks: tuple[Prefix, ...]) -> Peer:
        """Addresses in blocks: those of pods and of nodes where ``policy-cidr-match-mode`` says so (pkg/policy/types/selector.go, CIDRSelector)."""
        return InBlocks(blocks, pods=self.settings.match_pods, hosts=self.settings.match_nodes)

    def cidr_sets(self, rule: View, key: str) -> Iterator[Sides]:
        """Blocks with holes, or groups of blocks."""
        for item in rule.parts(key):
            yield everywhere(self.cidr_set(item))

    def cidr_set(self, item: View) -> Peer:
        """One entry: ``cidr``, ``cidrGroupRef`` or ``cidrGroupSelector``, without ``except``."""
        chosen = [name for name in ("cidr", "cidrGroupRef", "cidrGroupSelector") if item.value.get(name)]
        if len(chosen) != 1:
            item.wrong("must have one of cidr, cidrGroupRef and cidrGroupSelector")
            return NOBODY
        holes = [hole for i, text in enumerate(item.texts("except")) if (hole := block(item, text, "except", i)) is not None]
        blocks = self.blocks_of(item, chosen[0])
        self.check_set(item, chosen[0], blocks)
        if not blocks:
            return NOBODY
        whole = self.in_blocks(blocks)
        return All((whole, Not(InBlocks(tuple(holes))))) if holes else whole

    def check_set(self, item: View, chosen: str, blocks: tuple[Prefix, ...]) -> None:
        """Notes what Cilium refuses of a block with holes (CIDRRule.sanitize): each has its length, and the address of a hole is in the block."""
        if chosen == "cidr" and blocks and "/" not in item.text("cidr"):
            item.wrong(f"{item.text('cidr')} has no length, which it needs in a set", "cidr")
        for index, text in enumerate(item.texts("except") if chosen == "cidr" and blocks else ()):
            own, slash, _ = text.partition("/")
            if block(View({}, {(): item.at()}, "", []), text) is None:
                continue
            if not slash:
                item.wrong(f"except {text} has no length, which it needs in a set", "except", index)
            elif not blocks[0].covers(address(own)):
                item.wrong(f"except {text} is not inside {blocks[0]}", "except", index)

    def blocks_of(self, item: View, chosen: str) -> tuple[Prefix, ...]:
        """The blocks that an entry means."""
        if chosen == "cidr":
            found = block(item, item.text("cidr"), "cidr")
            return (found,) if found is not None else ()
        if chosen == "cidrGroupRef":
            return self.group(item, item.text("cidrGroupRef"))
        return self.chosen_groups(item.part("cidrGroupSelector"))

    def group(self, item: View, name: str) -> tuple[Prefix, ...]:
        """The blocks of a CiliumCIDRGroup."""
        found = [group for group in groups_of(self.world) if group.name == name]
        if not found:
            self.advice.append(Complaint(item.at("cidrGroupRef"), f"there is no CiliumCIDRGroup {name!r}: it matches nothing"))
        return self.blocks_in(found)

    def chosen_groups(self, item: View) -> tuple[Prefix, ...]:
        """The blocks of the groups that a selector chooses."""
        test = selector(item, LabelReader(plain=Of.POD))
        return self.blocks_in([group for group in groups_of(self.world) if labels_hold(test, group.labels)])

    def blocks_in(self, groups: list[OtherObjectFact]) -> tuple[Prefix, ...]:
        """The blocks of groups; what is none is left out."""
        found = []
        for group in groups:
            view = view_of(group)
            texts = view.part("spec").texts("externalCIDRs")
            found += [block(view.part("spec"), text, "externalCIDRs", i) for i, text in enumerate(texts)]
            self.advice.extend(Complaint(gap.at, f"{gap.reason}: it is left out of the group") for gap in view.gaps)
        return tuple(dict.fromkeys(item for item in found if item is not None))

    def groups(self, rule: View, key: str) -> Iterator[Sides]:
        """Groups of a cloud provider: addresses outside that only it knows. Where the policy is given that Cilium's operator makes of it, with these addresses
        (operator/pkg/policy/groups), that one says it all."""
        for item in rule.parts(key):
            if self.derived():
                yield everywhere(NOBODY)
                continue
            text = (
                f"which addresses the cloud's group in {key} has, which the policy would say that Cilium's operator makes of it"
            )
            yield everywhere(All((Not(PODS), Opaque(text, item.at()))))

    def derived(self) -> bool:
        """Whether the policy is given that the operator makes of this one."""
        starts = tuple(f"{self.fact.name}-{word}-" for word in ("groups", "togroups"))
        found = (item for item in self.world.by_kind.get(self.fact.kind, ()) if item.name.startswith(starts))
        return any(
            (item.namespace or "default") == (self.fact.namespace or "default") and item.labels.get(DERIVED) == "derivative"
            for item in found
        )

    def names(self, rule: View, key: str) -> Iterator[Sides]:
        """Domain names: addresses outside that pods have been told for them (never those of pods and nodes, which have identities of their own)."""
        reader = NameReader(self.world.names, cilium, lambda blocks: InBlocks(blocks, pods=False, hosts=False), OUTSIDE)
        for item in rule.parts(key):
            name = item.text("matchName") or item.text("matchPattern")
            check_name(item)
            yield everywhere(reader.asked(name, item.at()) if name else NOBODY)

    def services(self, rule: View, key: str) -> Iterator[Sides]:
        """Services: the pods that they select, or the addresses of their endpoints where they select none."""
        for item in rule.parts(key):
            found = [self.backends(*name) for name in self.chosen_services(item)]
            if not found and item.value:
                self.advice.append(Complaint(item.at(), f"{key} chooses no service that is given: it matches nothing"))
            yield everywhere(either(found) if found else NOBODY)

    def chosen_services(self, item: View) -> Iterator[tuple[str, str]]:
        """The services by name, or by their labels; without a namespace in each."""
        by_name, by_labels = item.part("k8sService"), item.part("k8sServiceSelector")
        chosen = by_name if by_name.value else by_labels
        if not chosen.value:
            item.wrong("must have k8sService or k8sServiceSelector")
        test = selector(by_labels.part("selector"), LabelReader(plain=Of.POD))
        for (namespace, name), service in sorted(self.world.cluster.services.items()):
            here = chosen.text("namespace") in ("", namespace)
            if here and (name == by_name.text("serviceName") if by_name.value else labels_hold(test, service.labels)):
                yield namespace, name

    def backends(self, namespace: str, name: str) -> Peer:
        """Who is behind a service."""
        service = self.world.cluster.services[namespace, name]
        if service.selector:
            own = (LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(service.selector.items()))
            return All((PODS, Named(Of.NAMESPACE, frozenset({namespace})), *own))
        slices = self.world.cluster.endpoints.get((namespace, name), ())
        blocks = tuple(sorted({host_prefix(item.address) for fact in slices for item in fact.endpoints}))
        return self.in_blocks(blocks) if blocks else NOBODY


def check_name(item: View) -> None:
    """Notes what Cilium refuses of a domain name (fqdn.go, FQDNSelector.sanitize, and the patterns of its CRD); placeholders of templates are passed over."""
    name, pattern = item.text("matchName"), item.text("matchPattern")
    if PLACEHOLDER.search(name + pattern):
        return
    if not name and not pattern:
        item.wrong("must have matchName or matchPattern")
    elif name and pattern:
        item.wrong("matchName and matchPattern cannot stand together", "matchPattern")
    if name and not NAME.fullmatch(name):
        item.wrong(f"{name!r} is no domain name: it has letters, digits, dashes, underscores and single dots", "matchName")
    if pattern and not PATTERN.fullmatch(pattern):
        item.wrong(f"{pattern!r} is no pattern: beside what names have only '*' is possible", "matchPattern")


def addresses(found: tuple[Address, ...], hosts: bool) -> Peer:
    """Nodes and others with one of the addresses."""
    return InBlocks(tuple(host_prefix(item) for item in found), pods=False, hosts=hosts)


def block(view: View, text: str, *path: str | int) -> Prefix | None:
    """A CIDR, or an address, which means itself alone. None, and a note, where it is none."""
    try:
        return prefix(text)
    except ValueError:
        view.wrong(f"{text!r} is no CIDR", *path)
        return None


def groups_of(world: World) -> Iterator[OtherObjectFact]:
    """The CiliumCIDRGroups."""
    return (item for item in world.by_kind.get("CiliumCIDRGroup", ()) if group_of(item) == "cilium.io")


def labels_hold(test: Peer, labels: Mapping[str, str]) -> bool:
    """Whether a test of plain labels holds for an object with these."""
    return holds(test, Entity("", Kind.POD, labels=labels), 4) is True
