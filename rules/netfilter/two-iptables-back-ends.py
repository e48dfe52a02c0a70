"""Kubernetes' chains stand in both back ends of iptables.

## What it finds
A node whose legacy and nft rulesets both hold chains of Kubernetes, kube-proxy or the CNI, or whose legacy FORWARD drops while the nft one is in use.

## Why it matters
The kernel applies both. Rules that a component left in the other back end are stale, and still drop or translate.

## Example
    iptables-legacy-save: -A KUBE-SVC-… -j KUBE-SEP-…        # and iptables-save has them too

## How to mend
Use one back end for every component; flush the other (`iptables-legacy -F`, `-X`, in every table).

## Sources
kubernetes/kubernetes#71305, #109811, projectcalico/calico#2322, cloudnativelabs/kube-router#1069.
"""

from collections.abc import Iterator

from analyzer.query.state import roots, rulesets
from analyzer.rule import Finding, Network, Rule, Severity, Span

OURS = ("KUBE-", "cali-", "FLANNEL-", "CNI-", "CILIUM_", "WEAVE-", "OVN-")
HINTS = ("KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-PROXY-CANARY")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for family in (4, 6):
            held: dict[str, Span] = {}
            for ruleset in rulesets(root, family):
                for chains in ruleset.tables.values():
                    for chain in chains.values():
                        if chain.name.startswith(OURS) and chain.name not in HINTS and len(chain.rules):
                            held.setdefault(ruleset.backend, chain.at)
            if len(held) > 1:
                yield RULE.finding(
                    held["legacy"],
                    f"{root.scope.node} has rules of Kubernetes in both back ends of ip{'6' * (family == 6)}tables; the kernel applies both",
                    related=[(held["nft"], "the nft back end")],
                    help="choose one back end for every component and flush the other",
                )


RULE = Rule("two-iptables-back-ends", Severity.WARNING, __doc__, check, ("F61",))
