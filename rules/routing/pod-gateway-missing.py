"""A pod has no default route, or its gateway is an address that its node does not have.

## What it finds
A pod's namespace without an IPv4 default route; or whose gateway is on its own network, is held by no interface of the node, and is not answered for by a
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

from analyzer.query.state import main_route, pods_on, roots
from analyzer.rule import Address, Attachment, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        lost: dict[Address | None, list[Attachment]] = {}
        for pod in pods_on(network, root.scope.node):
            inside = network.namespaces[pod.scope]
            if "ip-route/4" in inside.missing or not any(address.family == 4 for address in pod.addresses):
                continue
            route = main_route(inside, Address(4, 0x08080808))
            gateway = next((hop.via for hop in route.next_hops if hop.via), None) if route is not None else None
            if route is None or (gateway is not None and not answered(root, inside, gateway)):
                lost.setdefault(gateway, []).append(pod)
        for gateway, pods in lost.items():
            yield from of_pods(network, root, gateway, pods)


def of_pods(network: Network, root: Namespace, gateway: Address | None, pods: list[Attachment]) -> Iterator[Finding]:
    """One finding for all pods of a node that have no gateway, or the same one."""
    pod = pods[0]
    inside = network.namespaces[pod.scope]
    certain = not inside.gaps.get("ip-route")
    others = f" (and so {'do' if gateway else 'have'} {len(pods) - 1} other pods of {root.scope.node})" if len(pods) > 1 else ""
    if gateway is None:
        place = next((fact.at for fact in inside.addresses if fact.address in pod.addresses), None)
        if place is not None:
            text = f"{pod.name} has no default route{others}"
            yield RULE.finding(place, text, help="recreate the pod; check isDefaultGateway of its CNI plugin", certain=certain)
    elif (route := main_route(inside, Address(4, 0x08080808))) is not None:
        yield RULE.finding(
            route.at,
            f"{pod.name} sends to gateway {gateway}, which no interface of {root.scope.node} has{others}",
            help=f"give {root.scope.node}'s bridge the address {gateway}",
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


RULE = Rule("pod-gateway-missing", Severity.ERROR, __doc__, check)
