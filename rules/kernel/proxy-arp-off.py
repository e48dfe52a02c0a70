"""Nobody answers a pod's question for its gateway's MAC.

## What it finds
A pod whose gateway no interface has (169.254.1.1 with Calico), without a permanent neighbour entry for it, while the host end of its veth pair
has `proxy_arp = 0` (and `conf.all` too), and likewise Calico's devices (`cali…`) with a route, whose pods were not captured; or proxy ARP is on and the node has no route to the gateway's address by another device, without which the kernel does not answer.

## Why it matters
The pod waits for an answer that never comes: "Destination Host Unreachable" for everything.

## Example
    net.ipv4.conf.cali1234.proxy_arp = 0

## How to mend
`sysctl -w net.ipv4.conf.cali1234.proxy_arp=1`, and see what turned it off; give the node a default route.

## Sources
arp_process, arp_fwd_proxy (net/ipv4/arp.c): proxy_arp answers for addresses that it would forward to another device; projectcalico/calico, "Why does my container have a route to 169.254.1.1?", felix/dataplane/linux/endpoint_mgr.go (configureInterface).
"""

from collections.abc import Iterator

from analyzer.query.pod_devices import pod_devices
from analyzer.query.state import roots
from analyzer.query.tables import RouteFact, main_route
from analyzer.query.tunnels import HostEnd, host_ends
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for end in host_ends(network, root):
            inside = network.namespaces[end.pod.scope]
            gateway = gateway_of(inside, end.inside.name)
            if any(end.end.name in switch.ports for switch in root.switches.values()):
                continue
            if gateway is None or end.bridge is not None or gateway in network.owners or "ip-addr" in root.missing:
                continue
            if not any(fact.address == gateway and fact.states & {"PERMANENT", "NOARP"} for fact in inside.neighbours):
                yield from findings(root, inside, end, gateway)
        yield from unseen(network, root)


def unseen(network: Network, root: Namespace) -> Iterator[Finding]:
    """Calico's devices whose pods were not captured: one finding for all of a node. A pod with a permanent entry for 169.254.1.1 needs no answer."""
    captured = {end.end.name for end in host_ends(network, root)}
    every, routes = root.sysctls.get("net.ipv4.conf.all.proxy_arp"), root.routes.get(4, {}).get(254, ())
    routed = {hop.device for route in routes for hop in route.next_hops}
    names = [name for name in pod_devices(network, root) if name.startswith("cali") and name in routed - captured]
    facts = [
        fact for name in names if (fact := root.sysctls.get(f"net.ipv4.conf.{name}.proxy_arp")) is not None and fact.value == "0"
    ]
    if facts and (every is None or every.value == "0"):
        first, more = facts[0], f" (and so it is for {len(facts) - 1} more)" if len(facts) > 1 else ""
        yield RULE.finding(
            first.at,
            f"nobody answers the pod behind {first.key.split('.')[-2]} of {root.scope.node} for its gateway 169.254.1.1: {first.key} = 0{more}",
            help=f"on {root.scope.node}: sysctl -w {first.key}=1, which Felix sets; see what turned it off",
            certain=False,
        )


def gateway_of(inside: Namespace, device: str) -> Address | None:
    """The IPv4 gateway that the pod's default route names on the device."""
    hops = (hop for route in default_routes(inside) for hop in route.next_hops)
    return next((hop.via for hop in hops if hop.device == device and hop.via), None)


def default_routes(inside: Namespace) -> tuple[RouteFact, ...]:
    """The IPv4 default routes of a pod."""
    return tuple(route for route in inside.routes.get(4, {}).get(254, ()) if route.destination.length == 0)


def findings(root: Namespace, inside: Namespace, end: HostEnd, gateway: Address) -> Iterator[Finding]:
    name, node = end.end.name, root.scope.node
    own, every = root.sysctls.get(f"net.ipv4.conf.{name}.proxy_arp"), root.sysctls.get("net.ipv4.conf.all.proxy_arp")
    if own is None or every is None:
        return
    if own.value == "0" and every.value == "0":
        yield RULE.finding(
            own.at,
            f"nobody answers {end.pod.name} for its gateway {gateway}: {own.key} = 0, and no interface of {node} has that address",
            related=[
                (end.inside.at, f"the pod's {end.inside.name}"),
                *((route.at, "its default route") for route in default_routes(inside)[:1]),
            ],
            help=f"on {node}: sysctl -w {own.key}=1",
        )
        return
    route = main_route(root, gateway)
    same = route is not None and name in {hop.device for hop in route.next_hops}
    if (route is None or same) and "ip-route/4" not in root.missing and len(root.rules.get(4, ())) == 3:
        yield RULE.finding(
            end.end.at,
            f"proxy ARP on {name} of {node} does not answer {end.pod.name} for {gateway}: the node has no route to it by another device",
            help=f"give {node} a default route",
        )


RULE = Rule("proxy-arp-off", Severity.ERROR, __doc__, check)
