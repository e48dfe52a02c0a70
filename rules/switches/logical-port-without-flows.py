"""A pod's interface is in the switch, and OVN has installed no flow for what comes from it.

## What it finds
An interface of `br-int` with an `external_ids:iface-id` and a port number, while no flow of table 0 takes packets from that port, though other ports have theirs.

## Why it matters
What the pod sends is dropped in table 0. ovn-controller has not bound the port: the logical port does not exist or is called otherwise, another node claims it, or ovn-controller does not keep up or has stopped.

## Example
    ovs-vsctl list interface: name veth1, ofport 7, external_ids: {iface-id=default_web}
    ovs-ofctl dump-flows br-int table=0: no in_port=7

## How to mend
See whether the logical port is there (`ovn-nbctl lsp-get-addresses NAME`) and bound (`ovn-sbctl find port_binding logical_port=NAME`), and whether ovn-controller runs: `ovn-appctl -t ovn-controller connection-status`.

## Sources
OVN controller/physical.c (`put_local_common_flows`, table 0, priority 100: in_port); ovn-architecture(7), "Life Cycle of a VIF".
"""

from collections.abc import Iterator

from analyzer.query.logical import Switch, SwitchPortFact, integration, interfaces
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        switch = integration(root)
        if switch is None or not switch.flows or switch.unread:
            continue
        taken = {flow.in_port for flow in switch.flows if flow.table == "0" and flow.in_port}
        mine = [port for _, port in sorted(interfaces(switch).items()) if port.number is not None and port.number > 0]
        if not any(of_port(port, taken) for port in mine):
            continue
        for port in mine:
            if not of_port(port, taken):
                text = f"no flow of table 0 of {switch.name} on {root.scope.node} takes packets from port {port.number}, {port.name} of {port.identifier('iface-id')}"
                yield RULE.finding(
                    port.at, text, related=[(flows_at(switch), "the flows")], help="ovn-sbctl find port_binding logical_port=NAME"
                )


def of_port(port: SwitchPortFact, taken: set[str]) -> bool:
    """Whether a flow names the port, by its number or name."""
    return str(port.number) in taken or port.name in taken or port.name[:15] in taken


def flows_at(switch: Switch) -> Span:
    """Where the flows begin."""
    assert switch.flows
    return switch.flows[0].at


RULE = Rule("logical-port-without-flows", Severity.ERROR, __doc__, check)
