"""A patch port of Open vSwitch has no peer, or one that names another.

## What it finds
A port of type `patch` whose `options:peer` is no port of the node, or whose peer names a different port as its own peer.

## Why it matters
Patch ports join two bridges, such as `br-int` with `br-ex`. Open vSwitch connects them only where both name each other; what is sent into one that is not paired is gone,
and with it all traffic between pods and the world outside.

## Example
    Port patch-br-int-to-br-ex_n1
        Interface patch-br-int-to-br-ex_n1
            type: patch
            options: {peer=patch-br-ex_n1-to-br-int}     # br-ex has no such port

## How to mend
Make the missing port, or name the right peer: `ovs-vsctl set interface PORT options:peer=PEER`. ovn-controller makes both from `ovn-bridge-mappings`.

## Sources
ofproto/ofproto-dpif.c (`may_output_via_patch`, ofport_update_peer); vswitchd/vswitch.xml, "Patch Options".
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        ports = {name: port for switch in root.switches.values() for name, port in switch.ports.items()}
        for name, port in sorted(ports.items()):
            if port.kind != "patch":
                continue
            peer = ports.get(port.option("peer"))
            if peer is None:
                text = f"patch port {name} of {port.bridge} on {root.scope.node} has the peer {port.option('peer') or '(none)'}, which is not there"
                yield RULE.finding(port.at, text, help="make the other patch port, or name the right one: options:peer")
            elif peer.option("peer") != name:
                text = f"patch port {name} on {root.scope.node} has the peer {peer.name}, whose own peer is {peer.option('peer') or '(none)'}"
                yield RULE.finding(
                    port.at, text, related=[(peer.at, "the peer")], help="let both ports name each other: options:peer"
                )


RULE = Rule("switch-patch-unpaired", Severity.ERROR, __doc__, check)
