"""Calico registered an address of the wrong interface for a node.

## What it finds
A `projectcalico.org/IPv4Address` that is on a bridge that container or machine tools made for themselves (`docker0`, `virbr0`), or that is none of the node's own addresses
and not in the network in which the other nodes registered theirs, or in which the others and the node itself have their addresses.

## Why it matters
BGP sessions and tunnels go to that address: the other nodes reach something else, or nothing. All pods of the node are cut off from the other nodes.

## Example
    projectcalico.org/IPv4Address: 172.17.0.1/16          # docker0; the node is 192.168.0.11

## How to mend
`IP_AUTODETECTION_METHOD=kubernetes-internal-ip` (or `interface=`, `cidr=`, `can-reach=`) for calico-node, and a restart of it on the node. A second network that all nodes
registered is fine.

## Sources
projectcalico/calico#8607, #2561, #3541, #3194; node/pkg/lifecycle/startup/autodetection (filtered interfaces).
"""

from collections.abc import Iterator

from analyzer.query.plan import CALICO_ADDRESS, NodeFact, captured_name, local_bridge, prefix
from analyzer.query.state import root_of
from analyzer.rule import Address, Finding, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    told = {node.name: found for node in network.cluster.nodes.values() if (found := registered(node)) is not None}
    for _, node in sorted(network.cluster.nodes.items()):
        if node.name in told:
            address, subnet = told[node.name]
            others = [item for name, item in told.items() if name != node.name]
            why = problem(network, node, address, subnet, others)
            if why:
                yield RULE.finding(
                    node.place("metadata", "annotations", CALICO_ADDRESS),
                    f"Calico knows {node.name} as {address}, which is {why}",
                    related=[(node.place("status", "addresses"), f"the addresses of {node.name}")],
                    help="set IP_AUTODETECTION_METHOD of calico-node, and restart it on the node",
                )


def registered(node: NodeFact) -> tuple[Address, Prefix] | None:
    """The address and its network."""
    text = node.annotations.get(CALICO_ADDRESS, "")
    address, subnet = prefix(text.partition("/")[0]), prefix(text)
    return (Address(address.family, address.value), subnet) if address is not None and subnet is not None else None


def problem(network: Network, node: NodeFact, address: Address, subnet: Prefix, others: list[tuple[Address, Prefix]]) -> str:
    """What is wrong with the address; empty where nothing is."""
    if any(found == address for _, found in node.addresses):
        return ""
    root = root_of(network, captured_name(network, node.name))
    held = [fact.device for fact in root.addresses if fact.address == address] if root is not None else []
    if any(local_bridge(device) for device in held):
        return f"on {held[0]}, a bridge of its own"
    apart = bool(others) and not any(subnet.covers(other) for other, _ in others)
    networks = [found for _, found in others]
    together = any(networks.count(one) > 1 for one in networks) or beside(network, node, others)
    return f"in {subnet}, apart from the other nodes" if node.addresses and apart and together else ""


def beside(network: Network, node: NodeFact, others: list[tuple[Address, Prefix]]) -> bool:
    """Whether all others registered addresses of their objects, in networks that an address of this node's object is in, too."""
    objects = {address for one in network.cluster.nodes.values() for _, address in one.addresses}
    own = [address for _, address in node.addresses]
    return all(found in objects and any(subnet.covers(address) for address in own) for found, subnet in others)


RULE = Rule("registered-address-wrong", Severity.ERROR, __doc__, check)
