"""A routing daemon and the kernel of its node hold different routes.

## What it finds
Best routes of BIRD's and FRR's tables, learnt by BGP or stated, that the kernel's main table lacks, although the daemon is to put them there; routes that the daemon put there with another gateway
than it has now; and routes of the daemon's in the kernel (`proto bird`, `proto bgp`, kube-router's `proto 17`) that it does not know. What the daemon's own filter keeps out of the kernel is left out (`export none`; networks that
Calico's Felix routes itself); where the filter is not known, the finding is possible.

## Why it matters
Packets go by what the kernel has. A route that is missing leaves them to the default route; one that is left over leads to where the pods no longer are.

## Example
    10.66.2.0/26   via 10.30.0.12 on eth0 [Mesh_10_30_0_12 06:10:14] * (100/0) [i]     # and no such route in ip route

## How to mend
See the daemon's log: the kernel refuses routes whose gateway is not on a link (`Netlink: Network is unreachable`), and those that another program holds. BIRD with `persist` leaves its routes when it ends:
delete those that are stale, or restart it.

## Sources
BIRD's manual, chapter Kernel (export, persist, learn); projectcalico/calico confd templates bird.cfg.template (calico_kernel_programming); FRR zebra/zebra_rib.c.
"""

from collections.abc import Iterator

from analyzer.query.systems.daemon_routes import Absent, Difference, Other, Stale, differences
from analyzer.rule import Finding, Network, Rule, Severity

NAMES = {"bird": "BIRD", "frr": "FRR", "gobgp": "GoBGP"}


def check(network: Network) -> Iterator[Finding]:
    for router in network.routers.values():
        for item in differences(network, router):
            yield finding(router.node, item)


def finding(node: str, item: Difference) -> Finding:
    """One difference in words."""
    name = NAMES.get(item.program, item.program)
    match item:
        case Stale(kernel=kernel):
            return RULE.finding(
                kernel.at,
                f"{node}: the kernel has a route to {kernel.destination} that {name} put there and does not know any more",
                severity=Severity.WARNING,
                help=f"ip route del {kernel.destination}, after looking that nothing else needs it",
            )
        case Absent(route=route, certain=certain):
            return RULE.finding(
                route.at, f"{node}: {name} has a route to {route.prefix}, and the kernel has none", certain=certain
            )
        case Other(route=route, kernel=kernel):
            words = f"{node}: {name} and the kernel have different gateways for {route.prefix}"
            return RULE.finding(route.at, words, related=[(kernel.at, "the kernel's route")])


RULE = Rule("bgp-route-not-in-kernel", Severity.ERROR, __doc__, check)
