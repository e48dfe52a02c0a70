"""Calico's NetworkPolicy, GlobalNetworkPolicy and their staged kinds (projectcalico.org/v3 and crd.projectcalico.org/v1).

Follows api/pkg/apis/projectcalico/v3 (networkpolicy.go, globalnetworkpolicy.go), libcalico-go lib/validator/v3 and
lib/backend/syncersv1/updateprocessors (whom a policy selects), felix/calc/policy_sorter.go (by order, of which none is last).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.calico.endpoints import ACCOUNT_KEY, GROUPS, PODS, Endpoints, HostEndpoint, endpoints_of
from analyzer.policy.calico.fields import selector
from analyzer.policy.calico.hosts import BEFORE_TRANSLATION, FIRST, FORWARDED, LAST, UNTRACKED, Place, of_policy
from analyzer.policy.calico.ordering import place_in_order
from analyzer.policy.calico.rules import Reader, of_account, of_namespace
from analyzer.policy.calico.selectors import NAMESPACE_KEY, mapped
from analyzer.policy.calico.tiers import AS_TIER, order_of, ranked
from analyzer.policy.reading import Complaint, PolicyKind, Read, unknown_fields, unreadable, view_of
from analyzer.policy.terms import EVERYONE, All, HasLabel, LabelIn, Named, Of, Opaque, Peer, both, either
from analyzer.policy.tiers import Action, Direction, Policy, Rules, TierOrder
from analyzer.policy.world import World

TYPES = ("Ingress", "Egress")
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# The prefixes of policies that were made of those of Kubernetes and OpenStack.
NAME = re.compile(rf"({LABEL}\.)?{LABEL}|(knp|ossg)\.default\.{LABEL}(\.{LABEL})*")
GLOBAL_NAME = re.compile(rf"({LABEL}\.)?{LABEL}")
STAGED = ("StagedNetworkPolicy", "StagedGlobalNetworkPolicy", "StagedKubernetesNetworkPolicy")
FIELDS = {"tier", "order", "ingress", "egress", "selector", "types", "serviceAccountSelector", "performanceHints"}
GLOBAL_FIELDS = FIELDS | {"namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A policy for the pods that it selects, and for the host endpoints; of a staged one only what is wrong with it."""
    if fact.kind == "StagedKubernetesNetworkPolicy":
        yield not_enforced(fact)
        return
    reading = Reading(fact, endpoints_of(world))
    found = list(reading.policies())
    if fact.kind in STAGED:
        yield not_enforced(fact)
        found = []
    gaps = list(dict.fromkeys((gap.at, gap.reason) for gap in reading.view.gaps))
    yield from (Complaint(at, reason, rejected=True) for at, reason in gaps)
    yield from reading.advice
    yield from unreadable_policies(fact, reading, gaps[0][1]) if gaps and found else found


def unreadable_policies(fact: OtherObjectFact, reading: Reading, reason: str) -> Iterator[Policy | TierOrder]:
    """What stands for a policy that Calico would not take: it may do anything, before all others."""
    nodes = frozenset(host.node for host in reading.endpoints.hosts) if reading.everywhere else frozenset()
    found = unreadable(fact, reason, either((PODS, Named(Of.NODE, nodes))) if nodes else PODS)
    for plane in ("cluster", FORWARDED) if nodes else ("cluster",):
        yield TierOrder("unreadable", FIRST, Action.PASS, plane)
        yield replace(found, tier="unreadable", plane=plane, order=(0.0, str(found)))


def not_enforced(fact: OtherObjectFact) -> Complaint:
    """That a staged policy does nothing."""
    return Complaint(fact.at, f"{fact.kind} {fact.name} is staged: what it says is logged and not enforced")


class Reading:
    """Reads one policy."""

    def __init__(self, fact: OtherObjectFact, endpoints: Endpoints) -> None:
        self.fact, self.endpoints = fact, endpoints
        self.view = view_of(fact)
        self.spec = self.view.part("spec")
        self.everywhere = "Global" in fact.kind
        self.namespace = "" if self.everywhere else fact.namespace or "default"
        self.advice: list[Complaint] = []

    def policies(self) -> Iterator[Policy | TierOrder]:
        """The policy, as one for pods and, where it selects any, one for host endpoints."""
        self.check()
        chosen = self.subject()
        found = {name: self.rules(name) for name in TYPES}
        place, doubt, orders = self.place()
        policy = Policy(
            self.fact.kind,
            self.namespace,
            self.fact.name,
            self.fact.at,
            both(self.endpoints.pods(chosen), doubt),
            found["Ingress"],
            found["Egress"],
            place.tier,
            (self.order(), place_in_order(self.endpoints.world.cluster, self.fact, self.namespace, self.spec)),
        )
        yield from orders
        if not place.stage:
            yield policy
        hosts = self.hosts(chosen, place)
        if hosts:
            forward = self.spec.truth("applyOnForward") is True
            yield from of_policy(policy, hosts, self.endpoints, place, forward, doubt)
        elif place.stage:
            self.note(f"does nothing: it selects no host endpoint that policies with {self.flag()} are for")

    def hosts(self, chosen: Peer, place: Place) -> tuple[HostEndpoint, ...]:
        """The host endpoints that the policy is for. Those of all interfaces have no untracked policies (reference/resources/hostendpoint.md)."""
        found = self.endpoints.selected_hosts(chosen) if self.everywhere else ()
        return tuple(item for item in found if item.interface != "*" or place.stage != UNTRACKED)

    def rules(self, name: str) -> Rules | None:
        """What the policy says in a direction; None where it is not about it."""
        direction = Direction(name.lower())
        rules = Reader(self.endpoints, self.namespace).rules(self.spec, direction)
        if name in self.types():
            return Rules(rules)
        if rules:
            self.note(f"has rules of {direction.value} that do nothing: types does not name {name}")
        return None

    def types(self) -> tuple[str, ...]:
        """The directions that the policy is about: those of its rules, where it does not say; of none, ingress."""
        given = self.spec.texts("types")
        if given:
            return tuple(given)
        if self.spec.value.get("egress"):
            return TYPES if self.spec.value.get("ingress") else ("Egress",)
        return ("Ingress",)

    def subject(self) -> Peer:
        """The test of what the policy is for. all() about namespaces or service accounts means what has one."""
        terms: list[Peer] = []
        if (own := selector(self.spec, "selector")) is not None:
            terms.append(own)
        if self.namespace:
            terms.append(LabelIn(Of.POD, NAMESPACE_KEY, frozenset({self.namespace})))
        within = selector(self.spec, "namespaceSelector") if self.everywhere else None
        if within is not None:
            terms = [mapped(term, in_namespace) for term in (*terms, mapped(within, of_namespace))]
        if (account := selector(self.spec, "serviceAccountSelector")) is not None:
            terms.append(mapped(account, of_account))
            terms = [mapped(term, with_account) for term in terms] if self.everywhere else terms
        return All(tuple(terms))

    def place(self) -> tuple[Place, Peer, tuple[TierOrder, ...]]:
        """Where the policy stands, and a doubt where its tier is not given: then it may decide at any place, which being asked first covers."""
        given = self.spec.text("tier") or "default"
        tier, stage = AS_TIER.get(given, given), self.stage()
        places = ranked(self.endpoints)
        if tier in places:
            return Place(tier, places[tier], len(places), stage), EVERYONE, ()
        self.note(f"is in the tier {given}, which is not given: where it is asked, and what follows, is not known", "tier")
        doubt = Opaque(f"where the tier {given} stands, which is not given", self.spec.at("tier"))
        orders = tuple(TierOrder(tier, FIRST, Action.DENY, plane) for plane in ("cluster", FORWARDED))
        return Place(tier, 0, len(places) + 1, stage), doubt, orders

    def stage(self) -> str:
        """The stage before the tiers that the policy is for."""
        if not self.everywhere:
            return ""
        if self.spec.truth("doNotTrack"):
            return UNTRACKED
        return BEFORE_TRANSLATION if self.spec.truth("preDNAT") else ""

    def flag(self) -> str:
        """The field that makes the policy one of a stage."""
        return "doNotTrack" if self.stage() == UNTRACKED else "preDNAT"

    def order(self) -> float:
        """The policy's order; none is last."""
        return order_of(self.spec, LAST)

    def note(self, text: str, *path: str | int) -> None:
        """Notes what the policy does other than its text suggests."""
        self.advice.append(Complaint(self.spec.at(*path) if path else self.fact.at, f"{self.fact.kind} {self.fact.name} {text}"))

    def check(self) -> None:
        """Notes what Calico refuses of the policy as a whole."""
        staged = {"stagedAction"} if self.fact.kind in STAGED else set()
        unknown_fields(self.spec, (GLOBAL_FIELDS if self.everywhere else FIELDS) | staged)
        if not (GLOBAL_NAME if self.everywhere else NAME).fullmatch(self.fact.name):
            self.view.wrong(f"{self.fact.name!r} cannot name a {self.fact.kind}", "metadata", "name")
        given = self.spec.texts("types")
        for index, name in enumerate(given):
            if name not in TYPES or name in given[:index]:
                self.spec.wrong(f"types[{index}] is {name!r}: it must be Ingress or Egress, each once", "types", index)
        for key in ("selector", "serviceAccountSelector", "namespaceSelector"):
            if "global(" in str(self.spec.value.get(key) or ""):
                self.spec.wrong("global() can only stand in the namespaceSelector of a rule", key)
        if self.everywhere:
            self.check_stage()

    def check_stage(self) -> None:
        """Notes what Calico refuses of policies that are asked before the tiers."""
        untracked, before, forward = map(self.spec.truth, ("doNotTrack", "preDNAT", "applyOnForward"))
        if untracked and before:
            self.spec.wrong("preDNAT and doNotTrack cannot both be true", "preDNAT")
        if before and (self.spec.value.get("egress") or "Egress" in self.spec.texts("types")):
            self.spec.wrong(
                "a preDNAT policy cannot have rules of egress", "egress" if self.spec.value.get("egress") else "types"
            )
        if (untracked or before) and not forward:
            self.spec.wrong("applyOnForward must be true with preDNAT or doNotTrack", "applyOnForward")
        for name, end in (("ingress", "source"), ("egress", "destination")):
            for rule in self.spec.parts(name):
                match = rule.part(end).part("services")
                if match.value.get("name") and not match.value.get("namespace"):
                    match.wrong("services must name a namespace in a policy that is in none", "namespace")


def in_namespace(leaf: Peer) -> Peer:
    """all() beside a namespaceSelector: whatever is in a namespace."""
    return HasLabel(Of.POD, NAMESPACE_KEY) if leaf == EVERYONE else leaf


def with_account(leaf: Peer) -> Peer:
    """all() beside a serviceAccountSelector: whatever has a service account."""
    return HasLabel(Of.POD, ACCOUNT_KEY) if leaf == EVERYONE else leaf


NAMES = ("NetworkPolicy", "GlobalNetworkPolicy", *STAGED)
KIND = PolicyKind(
    names=tuple(f"{group}/{name}" for group in GROUPS for name in NAMES),
    read=read,
    supporting=tuple(
        f"{group}/{name}"
        for group in GROUPS
        for name in ("NetworkSet", "GlobalNetworkSet", "HostEndpoint", "Tier", "ClusterInformation")
    ),
    versions={"projectcalico.org": ("v3",), "crd.projectcalico.org": ("v1",)},
)
