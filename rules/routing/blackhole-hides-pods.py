"""A blackhole, unreachable or prohibit route is the best match for a pod on another node.

## What it finds
On a node, a pod of another node whose address is best matched by a route that discards packets.

## Why it matters
A node discards its own address block except for the pods it knows. When an address of the block was lent to another node, and this node has no
/32 for it, every packet from here to that pod is discarded.

## Example
    blackhole 10.244.64.0/26 proto bird     # and pod 10.244.64.9 runs on n2, without a /32 route

## How to mend
Restore the /32 route (restart the routing agent); with Calico set `strictAffinity` where addresses must not be lent.

## Sources
projectcalico/calico#3246, #3635, #1578. The blackhole of a node's own block alone is normal.
"""

from collections.abc import Iterator

from analyzer.query.plan import captured_name, running_pods
from analyzer.query.state import roots
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Network, Rule, Severity

DISCARDING = frozenset({"blackhole", "unreachable", "prohibit"})


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    pods = list(placed(network))
    for root in roots(network):
        if not any(route.kind in DISCARDING for route in root.routes.get(4, {}).get(254, ())):
            continue
        hidden: dict[object, list[str]] = {}
        for name, node, address in pods:
            route = main_route(root, address)
            if node != root.scope.node and route is not None and route.kind in DISCARDING:
                hidden.setdefault(route, []).append(f"{name} ({address} on {node})")
        for route in root.routes.get(4, {}).get(254, ()):
            if names := hidden.get(route):
                yield RULE.finding(
                    route.at,
                    f"{root.scope.node} discards packets to {len(names)} pod{'s' * (len(names) > 1)} of other nodes: {', '.join(names[:3])}",
                    help=f"on {root.scope.node}: add the route to the pod's address via its node",
                )


def placed(network: Network) -> Iterator[tuple[str, str, Address]]:
    """The pods with their nodes and addresses: those whose namespaces were captured, then those of which only the object is known."""
    seen = set()
    for item in network.attachments:
        if item.scope.namespace:
            seen.add(item.name)
            yield from ((item.name, item.scope.node, address) for address in item.addresses)
    for pod in running_pods(network):
        name = f"{pod.namespace}/{pod.name}"
        if pod.node and name not in seen:
            yield from ((name, captured_name(network, pod.node), address) for address in pod.addresses)


RULE = Rule("blackhole-hides-pods", Severity.ERROR, __doc__, check)
