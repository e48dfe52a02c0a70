"""NetworkPolicy (networking.k8s.io/v1, and extensions/v1beta1 of the same shape).

Follows k8s.io/api networking/v1/types.go, the defaults of pkg/apis/networking/v1/defaults.go (Egress only where ``egress`` has rules,
Ingress always) and the checks of pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._kubectl_policies import LAST_PORTS
from analyzer.parsers._view import View
from analyzer.policy.blocks import block, cidr, has_host_bits, in_blocks, without
from analyzer.policy.calico.ordering import place_of_kubernetes
from analyzer.policy.exclusions import beside, only_excludes
from analyzer.policy.ports import NUMBERS, any_of_traffic, is_port_name, other_protocols, ports
from analyzer.policy.profiles import Profile
from analyzer.policy.reading import Complaint, PolicyKind, Read, complaints_of, unknown_fields, unreadable, view_of
from analyzer.policy.selectors import of_labels, selector
from analyzer.policy.terms import (
    ALL_PORTS,
    ANY_TRAFFIC,
    EVERYONE,
    NOBODY,
    All,
    AnyOf,
    Box,
    InBlocks,
    Is,
    Kind,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
    both,
    either,
)
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single
from analyzer.source import Span

TYPES = ("Ingress", "Egress")
OLD_VERSION = "extensions/v1beta1"
PODS: Peer = Is(frozenset({Kind.POD}))
# Its place among policies of other kinds in one tier: Calico's order of a NetworkPolicy.
ORDER = 1000.0
# KEP 4858, StrictIPCIDRValidation: off from 1.33 on, with a warning; on from 1.36 on. Objects that are stored already stay.
STRICT = "API servers from 1.36 on refuse it in new objects"
OCTET = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9]+(?:[./]|$))")
FIELDS = {"podSelector", "policyTypes", "ingress", "egress"}


def read(fact: OtherObjectFact, world: World) -> Iterator[Read]:
    """A NetworkPolicy as one policy of the default tier."""
    if not fact.namespace:
        fact = replace(fact, namespace="default")
    view = view_of(fact)
    spec = view.part("spec")
    advice: list[Complaint] = []
    version(fact, view)
    pods = selector(spec.part("podSelector"), Of.POD)
    selected = EVERYONE if view.gaps else pods
    reader, named = Reader(fact.namespace, world.profile, advice, last_ports=LAST_PORTS not in fact.unsaid), types(spec)
    subject = both(reader.home, pods)
    unknown_fields(spec, FIELDS)
    found = {name: reader.section(spec, name, named=name in named) for name in TYPES}
    yield from advice
    yield from complaints_of(view)
    if view.gaps:
        yield unreadable(fact, view.gaps[0].reason, selected, denies=False)
        return
    if not world.profile.port_names and (place := port_name(spec)) is not None:
        yield Complaint(place, f"{world.profile.name} does not know names of ports: the whole policy has no effect there")
        return
    order = (ORDER, place_of_kubernetes(world.cluster, fact.namespace, fact.name))
    yield Policy(fact.kind, fact.namespace, fact.name, fact.at, subject, found["Ingress"], found["Egress"], order=order)


@lru_cache(maxsize=1 << 16)
def as_decimal(text: str) -> str:
    """A CIDR of IPv4 without leading zeros, as Kubernetes' own ParseCIDRSloppy (k8s.io/utils/net) reads numbers; the Go library refuses them since 1.17."""
    own, slash, length = text.partition("/")
    return OCTET.sub("", own) + slash + length if "." in own and ":" not in own else text


def as_octal(text: str) -> Prefix | None:
    """A CIDR as inet_aton(3) reads it, which iptables and ipset ask: numbers with a leading zero are octal. None where one is none."""
    own, slash, length = text.partition("/")
    try:
        octets = [int(octet, 8 if octet.startswith("0") else 10) for octet in own.split(".")]
        return cidr(".".join(map(str, octets)) + slash + length)
    except ValueError:
        return None


def version(fact: OtherObjectFact, view: View) -> None:
    """Notes a version that there is not. The one of the group ``extensions`` has the same meaning (that it is gone, api-version-removed tells)."""
    if fact.api_version not in ("networking.k8s.io/v1", OLD_VERSION):
        view.wrong(f"NetworkPolicy has no version {fact.api_version}: it exists in networking.k8s.io/v1", "apiVersion")


def types(spec: View) -> tuple[str, ...]:
    """The directions that the policy is about, after the API server's defaults."""
    given = spec.texts("policyTypes")
    for index, name in enumerate(given):
        if name not in TYPES:
            spec.wrong(f"policyTypes[{index}] is {name!r}: it must be Ingress or Egress", "policyTypes", index)
    if len(given) > len(TYPES):
        spec.wrong(f"policyTypes has {len(given)} entries: at most {len(TYPES)} are possible", "policyTypes")
    if given:
        return tuple(given)
    return TYPES if spec.value.get("egress") else ("Ingress",)


@lru_cache(maxsize=1 << 16)
def pods_in(within: Peer, pods: Peer) -> Peer:
    """Pods of namespaces: one object for equal ones."""
    return All((PODS, *(term for term in (within, pods) if term != EVERYONE)))


class Reader:
    """Reads the rules of one policy."""

    def __init__(self, namespace: str, profile: Profile, advice: list[Complaint], *, last_ports: bool = True) -> None:
        self.home: Peer = Named(Of.NAMESPACE, frozenset({namespace}))
        self.profile, self.advice, self.last_ports = profile, advice, last_ports

    def section(self, spec: View, name: str, *, named: bool) -> Rules | None:
        """The rules of a type of policy; of one that policyTypes does not name they are checked, and do nothing: which is told, unless a word that is
        none may be meant for it."""
        key = name.lower()
        found = self.rules(spec, Direction(key))
        if named:
            return found
        given = spec.value.get("policyTypes")
        if found.rules and all(word in TYPES for word in (given if isinstance(given, list) else ())):
            text = f"the rules of {key} do nothing: policyTypes does not name {name}"
            self.advice.append(Complaint(spec.at(key), text))
        return None

    def rules(self, spec: View, direction: Direction) -> Rules:
        """The rules of a direction. None at all: nothing is admitted."""
        peers = "from" if direction is Direction.INGRESS else "to"
        found = []
        for item in spec.parts(direction.value):
            unknown_fields(item, {peers, "ports"})
            found.append(Rule(Action.ALLOW, self.peers(item, peers), item.at(), self.traffic(item)))
        return Rules(tuple(found))

    def peers(self, rule: View, key: str) -> Peer:
        """The peers of a rule; none given means everyone."""
        if not rule.value.get(key):
            return EVERYONE
        return either(self.peer(item) for item in rule.parts(key))

    def peer(self, item: View) -> Peer:
        """One peer: a block, or pods by their labels and their namespaces' labels."""
        if (known := self.by_labels(item.value)) is not None:
            return known
        unknown_fields(item, {"ipBlock", "podSelector", "namespaceSelector"})
        chosen = {key for key in ("ipBlock", "podSelector", "namespaceSelector") if item.value.get(key) is not None}
        if not chosen:
            item.wrong("must specify a peer", *())
        if "ipBlock" in chosen:
            if len(chosen) > 1:
                item.wrong("may not specify both ipBlock and another peer", "ipBlock")
            return self.block(item.part("ipBlock"))
        within = self.home
        if "namespaceSelector" in chosen:
            within = selector(item.part("namespaceSelector"), Of.NAMESPACE)
        pods = selector(item.part("podSelector"), Of.POD) if "podSelector" in chosen else EVERYONE
        return self.with_others(item, pods_in(within, pods))

    def with_others(self, item: View, pods: Peer) -> Peer:
        """The pods of a peer by labels, and who else it is where a system takes what only excludes namespaces for more than pods."""
        spaces = item.part("namespaceSelector").value
        if not spaces.get("matchExpressions") or not all(map(only_excludes, (spaces, item.part("podSelector").value))):
            return pods
        return beside(pods, self.profile, item.at())

    def by_labels(self, value: Mapping[str, object]) -> Peer | None:
        """A peer that says nothing but labels; None where it says anything else."""
        pods = of_labels(value.get("podSelector"), Of.POD)
        if len(value) == 1:
            return None if pods is None else pods_in(self.home, pods)
        within = of_labels(value.get("namespaceSelector"), Of.NAMESPACE) if pods is not None and len(value) == 2 else None
        return None if within is None or pods is None else pods_in(within, pods)

    def block(self, view: View) -> Peer:
        """An ipBlock: the addresses of ``cidr`` that are in none of ``except``."""
        misspelt = unknown_fields(view, {"cidr", "except"})
        if "cidr" in misspelt and "cidr" not in view.value:
            return NOBODY
        text = as_decimal(view.text("cidr"))
        whole = block(view, text, "cidr")
        if whole is None:
            return NOBODY
        if has_host_bits(text):
            self.advice.append(Complaint(view.at("cidr"), f"{text} has host bits: it means {whole}; {STRICT}"))
        inside = self.certainly(view, view.text("cidr"), lambda found: in_blocks((found,), self.profile, view.at()), "cidr")
        holes = []
        open_holes: list[Peer] = []
        for index, given in enumerate(view.texts("except")):
            text = as_decimal(given)
            hole = block(view, text, "except", index)
            if hole is not None and (not whole.covers(hole) or hole == whole):
                view.wrong(f"except {text} must be strictly inside the cidr {whole}", "except", index)
            elif hole is not None:
                if has_host_bits(text):
                    self.advice.append(Complaint(view.at("except", index), f"{text} has host bits: it means {hole}; {STRICT}"))
                own = self.certainly(view, given, lambda found: InBlocks((found,)), "except", index)
                if text == given:
                    holes.append(hole)
                else:
                    open_holes.append(Not(own))
        return without(tuple(holes), All((inside, *open_holes)) if open_holes else inside)

    def certainly(self, view: View, text: str, blocks: Callable[[Prefix], Peer], *path: str | int) -> Peer:
        """A test of a block; one with leading zeros means it by the API server, while network systems refuse it or read octal numbers."""
        decimal = as_decimal(text)
        if decimal == text:
            return blocks(cidr(text))
        told = f"{text} has leading zeros: an API server takes it for {decimal}, other programs refuse it or read octal numbers; {STRICT}"
        self.advice.append(Complaint(view.at(*path), told))
        meant = [blocks(found) for found in (cidr(decimal), as_octal(text)) if found is not None]
        return All((AnyOf(tuple(meant)), Opaque(f"what the network system makes of {text}", view.at(*path))))

    def traffic(self, rule: View) -> Traffic:
        """The ports of a rule; none given means all traffic."""
        if not rule.value.get("ports"):
            return ANY_TRAFFIC
        found = tuple(self.port(item) for item in rule.parts("ports"))
        if self.profile.protocol_for_names:
            found = tuple(self.without_names(rule, found))
        return any_of_traffic((*found, *other_protocols(self.profile, rule.at("ports"))))

    def without_names(self, rule: View, found: tuple[Traffic, ...]) -> Iterator[Traffic]:
        """Ports where names are not known: a name is its whole protocol. Beside numbers of its protocol neither a name nor a protocol alone adds to them, since rules
        of one protocol are put together (go-controller/pkg/libovsdb/util/acl.go, getL4Match); before that, they did (gress_policy.go, a match for each): open."""
        numbers = {term.protocols for term in found if isinstance(term, Box) and term.destinations != ALL_PORTS}
        for index, term in enumerate(found):
            if not isinstance(term, Box | PortName):
                yield term
                continue
            if isinstance(term, PortName):
                meant = (
                    "adds all ports of its protocol to the numbers there, or none"
                    if term.protocols in numbers
                    else "is all ports of its protocol there"
                )
                text = f"{self.profile.name} does not know names of ports: {term.name!r} {meant}"
                self.advice.append(Complaint(rule.at("ports", index, "port"), text))
            whole = Box(term.protocols)
            if isinstance(term, Box) and term.destinations != ALL_PORTS:
                yield term
            elif term.protocols in numbers:
                yield All(
                    (
                        whole,
                        Opaque("whether a port without a number counts beside numbers of its protocol", rule.at("ports", index)),
                    )
                )
            else:
                yield whole

    def port(self, item: View) -> Traffic:
        """One port: a number, a range up to ``endPort``, a name on the destination's containers, or all of a protocol."""
        unknown_fields(item, {"protocol", "port", "endPort"})
        name = item.text("protocol", "TCP")
        if name not in ("TCP", "UDP", "SCTP"):
            item.wrong(f"protocol {name!r} must be TCP, UDP or SCTP", "protocol")
        number, port, last = NUMBERS.get(name, 0), item.value.get("port"), item.value.get("endPort")
        if last is not None and (not whole_number(port) or not whole_number(last) or not port <= last <= 65535):
            item.wrong("endPort needs a port that is a number and not higher, and must be at most 65535", "endPort")
            return ports(number)
        if port is None:
            return ports(number)
        if whole_number(port):
            if not 1 <= port <= 65535:
                item.wrong(f"port {port} must be between 1 and 65535", "port")
            if last is not None and last != port and not self.profile.port_ranges:
                text = f"{self.profile.name} does not heed endPort: only port {port} counts there"
                self.advice.append(Complaint(item.at("endPort"), text))
                last = port
            if not self.last_ports and self.profile.port_ranges and port < 65535:
                return AnyOf((ports(number, port, port), All((ports(number, port + 1), unsaid_range(item, port)))))
            return ports(number, port, last or port)
        if not isinstance(port, str) or not is_port_name(port):
            item.wrong(f"port {port!r} must be a number, or a name of at most 15 lower-case letters, digits and dashes", "port")
        return PortName(str(port), single(number))


def unsaid_range(item: View, port: int) -> Opaque:
    """That a listing shows no ends of ranges."""
    return Opaque(f"whether a range of ports begins at {port}, which a listing does not show", item.at())


def port_name(spec: View) -> Span | None:
    """The place of the first port that is a name."""
    rules = [item for key in TYPES for item in spec.parts(key.lower())]
    named = (item.at("port") for rule in rules for item in rule.parts("ports") if isinstance(item.value.get("port"), str))
    return next(named, None)


def whole_number(value: object) -> bool:
    """Whether a value is an integer; ``true`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


KIND = PolicyKind(
    names=("networking.k8s.io/NetworkPolicy", "extensions/NetworkPolicy"),
    read=read,
    tiers=(TierOrder("default", 1_000_000.0),),
    denies=False,
)
