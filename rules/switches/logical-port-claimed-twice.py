"""A node has the interface of a logical port that OVN has bound to another node.

## What it finds
An interface of `br-int` whose `external_ids:iface-id` names a port that `ovn-sbctl show` has on the chassis of another node.

## Why it matters
OVN sends what is for the port to the node that claimed it last; the interface on the other node gets nothing. Where both are there, the two nodes take the port from each other again and again. It happens after a
move of a virtual machine or a pod with a fixed name, when the old interface stays, and when two nodes have one `system-id`.

## Example
    n1: ovs-vsctl list interface: external_ids: {iface-id=default_db-0}
    ovn-sbctl show: Chassis n2, Port_Binding default_db-0

## How to mend
Delete the interface that no pod has: `ovs-vsctl del-port br-int NAME`.

## Sources
OVN controller/binding.c (`consider_vif_lport`, "Claiming lport … for this chassis", "Changing chassis for lport"); ovn-sb(5), Port_Binding: chassis.
"""

from collections.abc import Iterator

from analyzer.query.logical import integration, interfaces, node_of, of_hosts
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    pods = of_hosts(network)
    bound = {name: chassis for chassis in network.chassis for name in chassis.ports if name in pods}
    for root in roots(network):
        switch = integration(root)
        for name, port in sorted(interfaces(switch).items()) if switch is not None else ():
            chassis = bound.get(name)
            other = node_of(network, chassis) if chassis is not None else None
            if chassis is None or other is root or (other is None and root.scope.node in (chassis.hostname, chassis.name)):
                continue
            text = f"{root.scope.node} has the interface {port.name} of the logical port {name}, which is bound to the chassis {chassis.hostname or chassis.name}"
            yield RULE.finding(
                port.at, text, related=[(chassis.at, "the chassis")], help=f"ovs-vsctl del-port {port.name} where no pod has it"
            )


RULE = Rule("logical-port-claimed-twice", Severity.ERROR, __doc__, check)
