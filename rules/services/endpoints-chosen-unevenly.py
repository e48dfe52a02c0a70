"""kube-proxy's chances do not give a service's endpoints equal shares, or leave some connections to none.

## What it finds
A chain of a service (KUBE-SVC-…, KUBE-SVL-…) whose rules with `statistic --mode random` come to other shares of new connections than one divided by the number of endpoints, by more than a
twentieth; or whose last rule has a chance, too, so that some connections come to no endpoint. Rules for clients that stay with their endpoint (`recent`), chains that are chosen by anything else, and
the five digits of older versions (0.33333 for a third) are left out.

## Why it matters
One endpoint gets more than the others, as after rules were edited by hand or written in part; connections that come to none go to the service's address itself, which nobody has.

## Example
    -A KUBE-SVC-LOLE4ISW44XBNF3G -m statistic --mode random --probability 0.33333333349 -j KUBE-SEP-AAAAAAAAAAAAAAAA
    -A KUBE-SVC-LOLE4ISW44XBNF3G -j KUBE-SEP-BBBBBBBBBBBBBBBB          # of two endpoints the first gets a third, the second two

## How to mend
Restart kube-proxy on the node, and see who else writes its chains.

## Sources
kubernetes pkg/proxy/iptables/proxier.go (writeServiceToEndpointRules, probability: 1/(n-i) for the endpoint i of n), net/netfilter/xt_statistic.c.
"""

from collections.abc import Iterator

from analyzer.query.service_chains import Shares, service_chains, shares
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity

MORE = 0.05


def check(network: Network) -> Iterator[Finding]:
    even: set[str] = set()
    for root in roots(network):
        for chain in service_chains(root):
            if not chain.content or chain.content not in even:
                known = shares(chain)
                found = told(root.scope.node, chain.name, known) if known is not None else None
                if found is None:
                    even.add(chain.content)
                else:
                    yield found


def told(node: str, name: str, known: Shares) -> Finding | None:
    """What is wrong with a chain's chances."""
    whose = known.rules[0].comment.partition(" ->")[0] or name
    many = len(known.rules)
    if known.rest * many > MORE:
        last = known.rules[-1]
        text = f"{node} sends {percent(known.rest)} of the connections to {whose} to no endpoint: the last rule of {name} has a chance, too"
        return RULE.finding(last.at, text, help=f"restart kube-proxy on {node}, and see who else writes {name}")
    index = max(range(many), key=lambda index: abs(known.parts[index] * many - 1))
    if abs(known.parts[index] * many - 1) <= MORE:
        return None
    ends = f"{many} endpoints, where {percent(1 / many)} were its share"
    text = f"{node} sends {percent(known.parts[index])} of the connections to {whose} to one of its {ends}"
    return RULE.finding(known.rules[index].at, text, help=f"restart kube-proxy on {node}, and see who else writes {name}")


def percent(share: float) -> str:
    """A share in words."""
    return f"{share:.1%}".replace(".0%", "%")


RULE = Rule("endpoints-chosen-unevenly", Severity.WARNING, __doc__, check)
