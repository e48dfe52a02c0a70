"""A NetworkPolicy lets pods send packets, but not ask the cluster's DNS.

## What it finds
A policy with egress rules, none of which (nor any other policy's) admits questions to the cluster's DNS from a pod that it selects: to the port of its pods; with NodeLocal DNS to the address at
the pod's own node that its resolver asks, which no `podSelector` ever matches. As a note, where questions are admitted over UDP and not over TCP.

## Why it matters
The pods can reach what the policy lists only by address: every name look-up times out, which looks like a failure of the network.

## Example
    spec:
      podSelector: {}
      policyTypes: [Egress]
      egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]          # and nothing to kube-dns

## How to mend
Add a rule to port 53, UDP and TCP, of the pods of kube-dns (`namespaceSelector` and `podSelector` in one peer); with a node-local cache to its address as an `ipBlock` too (`169.254.20.10/32`; for
Cilium `toEntities: [host]`). A policy without egress rules, which cuts its pods off, is not reported.

## Sources
kubernetes/website#38267, aws/aws-network-policy-agent#230; Kubernetes, Network Policies (default deny all egress traffic), Using NodeLocal DNSCache; RFC 7766 (DNS over TCP).
"""

from collections.abc import Iterator

from analyzer.query.names import Kept, kept_from_dns
from analyzer.rule import Finding, Network, Rule, Severity

HELP = "admit UDP and TCP port 53 to"


def check(network: Network) -> Iterator[Finding]:
    for kept in kept_from_dns(network):
        policy, pod, cache = kept.policy, kept.pod, kept.cache
        only_tcp = kept.protocols == ("TCP",)
        where = "the cluster's DNS" if cache is None else f"the DNS of its node at {cache.address}"
        how = " over TCP, which it needs for long answers" if only_tcp else ""
        yield RULE.finding(
            policy.egress.rules[0].at if policy.egress else policy.at,
            f"{policy} keeps {pod.namespace}/{pod.name} from {where}{how}",
            related=[(pod.at, "a pod that it selects"), *([(cache.at, cache.words)] if cache is not None else [])],
            note=doubt(kept),
            help=f"{HELP} the pods of the cluster's DNS"
            if cache is None
            else f"{HELP} {cache.address}, as an address and not by podSelector",
            certain=kept.certain,
            severity=Severity.NOTE if only_tcp else None,
        )


def doubt(kept: Kept) -> str:
    """Why it may not be so."""
    return (
        ""
        if kept.certain
        else "it is not known whether its network system holds what it sends to its own node against policies, or where it asks"
    )


RULE = Rule("policy-blocks-dns", Severity.WARNING, __doc__, check)
