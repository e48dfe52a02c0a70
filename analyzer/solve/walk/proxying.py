"""Whether a host answers questions of ARP for the addresses of others (net/ipv4/arp.c: ``arp_fwd_proxy``, ``arp_fwd_pvlan``)."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.state import Dropped
from analyzer.source import Span


def silent(reason: str, at: Span | None = None) -> Dropped:
    """A host that has nothing to say about an address."""
    return Dropped(reason, at, ignored=True)


def internet_closed(space: Space, device: str) -> bool:
    """Whether the device does not forward IPv4, as far as that is known (what is not known does not forward)."""
    own = space.switch(f"net.ipv4.conf.{device.replace('.', '/')}.forwarding")
    if own is None:
        own = space.switch("net.ipv4.ip_forward")
    return not (own if own is not None else space.whole(4, "forwarding"))


def not_told(space: Space, device: str, found: Route) -> str | None:
    """The switch that would say whether a host answers for what it routes elsewhere, where the switches were not captured, and not one that is there
    says that it does not."""
    if "sysctl" not in space.namespace.missing or found.kind != "unicast" or found.ways[0].device == device:
        return None
    own = space.setting(4, device, "proxy_arp")
    forwards = space.switch("net.ipv4.ip_forward")
    return None if own == 0 or forwards == 0 else "proxy_arp"


def proxies(space: Space, device: str, target: Address, found: Route) -> Span | Dropped | None:
    """``arp_fwd_proxy``, ``arp_fwd_pvlan`` and ``pneigh_lookup``: where it says that the host answers for another."""
    key = device.replace(".", "/")
    elsewhere = found.ways[0].device != device
    if elsewhere and space.either(4, device, "proxy_arp"):
        return space.where(f"net.ipv4.conf.{key}.proxy_arp") or space.where("net.ipv4.conf.all.proxy_arp")
    if not elsewhere and space.setting(4, device, "proxy_arp_pvlan"):
        return space.where(f"net.ipv4.conf.{key}.proxy_arp_pvlan")
    entry = space.proxied.get((device, target))
    if elsewhere and entry is not None:
        return entry.at
    return silent(f"{space.place} does not answer for {target}")


def may_stand_in(space: Space, device: str) -> bool:
    """Whether a host whose routes were not captured is set to answer for what it routes elsewhere: for which addresses, they would say."""
    set_to = space.either(4, device, "proxy_arp") or bool(space.setting(4, device, "proxy_arp_pvlan"))
    return "ip-route/4" in space.namespace.missing and bool(set_to) and not internet_closed(space, device)
