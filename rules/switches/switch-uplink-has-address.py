"""A device that is a port of Open vSwitch holds an address itself.

## What it finds
A device of the host (not the switch's own port) that is a port of a bridge of Open vSwitch and has a global IPv4 address.

## Why it matters
What comes in on such a device goes to the switch, not to the host's IP stack: the address is not reachable by it. After moving a NIC into `br-ex`, the address and the routes
belong on the bridge's internal port.

## Example
    Bridge br-ex
        Port eth0
    2: eth0: ... inet 192.168.0.11/24

## How to mend
Move the address and the routes to the bridge: `ip addr del 192.168.0.11/24 dev eth0; ip addr add 192.168.0.11/24 dev br-ex`.

## Sources
Open vSwitch FAQ, "Configuration": "I created a bridge and added my Ethernet port to it, … and I lost connectivity".
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            for fact in root.addresses:
                port = switch.ports.get(fact.device)
                if (
                    port is None
                    or port.kind
                    or fact.device == switch.name
                    or fact.address.family != 4
                    or fact.scope_name != "global"
                ):
                    continue
                text = f"{fact.device} of {root.scope.node} is a port of {switch.name} and holds {fact.address}: what comes in there goes to the switch"
                yield RULE.finding(fact.at, text, related=[(port.at, "the port")], help=f"move the address to {switch.name}")


RULE = Rule("switch-uplink-has-address", Severity.ERROR, __doc__, check)
