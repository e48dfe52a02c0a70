"""Packets between pods of different nodes get another source address.

## What it finds
A rule of nat POSTROUTING (MASQUERADE, SNAT) that a packet from a pod of this node to a pod of another node meets; the packet is sent through the node's tables as captured.

## Why it matters
Kubernetes promises that pods see each other's own addresses. The receiver sees the node instead: NetworkPolicies by pod do not match, logs and access lists are wrong.

## Example
    -A POSTROUTING -m addrtype ! --dst-type LOCAL ! -d 10.141.0.0/16 -j MASQUERADE       # the pods are in 10.244.0.0/16

## How to mend
Except the cluster's pod network from the rule (`! -d <pod network>`, or a RETURN before it). Masquerading of what pods send to nodes and to the outside is by design in flannel
and others, and not reported.

## Sources
Kubernetes, The Kubernetes network model; projectcalico/calico#6235, cloudnativelabs/kube-router#173, weaveworks/weave#3452, cilium/cilium#11096.
"""

from collections.abc import Iterator

from analyzer.query.leaving import origins, to_pods, translation
from analyzer.rule import Address, Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    told = set()
    for origin in (*origins(network), *origins(network, family=6)):
        for packet, outcome in to_pods(network, origin):
            hop = translation(packet, outcome)
            if hop is None or hop.at is None or hop.packet is None or hop.at in told:
                continue
            told.add(hop.at)
            seen = Address(hop.packet.family, hop.packet.source)
            target = Address(packet.family, packet.destination)
            yield RULE.finding(
                hop.at,
                f"packets of {origin.root.scope.node}'s pods to pods of other nodes get the source {seen} on {hop.place} ({origin.address} to {target})",
                help="except the pod network from this rule, or return before it",
            )


RULE = Rule("pod-traffic-masqueraded", Severity.ERROR, __doc__, check)
