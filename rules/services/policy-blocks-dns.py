"""A NetworkPolicy lets pods send packets, but not ask the cluster's DNS.

## What it finds
A policy with egress rules, none of which (nor any other policy's) admits UDP to the port of the cluster's DNS pods from a pod that it selects.

## Why it matters
The pods can reach what the policy lists only by address: every name look-up times out, which looks like a failure of the network.

## Example
    spec:
      podSelector: {}
      policyTypes: [Egress]
      egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]          # and nothing to kube-dns

## How to mend
Add a rule to port 53, UDP and TCP, of the pods of kube-dns (`namespaceSelector` and `podSelector` in one peer); with a node-local cache to its address as an `ipBlock` too. A
policy without egress rules, which cuts its pods off, is not reported.

## Sources
kubernetes/website#38267, aws/aws-network-policy-agent#230; Kubernetes, Network Policies (default deny all egress traffic).
"""

from collections.abc import Iterator

from analyzer.query.names import kept_from_dns
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for policy, pod in kept_from_dns(network):
        yield RULE.finding(
            policy.egress.rules[0].at if policy.egress else policy.at,
            f"{policy} keeps {pod.namespace}/{pod.name} from the cluster's DNS",
            related=[(pod.at, "a pod that it selects")],
            help="admit UDP and TCP port 53 to the pods of the cluster's DNS",
        )


RULE = Rule("policy-blocks-dns", Severity.WARNING, __doc__, check)
