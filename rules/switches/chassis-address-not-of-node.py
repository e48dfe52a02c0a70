"""OVN has other nodes send a node's packets to an address that the node does not have.

## What it finds
A chassis of `ovn-sbctl show` whose `Encap` address is none of the addresses of the captured node with its host name.

## Why it matters
Every other node makes its tunnel to that address: packets to the node's pods go to nobody, or to another host. It happens when the node's address changed (DHCP, a new network card) and `external_ids:ovn-encap-ip`
did not, and when a record of an earlier node with the same name stays.

## Example
    Chassis "1a2b…"    hostname: n1    Encap geneve    ip: "192.168.0.11"
    n1: ip addr: inet 192.168.0.21/24 dev br-ex

## How to mend
`ovs-vsctl set open . external_ids:ovn-encap-ip=ADDRESS` on the node, or delete the stale record: `ovn-sbctl chassis-del NAME`.

## Sources
ovn-controller(8), `external_ids:ovn-encap-ip`; OVN controller/encaps.c, chassis.c; ovn-sb(5), Encap.
"""

from collections.abc import Iterator

from analyzer.query.logical import integration, node_of
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for chassis in network.chassis:
        root = node_of(network, chassis)
        if root is None or integration(root) is None or not root.addresses or "ip-addr" in root.missing:
            continue
        own = held(network, root.scope.node)
        for kind, address in chassis.encapsulations:
            if address not in own:
                text = (
                    f"the chassis {chassis.name} has the {kind} address {address}, which its node {root.scope.node} does not have"
                )
                yield RULE.finding(
                    chassis.at,
                    text,
                    help=f"set external_ids:ovn-encap-ip on {root.scope.node}, or ovn-sbctl chassis-del {chassis.name}",
                )


def held(network: Network, node: str) -> set[str]:
    """The node's addresses, also those in other namespaces: a data plane of its own may hold the tunnel's."""
    return {str(fact.address) for scope, space in network.namespaces.items() if scope.node == node for fact in space.addresses}


RULE = Rule("chassis-address-not-of-node", Severity.ERROR, __doc__, check)
