"""A rule admits traffic that the policies of the other end deny, all of it.

## What it finds
A rule that allows flows between pods, of which the policies at the other end (ingress of the destination, egress of the source) admit none.

## Why it matters
A flow needs both: the egress rule alone, or the ingress rule alone, opens nothing, and who wrote it believes that it does.

## Example
    # web may send to db, but no policy of db admits web
    egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]

## How to mend
Add the rule at the other end, or take this one away.

## Sources
Kubernetes documentation, Network Policies: both the egress policy of the source and the ingress policy of the destination need to allow the connection.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import ineffective, peer_words
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy, rule, direction in ineffective(network):
        end = "destinations" if direction == "egress" else "sources"
        yield RULE.finding(
            rule.at,
            f"{policy} allows {direction} for {peer_words(rule.peer)}, and policies of the {end} deny all of it",
            help="add the rule at the other end, or take this one away",
        )


RULE = Rule("policy-rule-ineffective", Severity.NOTE, __doc__, check, absence=True)
