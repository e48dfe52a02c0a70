"""A node has a tunnel of Open vSwitch to another node, which has none back.

## What it finds
A tunnel port (geneve, vxlan, stt, gre) whose `remote_ip` is an address of another captured node, while no tunnel port of that node leads to an address of the first.

## Why it matters
Open vSwitch takes tunnel packets only from a far end that one of its ports names (or from any, with `remote_ip=flow`). Packets arrive and are dropped, answers have no way back. OVN makes the
ports from its chassis records: a stale encap address or a duplicate chassis leaves one out.

## Example
    node1: Interface ovn-node2-0, type: geneve, options: {remote_ip="192.168.0.2"}
    node2: no port with remote_ip="192.168.0.1"

## How to mend
Compare `ovn-sbctl show` with the nodes' addresses; delete stale chassis records and restart ovn-controller on the node that lacks the port.

## Sources
ofproto/tunnel.c (`tnl_find`); OVN controller/encaps.c; kubeovn/kube-ovn#423.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

TUNNELS = frozenset({"geneve", "vxlan", "stt", "gre"})


def check(network: Network) -> Iterator[Finding]:
    every = list(roots(network))
    own = {str(fact.address): root for root in every for fact in root.addresses if fact.scope_name == "global"}
    for root in every:
        for switch in root.switches.values():
            for name, port in sorted(switch.ports.items()):
                other = own.get(port.option("remote_ip")) if port.kind in TUNNELS else None
                if other is None or other is root or not other.switches or "ip-addr" in root.missing:
                    continue
                if leads_back(other, port.kind, {str(fact.address) for fact in root.addresses}):
                    continue
                where = next(iter(other.switches.values())).at
                text = f"{root.scope.node} has the {port.kind} port {name} to {port.option('remote_ip')} of {other.scope.node}, which has none back"
                yield RULE.finding(
                    port.at,
                    text,
                    related=[(where, f"the switches of {other.scope.node}")],
                    help="compare ovn-sbctl show with the nodes' addresses",
                )


def leads_back(root: Namespace, kind: str, addresses: set[str]) -> bool:
    """Whether a node's tunnel ports lead to one of the addresses, or to any."""
    ports = [port for switch in root.switches.values() for port in switch.ports.values() if port.kind == kind]
    return any(port.option("remote_ip") in {*addresses, "flow"} for port in ports)


RULE = Rule("switch-tunnel-missing", Severity.ERROR, __doc__, check)
