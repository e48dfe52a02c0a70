"""A node has no route to one of Kube-OVN's subnets.

## What it finds
Nodes with `ovn0` whose main table lacks a route by it for an overlay subnet of the default VPC. Where no subnet has one, it is a possibility: Kube-OVN may be there for second networks alone.

## Why it matters
The node and its kubelet do not reach the pods of that subnet: probes fail, and host-network pods and node ports too.

## Example
    Subnet ovn-default 10.16.0.0/16          # and n1 has no "10.16.0.0/16 via 100.64.0.1 dev ovn0"

## How to mend
Restart kube-ovn-cni on the node.

## Sources
kubeovn/kube-ovn pkg/daemon/gateway_linux.go (reconcileRouters).
"""

from collections.abc import Iterator

from analyzer.query.refusals import spec_of
from analyzer.query.state import roots
from analyzer.query.systems.kube_ovn import DEFAULT_VPC, Subnet, subnets
from analyzer.query.tables import main_route
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span

DEVICE = "ovn0"


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    known = [item for item in subnets(network) if item.vpc == DEFAULT_VPC and not item.vlan and overlay(item)]
    for root in roots(network):
        at = device(root)
        if at is None or "ip-route/4" in root.missing:
            continue
        by_device = [item for item in known if reached(root, item)]
        for item in known:
            prefix = next((one for one in item.networks if one.family == 4), None)
            if item not in by_device and prefix is not None:
                yield RULE.finding(
                    at,
                    f"{root.scope.node} has no route to {prefix} of subnet {item.fact.name} by {DEVICE}",
                    related=[(item.fact.place("spec", "cidrBlock"), f"subnet {item.fact.name}")],
                    help="restart kube-ovn-cni on the node",
                    certain=bool(by_device) and not root.gaps.get("ip-route"),
                )


def device(root: Namespace) -> Span | None:
    """Where the device is told: by its link, or by a route through it where links were not captured."""
    if DEVICE in root.links:
        return root.links[DEVICE].at
    if root.links:
        return None
    every = (route for tables in root.routes.values() for table in tables.values() for route in table)
    return next((route.at for route in every if any(hop.device == DEVICE for hop in route.next_hops)), None)


def overlay(item: Subnet) -> bool:
    """Whether the subnet is on the overlay, as those of the provider ovn are; the join network is on the device itself."""
    return spec_of(item.fact).get("provider") in (None, "", "ovn") and item.fact.name != "join"


def reached(root: Namespace, item: Subnet) -> bool:
    """Whether the node sends to the subnet by the device."""
    prefix = next((one for one in item.networks if one.family == 4), None)
    route = main_route(root, Address(4, prefix.value + 2)) if prefix is not None else None
    return prefix is None or (route is not None and any(hop.device == DEVICE for hop in route.next_hops))


RULE = Rule("kube-ovn-host-route-missing", Severity.ERROR, __doc__, check)
