"""Which pods have which security groups of Kube-OVN, and the rules of a group.

Follows kubeovn/kube-ovn pkg/controller/pod.go (the annotation ``ovn.kubernetes.io/security_groups``, names between commas; versions before 1.12 heed it only
where ``port_security`` is ``true``) and pkg/controller/security_group.go (``validateSgRule``, ``buildSecurityGroupRuleACL``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.addresses import Prefix, address, prefix_of
from analyzer.memory import Same
from analyzer.model.cluster import Cluster
from analyzer.parsers._view import View
from analyzer.policy.blocks import cidr
from analyzer.policy.reading import unknown_fields
from analyzer.policy.terms import (
    ALL_PORTS,
    ANY_TRAFFIC,
    EVERYONE,
    NOBODY,
    All,
    Box,
    InBlocks,
    Named,
    Of,
    Opaque,
    Peer,
    Traffic,
    both,
    either,
)
from analyzer.policy.tiers import Action, Direction, Rule
from analyzer.policy.world import mapping, pod_template, templates
from analyzer.ranges import Ranges, single
from analyzer.source import Span

ANNOTATION, SECURITY = "ovn.kubernetes.io/security_groups", "ovn.kubernetes.io/port_security"
FAMILIES = {"ipv4": Prefix(4, 0, 0), "ipv6": Prefix(6, 0, 0)}
NUMBERS = {"tcp": 6, "udp": 17}
ICMP = {"ipv4": 1, "ipv6": 58}
ACTIONS = {"allow": Action.ALLOW, "pass": Action.PASS}
MOST_PRIORITY = 16384
FIELDS = {
    "ipVersion", "protocol", "priority", "remoteType", "remoteAddress", "remoteSecurityGroup", "portRangeMin", "portRangeMax", "policy",
    "localAddress", "sourcePortRangeMin", "sourcePortRangeMax",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Members:
    """Who names a group: the test for them, and the first place where it is named. ``together``: the first by name of the groups that some pod
    has beside it, or beside one of those: the order of rules matters among them only."""

    pods: Peer
    at: Span
    together: str


@dataclass(slots=True)
class Naming:
    """Pods by namespace that name a group, and those of them without ``port_security``."""

    at: Span
    sure: dict[str, set[str]] = field(default_factory=dict)
    doubtful: dict[str, set[str]] = field(default_factory=dict)

    def test(self) -> Peer:
        """The test for all of them."""
        words = f"whether {ANNOTATION} counts without {SECURITY}, which Kube-OVN before 1.12 asks for"
        tests = [named(self.sure)] if self.sure else []
        tests += [both(named(self.doubtful), Opaque(words, self.at))] if self.doubtful else []
        return either(tests)


def named(names: Mapping[str, set[str]]) -> Peer:
    """The pods of these names, by namespace."""
    return either(
        All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset(pods)))) for space, pods in sorted(names.items())
    )


@lru_cache(maxsize=2)
def members_of(key: Same[Cluster]) -> Mapping[str, Members]:
    """Who has each group that a pod, or the template of pods, names."""
    found: dict[str, Naming] = {}
    first: dict[str, str] = {}
    for space, pod, given, at in annotated(key.value):
        names = [name for name in given[ANNOTATION].replace(" ", "").split(",") if name]
        joined = {first.get(name, name) for name in names}
        first |= {name: min(joined) for name in (*names, *(one for one, top in first.items() if top in joined))}
        for name in names:
            naming = found.setdefault(name, Naming(at))
            part = naming.sure if given.get(SECURITY) == "true" else naming.doubtful
            part.setdefault(space, set()).add(pod)
    return {name: Members(naming.test(), naming.at, first[name]) for name, naming in sorted(found.items())}


def annotated(cluster: Cluster) -> Iterator[tuple[str, str, Mapping[str, str], Span]]:
    """Pods and templates with the annotation: namespace, name as an entity has it, annotations, and their place."""
    for _, pod in sorted(cluster.pods.items()):
        if pod.annotations.get(ANNOTATION) and not pod.finished:
            yield pod.namespace, pod.name, pod.annotations, pod.place("metadata", "annotations", ANNOTATION)
    for item in templates(cluster):
        given = mapping(mapping((pod_template(item) or {}).get("metadata")).get("annotations"))
        if isinstance(given.get(ANNOTATION), str) and given[ANNOTATION]:
            yield item.namespace or "default", f"{item.name}[{item.kind}]", given, item.at


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the rules of a group. ``given`` are the groups of the input; ``through``: whatever is reached by a service, before whose
    translation rules of egress are asked."""

    members: Mapping[str, Members]
    given: frozenset[str]
    through: Peer

    def rule(self, item: View, direction: Direction) -> tuple[int, Rule]:
        """One rule with its priority; the smaller comes first."""
        unknown_fields(item, FIELDS)
        priority = item.number("priority")
        if not 1 <= priority <= MOST_PRIORITY:
            item.wrong(f"priority {priority} must be from 1 to {MOST_PRIORITY} (200 before Kube-OVN 1.15)", "priority")
        version = item.text("ipVersion")
        if version not in FAMILIES:
            item.wrong(f"ipVersion {version!r} must be ipv4 or ipv6", "ipVersion")
        every = FAMILIES.get(version, FAMILIES["ipv4"])
        peer = both(self.remote(item), InBlocks((every,)))
        if direction is Direction.EGRESS and self.through != NOBODY:
            words = "what a rule of egress of a security group makes of a service's own address, which it is asked about"
            peer = either((peer, both(self.through, Opaque(words, item.at()))))
        local = block_of(item, "localAddress")
        own: Peer = InBlocks((local,)) if local is not None else EVERYONE
        action = ACTIONS.get(item.text("policy"), Action.DENY)
        return priority, Rule(action, peer, item.at(), traffic(item, version, local is not None), own)

    def remote(self, item: View) -> Peer:
        """Whom a rule is about."""
        kind = item.text("remoteType")
        if kind == "address":
            found = block_of(item, "remoteAddress")
            if found is None and not item.value.get("remoteAddress"):
                item.wrong("remoteAddress must be an address or a network", "remoteAddress")
            return NOBODY if found is None else InBlocks((found,))
        if kind != "securityGroup":
            item.wrong(f"remoteType {kind!r} must be address or securityGroup", "remoteType")
            return NOBODY
        name = item.text("remoteSecurityGroup")
        if name not in self.given:
            item.wrong(f"there is no SecurityGroup {name!r}", "remoteSecurityGroup")
        return self.members[name].pods if name in self.members else NOBODY


def block_of(item: View, key: str) -> Prefix | None:
    """An address or a network; None where there is none."""
    text = item.text(key)
    if not text:
        return None
    try:
        return cidr(text) if "/" in text else prefix_of(address(text), 32 if address(text).family == 4 else 128)
    except ValueError as problem:
        item.wrong(f"{key} {text!r} is neither an address nor a network: {problem}", key)
        return None


def traffic(item: View, version: str, local: bool) -> Traffic:
    """The flows of a rule: a protocol that is not known is none, and the rule is about all of them."""
    name = item.text("protocol")
    if name == "icmp":
        return Box(single(ICMP.get(version, 1)), ALL_PORTS)
    if name not in NUMBERS:
        return ANY_TRAFFIC
    sources = ports(item, "sourcePortRangeMin", "sourcePortRangeMax") if local else ALL_PORTS
    return Box(single(NUMBERS[name]), ports(item, "portRangeMin", "portRangeMax"), sources)


def ports(item: View, least: str, most: str) -> Ranges:
    """A range of ports."""
    low, high = item.number(least), item.number(most)
    if not 1 <= low <= high <= 65535:
        item.wrong(f"{least} {low} and {most} {high} must be a range within 1 to 65535", least)
        return ALL_PORTS
    return ((low, high),)
