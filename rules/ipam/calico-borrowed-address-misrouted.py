"""An address that a node borrowed from another node's block of Calico's is routed to the block's owner.

## What it finds
For each captured node that is neither the borrower nor the owner: no route to the address but the block's, or another one that leads to the owner. Borrowed addresses are those of `IPAMBlock`s whose pod is on another node than
the block's, and those of `calicoctl ipam show --show-borrowed`. At the owner the same is said where its own blackhole catches the address, unless pods were captured (`blackhole-hides-pods` says it then).

## Why it matters
The owner has no such pod: its blackhole for the block drops the packets. Nodes borrow when they have reached their most blocks or the pool has none left, so it begins with single pods, long after installation.

## Example
    10.66.1.9, borrowed by n2 from n1          # and n3: 10.66.1.0/26 via 10.30.0.11 proto bird

## How to mend
See why the longer route does not arrive (`birdcl show route 10.66.1.9/32`; Felix's log for VXLAN). More or larger pools and `strictAffinity: true` keep nodes from borrowing.

## Sources
projectcalico/calico felix/calc/l3_route_resolver.go, confd templates bird_aggr.cfg.template; projectcalico/calico#4620, #2211.
"""

from collections.abc import Iterator

from analyzer.query.ipam.borrowed import Borrowed, borrowed
from analyzer.query.plan import captured_name
from analyzer.query.state import roots
from analyzer.query.systems.sessions import holders
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

NOWHERE = ("blackhole", "unreachable", "prohibit")


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    found = list(borrowed(network))
    held = holders(network) if found else {}
    for root in roots(network) if found else ():
        for item in found:
            family = item.address.family
            if root.scope.node != captured_name(network, item.node) and f"ip-route/{family}" not in root.missing:
                yield from misrouted(network, held, root, item)


def misrouted(network: Network, held: dict[Address, str], root: Namespace, item: Borrowed) -> Iterator[Finding]:
    """Where one node sends packets for the address."""
    route = main_route(root, item.address)
    owner = captured_name(network, item.owner)
    if route is None or route.destination.length == 0:
        return
    gateways = [held.get(hop.via) for hop in route.next_hops if hop.via is not None]
    here = root.scope.node == owner and route.kind in NOWHERE and not network.cluster.pods
    tunnel = item.block.covers(route.destination) and any(
        hop.via is not None and item.block.covers(hop.via) for hop in route.next_hops
    )
    if here or (root.scope.node != owner and (owner in gateways or tunnel)):
        yield RULE.finding(
            route.at,
            f"{root.scope.node} sends packets for {item.address}, which {item.node} borrowed from {item.owner}, "
            + ("nowhere" if here else f"to {item.owner}, which has no such pod"),
            related=[(item.at, f"{item.address} is used on {item.node}")],
            certain=not root.gaps.get("ip-route"),
        )


RULE = Rule("calico-borrowed-address-misrouted", Severity.ERROR, __doc__, check)
