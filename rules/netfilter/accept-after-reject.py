"""Rules of FORWARD or INPUT stand behind one that rejects or drops everything.

## What it finds
In a base chain of the filter table: a rule without any condition that drops or rejects, followed by further rules.

## Why it matters
What stands behind it never sees a packet: the CNI's accepting rules, appended later, have no effect.

## Example
    -A FORWARD -j REJECT --reject-with icmp-host-prohibited
    -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD

## How to mend
Remove the rejecting rule (a distribution's default firewall), or insert the CNI's rules before it.

## Sources
cloudnativelabs/kube-router#596, kubernetes/kubeadm#1056.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import chain, drops
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for name in ("FORWARD", "INPUT"):
            for ruleset, found in chain(root, "filter", name):
                for position, rule in enumerate(found.rules):
                    behind = len(found.rules) - position - 1
                    if behind and not rule.matches and drops(rule):
                        following = found.rules[position + 1]
                        yield RULE.finding(
                            rule.at,
                            f"{name} rule {rule.number} on {root.scope.node} ({ruleset.backend}) drops everything; {'a rule' if behind == 1 else f'{behind} rules'} behind it never {'sees' if behind == 1 else 'see'} a packet",
                            related=[(following.at, "the first rule that has no effect")],
                            help=f"iptables -D {name} {rule.number}",
                        )
                        break


RULE = Rule("accept-after-reject", Severity.ERROR, __doc__, check)
