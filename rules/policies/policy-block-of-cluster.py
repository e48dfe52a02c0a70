"""A block of a policy lies inside the cluster's own pod or service network.

## What it finds
A NetworkPolicy whose `ipBlock` is part of a pod network or of a service network that the input states. What `except` takes out of a larger block is no such block.

## Why it matters
Pods get other addresses whenever they start: the block admits whoever has the address now. Some network systems (Cilium) do not match pods by blocks at all. The address of a service is replaced by a pod's before most systems look: a block of service addresses then matches nothing.

## Example
    egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}]}]        # the address of the service kube-dns

## How to mend
Name the pods by labels (`podSelector`, `namespaceSelector`), those behind a service too.

## Sources
Kubernetes documentation, Network Policies ("These should be cluster-external IPs, since Pod IPs are ephemeral and unpredictable"; rewriting of addresses of services); Cilium documentation, "Layer 3: IP/CIDR based" (rules on CIDRs do not apply to traffic inside the cluster).
"""

from collections.abc import Iterator

from analyzer.query.policy_blocks import blocks_inside, system
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    name, pods = system(network)
    for item, at, block, within, direction in blocks_inside(network):
        whose = f"block {block} of NetworkPolicy {item.namespace or 'default'}/{item.name}"
        if within.purpose == "service":
            why = "a service's address is replaced by a pod's before most network systems look at it"
            ingress = "no packet comes from a service's address"
            text, certain = f"{whose} is of the service network: {why if direction == 'egress' else ingress}", False
        elif pods is False:
            text, certain = f"{whose} is of the pod network, and {name} matches no pod by its address", True
        else:
            text, certain = f"{whose} is of the pod network: it means whichever pod has the address", True
        yield RULE.finding(
            at,
            text,
            related=[(within.at, f"the {within.purpose} network {within.prefix}")],
            help="name the pods by their labels",
            severity=Severity.WARNING if within.purpose == "service" or pods is False else Severity.NOTE,
            certain=certain,
        )


RULE = Rule("policy-block-of-cluster", Severity.WARNING, __doc__, check)
