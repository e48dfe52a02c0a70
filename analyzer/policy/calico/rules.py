"""The rules of Calico's policies: what they match and what they do.

Follows libcalico-go lib/backend/syncersv1/updateprocessors/rules.go (whom an EntityRule selects) and
felix/rules/policy.go (what a packet must have; a rule whose blocks are all of one family is not for the other).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from analyzer.addresses import default_prefix, host_prefix
from analyzer.facts.kubernetes import ServiceFact, ServicePort
from analyzer.parsers._view import View
from analyzer.policy.calico.endpoints import ACCOUNT_KEY, OF_ACCOUNT, OF_NAMESPACE, PODS, Endpoints
from analyzer.policy.calico.fields import (
    action_of,
    blocks,
    check_end,
    check_rule,
    families_of,
    has_names,
    protocol_of,
    requests,
    selector,
)
from analyzer.policy.calico.selectors import IN_NAMESPACE, NAMESPACE_KEY, mapped
from analyzer.policy.calico.traffic import box, conjunction, flows, inverted, is_name, numbered_only, numbers_from, ports
from analyzer.policy.entities import Entity
from analyzer.policy.reading import unknown_fields
from analyzer.policy.terms import (
    ANY_TRAFFIC,
    EVERYONE,
    NOBODY,
    All,
    Box,
    HasLabel,
    InBlocks,
    LabelIn,
    LabelText,
    Named,
    Not,
    Of,
    Opaque,
    Peer,
    PortName,
    Traffic,
    either,
)
from analyzer.policy.tiers import Direction, Rule
from analyzer.ranges import single

FIELDS = {
    "action", "ipVersion", "protocol", "icmp", "notProtocol", "notICMP", "source", "destination", "http", "metadata",
}  # fmt: skip
ENTITY_FIELDS = {
    "nets", "selector", "namespaceSelector", "services", "ports", "notNets", "notSelector", "notPorts", "serviceAccounts",
}  # fmt: skip


class Way(NamedTuple):
    """One way in which an end of a flow can match: whom, and which flows."""

    peer: Peer
    traffic: Traffic = ANY_TRAFFIC


ANYONE = (Way(EVERYONE),)


class Reader:
    """Reads the rules of one policy: ``namespace`` is empty for what is in none."""

    def __init__(self, endpoints: Endpoints, namespace: str) -> None:
        self.endpoints, self.namespace = endpoints, namespace

    def rules(self, spec: View, direction: Direction) -> tuple[Rule, ...]:
        """The rules of a direction in their order."""
        return tuple(rule for item in spec.parts(direction.value) for rule in self.rule(item, direction))

    def rule(self, view: View, direction: Direction) -> Iterator[Rule]:
        """One rule, as several that do the same where an end can match in several ways."""
        unknown_fields(view, FIELDS)
        check_rule(view, direction)
        ends = [self.end(view, "source"), self.end(view, "destination")]
        peers, owns = ends if direction is Direction.INGRESS else reversed(ends)
        action = action_of(view)
        common, families = flows(view), self.families(view)
        for peer in peers:
            for own in owns:
                traffic = conjunction((common, peer.traffic, own.traffic))
                yield Rule(action, both((families, peer.peer)), view.at(), traffic, own.peer, provided=tuple(requests(view)))

    def end(self, rule: View, key: str) -> tuple[Way, ...]:
        """The ways to match one end."""
        if rule.value.get(key) is None:
            return ANYONE
        view = rule.part(key)
        unknown_fields(view, ENTITY_FIELDS)
        check_end(view)
        terms = [self.chosen(view), *self.addresses(view)]
        if (unwanted := selector(view, "notSelector")) is not None:
            terms.append(Not(self.endpoints.peer(unwanted)))
        number = protocol_of(rule, "protocol")
        rest = Way(both(terms), inverted(ports(view, "notPorts", key, number)))
        way = Way(rest.peer, conjunction((ports(view, "ports", key, number), rest.traffic)))
        if has_names(view):
            return (
                (*self.sources(view, rest, number or 6),) if key == "source" else (way, *self.of_hosts(view, rest, number or 6))
            )
        if view.value.get("services") is not None:
            return tuple(self.service(view, key, rest))
        return (way,)

    def chosen(self, view: View) -> Peer:
        """Whom the selectors choose: those of the policy's namespace, unless a selector says which namespaces."""
        selectors = [item for item in (accounts(view), selector(view, "selector")) if item is not None]
        given = selector(view, "namespaceSelector")
        within: Peer | None = None
        if given is not None:
            within = mapped(given, of_namespace)
        elif self.namespace:
            within = LabelIn(Of.POD, NAMESPACE_KEY, frozenset({self.namespace}))
        if within is not None and (selectors or view.value.get("notSelector") or given is not None):
            selectors.insert(0, within)
        return self.endpoints.peer(All(tuple(selectors))) if selectors else EVERYONE

    def addresses(self, view: View) -> Iterator[Peer]:
        """The conditions on addresses."""
        if view.value.get("nets"):
            yield InBlocks(tuple(blocks(view, "nets")))
        if view.value.get("notNets"):
            yield Not(InBlocks(tuple(blocks(view, "notNets"))))

    def families(self, view: View) -> Peer:
        """The family that the rule is for, as a test that everyone of it passes."""
        found = {4, 6}
        version = view.value.get("ipVersion")
        if version is not None:
            if version not in (4, 6) or isinstance(version, bool):
                view.wrong(f"ipVersion must be 4 or 6, not {version!r}", "ipVersion")
            found &= {version} if isinstance(version, int) else set()
        stated = [families_of(view.part(end), key) for end in ("source", "destination") for key in ("nets", "notNets")]
        mentioned = {family for item in stated for family in item}
        if len(mentioned) == 2:
            view.wrong("the rule has blocks of IPv4 and of IPv6: make it two rules")
        elif isinstance(version, int) and mentioned and mentioned != {version}:
            view.wrong(f"ipVersion is {version}, but the rule has blocks of the other family", "ipVersion")
        for item in stated:
            found &= item or found
        if len(found) == 2:
            return EVERYONE
        return InBlocks(tuple(default_prefix(family) for family in found)) if found else NOBODY

    def sources(self, view: View, rest: Way, protocol: int) -> Iterator[Way]:
        """The ports that flows come from, some by name: a name means the ports that the sender's containers, or its host endpoint, give it."""
        numbers = numbered_only(view)
        if numbers:
            yield Way(rest.peer, conjunction((numbers_from(numbers), rest.traffic)))
        for name in sorted({item for item in view.value.get("ports") or () if isinstance(item, str) and is_name(item)}):
            senders: dict[int, list[Peer]] = {}
            for entity in self.endpoints.world.pods():
                for port in entity.ports:
                    if (port.name, port.protocol) == (name, protocol):
                        senders.setdefault(port.port, []).append(itself(entity))
            for host in self.endpoints.hosts:
                for port in host.ports:
                    if (port.name, port.protocol) == (name, protocol):
                        senders.setdefault(port.port, []).append(InBlocks(host.blocks))
            for number, peers in sorted(senders.items()):
                traffic = Box(single(protocol), sources=single(number))
                yield Way(both((either(peers), rest.peer)), conjunction((traffic, rest.traffic)))

    def of_hosts(self, view: View, rest: Way, protocol: int) -> Iterator[Way]:
        """The ports that host endpoints give a name; pods have theirs in their containers."""
        names = {item for item in view.value.get("ports") or () if isinstance(item, str)}
        for host in self.endpoints.hosts:
            for item in host.ports:
                if item.name in names and item.protocol == protocol:
                    traffic = conjunction((Box(single(protocol), single(item.port)), rest.traffic))
                    yield Way(both((InBlocks(host.blocks), rest.peer)), traffic)

    def service(self, view: View, key: str, way: Way) -> Iterator[Way]:
        """The endpoints of a service: as destination with their ports, as source without."""
        match = view.part("services")
        namespace = match.text("namespace") or self.namespace
        name = (namespace, match.text("name"))
        with_ports = key == "destination"
        found = list(self.endpoints_of(name, with_ports))
        if not found and name not in self.endpoints.world.cluster.services:
            text = f"the endpoints of the service {namespace}/{name[1]}, which is not given"
            found = [Way(Opaque(text, match.at()))]
        for item in found or [Way(NOBODY)]:
            yield Way(both((item.peer, way.peer)), conjunction((item.traffic, way.traffic)))

    def endpoints_of(self, name: tuple[str, str], with_ports: bool) -> Iterator[Way]:
        """What is behind a service: by its endpoints where they are given (felix/serviceindex), else by the pods that it selects."""
        cluster = self.endpoints.world.cluster
        slices = cluster.endpoints.get(name, ())
        for item in slices:
            own = InBlocks(tuple(sorted(host_prefix(endpoint.address) for endpoint in item.endpoints)))
            if with_ports:
                yield from (Way(own, box(protocol, port)) for _, protocol, port in item.ports if port is not None)
            else:
                yield Way(own)
        service = cluster.services.get(name)
        if not slices and service is not None and service.selector:
            yield from behind(service, with_ports)


def behind(service: ServiceFact, with_ports: bool) -> Iterator[Way]:
    """The pods that a service selects, and its target ports."""
    wanted = tuple(LabelIn(Of.POD, key, frozenset({value})) for key, value in sorted((service.selector or {}).items()))
    pods = All((PODS, Named(Of.NAMESPACE, frozenset({service.namespace})), *wanted))
    for port in service.ports if with_ports else ():
        yield Way(pods, target(port))
    if not with_ports:
        yield Way(pods)


def target(port: ServicePort) -> Traffic:
    """The flows to a service's target port."""
    if isinstance(port.target, str):
        return PortName(port.target, single(port.protocol))
    return box(port.protocol, port.target or port.port)


def itself(entity: Entity) -> Peer:
    """A pod, or the pods that a workload would make, by the name."""
    return All((Named(Of.NAMESPACE, frozenset({entity.namespace})), Named(Of.POD, frozenset({entity.pod_name}))))


def of_namespace(leaf: Peer) -> Peer:
    """A test in a namespaceSelector: of the namespace's labels; all() means whatever is in a namespace."""
    return HasLabel(Of.POD, NAMESPACE_KEY) if leaf in (EVERYONE, IN_NAMESPACE) else prefixed(leaf, OF_NAMESPACE)


def of_account(leaf: Peer) -> Peer:
    """A test in a selector of service accounts."""
    return prefixed(leaf, OF_ACCOUNT)


def prefixed(leaf: Peer, prefix: str) -> Peer:
    """A test of a label with the key lengthened."""
    match leaf:
        case LabelIn(of, key, values):
            return LabelIn(of, prefix + key, values)
        case HasLabel(of, key):
            return HasLabel(of, prefix + key)
        case LabelText(of, key, part, text):
            return LabelText(of, prefix + key, part, text)
        case _:
            return leaf


def accounts(view: View) -> Peer | None:
    """The service accounts that an end must have: by name and by selector."""
    match = view.part("serviceAccounts")
    unknown_fields(match, {"names", "selector"})
    terms: list[Peer] = []
    if (found := selector(match, "selector")) is not None:
        terms.append(mapped(found, of_account))
    if names := match.texts("names"):
        terms.append(LabelIn(Of.POD, ACCOUNT_KEY, frozenset(names)))
    return None if not terms else terms[0] if len(terms) == 1 else All(tuple(terms))


def both(terms: Iterable[Peer]) -> Peer:
    """All of the tests."""
    found = tuple(term for term in terms if term is not EVERYONE and term != EVERYONE)
    return found[0] if len(found) == 1 else All(found)
