"""Calico's list of hosts that may send tunnel packets lacks a node.

## What it finds
An IP set `cali40all-hosts-net` (IP-in-IP) or `cali40all-vxlan-net` (VXLAN) on a node that does not hold the address from which another node of the
cluster sends: the address its Node or its Calico annotation states.

## Why it matters
Calico drops tunnel packets from all other hosts ("Drop IPIP packets from non-Calico hosts"): nothing from that node's pods arrives.

## Example
    create cali40all-hosts-net hash:net family inet ...
    add cali40all-hosts-net 192.168.0.11         # and n2 is 192.168.0.12

## How to mend
See why calico-node has not learnt of the node: several interfaces and a wrong autodetected address (`IP_AUTODETECTION_METHOD`), or a stopped felix.

## Sources
felix/rules/static.go (filterInputChain); projectcalico/calico#3665, #1357, confidential-containers/cloud-api-adaptor#244.
"""

from collections.abc import Iterator

from analyzer.query.plan import captured_name, prefix, registered_address
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

SETS = ("cali40all-hosts-net", "cali40all-vxlan-net")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for name in SETS:
            if name in root.sets and root.sets[name].members and not root.gaps.get("ipset"):
                yield from lacking(network, root, name)


def lacking(network: Network, root: Namespace, name: str) -> Iterator[Finding]:
    """The nodes whose address the set does not hold."""
    fact = root.sets[name]
    held = [found for member in fact.members if (found := prefix(member.split(" ")[0])) is not None]
    for node in network.cluster.nodes.values():
        address = registered_address(node)
        if captured_name(network, node.name) == root.scope.node or address is None:
            continue
        if not any(one.covers(address) for one in held):
            yield RULE.finding(
                fact.at,
                f"{root.scope.node} drops tunnel packets from {node.name}: {address} is not in {name}",
                related=[(node.place("status", "addresses"), f"{node.name} is {address}")],
                help=f"restart calico-node on {root.scope.node}, and see whether {node.name} registered the right address",
            )


RULE = Rule("tunnel-peer-not-allowed", Severity.ERROR, __doc__, check)
