"""What routing daemons want in the kernel against what it has.

BIRD puts its best routes there that the ``export`` of its kernel protocol lets through, with ``proto bird`` (12); FRR's zebra with ``proto bgp`` (186), ``static`` (196) and others; kube-router with 17
(include/uapi/linux/rtnetlink.h; cloudnativelabs/kube-router pkg/routes). BIRD's kernel protocol exports nothing unless told to (BIRD's manual, 6.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.bgp import DaemonRoute, DaemonTableFact, Permission
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.network import Namespace, Network
from analyzer.model.routers import Router
from analyzer.query.state import root_of
from analyzer.query.systems.sessions import whole

PROTOCOLS = {
    "bird": frozenset({"bird", "12"}),
    "frr": frozenset({"bgp", "186", "zebra", "11"}),
    "gobgp": frozenset({"17"}),
    "cilium": frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class Absent:
    """A route of the daemon's that the kernel lacks. ``certain``: the daemon surely wants it there."""

    route: DaemonRoute
    program: str
    certain: bool


@dataclass(frozen=True, slots=True)
class Other:
    """A route that the daemon put into the kernel with another gateway than it has now."""

    route: DaemonRoute
    kernel: RouteFact
    program: str


@dataclass(frozen=True, slots=True)
class Stale:
    """A route of the daemon's in the kernel that it does not know."""

    kernel: RouteFact
    program: str


Difference = Absent | Other | Stale


def differences(network: Network, router: Router) -> Iterator[Difference]:
    """The differences of one node, by network, each once; none where the kernel's routes were not captured whole."""
    root = root_of(network, router.node)
    told: set[tuple[type[Difference], Prefix]] = set()
    for family in (4, 6) if root is not None else ():
        if root is None or f"ip-route/{family}" in root.missing or root.gaps.get("ip-route"):
            continue
        for table in tables(router, family):
            for item in of_table(router, root, table, family):
                key = type(item), item.kernel.destination if isinstance(item, Stale) else item.route.prefix
                if key not in told:
                    told.add(key)
                    yield item


def tables(router: Router, family: int) -> Iterator[DaemonTableFact]:
    """BIRD's main table, zebra's, and GoBGP's."""
    for table in whole(router, family):
        if table.program in ("bird", "gobgp") or (table.program == "frr" and table.name == "rib"):
            yield table


def of_table(router: Router, root: Namespace, table: DaemonTableFact, family: int) -> Iterator[Difference]:
    """The differences of one table."""
    kernel: dict[Prefix, list[RouteFact]] = {}
    for route in root.routes.get(family, {}).get(MAIN, ()):
        kernel.setdefault(route.destination, []).append(route)
    known: dict[Prefix, list[DaemonRoute]] = {}
    for one in table.routes:
        if one.prefix.family == family:
            known.setdefault(one.prefix, []).append(one)
    for prefix, routes in sorted(known.items()):
        wanted = next((one for one in routes if one.best and one.source in ("bgp", "static")), None)
        if wanted is not None and table.program != "gobgp":
            yield from wanting(router, table, wanted, routes, kernel.get(prefix, []))
    held = {one.prefix for other in router.tables if other.program == table.program for one in other.routes}
    for prefix, found in sorted(kernel.items()) if all_listed(router, table.program) else ():
        own = next((route for route in found if route.protocol in PROTOCOLS[table.program]), None)
        if own is not None and prefix not in held:
            yield Stale(own, table.program)


def all_listed(router: Router, program: str) -> bool:
    """Whether every table that BIRD puts routes from into the kernel was listed."""
    names = {"", *(table.name for table in router.tables if table.program == program)}
    kernels = [one.table for one in router.protocols if one.kind == "Kernel"]
    return program != "bird" or all(name in names or name.startswith("master") for name in kernels)


def wanting(
    router: Router, table: DaemonTableFact, wanted: DaemonRoute, routes: list[DaemonRoute], found: list[RouteFact]
) -> Iterator[Difference]:
    """A route that the daemon has: absent from the kernel, or another one there by the daemon's own hand. ``routes``: all that it has for the network."""
    sure = exported(router, table, wanted)
    if sure is None or (table.program == "frr" and wanted.source == "bgp" and wanted.installed is None):
        return
    if not found:
        yield Absent(wanted, table.program, sure)
        return
    own = next((route for route in found if route.protocol in PROTOCOLS[table.program]), None)
    if own is not None and differs(wanted, routes, own):
        yield Other(wanted, own, table.program)


def differs(wanted: DaemonRoute, routes: list[DaemonRoute], own: RouteFact) -> bool:
    """Whether the kernel's route leads elsewhere than the daemon's routes for the network. Several of them are one route of the kernel's (``merge paths``);
    one over a device that none of them has goes through a tunnel, to the next hop itself (``krt_tunnel`` of Calico's BIRD)."""
    wanted_hops, there = hops(wanted), gateways(own)
    devices = {hop.device for one in routes for hop in one.next_hops if hop.device}
    if not wanted_hops or not there or any(hop.device not in devices for hop in own.next_hops):
        return False
    every = frozenset(hop for one in routes for hop in hops(one))
    return not there <= every or not there & wanted_hops


def exported(router: Router, table: DaemonTableFact, route: DaemonRoute) -> bool | None:
    """Whether a route is one for the kernel: True surely, False perhaps, None not."""
    if table.program != "bird":
        return True
    kernels = [one for one in router.protocols if one.kind == "Kernel" and one.table in ("", table.name)]
    said = {one.kernel for one in router.configs if one.kernel} | {
        "none" if one.outward == "REJECT" else "all" for one in kernels if one.outward in ("REJECT", "ACCEPT")
    }
    if kernels and not any(one.up for one in kernels):
        return None
    if said and said <= {"none"}:
        return None
    permission = verdict(router, said | {one.outward for one in kernels}, route.prefix)
    if permission is not None:
        return True if permission.accept else None
    return "all" in said


def verdict(router: Router, names: set[str], prefix: Prefix) -> Permission | None:
    """What the filters of these names say of a network first."""
    every = (one for config in router.configs for name, found in config.filters if name in names for one in found)
    return next((one for one in every if (one.prefix.covers(prefix) if one.inside else one.prefix == prefix)), None)


def gateways(route: RouteFact) -> frozenset[Address]:
    """The gateways of the kernel's route."""
    return frozenset(hop.via for hop in route.next_hops if hop.via is not None)


def hops(route: DaemonRoute) -> frozenset[Address]:
    """The gateways of the daemon's route that it uses."""
    return frozenset(hop.via for hop in route.next_hops if hop.via is not None and hop.usable)
