"""A node's switch sends a service of OVN to other backends than its load balancer has.

## What it finds
A flow of `br-int` that translates an address and port of a load balancer (`ovn-nbctl list Load_Balancer`) to backends that differ from those that the northbound database has for it: one too many, which may be gone, or one
that is missing.

## Why it matters
ovn-controller or northd does not keep up, or has stopped: connections go to pods that are gone, and the pods that are new get none. Other nodes may be right, so that it depends on where a client is.

## Example
    ovn-nbctl: vips: {"10.96.0.10:80"="10.244.0.6:8080,10.244.1.5:8080"}
    ovs-ofctl dump-groups br-int: nat(dst=10.244.0.6:8080), nat(dst=10.244.0.9:8080)

## How to mend
Look at ovn-controller on the node (`ovn-appctl -t ovn-controller connection-status`, its log) and at northd (`ovn-nbctl --wait=hv sync` ends when all nodes have followed).

## Sources
OVN northd (build_lb_rules), controller/ofctrl.c, lib/actions.c (`encode_ct_lb`: a group of type select); ovn-nb(5), Load_Balancer: vips.
"""

from collections.abc import Iterator

from analyzer.query.logical import Balanced, Place, balanced, integration, translations, written
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    wanted: dict[tuple[object, int], list[Balanced]] = {}
    for one in balanced(network):
        wanted.setdefault((one.place, one.protocol), []).append(one)
    for root in roots(network):
        switch = integration(root)
        seen: set[object] = set()
        for place, protocol, backends, flow in translations(switch) if switch is not None and not switch.unread else ():
            found = wanted.get((place, protocol), [])
            if len(found) != 1 or backends is None or (place, protocol) in seen or backends == found[0].backends:
                continue
            seen.add((place, protocol))
            yield RULE.finding(
                flow.at,
                f"br-int of {root.scope.node} {differing(found[0], backends)}",
                related=[(found[0].at, f"the load balancer {found[0].name}")],
                help="see whether ovn-controller on the node keeps up: ovn-nbctl --wait=hv sync",
            )


def differing(one: Balanced, backends: frozenset[Place]) -> str:
    """How the flows differ."""
    more = sorted(written(end) for end in backends - one.backends)
    less = sorted(written(end) for end in one.backends - backends)
    parts = [f"sends {one} to {', '.join(more[:3])}, which is no backend of it"] if more else []
    parts += [f"does not send {one} to its backend {', '.join(less[:3])}"] if less else []
    return " and ".join(parts)


RULE = Rule("logical-balancer-stale", Severity.ERROR, __doc__, check)
