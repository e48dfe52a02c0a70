"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2).

Follows pkg/policy/api (rule.go, rule_validation.go), pkg/k8s/apis/cilium.io/utils (utils.go, and how rules become policy entries) and
pkg/policy/repository.go. Points that surprise:

- A rule that names no peers and no ports matches nothing, yet its direction is isolated: ``ingress: [{}]`` denies all.
- A list of peers that is there and empty matches nobody; one that is absent matches everybody, where there are ports.
- A direction is isolated by having a rule, be it one that denies; an empty list isolates nothing, and Cilium does not take a
  policy that has no rule at all.
- What denies is asked before whatever allows, NetworkPolicy included. Blocks never match pods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.cilium.labels import PODS, LabelReader
from analyzer.policy.cilium.peers import HOSTS, PeerReader, Sides, everywhere
from analyzer.policy.cilium.places import placed
from analyzer.policy.cilium.ports import ALL_FLOWS, Part, PortReader, ignored_fields
from analyzer.policy.cilium.selectors import selector
from analyzer.policy.cilium.settings import Settings, settings_of
from analyzer.policy.reading import TOP, Complaint, PolicyKind, Read, complaints_of, unreadable, view_of
from analyzer.policy.terms import EVERYONE, NOBODY, All, Box, Named, Not, Of, Opaque, Peer, both
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single
from analyzer.source import Span

CLUSTERWIDE = "CiliumClusterwideNetworkPolicy"
DENY_ORDER, OWN_NODE_ORDER, ALLOW_ORDER = 0.0, 500.0, 1000.0
SECTIONS = ("ingress", "ingressDeny", "egress", "egressDeny")
FIELDS = {"endpointSelector", "nodeSelector", *SECTIONS, "labels", "enableDefaultDeny", "description", "log"}
COMMON = {"Endpoints", "Requires", "CIDR", "CIDRSet", "Entities", "Groups", "Nodes"}
WITHOUT_REQUIREMENTS = (1, 19)
SYSTEMS = ("cilium", "gke-dataplane-v2")
# What the programs of endpoints do whatever policies say.
DATAPATH = "datapath"
MODES = ("required", "disabled", "test-always-fail")


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """One object: two policies for each of its specs, of which the one that denies comes first."""
    if fact.kind != CLUSTERWIDE:
        fact = replace(fact, namespace=fact.namespace or "default")
    view, settings = view_of(fact), settings_of(world.cluster)
    advice: list[Complaint] = []
    specs = list(specs_of(view))
    found = [
        policy for number, spec in enumerate(specs) for policy in Reader(fact, world, settings, advice, number).policies(spec)
    ]
    view.gaps[:] = dict.fromkeys(view.gaps)
    yield from dict.fromkeys(advice)
    yield from complaints_of(view)
    if view.gaps:
        yield unreadable(fact, view.gaps[0].reason, denies="deny" in str(fact.document).lower())
    elif settings.enforcement == "never":
        yield Complaint(fact.at, "Cilium enforces no policies: enable-policy is never, or policy-audit-mode is on")
    elif f"cilium.io/{fact.kind}" in settings.kinds_off:
        yield Complaint(fact.at, f"Cilium does not enforce {fact.kind}: its settings turn the kind off")
    else:
        yield from found


def specs_of(view: View) -> Iterator[View]:
    """``spec`` and ``specs``; both may be there."""
    if not view.value.get("spec") and not view.value.get("specs"):
        view.wrong("must have spec or specs")
    if view.value.get("spec"):
        yield view.part("spec")
    yield from view.parts("specs")


def standing(world: World) -> Iterator[Read]:
    """What holds without a policy: SCTP is for nobody unless it is turned on; with ``enable-policy: always`` pods are isolated in both directions; where rules can deny nodes, that a pod's own one is
    admitted where they do not."""
    settings = settings_of(world.cluster)
    # What nodes are held against is what policies say (``enforces`` is None there), and this is none.
    if settings.at and not settings.sctp and world.profile.name in SYSTEMS and world.profile.enforces is not None:
        yield without_sctp(settings.at)
    spoken = world.profile.own_node_can_be_denied and world.profile.own_node_admitted is not False
    if spoken and settings.enforcement != "never":
        yield own_node(world, settings)
    if settings.enforcement == "always" and settings.at and world.profile.enforced("cilium.io", "CiliumNetworkPolicy"):
        name = "enable-policy: always"
        yield Policy("ConfigMap", "", name, settings.at, PODS, Rules(()), Rules(()), order=(ALLOW_ORDER, name))


def without_sctp(at: Span) -> Policy:
    """Endpoints send and are sent no SCTP where ``enable-sctp`` is not true (bpf/lib/conntrack.h, ct_extract_ports4: such packets are of an unknown protocol to it)."""
    rules = Rules((Rule(Action.DENY, EVERYONE, at, Box(single(132))),), isolates=False)
    return Policy("ConfigMap", "", "enable-sctp: false", at, PODS, rules, rules, plane=DATAPATH)


def own_node(world: World, settings: Settings) -> Policy:
    """What ``allow-localhost`` admits into pods: an entry for the identity "host" behind what denies and before all else (pkg/policy/resolve.go,
    DistillPolicy; mapstate.go, determineAllowLocalhostIngress, which inserts it as one that allows and every port)."""
    at = settings.at or next(item.at for item in world.cluster.others if item.api_version.startswith("cilium.io/"))
    certain = world.profile.own_node_admitted is True
    doubt: Peer = EVERYONE if certain else Opaque("whether what comes from a pod's own node is admitted", at)
    sides = placed(Sides(both(HOSTS, doubt), NOBODY), world, at)
    rules = tuple(Rule(Action.ALLOW, peer, at, own=own) for own, peer in sides)
    name = "allow-localhost: always"
    return Policy("ConfigMap", "", name, at, PODS, Rules(rules, isolates=False), None, order=(OWN_NODE_ORDER, name))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one spec of an object."""

    fact: OtherObjectFact
    world: World
    settings: Settings
    advice: list[Complaint]
    number: int

    @property
    def peers(self) -> PeerReader:
        """Reads the other ends."""
        return PeerReader(self.fact, self.world, self.settings, self.advice)

    def policies(self, spec: View) -> Iterator[Policy]:
        """The policies of the spec."""
        ignored_fields(spec, FIELDS, self.advice)
        if not any(spec.value.get(section) for section in SECTIONS):
            text = "no rule in ingress, ingressDeny, egress or egressDeny: Cilium does not take the policy, nothing is isolated"
            self.advice.append(Complaint(spec.at(), text, rejected=True))
            return
        subject = self.subject(spec)
        denies = {way: self.rules(spec, way, Action.DENY) for way in Direction}
        allows = {way: self.rules(spec, way, Action.ALLOW) for way in Direction}
        if subject is None:
            return
        if any(denies.values()):
            sides = [Rules(denies[way], isolates=False) if denies[way] else None for way in Direction]
            yield self.policy(subject, DENY_ORDER, *sides)
        yield self.policy(subject, ALLOW_ORDER, *(self.allowing(spec, way, allows[way]) for way in Direction))

    def policy(self, subject: Peer, order: float, ingress: Rules | None, egress: Rules | None) -> Policy:
        """A policy of the object."""
        fact = self.fact
        key = f"{fact.namespace}/{fact.name}/{self.number}"
        return Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, ingress, egress, order=(order, key))

    def allowing(self, spec: View, way: Direction, rules: tuple[Rule, ...]) -> Rules | None:
        """What is allowed in a direction, and whether all else is denied: as ``enableDefaultDeny`` says, else where there is a rule."""
        asked = spec.part("enableDefaultDeny").truth(way.value)
        if not spec.value.get(way.value) and not spec.value.get(f"{way.value}Deny"):
            if asked:
                text = f"enableDefaultDeny.{way.value} has no effect: the policy has no rule for {way.value}"
                self.advice.append(Complaint(spec.at("enableDefaultDeny", way.value), text))
            return None
        return Rules(rules, isolates=asked is not False or not self.settings.non_default_deny)

    def subject(self, spec: View) -> Peer | None:
        """Whom the spec is about: endpoints of the policy's namespace, or of the cluster, or nodes; None: nobody, as things are set."""
        given = [key for key in ("endpointSelector", "nodeSelector") if spec.value.get(key) is not None]
        if len(given) != 1:
            spec.wrong("must have one of endpointSelector and nodeSelector")
            return None
        if given == ["nodeSelector"]:
            return self.nodes(spec)
        item = self.without_namespace(spec.part("endpointSelector"))
        peers = self.peers
        chosen = selector(item, peers.labels, peers.other_entity)
        where: Peer = Named(Of.NAMESPACE, frozenset({self.fact.namespace})) if self.fact.namespace else PODS
        return both(where, chosen)

    def without_namespace(self, item: View) -> View:
        """The selector without the namespace that it asks for: in a namespaced policy the policy's own takes its place."""
        labels = item.value.get("matchLabels")
        key = "k8s:io.kubernetes.pod.namespace"
        if not self.fact.namespace or not isinstance(labels, dict) or key not in labels:
            return item
        if labels[key] != self.fact.namespace:
            text = f"{key} has no effect: the policy is about pods of its own namespace {self.fact.namespace}"
            self.advice.append(Complaint(item.at("matchLabels", key), text))
        kept = {name: value for name, value in labels.items() if name != key}
        return item._replace(value={**item.value, "matchLabels": kept})

    def nodes(self, spec: View) -> Peer | None:
        """Nodes by their labels, where the host firewall is on."""
        if self.fact.kind != CLUSTERWIDE:
            spec.wrong(f"nodeSelector is for {CLUSTERWIDE} only", "nodeSelector")
        for way in Direction:
            for entry in (entry for rule in spec.parts(way.value) for entry in rule.parts("toPorts")):
                if any(entry.part("rules").value.get(key) for key in ("http", "kafka", "dns")):
                    entry.wrong("a policy about nodes cannot have rules on an application", "rules")
        chosen = All((HOSTS, selector(spec.part("nodeSelector"), LabelReader(plain=Of.NODE))))
        if self.settings.host_firewall is None:
            return All((chosen, Opaque("whether Cilium's host firewall is on", spec.at("nodeSelector"))))
        if not self.settings.host_firewall:
            text = "has no effect: Cilium's enable-host-firewall is not true"
            self.advice.append(Complaint(spec.at("nodeSelector"), text))
            return None
        return chosen

    def rules(self, spec: View, way: Direction, action: Action) -> tuple[Rule, ...]:
        """The rules of a section, and among those that deny what the allowing ones take away."""
        prefix = "from" if way is Direction.INGRESS else "to"
        found: list[Rule] = []
        if action is Action.DENY:
            for item in spec.parts(f"{way.value}Deny"):
                found += self.rule(item, way, prefix, action, denies=True)
        for item in spec.parts(way.value):
            if action is Action.DENY:
                found += self.requirements(item, prefix)
            if (mode(item) == "test-always-fail") is (action is Action.DENY):
                found += self.rule(item, way, prefix, action, denies=False)
        return tuple(found)

    def rule(self, item: View, way: Direction, prefix: str, action: Action, denies: bool) -> Iterator[Rule]:
        """One rule: each of its kinds of flows, with each of its peers."""
        ignored_fields(item, fields(prefix, denies), self.advice)
        sides = self.peers.sides(item, prefix)
        parts = PortReader(self.world, way, denies, self.advice).parts(item)
        if sides is None and parts is None:
            return
        for part in parts or (ALL_FLOWS,):
            for own, peer in placed(sides or everywhere(EVERYONE), self.world, item.at()):
                yield self.one(item, action, denies, part, own, peer)

    def one(self, item: View, action: Action, denies: bool, part: Part, own: Peer, peer: Peer) -> Rule:
        """A rule over flows between subjects and peers."""
        provided = part.provided
        if mode(item) == "required":
            provided = (*provided, "after mutual authentication")
        if action is Action.DENY and not denies:
            peer = All((peer, Opaque("what else allows flows for which authentication always fails", item.at("authentication"))))
        return Rule(action, peer, item.at(), part.traffic, own, provided=provided)

    def requirements(self, item: View, prefix: str) -> Iterator[Rule]:
        """``fromRequires`` and ``toRequires``: what pods must also have, for all rules that choose pods by label.

        Cilium 1.19 does not know them any more, and rules that choose by entity are not narrowed: so pods that do not have it are in doubt, unless the agent's image shows such a
        version."""
        key = f"{prefix}Requires"
        found = [side.other for part in item.parts(key) for side in (self.peers.endpoint(part),)]
        if found:
            self.advice.append(
                Complaint(item.at(key), f"{key} was taken out of Cilium 1.19: say what is required in each selector")
            )
            version = self.settings.version
            if version is not None and version >= WITHOUT_REQUIREMENTS:
                return
            doubt = Opaque(f"what {key} takes away, in which versions differ", item.at(key))
            yield Rule(Action.DENY, All((PODS, Not(All(tuple(found))), doubt)), item.at(key))


def fields(prefix: str, denies: bool) -> set[str]:
    """The fields that a rule can have."""
    known = {prefix + name for name in COMMON} | {"toPorts", "icmps"}
    if prefix == "to":
        known |= {"toServices"} | (set() if denies else {"toFQDNs"})
    return known if denies else known | {"authentication"}


def mode(item: View) -> str:
    """How a rule asks its flows to be authenticated."""
    part = item.part("authentication")
    found = part.text("mode")
    if part.value and found not in MODES:
        part.wrong(f"mode {found!r} must be one of {', '.join(MODES)}", "mode")
    return found


KIND = PolicyKind(
    names=("cilium.io/CiliumNetworkPolicy", f"cilium.io/{CLUSTERWIDE}"),
    read=read,
    tiers=(TierOrder("default", 1_000_000.0), TierOrder("default", 0.0, Action.PASS, DATAPATH)),
    supporting=("cilium.io/CiliumCIDRGroup",),
    standing=standing,
    versions={"cilium.io": ("v2",)},
    fields=(*TOP, "specs"),
)
