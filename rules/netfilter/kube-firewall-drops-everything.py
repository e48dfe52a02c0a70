"""KUBE-FIREWALL drops without a condition.

## What it finds
A rule `-A KUBE-FIREWALL … -j DROP` that tests neither the mark 0x8000 nor anything else.

## Why it matters
When tools of different versions read and write each other's rules, matches get lost. The rule then drops all traffic of the node.

## Example
    -A KUBE-FIREWALL -m comment --comment "kubernetes firewall for dropping marked packets" -j DROP

## How to mend
Use one version of iptables on the node and in the containers, delete the rule, and restart kubelet.

## Sources
kubernetes/kubernetes#112477.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import chain, drops
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for ruleset, found in chain(root, "filter", "KUBE-FIREWALL"):
            for rule in found.rules:
                if drops(rule) and not rule.matches:
                    yield RULE.finding(
                        rule.at,
                        f"KUBE-FIREWALL rule {rule.number} on {root.scope.node} ({ruleset.backend}) drops every packet that reaches it",
                        help=f"iptables -D KUBE-FIREWALL {rule.number}; use one iptables version on the node",
                    )


RULE = Rule("kube-firewall-drops-everything", Severity.ERROR, __doc__, check)
