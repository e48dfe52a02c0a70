"""A port of Open vSwitch could not be made.

## What it finds
An interface with an `error`, or with the OpenFlow port number -1.

## Why it matters
Such a port carries nothing: no flow can name it. For a pod's port the pod is unreachable, for a tunnel the other node is. Frequent reasons: the device is gone, or
another tunnel uses the same UDP port or the same far end and key.

## Example
    ofport              : -1
    error               : "could not add network device ovn-1a2b3c-0 to ofproto (File exists)"

## How to mend
Remove what stands in the way (the leftover device, the other tunnel), then delete the port and let its owner make it again.

## Sources
vswitchd/vswitch.xml (Interface: error, ofport); kubeovn/kube-ovn#423.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            for name, port in sorted(switch.ports.items()):
                if not port.error and port.number != -1:
                    continue
                why = f": {port.error}" if port.error else ""
                what = f"the {port.kind} port" if port.kind else "port"
                text = f"{what} {name} of {switch.name} on {root.scope.node} could not be made{why}"
                yield RULE.finding(
                    port.at, text, help="remove what stands in its way, then delete the port and have it made again"
                )


RULE = Rule("switch-port-failed", Severity.ERROR, __doc__, check)
