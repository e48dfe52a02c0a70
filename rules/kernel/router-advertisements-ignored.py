"""A forwarding node ignores router advertisements, so its IPv6 default route runs out.

## What it finds
An interface with `accept_ra = 1` and `forwarding = 1` whose IPv6 default route was learned from a router (`proto ra`).

## Why it matters
With forwarding on, only `accept_ra = 2` accepts advertisements. The route that was learned before expires, and the node loses IPv6 minutes after kubelet or the CNI has turned forwarding on.

## Example
    net.ipv6.conf.eth0.accept_ra = 1
    default via fe80::1 dev eth0 proto ra metric 1024 expires 1700sec

## How to mend
`sysctl -w net.ipv6.conf.eth0.accept_ra=2`, or a static default route.

## Sources
ipv6_accept_ra (include/net/ipv6.h); k3s-io/k3s#5019.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for route in root.routes.get(6, {}).get(254, ()):
            device = next((hop.device for hop in route.next_hops if hop.device), None)
            if route.destination.length or route.protocol != "ra" or device is None:
                continue
            accept = root.sysctls.get(f"net.ipv6.conf.{device}.accept_ra")
            forward = root.sysctls.get(f"net.ipv6.conf.{device}.forwarding")
            if accept is not None and forward is not None and accept.value == "1" and forward.value != "0":
                yield RULE.finding(
                    accept.at,
                    f"{root.scope.node} forwards IPv6 on {device} and accept_ra is 1: its default route by advertisement will run out",
                    related=[(forward.at, "forwarding is on"), (route.at, "the route that was learned and is not renewed")],
                    help=f"on {root.scope.node}: sysctl -w net.ipv6.conf.{device}.accept_ra=2",
                )


RULE = Rule("router-advertisements-ignored", Severity.ERROR, __doc__, check)
