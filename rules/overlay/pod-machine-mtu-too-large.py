"""A tunnel that begins in a pod's network namespace carries less than the pod's packets.

## What it finds
A VXLAN device inside a pod's network namespace (peer pods; other CNIs in a pod) whose MTU with the outer headers is larger than that of the node's interface beneath it;
and an interface of the namespace that `tc` redirects into a VXLAN device with a smaller MTU.

## Why it matters
The packets cross a second tunnel, or one more than the CNI planned for. A redirected packet that is too large is dropped: there is no IP layer
there that could fragment it or tell the sender. Small packets work; TLS and large answers hang.

## Example
    2: eth0@if9: ... mtu 1500            # in the pod's namespace: tc redirects it into vxlan1
    7: vxlan1: ... mtu 1450

## How to mend
Set the pods' MTU to that of the tunnel, and the tunnel's to the node's MTU less 50 bytes (70 over IPv6).

## Sources
confidential-containers/cloud-api-adaptor#67, #68; drivers/net/vxlan/vxlan_core.c (vxlan_xmit_one); net/sched/act_mirred.c.
"""

from collections.abc import Iterator

from analyzer.query.plan import prefix_of
from analyzer.query.tunnels import Vxlan, overhead, redirected_to
from analyzer.rule import Finding, Interface, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for scope, space in sorted(network.namespaces.items()):
        if scope.namespace:
            yield from redirected(space)
            for link in space.links.values():
                match link.kind:
                    case Vxlan() as kind:
                        yield from over_node(network, space, link.name, kind)
                    case _:
                        continue


def redirected(space: Namespace) -> Iterator[Finding]:
    """Interfaces that send more than the tunnel takes in which tc puts their packets."""
    for link in space.links.values():
        target = space.links.get(redirected_to(space, link.name) or "")
        if target is None or not isinstance(target.kind, Vxlan) or link.mtu is None or target.mtu is None:
            continue
        if link.mtu > target.mtu:
            yield RULE.finding(
                link.at,
                f"{link.name} in {space.scope} has mtu {link.mtu}, but tc redirects its packets into {target.name}, which carries {target.mtu}",
                related=[(target.at, f"{target.name} has mtu {target.mtu}")],
                help=f"set the MTU of the pod's interface to {target.mtu}",
            )


def over_node(network: Network, space: Namespace, device: str, kind: Vxlan) -> Iterator[Finding]:
    """A tunnel whose outer packets are larger than the interface of the node that they leave by."""
    link = space.links[device]
    home = network.sockets.get(Interface(space.scope, device))
    under = network.namespaces.get(home) if home is not None else None
    if under is None or home == space.scope or link.mtu is None or kind.remote is None:
        return
    table = under.routes.get(kind.remote.family, {}).get(254, ())
    matching = sorted(
        (route for route in table if route.destination.covers(kind.remote)), key=lambda route: -route.destination.length
    )
    lower = next((under.links.get(hop.device or "") for route in matching[:1] for hop in route.next_hops), None)
    if lower is None:
        held = (fact for fact in under.addresses if prefix_of(fact.address, fact.length).covers(kind.remote))
        lower = next((under.links.get(fact.device) for fact in held), None)
    needs = largest(space, device, link.mtu) + overhead(kind, kind.remote.family)
    if lower is not None and lower.mtu is not None and needs > lower.mtu:
        yield RULE.finding(
            link.at,
            f"{device} in {space.scope} needs {needs} bytes on {lower.name} of {under.scope.node}, which carries {lower.mtu}",
            related=[(lower.at, f"{lower.name} has mtu {lower.mtu}")],
            help=f"set the MTU of {device} and of the pod to {lower.mtu - overhead(kind, kind.remote.family)}",
        )


def largest(space: Namespace, device: str, mtu: int) -> int:
    """The largest packet that enters the tunnel: where tc redirects interfaces into it, theirs, since nothing else sends there."""
    sizes = [link.mtu for link in space.links.values() if redirected_to(space, link.name) == device and link.mtu is not None]
    return min(mtu, max(sizes)) if sizes else mtu


RULE = Rule("pod-machine-mtu-too-large", Severity.WARNING, __doc__, check)
