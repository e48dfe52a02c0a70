"""A pod has no default route, or its gateway is an address that its node does not have.

## What it finds
A pod's namespace without a default route of a family that the pod has an address of; or whose gateway is on its own network, is held by no interface of the node, and is not answered for by a
permanent neighbour entry or by proxy ARP. Of a pod in a machine of its own (Kata peer pods) the worker at the other end of its tunnel counts.

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
from analyzer.query.tunnels import Vxlan
from analyzer.rule import Address, Attachment, Finding, Namespace, Network, Rule, Severity

LINK_LOCAL = 0xA9FE  # 169.254.0.0/16: Calico and others, whose hosts answer for it by proxy ARP
OUTSIDE = {4: Address(4, 0x08080808), 6: Address(6, 0x2001 << 112 | 1)}


def check(network: Network) -> Iterator[Finding]:
    for node, pods in sorted(network.pods_of.items()):
        root = root_of(network, node)
        for family in (4, 6):
            lost: dict[tuple[Address | None, str], tuple[Namespace | None, list[Attachment]]] = {}
            for pod in pods:
                if (inside := network.namespaces.get(pod.scope)) is not None:
                    worker = behind(network, inside)
                    home = worker or root
                    for gateway in wrong(home, inside, pod, family, far=worker is not None):
                        key = gateway, home.scope.node if home else ""
                        lost.setdefault(key, (home, []))[1].append(pod)
            for (gateway, _), (home, group) in lost.items():
                yield from of_pods(network, home, gateway, group, family)


def behind(network: Network, inside: Namespace) -> Namespace | None:
    """The worker that a pod in a machine of its own hangs on: the node at the other end of the tunnel that its default route goes by."""
    route = main_route(inside, OUTSIDE[4])
    for hop in route.next_hops if route is not None else ():
        link = inside.links.get(hop.device or "")
        match link.kind if link is not None else None:
            case Vxlan(remote=Address() as remote):
                nodes = {end.scope.node for end in network.owners.get(remote, ()) if not end.scope.namespace}
                return root_of(network, nodes.pop()) if len(nodes) == 1 else None
            case _:
                continue
    return None


def wrong(
    root: Namespace | None, inside: Namespace, pod: Attachment, family: int, *, far: bool = False
) -> Iterator[Address | None]:
    """The gateway that nobody has, or None where there is no default route. ``far``: the pod is in a machine of its own."""
    if f"ip-route/{family}" in inside.missing or not any(address.family == family for address in pod.addresses):
        return
    route = main_route(inside, OUTSIDE[family])
    gateway = next((hop.via for hop in route.next_hops if hop.via), None) if route is not None else None
    if route is None or (
        gateway is not None and family == 4 and root is not None and not answered(root, inside, gateway, far=far)
    ):
        yield gateway


def of_pods(
    network: Network, root: Namespace | None, gateway: Address | None, pods: list[Attachment], family: int
) -> Iterator[Finding]:
    """One finding for all pods of a node that have no gateway, or the same one."""
    pod = pods[0]
    inside, node = network.namespaces[pod.scope], root.scope.node if root is not None else pod.scope.node
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
            help=f"let {node} answer for it: proxy_arp=1 on its end of the pod's interface"
            if gateway.value >> 16 == LINK_LOCAL
            else f"give {node}'s bridge the address {gateway}",
            certain=certain and "ip-addr" not in root.missing and not root.gaps.get("ip-addr"),
        )


def answered(root: Namespace, inside: Namespace, gateway: Address, *, far: bool) -> bool:
    """Whether somebody may answer for a gateway; of a pod that is not on this node by a pair of interfaces, nothing is known, unless it is ``far``."""
    held = any(fact.address == gateway for fact in root.addresses)
    pinned = any(fact.address == gateway and fact.states & {"PERMANENT", "NOARP"} for fact in inside.neighbours)
    proxied = any(fact.key.endswith(".proxy_arp") and fact.value == "1" for fact in root.sysctls.values())
    switched = any(link.master_kind == "openvswitch" or link.master == "ovs-system" for link in root.links.values())
    on_node = {link.name for link in root.links.values() if link.peer_index in {inner.index for inner in inside.links.values()}}
    switched = switched or any(switch.ports.keys() & root.links.keys() - {switch.name} for switch in root.switches.values())
    return held or pinned or proxied or switched or not (on_node or far)


RULE = Rule("pod-gateway-missing", Severity.ERROR, __doc__, check, follows=("proxy-arp-off",))
