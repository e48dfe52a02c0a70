"""What AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy share (group policy.networking.k8s.io).

Follows the types and the validation of kubernetes-sigs/network-policy-api, apis/v1alpha1 and apis/v1alpha2. Rules are read as they are
written: no policy isolates. Each is an ordered list of which the first that matches decides; Pass goes on with the next tier. Rules with ports
say nothing of ICMP, which follows an accepted connection as related traffic only. Pods in their node's network are neither subjects nor peers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.blocks import block, has_host_bits, in_blocks
from analyzer.policy.evaluation import holds
from analyzer.policy.names import NameReader, below
from analyzer.policy.ports import any_of_traffic
from analyzer.policy.profiles import Profile
from analyzer.policy.reading import Complaint, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.relations import Relation, spread
from analyzer.policy.selectors import selector
from analyzer.policy.terms import ANY_TRAFFIC, EVERYONE, NO_TRAFFIC, All, Is, Kind, Named, Of, Opaque, Peer, Traffic, either
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Span

PODS: Peer = Is(frozenset({Kind.POD}))
NODES: Peer = Is(frozenset({Kind.HOST}))
TIERS = (TierOrder("admin", 1_000.0, Action.PASS), TierOrder("baseline", 10_000_000.0, Action.PASS))
DOMAIN_NAME = re.compile(r"(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?")
INSIDE, OUTSIDE = ("namespaces", "pods"), ("nodes", "networks", "domainNames")
MOST_ADDRESSES = 25


def namespace_labels(view: View) -> Peer:
    """Namespaces by their labels."""
    return selector(view, Of.NAMESPACE)


def unrelated(_: View, __: World) -> None:
    """No namespaces are named by what they share with the subject's."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the kinds differ: the versions that exist, the spec's fields, the words for actions, the list of ports with its reader and the
    field in it that names ports, how long lists may be, the fields that ``pods`` must have, the peers of egress beyond pods, the versions in which networks have no
    host bits, how ``namespaces`` are read, and those that are ``related`` to the subject's."""

    versions: tuple[str, ...]
    fields: frozenset[str]
    actions: Mapping[str, Action]
    ports: str
    port: Callable[[View, list[Complaint]], Traffic]
    named: str
    limit: int
    required: tuple[str, ...] = ("namespaceSelector", "podSelector")
    outside: tuple[str, ...] = OUTSIDE
    masked: frozenset[str] = frozenset()
    namespaces: Callable[[View], Peer] = namespace_labels
    related: Callable[[View, World], list[Relation] | None] = unrelated


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy stands: its tier, and its priority there."""

    tier: str
    priority: float


def admin_policy(fact: OtherObjectFact, world: World, dialect: Dialect, place: Callable[[View, View], Place]) -> Iterator[Read]:
    """One object as a policy. ``place`` reads where it stands from its spec and its metadata, and notes what the API server would reject."""
    whole = replace(fact, namespace="")
    view = view_of(whole)
    spec = view.part("spec")
    version = fact.api_version.rpartition("/")[2]
    if version not in dialect.versions:
        view.wrong(f"{fact.kind} has no version {fact.api_version}: it exists in {', '.join(dialect.versions)}", "apiVersion")
    unknown_fields(spec, dialect.fields)
    reader = Reader(world, dialect, version, [])
    stands = within_others(place(spec, view.part("metadata")), world.profile)
    before = len(view.gaps)
    subject = reader.subject(spec)
    selecting = subject if len(view.gaps) == before else EVERYONE
    found = {direction: reader.rules(spec, direction) for direction in Direction}
    yield from reader.advice
    yield from complaints_of(view)
    if view.gaps:
        yield replace(unreadable(whole, view.gaps[0].reason, selecting), tier=stands.tier, order=(stands.priority, ""))
        return
    rules = (found[Direction.INGRESS], found[Direction.EGRESS])
    yield Policy(fact.kind, "", fact.name, fact.at, subject, *rules, tier=stands.tier, order=(stands.priority, ""))


def within_others(place: Place, profile: Profile) -> Place:
    """The place of a policy where the system has its tier within others."""
    found = (Place(tier, first + place.priority) for name, tier, first in profile.admin_places if name == place.tier)
    return next(found, place)


def priority(spec: View) -> float:
    """A priority: required, from 0 to 1000, the lowest asked first."""
    value = spec.typed("priority", int, "an integer")
    if value is None or not 0 <= value <= 1000:
        spec.wrong(f"priority must be a number from 0 to 1000{'' if value is None else f', not {value}'}", "priority")
        return 0.0
    return float(value)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the subject and the rules of one policy."""

    world: World
    dialect: Dialect
    version: str
    advice: list[Complaint]

    def subject(self, spec: View) -> Peer:
        """The pods that the policy is about: of namespaces by their labels, or by their own labels as well."""
        view = spec.part("subject")
        unknown_fields(view, INSIDE)
        chosen = given(view, INSIDE)
        if len(chosen) != 1:
            spec.wrong(f"subject needs exactly one of {', '.join(INSIDE)}", "subject")
            return EVERYONE
        return self.selected(view, chosen[0])

    def selected(self, view: View, field: str) -> Peer:
        """Pods by ``namespaces`` or ``pods``, but for those in their node's network."""
        inside = view.part(field)
        if field == "namespaces":
            return within(self.dialect.namespaces(inside))
        older = inside.value.get("namespaces") is not None
        unknown_fields(inside, ("podSelector", "namespaces" if older else "namespaceSelector"))
        for key in ("podSelector",) if older else self.dialect.required:
            if inside.value.get(key) is None:
                text = (
                    f"pods has no {key}, without which the API server rejects it: it is read as the empty one, which selects all"
                )
                self.advice.append(Complaint(inside.at(), text, rejected=True))
        spaces = (
            self.dialect.namespaces(inside.part("namespaces")) if older else namespace_labels(inside.part("namespaceSelector"))
        )
        return within(spaces, selector(inside.part("podSelector"), Of.POD))

    def rules(self, spec: View, direction: Direction) -> Rules | None:
        """The rules of a direction, in their order; without any the policy says nothing of it."""
        items = list(spec.parts(direction.value))
        if len(items) > self.dialect.limit:
            spec.wrong(f"{len(items)} rules: at most {self.dialect.limit} are possible", direction.value)
        found = tuple(rule for item in items for rule in self.rule(item, direction))
        return Rules(found, isolates=False) if items else None

    def rule(self, item: View, direction: Direction) -> Iterator[Rule]:
        """One rule. With a peer of no known kind it fails closed, as the API asks of who does not know a field: an allowing rule
        matches nothing, any other one denies everything."""
        key = "from" if direction is Direction.INGRESS else "to"
        unknown_fields(item, ("name", "action", key, self.dialect.ports))
        action, name = self.action(item), item.text("name")
        if len(name) > 100:
            item.wrong("a rule's name has at most 100 characters", "name")
        views = list(limited(item, key, self.dialect.limit))
        related = [(view, found) for view in views if (found := self.related(view)) is not None]
        others = [view for view in views if not any(view is one for one, _ in related)]
        peers = [self.peer(view, direction, action) for view in others]
        if not item.value.get(key):
            item.wrong(f"{key} needs at least one peer", key)
        known = [peer for peer in peers if peer is not None]
        one = Rule(action, either(known), item.at(), self.traffic(item, key), name=name)
        if len(known) < len(peers):
            yield (
                replace(one, traffic=NO_TRAFFIC) if action is Action.ALLOW else Rule(Action.DENY, EVERYONE, item.at(), name=name)
            )
        elif related:
            yield from spread(one, known, [found for _, found in related])
        else:
            yield one

    def related(self, item: View) -> tuple[Peer, list[Relation]] | None:
        """The pods of a peer whose namespaces are named by what they share with the subject's, and where they are; None where it names none so."""
        for field in given(item, INSIDE):
            inside = item.part(field)
            spaces = inside.part("namespaces") if field == "pods" else inside
            if (found := self.dialect.related(spaces, self.world)) is not None:
                pods = selector(inside.part("podSelector"), Of.POD) if field == "pods" else EVERYONE
                return within(EVERYONE, pods), found
        return None

    def action(self, item: View) -> Action:
        """What a rule does."""
        text = item.text("action")
        if text not in self.dialect.actions:
            item.wrong(f"action {text!r} must be one of {', '.join(self.dialect.actions)}", "action")
        return self.dialect.actions.get(text, Action.DENY)

    def peer(self, item: View, direction: Direction, action: Action) -> Peer | None:
        """One peer; None where it has no field that is known, which the API server would reject."""
        fields = INSIDE if direction is Direction.INGRESS else (*INSIDE, *self.dialect.outside)
        chosen = given(item, fields)
        if not chosen:
            what = f"no field but {', '.join(map(repr, item.value))}, which is unknown" if item.value else "no field"
            does = "matches nothing" if action is Action.ALLOW else "denies everything"
            text = f"a peer has {what}: it needs one of {', '.join(fields)}; who meets it fails closed, and the rule {does}"
            self.advice.append(Complaint(item.at(), text, rejected=True))
            return None
        unknown_fields(item, fields)
        if len(chosen) > 1:
            item.wrong(f"a peer has exactly one field, not {', '.join(chosen)}", chosen[1])
        match chosen[0]:
            case "nodes":
                nodes = All((NODES, selector(item.part("nodes"), Of.NODE)))
                return on_nodes(nodes, self.world, item.at("nodes")) if self.world.profile.node_peers_are_pods else nodes
            case "networks":
                return self.networks(item)
            case "domainNames":
                return self.domain_names(item, action)
            case field:
                return self.selected(item, field)

    def networks(self, item: View) -> Peer:
        """Blocks of addresses, of pods and nodes as well."""
        found = []
        for index, text in enumerate(texts(item, "networks")):
            network = block(item, text, "networks", index)
            if ":" in text and "." in text:
                item.wrong(f"{text!r} has an IPv4 address inside an IPv6 one, which networks cannot have", "networks", index)
            if network is not None and has_host_bits(text) and self.version in self.dialect.masked:
                item.wrong(f"{text} has host bits, which {self.version} does not take: it would be {network}", "networks", index)
            elif network is not None and has_host_bits(text):
                self.advice.append(Complaint(item.at("networks", index), f"{text} has host bits: it means {network}"))
            found += [network] if network is not None else []
        return in_blocks(tuple(found), self.world.profile, item.at("networks"))

    def domain_names(self, item: View, action: Action) -> Peer:
        """Names, by the addresses that are given for them; these are compared as those of networks are."""
        names = texts(item, "domainNames")
        for index, name in enumerate(names):
            if not DOMAIN_NAME.fullmatch(name):
                item.wrong(f"{name!r} is no domain name: only its first label may be '*'", "domainNames", index)
        if action is not Action.ALLOW:
            text = "domain names are for allowing rules only: what this rule does with them is not defined"
            self.advice.append(Complaint(item.at("domainNames"), text))
        reader = NameReader(self.world.names, below, lambda blocks: in_blocks(blocks, self.world.profile, item.at("domainNames")))
        return either(reader.asked(name, item.at("domainNames", index)) for index, name in enumerate(names))

    def traffic(self, item: View, peers: str) -> Traffic:
        """The ports of a rule; none given means all traffic. Names of ports go with pods only."""
        field = self.dialect.ports
        if item.value.get(field) is None:
            return ANY_TRAFFIC
        if not item.value[field]:
            item.wrong(f"{field} needs at least one entry; without the field the rule is about all traffic", field)
        found = [(self.dialect.port(port, self.advice), port.value) for port in limited(item, field, self.dialect.limit)]
        kinds = self.dialect.outside
        outside = any(given(peer, kinds) for peer in item.parts(peers))
        if outside and any(self.dialect.named in value for _, value in found):
            text = f"{self.dialect.named} cannot stand beside {', '.join(kinds)}, which have no names of ports: the API server rejects it"
            self.advice.append(Complaint(item.at(field), text, rejected=True))
        return any_of_traffic(tuple(traffic for traffic, _ in found))


def on_nodes(chosen: Peer, world: World, at: Span) -> Peer:
    """The pods on the nodes that a test is true of; of nodes that pods name and that are not given it is not known."""
    given_nodes = [entity for entity in world.entities if entity.name.startswith("node:")]
    names = frozenset(entity.node for entity in given_nodes if holds(chosen, entity, 4))
    others = frozenset(world.places) - {entity.node for entity in given_nodes}
    doubt = All((Named(Of.PLACE, others), Opaque("the labels of nodes that are not given", at)))
    return All((PODS, either((Named(Of.PLACE, names), *((doubt,) if others else ())))))


def within(spaces: Peer, pods: Peer = EVERYONE) -> Peer:
    """Pods in namespaces."""
    return All((PODS, *(term for term in (spaces, pods) if term != EVERYONE)))


def given(view: View, fields: tuple[str, ...]) -> list[str]:
    """The fields that the object has; null is as absent."""
    return [field for field in fields if view.value.get(field) is not None]


def limited(view: View, key: str, limit: int) -> Iterator[View]:
    """The objects of a list, with a note where they are too many."""
    items = list(view.parts(key))
    if len(items) > limit:
        view.wrong(f"{len(items)} entries in {key}: at most {limit} are possible", key)
    yield from items


def texts(item: View, key: str) -> list[str]:
    """The strings of a list that has at least one and not too many, each once (x-kubernetes-list-type: set)."""
    found = item.texts(key)
    for index, text in enumerate(found):
        if text in found[:index]:
            item.wrong(f"{text} stands in {key} twice: each may stand there once", key, index)
    if not 1 <= len(found) <= MOST_ADDRESSES:
        item.wrong(f"{key} needs 1 to {MOST_ADDRESSES} entries, not {len(found)}", key)
    return found


def port_number(view: View, key: str) -> int:
    """A port: required, from 1 to 65535."""
    value = view.number(key)
    if not 1 <= value <= 65535:
        view.wrong(f"{key} must be a number from 1 to 65535", key)
    return value


def port_range(view: View) -> tuple[int, int]:
    """The first and the last port of a range, which has at least two."""
    first, last = port_number(view, "start"), port_number(view, "end")
    if first >= last:
        view.wrong(f"the start of a range must be below its end, not {first} and {last}", "start")
    return first, max(first, last)
