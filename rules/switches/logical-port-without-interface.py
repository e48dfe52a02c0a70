"""OVN has a pod's port on a node whose switch has no interface for it.

## What it finds
A logical port of a pod that the southbound database (`ovn-sbctl show`) has bound to a chassis, while no interface of `br-int` on that node has its name as `external_ids:iface-id`.

## Why it matters
Other nodes send what is for the pod there, where nothing takes it. It happens when the interface was deleted without OVN learning of it (a restart of Open vSwitch with an empty database, a pod that was removed while
ovn-controller was down), or when its `iface-id` was set to another name.

## Example
    Chassis "n1"
        hostname: n1
        Port_Binding default_web        # ovs-vsctl list interface on n1: no external_ids:iface-id=default_web

## How to mend
Recreate the pod. Where the interface is there, compare its name: `ovs-vsctl get interface NAME external_ids:iface-id`. If ovn-controller is not running on the node, start it: it releases what is not there.

## Sources
OVN controller/binding.c (`consider_iface_claim`, `consider_iface_release`); ovn-sb(5), Port_Binding; ovn-controller(8), `external_ids:iface-id`.
"""

from collections.abc import Iterator

from analyzer.query.logical import integration, interfaces, node_of, of_hosts
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    pods = of_hosts(network)
    for chassis in network.chassis:
        root = node_of(network, chassis)
        switch = integration(root) if root is not None else None
        held = interfaces(switch) if switch is not None else {}
        if switch is None or not held:
            continue
        lost = [name for name in chassis.ports if name in pods and name not in held]
        if lost:
            more = f" (and {len(lost) - 1} others)" if len(lost) > 1 else ""
            text = f"{lost[0]}{more} is bound to the chassis {chassis.hostname or chassis.name}, where no interface of {switch.name} has its name"
            yield RULE.finding(
                chassis.at,
                text,
                related=[(switch.at, f"{switch.name} of the node")],
                help="recreate the pod, or mend the interface's iface-id",
            )


RULE = Rule("logical-port-without-interface", Severity.ERROR, __doc__, check)
