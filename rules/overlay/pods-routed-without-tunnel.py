"""Pods' packets are sent without a tunnel between nodes of different subnets.

## What it finds
An IPPool in use whose `ipipMode` and `vxlanMode` are both `Never`, while the addresses that the nodes registered (`projectcalico.org/IPv4Address`, `spec.bgp.ipv4Address` of Calico's Nodes) lie in different
subnets, and no BGPPeer tells the routers in between of the pods. The same of the pools of Calico's operator (`encapsulation: None`), of flannel's `host-gw`, and of kube-router with `--enable-overlay=false`; there by the
networks that captured nodes are on, too.

## Why it matters
The routers between the subnets do not know the pod networks: packets go to the default gateway and are lost there. Pods in one subnet reach each other, pods of different
subnets do not.

## Example
    kind: IPPool
    spec: {cidr: 10.244.0.0/16, ipipMode: Never, vxlanMode: Never}
    # n1 is 192.168.1.11/24, n2 is 192.168.2.12/24

## How to mend
`ipipMode: CrossSubnet` or `vxlanMode: CrossSubnet`; or peer the nodes with the routers (BGPPeer), or let the cloud route the pod networks.

## Sources
projectcalico/calico#8751, #3626, cloudnativelabs/kube-router#972; Calico, Overlay networking (cross subnet).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from analyzer.query.plan import CALICO_ADDRESS, node_networks, prefix
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

MODES = ("ipipMode", "vxlanMode")


class Registered(NamedTuple):
    """A node that registered an address, and where."""

    name: str
    at: Span


class Bare(NamedTuple):
    """What sends pods' packets without a tunnel, where it is said, and what would mend it."""

    name: str
    at: Span
    help: str


def check(network: Network) -> Iterator[Finding]:
    subnets = by_subnet(network)
    if len(subnets) < 2 or any(item.kind == "BGPPeer" for item in network.cluster.others):
        return
    (one, first), (two, second) = list(subnets.items())[:2]
    for bare in (*of_pools(network), *of_operator(network), *of_settings(network)):
        yield RULE.finding(
            bare.at,
            f"{bare.name} uses no tunnel, but {first.name} ({one}) and {second.name} ({two}) are in different subnets",
            related=[(node.at, f"{node.name} has an address there") for node in (first, second)],
            note="fine where the network between them routes the pods' addresses",
            help=bare.help,
            certain=False,
        )


def of_pools(network: Network) -> Iterator[Bare]:
    """Calico's pools of IPv4."""
    for pool in network.cluster.others:
        spec = pool.document.get("spec")
        if pool.kind != "IPPool" or not isinstance(spec, Mapping) or spec.get("disabled") is True or ":" in str(spec.get("cidr")):
            continue
        if all(str(spec.get(mode) or "Never") == "Never" for mode in MODES):
            yield Bare(f"IPPool {pool.name}", pool.place("spec", "ipipMode"), "set ipipMode or vxlanMode to CrossSubnet")


def of_operator(network: Network) -> Iterator[Bare]:
    """The pools of Calico's operator, which makes them of IPIP unless it is told otherwise."""
    for fact in network.cluster.others:
        spec = fact.document.get("spec") if fact.kind == "Installation" and "operator.tigera.io" in fact.api_version else None
        calico = spec.get("calicoNetwork") if isinstance(spec, Mapping) else None
        pools = calico.get("ipPools") if isinstance(calico, Mapping) else None
        for index, item in enumerate(pools if isinstance(pools, list) else ()):
            if isinstance(item, Mapping) and item.get("encapsulation") == "None" and ":" not in str(item.get("cidr")):
                at = fact.place("spec", "calicoNetwork", "ipPools", index, "encapsulation")
                yield Bare(
                    f"pool {item.get('cidr')} of Installation {fact.name}",
                    at,
                    "set encapsulation to VXLANCrossSubnet or IPIPCrossSubnet",
                )


def of_settings(network: Network) -> Iterator[Bare]:
    """flannel's and kube-router's settings."""
    for item in settings(network, "flannel", "backend"):
        if item.value == "host-gw":
            yield Bare(f"{item.said_by}: host-gw", item.at, "use vxlan with DirectRouting")
    routers = settings(network, "kube-router", "peers")
    for item in settings(network, "kube-router", "overlay"):
        if item.value == "false" and not routers:
            yield Bare(
                f"{item.said_by} is false: kube-router",
                item.at,
                "let kube-router make tunnels between subnets (--enable-overlay)",
            )


def by_subnet(network: Network) -> dict[Prefix, Registered]:
    """The subnets that nodes registered addresses in, each with its first node and the place that says so; /32 says nothing. Calico's own Node
    resources (``calicoctl get nodes -o yaml``) have the address in ``spec.bgp``."""
    found: dict[Prefix, Registered] = {}
    for _, node in sorted(network.cluster.nodes.items()):
        at = node.place("metadata", "annotations", CALICO_ADDRESS)
        keep(found, node.name, node.annotations.get(CALICO_ADDRESS, ""), at)
    for fact in network.cluster.others:
        spec = fact.document.get("spec") if fact.kind == "Node" else None
        bgp = spec.get("bgp") if isinstance(spec, Mapping) else None
        if isinstance(bgp, Mapping):
            keep(found, fact.name, str(bgp.get("ipv4Address") or ""), fact.place("spec", "bgp", "ipv4Address"))
    return found if found else by_captured(network)


def by_captured(network: Network) -> dict[Prefix, Registered]:
    """The same by the networks that captured nodes are on with their InternalIP, and the InternalIP of the first node that is on none of them."""
    stated = [
        (node, address)
        for _, node in sorted(network.cluster.nodes.items())
        for kind, address in node.addresses
        if kind == "InternalIP" and address.family == 4
    ]
    held = {item.address: item for item in node_networks(network) if item.prefix.family == 4}
    found: dict[Prefix, Registered] = {}
    for node, address in stated:
        if address in held and held[address].prefix.length < 32:
            found.setdefault(held[address].prefix, Registered(node.name, held[address].at))
    for node, address in stated if found else ():
        if not any(item.covers(address) for item in found):
            found[Prefix(4, address.value, 32)] = Registered(node.name, node.place("status", "addresses"))
            break
    return found


def keep(found: dict[Prefix, Registered], name: str, text: str, at: Span) -> None:
    """Notes the subnet of a registered address."""
    subnet = prefix(text)
    if subnet is not None and subnet.length < 32:
        found.setdefault(subnet, Registered(name, at))


RULE = Rule("pods-routed-without-tunnel", Severity.WARNING, __doc__, check)
