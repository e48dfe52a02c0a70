"""A bridge of Open vSwitch that only its controller may fill has no flows.

## What it finds
A bridge with `fail_mode: secure` whose listing of flows was captured and is empty.

## Why it matters
In this mode Open vSwitch installs nothing itself: without its controller (ovn-controller, the antrea agent) every packet is dropped. A bridge with `fail_mode: standalone` would be a
learning switch.

## Example
    Bridge br-int
        fail_mode: secure
    $ ovs-ofctl dump-flows br-int
    NXST_FLOW reply (xid=0x4):

## How to mend
Find out why the controller is not there or does not reach its database; it installs the flows when it is back.

## Sources
vswitchd/vswitch.xml (Bridge: fail_mode).
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            if switch.fail_mode == "secure" and switch.flows == () and not switch.unread:
                others = [name for name in switch.ports if name != switch.name]
                if others:
                    text = f"{switch.name} of {root.scope.node} has no flows and fail_mode secure: all that its {len(others)} ports send is dropped"
                    yield RULE.finding(
                        switch.at, text, help="see why its controller is not connected (ovn-controller, antrea-agent)"
                    )


RULE = Rule("switch-without-flows", Severity.ERROR, __doc__, check)
