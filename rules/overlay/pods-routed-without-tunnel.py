"""Calico sends pods' packets without a tunnel between nodes of different subnets.

## What it finds
An IPPool in use whose `ipipMode` and `vxlanMode` are both `Never`, while the addresses that the nodes registered (`projectcalico.org/IPv4Address`, `spec.bgp.ipv4Address` of Calico's Nodes) lie in different
subnets, and no BGPPeer tells the routers in between of the pods.

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

from analyzer.query.plan import CALICO_ADDRESS, prefix
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

MODES = ("ipipMode", "vxlanMode")


class Registered(NamedTuple):
    """A node that registered an address, and where."""

    name: str
    at: Span


def check(network: Network) -> Iterator[Finding]:
    others = network.cluster.others
    subnets = by_subnet(network)
    if len(subnets) < 2 or any(item.kind == "BGPPeer" for item in others):
        return
    (one, first), (two, second) = list(subnets.items())[:2]
    for pool in others:
        spec = pool.document.get("spec")
        if pool.kind != "IPPool" or not isinstance(spec, Mapping) or spec.get("disabled") is True or ":" in str(spec.get("cidr")):
            continue
        if all(str(spec.get(mode) or "Never") == "Never" for mode in MODES):
            yield RULE.finding(
                pool.place("spec", "ipipMode"),
                f"IPPool {pool.name} uses no tunnel, but {first.name} ({one}) and {second.name} ({two}) are in different subnets",
                related=[(node.at, f"{node.name} registered this address") for node in (first, second)],
                note="fine where the network between them routes the pods' addresses",
                help="set ipipMode or vxlanMode to CrossSubnet",
                certain=False,
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
    return found


def keep(found: dict[Prefix, Registered], name: str, text: str, at: Span) -> None:
    """Notes the subnet of a registered address."""
    subnet = prefix(text)
    if subnet is not None and subnet.length < 32:
        found.setdefault(subnet, Registered(name, at))


RULE = Rule("pods-routed-without-tunnel", Severity.WARNING, __doc__, check)
