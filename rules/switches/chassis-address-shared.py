"""Two chassis of OVN have one tunnel address.

## What it finds
Chassis records (`ovn-sbctl show`) with different names and the same `Encap` kind and address.

## Why it matters
A chassis is a node by its `system-id`. When that changes (a reinstalled node, a cloned disk) while the old record stays, other nodes keep a tunnel to each record; Open vSwitch cannot have
two ports with one far end and key, and ports bound to the stale chassis are sent into nowhere.

## Example
    Chassis "1a2b…"
        Encap geneve
            ip: "192.168.0.11"
    Chassis "9f8e…"
        Encap geneve
            ip: "192.168.0.11"

## How to mend
Delete the stale record: `ovn-sbctl chassis-del NAME`. The right name is in `ovs-vsctl get open . external_ids:system-id` on the node.

## Sources
OVN controller/encaps.c and chassis.c ("duplicate"); ovn-sb(5), Encap.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    seen: dict[tuple[str, str], tuple[str, Span]] = {}
    for chassis in network.chassis:
        for kind, address in chassis.encapsulations:
            name, at = seen.setdefault((kind, address), (chassis.name, chassis.at))
            if name != chassis.name:
                text = f"the chassis {name} and {chassis.name} both have the {kind} address {address}"
                yield RULE.finding(
                    chassis.at, text, related=[(at, "the other")], help="ovn-sbctl chassis-del the one that is stale"
                )


RULE = Rule("chassis-address-shared", Severity.ERROR, __doc__, check)
