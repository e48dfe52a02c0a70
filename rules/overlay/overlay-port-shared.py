"""Two network systems are configured for tunnels on the same UDP port.

## What it finds
Settings of two systems (flannel, Calico, Cilium, OVN-Kubernetes, Kube-OVN) whose VXLAN or Geneve tunnels use one port of the nodes, defaults included. Calico beside a pool without VXLAN has none.

## Why it matters
The second device is not set up ("Address already in use"), or gets the packets of the first and drops them.

## Example
    flannel: {"Type": "vxlan", "Port": 4789}          Calico: vxlanMode: Always          # 4789 as well

## How to mend
Remove the system that is not in use, or give it another port.

## Sources
cilium/cilium#8990, tkestack/tke#1279, poseidon/typhoon#1561; defaults: Linux 8472, IANA 4789, Geneve 6081.
"""

from collections.abc import Iterator
from itertools import combinations

from analyzer.query.systems.ports import tunnel_ports
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one, two in combinations(tunnel_ports(network), 2):
        if one.port == two.port and one.system != two.system:
            yield RULE.finding(
                two.at,
                f"{two.system} and {one.system} both have tunnels on UDP port {two.port}",
                related=[(one.at, f"{one.system} is configured here")],
                help="remove the one that is not in use, or change its port",
            )


RULE = Rule("overlay-port-shared", Severity.WARNING, __doc__, check)
