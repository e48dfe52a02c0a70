"""The ends of Antrea's rules: pods, groups, blocks, nodes, service accounts and names.

Follows pkg/apis/crd/v1beta1/types.go and docs/antrea-network-policy.md. In a policy of the cluster a podSelector alone is about every
namespace, in a namespaced one about its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.addresses import Prefix, prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block
from analyzer.policy.entities import Entity
from analyzer.policy.evaluation import holds
from analyzer.policy.names import NameReader, any_text
from analyzer.policy.reading import Complaint, group_of, unknown_fields, view_of
from analyzer.policy.relations import Relation, same_labels, same_namespace
from analyzer.policy.selectors import selector
from analyzer.policy.terms import NOBODY, All, InBlocks, Is, Kind, LabelIn, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World

GROUP = "crd.antrea.io"
PODS: Peer = Is(frozenset({Kind.POD}))
HOSTS: Peer = Is(frozenset({Kind.HOST}))
ELSEWHERE: Peer = Is(frozenset({Kind.HOST, Kind.OUTSIDE}))
CHOICES = ("podSelector", "namespaceSelector", "namespaces", "ipBlock", "group", "fqdn", "serviceAccount", "nodeSelector")
APPLIED = ("podSelector", "namespaceSelector", "group", "serviceAccount", "service", "nodeSelector")


@dataclass(slots=True)
class Ends:
    """Tests of the other end; ``related`` are tests of pods, with where they are for a subject."""

    anywhere: list[Peer] = field(default_factory=list)
    related: list[tuple[Peer, list[Relation]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EndReader:
    """Reads the ends of one policy's rules; ``namespace`` is empty for one of the cluster. ``void`` has why the policy does nothing."""

    world: World
    namespace: str
    advice: list[Complaint]
    void: list[Complaint] = field(default_factory=list)

    def ends(self, rule: View, key: str) -> Ends | None:
        """The peers of a rule; None where it names none, which means everyone."""
        if not rule.value.get(key) and not rule.value.get("toServices"):
            return None
        found = Ends()
        for item in rule.parts(key):
            unknown_fields(item, {*CHOICES, "externalEntitySelector", "scope"})
            chosen = item.part("namespaces")
            if chosen.value:
                self.by_namespace(item, chosen, found)
            else:
                found.anywhere.append(self.end(item))
        found.anywhere += [self.asked(item) for item in rule.parts("toServices")]
        return found

    def by_namespace(self, item: View, chosen: View, found: Ends) -> None:
        """Pods of the subject's own namespace, or of those with the same labels as it."""
        pods = All((PODS, selector(item.part("podSelector"), Of.POD)))
        if chosen.value.get("match") == "Self":
            found.related.append((pods, list(same_namespace(self.world, chosen.at()))))
        elif labels := chosen.texts("sameLabels"):
            found.related.append((pods, list(same_labels(self.world, labels, chosen.at()))))
        else:
            chosen.wrong("must have match: Self or sameLabels")

    def end(self, item: View) -> Peer:
        """One end that does not depend on the subject."""
        if item.value.get("ipBlock") is not None:
            return self.blocks([item.part("ipBlock")])
        if name := item.text("group"):
            return self.group(item, name)
        if name := item.text("fqdn"):
            return NameReader(self.world.names, any_text, InBlocks, ELSEWHERE, PODS).asked(name, item.at("fqdn"))
        if item.value.get("serviceAccount") is not None:
            return self.account(item.part("serviceAccount"))
        if item.value.get("nodeSelector") is not None:
            return All((HOSTS, selector(item.part("nodeSelector"), Of.NODE)))
        if item.value.get("externalEntitySelector") is not None:
            return self.external(item)
        return self.pods(item)

    def pods(self, item: View) -> Peer:
        """Pods by their labels and those of their namespaces."""
        if item.value.get("podSelector") is None and item.value.get("namespaceSelector") is None:
            item.wrong("must name somebody")
            return NOBODY
        terms: list[Peer] = [PODS]
        if item.value.get("namespaceSelector") is not None:
            terms.append(selector(item.part("namespaceSelector"), Of.NAMESPACE))
        elif self.namespace:
            terms.append(Named(Of.NAMESPACE, frozenset({self.namespace})))
        return All((*terms, selector(item.part("podSelector"), Of.POD)))

    def blocks(self, items: list[View]) -> Peer:
        """Blocks of addresses, each without its holes."""
        found: list[Peer] = []
        for item in items:
            whole = block(item, item.text("cidr"), "cidr")
            if whole is not None:
                holes = tuple(holes_of(item, whole))
                found.append(All((InBlocks((whole,)), Not(InBlocks(holes)))) if holes else InBlocks((whole,)))
        return either(found) if found else NOBODY

    def account(self, item: View) -> Peer:
        """A service account."""
        space, name = item.text("namespace"), item.text("name")
        return All((PODS, Named(Of.NAMESPACE, frozenset({space})), Named(Of.ACCOUNT, frozenset({name}))))

    def group(self, item: View, name: str, depth: int = 0, applied: bool = False) -> Peer:
        """A Group of the namespace, or a ClusterGroup; ``applied``: as whom a policy is about."""
        kind = "Group" if self.namespace else "ClusterGroup"
        fact = next((found for found in self.groups(kind) if found.name == name), None)
        if fact is None:
            self.advice.append(Complaint(item.at("group"), f"there is no {kind} {name!r}: it matches nothing"))
            return NOBODY
        view = view_of(fact)
        peer = self.members(view.part("spec"), item, depth, applied)
        self.advice.extend(Complaint(gap.at, gap.reason, rejected=True) for gap in view.gaps)
        return peer

    def groups(self, kind: str) -> Iterator[OtherObjectFact]:
        """The groups that the policy can name."""
        for item in self.world.by_kind.get(kind, ()):
            if group_of(item) == GROUP and (not self.namespace or item.namespace == self.namespace):
                yield item

    def members(self, spec: View, item: View, depth: int, applied: bool) -> Peer:
        """Who is in a group. Groups of groups are one level deep."""
        if spec.value.get("childGroups"):
            if depth:
                spec.wrong("a group that is a child of another cannot have childGroups itself", "childGroups")
                return Opaque("groups of groups of groups", spec.at("childGroups"))
            return either(self.group(item, name, depth + 1, applied) for name in spec.texts("childGroups"))
        if spec.value.get("ipBlocks") or spec.value.get("ipBlock"):
            if applied:
                self.advice.append(Complaint(item.at("group"), "a policy is not about the blocks of a group: they are left out"))
                return NOBODY
            single = [spec.part("ipBlock")] if spec.value.get("ipBlock") else []
            return self.blocks([*single, *spec.parts("ipBlocks")])
        if spec.value.get("serviceReference"):
            return self.service(spec.part("serviceReference"))
        return self.pods(spec)

    def asked(self, item: View) -> Peer:
        """Whoever is reached through a service (pkg/agent/openflow, the service's group): what is sent to its pods directly is not meant."""
        unknown_fields(item, {"name", "namespace", "scope"})
        if item.text("scope") == "ClusterSet":
            return Opaque("which services of other clusters are meant", item.at("scope"))
        name = f"{item.text('namespace') or self.namespace}/{item.text('name')}"
        if tuple(name.split("/", 1)) not in self.world.cluster.services:
            self.advice.append(Complaint(item.at(), f"there is no service {name}: it matches nothing"))
        return Named(Of.SERVICE, frozenset({name}))

    def service(self, item: View) -> Peer:
        """The pods that a service selects; nobody where there is none, or it selects by no labels (serviceToGroupSelector in pkg/controller/networkpolicy/clustergroup.go)."""
        space = item.text("namespace") or self.namespace
        service = self.world.cluster.services.get((space, item.text("name")))
        if service is None or not service.selector:
            what = "there is no service" if service is None else "no labels select the pods of the service"
            self.advice.append(Complaint(item.at(), f"{what} {space}/{item.text('name')}: the group has no members"))
            return NOBODY
        own = (LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted(service.selector.items()))
        return All((PODS, Named(Of.NAMESPACE, frozenset({space})), *own))

    def external(self, item: View) -> Peer:
        """External entities by their labels, and those that are made of ExternalNodes, by their addresses."""
        test = selector(item.part("externalEntitySelector"), Of.POD)
        spaces = (
            selector(item.part("namespaceSelector"), Of.NAMESPACE) if item.value.get("namespaceSelector") is not None else None
        )
        found = []
        for fact in (*self.world.by_kind.get("ExternalEntity", ()), *self.world.by_kind.get("ExternalNode", ())):
            home = fact.namespace or "default"
            if spaces is None and self.namespace and home != self.namespace:
                continue
            labels = self.world.namespace_labels(home)
            stands = Entity("", Kind.POD, labels=fact.labels, namespace=home, namespace_labels=labels)
            if group_of(fact) == GROUP and holds(test, stands, 4) and (spaces is None or holds(spaces, stands, 4)):
                found += [block for text in addresses_of(fact) if (block := host_of(text)) is not None]
        return InBlocks(tuple(sorted(set(found))), pods=False, hosts=False) if found else NOBODY

    def applied(self, view: View) -> Peer | None:
        """Whom ``appliedTo`` is about; None where it is absent."""
        if not view.value.get("appliedTo"):
            return None
        return either(self.subject(item) for item in view.parts("appliedTo"))

    def subject(self, item: View) -> Peer:
        """One entry of ``appliedTo``."""
        unknown_fields(item, {*APPLIED, "externalEntitySelector"})
        if item.value.get("externalEntitySelector") is not None:
            return self.external(item)
        if item.value.get("nodeSelector") is not None:
            nodes = selector(item.part("nodeSelector"), Of.NODE)
            return All((HOSTS, nodes, Opaque("whether Antrea's NodeNetworkPolicy is on", item.at())))
        if item.value.get("service") is not None:
            self.advice.append(
                Complaint(item.at("service"), "policies of NodePort services are not part of what is decided here")
            )
            return NOBODY
        return self.applied_group(item) if item.text("group") else self.end(item)

    def applied_group(self, item: View) -> Peer:
        """Whom a policy is about by a group: its pods. A policy with a Group that selects pods of other namespaces does nothing (getInternalGroupWorkloads: ``SyncError``)."""
        found = self.group(item, item.text("group"), applied=True)
        if not self.namespace:
            return found
        others = (pod for pod in self.world.pods() if pod.namespace != self.namespace)
        if (other := next((pod for pod in others if holds(found, pod, 4) is not False), None)) is not None:
            text = f"the Group {item.text('group')} selects {other.name}, which is in another namespace: Antrea does not enforce the policy"
            self.void.append(Complaint(item.at("group"), text))
        return All((Named(Of.NAMESPACE, frozenset({self.namespace})), found))


def holes_of(item: View, whole: Prefix) -> Iterator[Prefix]:
    """The holes of a block."""
    for index, text in enumerate(item.texts("except")):
        hole = block(item, text, "except", index)
        if hole is not None and (hole == whole or not whole.covers(hole)):
            item.wrong(f"except {text} must be strictly inside the cidr {whole}", "except", index)
        elif hole is not None:
            yield hole


def addresses_of(fact: OtherObjectFact) -> Iterator[str]:
    """The addresses of an ExternalEntity's endpoints (v1alpha2), or of an ExternalNode's interfaces (v1alpha1)."""
    spec = view_of(fact).part("spec")
    yield from (item.text("ip") for item in spec.parts("endpoints"))
    yield from (text for item in spec.parts("interfaces") for text in item.texts("ips"))


def host_of(text: str) -> Prefix | None:
    """An address as a block; None where it is none."""
    try:
        return prefix(text)
    except ValueError:
        return None
