"""Listings of one namespace that cannot be of one state: routes against the addresses, and what names devices against the interfaces.

What a listing cannot be without is missing from it (its text was cut at the end of a line, say), or it is another node's. Nothing follows from listings
that are not there, or are of a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analyzer.addresses import Address
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.neighbours import BridgePortFact, ForwardingFact
from analyzer.facts.routes import RouteFact
from analyzer.facts.system import SysctlFact
from analyzer.source import Gap, Span

UNSETTLED = frozenset({"tentative", "dadfailed", "optimistic"})
"""IPv6 addresses that have no route yet, or none any more (net/ipv6/addrconf.c)."""
CONF, PER_DEVICE = (
    "net.ipv4.conf.",
    ("forwarding", "rp_filter", "proxy_arp", "arp_ignore", "accept_local", "route_localnet", "arp_filter"),
)
"""Switches of interfaces that decide about packets."""
Routes = Mapping[int, Mapping[int, tuple[RouteFact, ...]]]


def without_local(
    routes: Routes, addresses: Sequence[AddressFact], links: Mapping[str, LinkFact], whole: Mapping[int, Span]
) -> Iterator[Gap]:
    """Listings of the table ``local`` (``whole``, by family) that lack the route of an address: the kernel keeps one for each address of an interface that is up
    (``fib_add_ifaddr`` in net/ipv4/fib_frontend.c, ``addrconf_dad_completed`` in net/ipv6/addrconf.c). The first stands for all."""
    for family, place in sorted(whole.items()):
        known = local_addresses(routes, family)
        lost = next((fact for fact in addresses if lasting(fact, family, links) and fact.address not in known), None)
        if lost is not None:
            at = next((route.at for table in routes.get(family, {}).values() for route in table), place)
            words = f"{lost.address} of {lost.device} has no local route here: the listing is not whole, or not of this namespace"
            yield Gap(at, words, "ip-route", lost.scope)


def local_addresses(routes: Routes, family: int) -> frozenset[Address]:
    """The single addresses of local routes, in any table: those of a VRF are in its own."""
    every = (route for table in routes.get(family, {}).values() for route in table)
    return frozenset(Address(family, route.destination.value) for route in every if route.kind in ("local", "anycast"))


def lasting(fact: AddressFact, family: int, links: Mapping[str, LinkFact]) -> bool:
    """Whether an address must have a local route."""
    link = links.get(fact.device)
    up = link is not None and link.up and link.carrier and "LOOPBACK" not in link.flags
    return up and fact.address.family == family and fact.flags.isdisjoint(UNSETTLED) and not fact.at.path.startswith("(")


def of_others(routes: Routes, addresses: Sequence[AddressFact]) -> Iterator[Gap]:
    """Routes of IPv4 that send from an address which is not the namespace's: the kernel takes none (``fib_valid_prefsrc`` in net/ipv4/fib_semantics.c), and deletes
    those of an address with it (``fib_sync_down_addr``)."""
    held = {fact.address for fact in addresses}
    every = [route for table in routes.get(4, {}).values() for route in table]
    local = [route.destination for route in every if route.kind == "local" and route.protocol != "kernel"]
    for route in every:
        source = route.source
        if source is not None and source not in held and not any(one.covers(source) for one in local):
            words = f"{source}, from which this route sends, is no address of an interface: the listing is of another namespace, or of another time"
            yield Gap(route.at, words, "ip-route", route.scope)


def without_switches(sysctls: Mapping[str, SysctlFact], links: Mapping[str, LinkFact]) -> Iterator[Gap]:
    """Listings that have switches of ``lo``, as ``sysctl -a`` has, and none of another interface, or those of one that is none: the kernel makes them for each
    (``inetdev_init`` and ``devinet_sysctl_register``, net/ipv4/devinet.c; not below an MTU of 68). What ``default`` says is for interfaces to come."""
    for name in PER_DEVICE:
        first = sysctls.get(f"{CONF}lo.{name}")
        if first is None or not links:
            continue
        lost = [
            one
            for one, link in links.items()
            if f"{CONF}{one.replace('.', '/')}.{name}" not in sysctls and (link.mtu or 68) >= 68
        ]
        if lost:
            words = f"{CONF}{lost[0]}.{name} is not listed, as that of lo is: the listing is not whole, or not of this namespace"
            yield Gap(first.at, words, "sysctl", first.scope, device=lost[0] if len(lost) == 1 else "")
            return
    for key, fact in sysctls.items():
        device = key[len(CONF) : -len(".forwarding")] if key.startswith(CONF) and key.endswith(".forwarding") else ""
        if (
            device
            and device.replace("/", ".") not in links
            and device not in ("all", "default")
            and f"{CONF}lo.forwarding" in sysctls
        ):
            yield Gap(fact.at, f"{device}, whose switch this is, is no interface", "sysctl", fact.scope)
            return


def of_no_device(
    forwarding: Sequence[ForwardingFact], ports: Mapping[str, BridgePortFact], links: Mapping[str, LinkFact]
) -> Iterator[Gap]:
    """Listings of forwarding entries and of ports that name a device which is none: they are of another namespace, or of another time. The first of each stands for all."""
    named: tuple[tuple[str, str, Sequence[ForwardingFact | BridgePortFact]], ...] = (
        ("bridge-fdb", "of which this is an entry", [fact for fact in forwarding if fact.device not in links]),
        ("bridge-link", "which is a port here", [fact for name, fact in sorted(ports.items()) if name not in links]),
    )
    for subject, words, facts in named:
        for fact in facts[:1] if links else ():
            yield Gap(fact.at, f"{fact.device}, {words}, is no interface", subject, fact.scope)
