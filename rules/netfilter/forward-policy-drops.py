"""The policy of FORWARD is DROP and nothing accepts forwarded packets.

## What it finds
A filter table whose FORWARD chain has policy DROP while no rule that it can reach accepts anything.

## Why it matters
Every packet between pods of different nodes, and between pods and the outside, is dropped. Docker sets this policy; the accepting rules are those of
the CNI or of kube-proxy, and a flush removes them.

## Example
    :FORWARD DROP [0:0]          # and no FLANNEL-FWD, cali-FORWARD, KUBE-FORWARD …

## How to mend
Restart the CNI's agent and kube-proxy, or `iptables -P FORWARD ACCEPT`.

## Sources
kubernetes/kubernetes#40182, moby/moby#39439, flannel-io/flannel#872. DROP with the accepting chains in place is healthy.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import accepts, chain, reachable_chains
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for ruleset, forward in chain(root, "filter", "FORWARD"):
            if forward.policy != "DROP":
                continue
            reached = reachable_chains(ruleset.tables["filter"], forward)
            if not any(accepts(rule) for found in reached for rule in found.rules):
                yield RULE.finding(
                    forward.at,
                    f"{root.scope.node} drops every forwarded packet: FORWARD ({ruleset.backend}) has policy DROP and none of its {len(reached)} chains accepts",
                    help="restart the CNI's agent and kube-proxy, or: iptables -P FORWARD ACCEPT",
                    certain=not root.gaps.get("iptables-save"),
                )


RULE = Rule("forward-policy-drops", Severity.ERROR, __doc__, check)
