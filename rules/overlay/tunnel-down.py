"""The device of the overlay is down, or missing on a node.

## What it finds
A CNI's tunnel (flannel.1, vxlan.calico, cilium_vxlan, genev_sys_6081, wireguard.cali …) that is not up, or that other nodes have and this one has not, also where only another node's FDB or tunnel map leads to it; any tunnel
that is down although routes lead to it, it holds an address, or a pool of Calico's asks for it (`ipipMode`). A `tunl0` that is down, has no address and is asked for by no pool is only the kernel's own, and normal.

## Why it matters
Nothing reaches pods on other nodes; routes over the device are gone or dead.

## Example
    5: flannel.1: <BROADCAST,MULTICAST> mtu 1450 qdisc noop state DOWN

## How to mend
`ip link set flannel.1 up`; restart the CNI's agent, which makes the device anew.

## Sources
kubeovn/kube-ovn#423, flannel-io/flannel#1243.
"""

from collections.abc import Container, Iterator, Mapping

from analyzer.query.state import roots
from analyzer.query.tunnels import Geneve, Overlay, Vxlan, expected_tunnel, host_ends, overlays
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Scope, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    items = list(overlays(network, by_name=True))
    for item in items:
        asked = item.link.name == "tunl0" and pool_of(network, "ipipMode")
        if not item.link.up and (expected_tunnel(item.link.name) or in_use(network, item) or asked):
            needed = in_use(network, item) or external(item) or bool(asked)
            yield RULE.finding(
                item.link.at,
                f"{item.link.name} on {item.interface.scope.node} is down"
                + ("" if needed else ", and holds no address: it may be a leftover"),
                severity=Severity.ERROR if needed else Severity.WARNING,
                certain=needed,
                help=f"on {item.interface.scope.node}: ip link set {item.link.name} up; restart the CNI's agent",
            )
    told = set()
    for finding, node, name in pointed_at(network, items):
        told.add((node, name))
        yield finding
    yield from absent(network, items, told)


def pointed_at(network: Network, items: list[Overlay]) -> Iterator[tuple[Finding, str, str]]:
    """Nodes to which the tunnel of another leads, with no device that could take its packets; each once for a name."""
    seen: set[tuple[str, str]] = set()
    kinds: set[tuple[Scope, type]] = {(one.interface.scope, type(one.kind)) for one in items}
    for item in items:
        routed = external(item) or in_use(network, item)
        for address, place in ends(network, item) if routed and expected_tunnel(item.link.name) and item.link.up else ():
            for owner in network.owners.get(address, ()):
                root = network.namespaces[owner.scope]
                key = (owner.scope.node, item.link.name)
                if owner.scope.namespace or owner.scope == item.interface.scope or key in seen or takes(kinds, root, item):
                    continue
                seen.add(key)
                message = f"{item.link.name} on {item.interface.scope.node} sends to {address} of {root.scope.node}, which has no such tunnel"
                finding = RULE.finding(
                    place,
                    message,
                    related=[(item.link.at, f"{item.link.name} on {item.interface.scope.node}")],
                    help=f"restart the CNI's agent on {root.scope.node} and read its log",
                    certain=not root.gaps.get("ip-addr"),
                )
                yield finding, *key


def ends(network: Network, item: Overlay) -> Iterator[tuple[Address, Span]]:
    """The addresses that a tunnel sends to, with the entries that say so."""
    root = network.namespaces[item.interface.scope]
    for fact in root.forwarding:
        if fact.device == item.link.name and fact.destination is not None:
            yield fact.destination, fact.at
    if external(item) and root.cilium is not None and item.link.name.startswith("cilium"):
        yield from ((entry.node, entry.at) for entry in root.cilium.tunnels)
        yield from ((fact.tunnel, fact.at) for fact in root.cilium.ipcache if fact.tunnel is not None and fact.tunnel.value)


def takes(kinds: Container[tuple[Scope, type]], root: Namespace, item: Overlay) -> bool:
    """Whether a node has the device, one of the same kind (``kinds`` of tunnels by node), or may have: its devices were not all captured."""
    same = (root.scope, type(item.kind)) in kinds
    return item.link.name in root.links or same or not root.links or "ip-addr" in root.missing


def pool_of(network: Network, mode: str) -> bool:
    """Whether a pool of Calico's is to be reached by such a tunnel."""
    specs = (fact.document.get("spec") for fact in network.cluster.others if fact.kind == "IPPool")
    return any(
        isinstance(spec, Mapping) and spec.get(mode) in ("Always", "CrossSubnet") and spec.get("disabled") is not True
        for spec in specs
    )


def external(item: Overlay) -> bool:
    """Whether the device takes its tunnels from what is attached to it, and needs neither address nor route (Cilium, Open vSwitch)."""
    match item.kind:
        case Vxlan(external=flag) | Geneve(external=flag):
            return flag
        case _:
            return False


def in_use(network: Network, item: Overlay) -> bool:
    """Whether the device holds an address that is not link-local, or a route leads to it."""
    root = network.namespaces[item.interface.scope]
    held = any(fact.device == item.link.name and fact.scope_name != "link" for fact in root.addresses)
    tables = (routes for by_table in root.routes.values() for routes in by_table.values())
    return held or any(hop.device == item.link.name for routes in tables for route in routes for hop in route.next_hops)


def absent(network: Network, items: list[Overlay], told: set[tuple[str, str]]) -> Iterator[Finding]:
    """A CNI's tunnel that every other node with pods has."""
    nodes = [root for root in roots(network) if any(True for _ in host_ends(network, root))]
    names = sorted({item.link.name for item in items if expected_tunnel(item.link.name)})
    for name in names:
        without = [root for root in nodes if name not in root.links]
        if len(without) * 2 > len(nodes):
            continue
        for root in without:
            example = next(item for item in items if item.link.name == name)
            place = root.links.get("lo") or next(iter(root.links.values()), None)
            if place is not None and "ip-addr" not in root.missing and (root.scope.node, name) not in told:
                yield RULE.finding(
                    place.at,
                    f"{root.scope.node} has no {name}, which {len(nodes) - len(without)} other nodes with pods have",
                    related=[(example.link.at, f"{name} on {example.interface.scope.node}")],
                    help=f"restart the CNI's agent on {root.scope.node} and read its log",
                    certain=not root.gaps.get("ip-addr") and len(without) * 2 < len(nodes),
                )


RULE = Rule("tunnel-down", Severity.ERROR, __doc__, check, follows=("tunnel-port-taken", "cilium-nodes-differ"))
