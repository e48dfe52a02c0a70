"""kube-router accepts packets before kube-proxy asks which sources a load balancer lets in.

## What it finds
In FORWARD, kube-router's accept of packets that its policies admitted (mark 0x20000), or the jump to `KUBE-ROUTER-FORWARD` where that accepts, before the jump to `KUBE-PROXY-FIREWALL`, while that
chain has rules.

## Why it matters
`loadBalancerSourceRanges` is not enforced: everybody who reaches the load balancer reaches the pods.

## Example
    -A FORWARD -m mark --mark 0x20000/0x20000 -j ACCEPT
    -A FORWARD -m conntrack --ctstate NEW -j KUBE-PROXY-FIREWALL          # is never asked

## How to mend
Update kube-router, or restart kube-proxy after it, which puts its own jumps first.

## Sources
cloudnativelabs/kube-router#1453, #916; kubernetes pkg/proxy/iptables/proxier.go (KUBE-PROXY-FIREWALL).
"""

from collections.abc import Iterator

from analyzer.query.service_firewall import passed_by
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for one in passed_by(root):
            yield RULE.finding(
                one.accept,
                f"FORWARD on {root.scope.node} accepts what kube-router marked before KUBE-PROXY-FIREWALL is asked: source ranges of load balancers are not enforced",
                related=[(one.jump, "the jump that comes too late"), (one.rule, "what it would drop")],
                help="update kube-router, or restart kube-proxy after it",
            )


RULE = Rule("accept-before-service-firewall", Severity.WARNING, __doc__, check)
