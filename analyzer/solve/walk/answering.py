"""Whether a host answers a question for an address that reached it: for its own, and for others'.

After net/ipv4/arp.c (``arp_process``, ``arp_ignore``, ``arp_filter``, ``arp_fwd_proxy``) and net/ipv6/ndisc.c (``ndisc_recv_ns``).
"""

from __future__ import annotations

from analyzer.addresses import host_prefix
from analyzer.facts.routes import LOCAL
from analyzer.solve.walk import reverse
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.proxying import internet_closed, may_stand_in, not_told, proxies, silent
from analyzer.solve.walk.route_answers import NotKnown, Query, Refused, Route
from analyzer.solve.walk.route_lookup import look_up
from analyzer.solve.walk.sources import on_network
from analyzer.solve.walk.state import Dropped, Question, Undecided, Walk
from analyzer.source import Span


def answers_four(walk: Walk, space: Space, device: str, asked: Question) -> Span | Dropped | Undecided | None:
    """``arp_process``: where it says that the host answers; Dropped when it does not. A host whose routes are not known may answer for its own, and
    for others where it is set to."""
    target, sender = asked.target, asked.sender
    found = look_up(walk, space, Query(4, target.value, sender.value if sender else 0, in_device=device))
    unknown = target in space.own or "ip-addr" in space.namespace.missing or may_stand_in(space, device)
    if isinstance(found, NotKnown) and unknown:
        return Undecided(found.reason, found.at, found.settle, tuple(walk.hops))
    if not isinstance(found, Route):
        return silent(found.reason, found.at)
    refused = None
    if sender is not None:
        out_device = found.ways[0].device or "" if found.kind == "unicast" else ""
        refused = reverse.refuse_source(walk, space, device, Query(4, sender.value, target.value, 0, out_device or "lo"))
    if refused:
        told = refused[0]
        if isinstance(told, Undecided) and target in space.own:
            return told
        return Dropped(told.reason, told.at) if isinstance(told, Dropped) else silent("its routes are not known")
    if found.kind == "local":
        return ignored(walk, space, device, asked) or found.fact.at
    if (unset := not_told(space, device, found)) is not None:
        reason = f"whether {space.place} answers for {target} on {device} is not known: {unset} of it was not captured"
        return Undecided(reason, None, f"sysctl_net of {space.place}", tuple(walk.hops))
    if found.kind != "unicast" or internet_closed(space, device):
        return silent(f"{space.place} does not forward")
    return proxies(space, device, target, found)


def ignored(walk: Walk, space: Space, device: str, asked: Question) -> Dropped | None:
    """``arp_ignore`` and ``arp_filter``: whether the host keeps silent about its own address."""
    target, sender = asked.target, asked.sender
    mode = space.greater(4, device, "arp_ignore")
    here = next((fact for fact in space.addresses.get(device, ()) if fact.address == target), None)
    key = f"net.ipv4.conf.{device.replace('.', '/')}.arp_ignore"
    quiet = mode == 8 or (mode in (1, 2) and here is None)
    quiet = quiet or (mode == 2 and sender is not None and here is not None and not on_network(here, sender.value))
    quiet = quiet or (mode == 3 and here is not None and here.scope_name == "host")
    if quiet:
        return Dropped(f"{space.place} keeps silent about {target} on {device} (arp_ignore {mode})", space.where(key))
    if sender is not None and space.either(4, device, "arp_filter"):
        back = look_up(walk, space, Query(4, sender.value, target.value))
        if isinstance(back, Refused) or (isinstance(back, Route) and back.ways[0].device != device):
            return Dropped(f"{space.place} keeps silent about {target} on {device} (arp_filter)")
    return None


def answers_six(walk: Walk, space: Space, device: str, asked: Question) -> Span | Dropped | Undecided | None:
    """``ndisc_recv_ns``: only the device's own addresses, and those of ``ip neigh show proxy``, where the device's own switch makes it a router's."""
    for fact in space.addresses.get(device, ()):
        if fact.address == asked.target and not fact.flags & {"tentative", "dadfailed"}:
            return fact.at
    if (entry := space.proxied.get((device, asked.target))) is not None and stands_in(space, device):
        return entry.at
    unlisted = space.namespace.missing.get("ip-neigh-proxy")
    if unlisted is not None and stands_in(space, device):
        reason = f"whether {space.place} answers for {asked.target} on {device} is not known: {unlisted}"
        return Undecided(reason, None, f"ip_neigh_proxy of {space.place}", tuple(walk.hops))
    lost = space.namespace.missing.get("ip-addr")
    return (
        silent(f"{space.place} does not have {asked.target} on {device}")
        if lost is None
        else by_routes(walk, space, device, asked, lost)
    )


def stands_in(space: Space, device: str) -> bool:
    """Whether a device answers for those of ``ip neigh show proxy``: as a router, and where it is told to (``ndisc_recv_ns``)."""
    own = space.switch(f"net.ipv6.conf.{device.replace('.', '/')}.forwarding")
    return bool(space.whole(6, "forwarding") if own is None else own) and space.either(6, device, "proxy_ndp")


def by_routes(walk: Walk, space: Space, device: str, asked: Question, lost: str) -> Span | Dropped | Undecided:
    """Whether a device whose addresses were not captured has one: the kernel keeps a local route for each (``addrconf_dad_completed``)."""
    table = space.namespace.routes.get(6, {}).get(LOCAL)
    if table is None:
        reason = f"whether {space.place} has {asked.target} on {device} is not known: {lost}"
        return Undecided(reason, None, f"ip_-d_addr of {space.place}", tuple(walk.hops))
    own = (fact for fact in table if fact.kind == "local" and any(way.device == device for way in fact.next_hops))
    held = next((fact.at for fact in own if fact.destination == host_prefix(asked.target)), None)
    return held or silent(f"{space.place} does not have {asked.target} on {device}")
