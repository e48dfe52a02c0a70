"""The address that a namespace sends from.

After ``inet_select_addr`` (net/ipv4/devinet.c) and ``fib_result_prefsrc`` (net/ipv4/fib_semantics.c); for IPv6 ``ipv6_dev_get_saddr``
(net/ipv6/addrconf.c) with the rules of RFC 6724 that addresses and prefixes decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address, prefix_of
from analyzer.facts.links import AddressFact
from analyzer.model.address_labels import label
from analyzer.model.registered import in_order
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import Route

SCOPES = {"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}


def scope_number(name: str | None) -> int:
    """The number of an address's or a route's scope."""
    if name is None:
        return 0
    return SCOPES.get(name, int(name) if name.isdecimal() and len(name) < 4 else 0)


def source_of(space: Space, route: Route, destination: int) -> int | None:
    """The source for a packet that has none: the route's own, else an address of its device; None: there is none. What is sent to the host itself has
    its destination as source, in IPv6 only where that is an address of an interface (``ip6_route_get_saddr``), not of a network that is local."""
    fact, family = route.fact, route.fact.destination.family
    if fact.source is not None:
        return fact.source.value
    if fact.kind == "local" and (family == 4 or any(held.address.value == destination for held in space.namespace.addresses)):
        return destination
    way = route.ways[0]
    device = way.device or "lo"
    if family == 6:
        return select_six(space, device, destination)
    gateway = way.via.value if way.via and way.via.family == 4 else 0
    return select_four(space, device, gateway, route_scope(route))


def route_scope(route: Route) -> int:
    """A route's scope as its addresses are chosen by: link for what is on the link, else universe."""
    if route.fact.scope_name is not None:
        return scope_number(route.fact.scope_name)
    return 0 if route.ways[0].via else 253


def select_four(space: Space, device: str, gateway: int = 0, scope: int = 0) -> int | None:
    """``inet_select_addr``: the device's first primary address of the scope, the one on the gateway's network first; else another device's."""
    limit = 253 if space.either(4, device, "route_localnet") else 254
    first: int | None = None
    for fact in primaries(space, device):
        if min(scope_number(fact.scope_name), limit) > scope:
            continue
        if not gateway or on_network(fact, gateway):
            return fact.address.value
        first = fact.address.value if first is None else first
    return first if first is not None else elsewhere(space, device, scope)


def primaries(space: Space, device: str) -> Iterator[AddressFact]:
    """A device's IPv4 addresses that are not secondary."""
    return (fact for fact in space.addresses.get(device, ()) if fact.address.family == 4 and "secondary" not in fact.flags)


def on_network(fact: AddressFact, value: int) -> bool:
    """``inet_ifa_match``: whether an address is in the network of an interface's address (its peer's, where it has one)."""
    base, length = (fact.peer, fact.peer_length or fact.length) if fact.peer else (fact.address, fact.length)
    return prefix_of(base, length).covers(Address(4, value))


def elsewhere(space: Space, device: str, scope: int) -> int | None:
    """The first address of another device of the same VRF, in the kernel's order, that is not of link scope."""
    vrf = space.vrf_of(device)
    for link in in_order(space.namespace):
        if not link.up or space.vrf_of(link.name) != vrf:
            continue
        for fact in primaries(space, link.name):
            number = scope_number(fact.scope_name)
            if number != 253 and number <= scope:
                return fact.address.value
    return None


def select_six(space: Space, device: str, destination: int) -> int | None:
    """RFC 6724: the destination itself, its scope, not deprecated, the outgoing device, the label, not temporary before, the longest prefix."""
    candidates = [fact for fact in space.namespace.addresses if fact.address.family == 6 and fit(fact, device, destination)]
    best: AddressFact | None = None
    for fact in candidates:
        if best is None or better(fact, best, device, destination):
            best = fact
    return best.address.value if best else None


def fit(fact: AddressFact, device: str, destination: int) -> bool:
    """Whether an address can be a source at all: usable, and for a link-local destination on the device. The kernel does not ask whether the device is up
    (``__ipv6_dev_get_saddr``): an address is tentative while it is down, but of devices without ARP as kube-ipvs0."""
    if fact.flags & {"tentative", "dadfailed"}:
        return False
    if reach(destination) == 2 or reach(fact.address.value) == 2:
        return fact.device == device
    return fact.device != "lo" or reach(destination) == 1 or fact.address.value != 1


def reach(value: int) -> int:
    """The scope of an IPv6 address: 1 interface, 2 link, 5 site, 14 global; of a multicast address its own."""
    if value >> 120 == 0xFF:
        return value >> 112 & 15
    if value == 1:
        return 1
    return 2 if value >> 118 == 0xFE80 >> 6 else 5 if value >> 118 == 0xFEC0 >> 6 else 14


def better(one: AddressFact, two: AddressFact, device: str, destination: int) -> bool:
    """Whether ``one`` is preferred to ``two``; earlier ones win where all rules are equal."""
    wanted = reach(destination)
    for key in (
        lambda fact: fact.address.value == destination,
        lambda fact: suitability(reach(fact.address.value), wanted),
        lambda fact: "deprecated" not in fact.flags,
        lambda fact: fact.device == device,
        lambda fact: label(fact.address.value) == label(destination),
        lambda fact: "temporary" not in fact.flags,
        lambda fact: common(fact, destination),
    ):
        first, second = key(one), key(two)
        if first != second:
            return bool(first > second)
    return False


def suitability(own: int, wanted: int) -> int:
    """Rule 2: the smallest scope that is enough, else the largest."""
    return 100 - own if own >= wanted else own - 100


def common(fact: AddressFact, destination: int) -> int:
    """Rule 8: the bits in common, at most the prefix."""
    return min(fact.length, 128 - (fact.address.value ^ destination).bit_length())


def first_address(space: Space, device: str, family: int) -> int | None:
    """The primary address of a device (REDIRECT, net/netfilter/nf_nat_redirect.c)."""
    for fact in space.addresses.get(device, ()):
        if fact.address.family == family and not fact.flags & {"secondary", "tentative"}:
            return fact.address.value
    return None
