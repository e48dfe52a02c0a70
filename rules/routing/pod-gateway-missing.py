"""A pod has no default route, or its gateway is an address that its node does not have.

## What it finds
A pod's namespace without a default route of a family that the pod has an address of; or whose gateway is on its own network, is held by no interface of the node, and is not answered for by a
permanent neighbour entry or by proxy ARP.

## Why it matters
The pod reaches only its own network; everything else fails with "Network is unreachable" or waits for an ARP answer that never comes.

## Example
    $ ip route                # in the pod
    10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.5

## How to mend
Recreate the pod; check `isDefaultGateway`/`isGateway` of the bridge plugin and the address of the bridge.

## Sources
cilium/cilium#19581, kubernetes/kubernetes#67183. 169.254.1.1 with proxy ARP (Calico) is healthy.
"""

from collections.abc import Iterator

from analyzer.query.state import root_of
from analyzer.query.tables import main_route
from analyzer.rule import Address, Attachment, Finding, Namespace, Network, Rule, Severity

OUTSIDE = {4: Address(4, 0x08080808), 6: Address(6, 0x2001 << 112 | 1)}


def check(network: Network) -> Iterator[Finding]:
    for node, pods in sorted(network.pods_of.items()):
        root = root_of(network, node)
        for family in (4, 6):
            lost: dict[Address | None, list[Attachment]] = {}
            for pod in pods:
                if pod.scope in network.namespaces:
                    for gateway in wrong(root, network.namespaces[pod.scope], pod, family):
                        lost.setdefault(gateway, []).append(pod)
            for gateway, group in lost.items():
                yield from of_pods(network, root, gateway, group, family)


def wrong(root: Namespace | None, inside: Namespace, pod: Attachment, family: int) -> Iterator[Address | None]:
    """The gateway that nobody has, or None where there is no default route."""
    if f"ip-route/{family}" in inside.missing or not any(address.family == family for address in pod.addresses):
        return
    route = main_route(inside, OUTSIDE[family])
    gateway = next((hop.via for hop in route.next_hops if hop.via), None) if route is not None else None
    if route is None or (gateway is not None and family == 4 and root is not None and not answered(root, inside, gateway)):
        yield gateway


def of_pods(
    network: Network, root: Namespace | None, gateway: Address | None, pods: list[Attachment], family: int
) -> Iterator[Finding]:
    """One finding for all pods of a node that have no gateway, or the same one."""
    pod = pods[0]
    inside, node = network.namespaces[pod.scope], pod.scope.node
    certain = not inside.gaps.get("ip-route")
    others = f" (and so {'do' if gateway else 'have'} {len(pods) - 1} other pods of {node})" if len(pods) > 1 else ""
    if gateway is None:
        place = next(
            (fact.at for fact in inside.addresses if fact.address in pod.addresses and fact.address.family == family), None
        )
        if place is not None:
            text = f"{pod.name} has no {'IPv6 ' * (family == 6)}default route{others}"
            yield RULE.finding(place, text, help="recreate the pod; check isDefaultGateway of its CNI plugin", certain=certain)
    elif root is not None and (route := main_route(inside, OUTSIDE[family])) is not None:
        yield RULE.finding(
            route.at,
            f"{pod.name} sends to gateway {gateway}, which no interface of {node} has{others}",
            help=f"give {node}'s bridge the address {gateway}",
            certain=certain and "ip-addr" not in root.missing and not root.gaps.get("ip-addr"),
        )


def answered(root: Namespace, inside: Namespace, gateway: Address) -> bool:
    held = any(fact.address == gateway for fact in root.addresses)
    pinned = any(fact.address == gateway and fact.states & {"PERMANENT", "NOARP"} for fact in inside.neighbours)
    proxied = any(fact.key.endswith(".proxy_arp") and fact.value == "1" for fact in root.sysctls.values())
    switched = any(link.master_kind == "openvswitch" or link.master == "ovs-system" for link in root.links.values())
    on_node = {link.name for link in root.links.values() if link.peer_index in {inner.index for inner in inside.links.values()}}
    switched = switched or any(switch.ports.keys() & root.links.keys() - {switch.name} for switch in root.switches.values())
    return held or pinned or proxied or switched or not on_node


RULE = Rule("pod-gateway-missing", Severity.ERROR, __doc__, check, follows=("proxy-arp-off",))
