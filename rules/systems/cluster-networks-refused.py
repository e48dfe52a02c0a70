"""The control plane would refuse the cluster's networks.

## What it finds
Nodes' networks that do not fit into the pod network or of which too many fit, service networks that are too large (20 bits of IPv4; as a warning
where the API server is told, since 1.33 it takes larger ones) or too small; a mode that kube-proxy does not have.

## Why it matters
kubeadm, the API server or the controller manager ends at its start.

## Example
    --cluster-cidr=10.244.0.0/24 --node-cidr-mask-size=23

## How to mend
Choose a longer prefix for nodes than for the pod network, and a service network from /12 to /28.

## Sources
kubernetes cmd/kubeadm/app/apis/kubeadm/validation/validation.go, cmd/kube-apiserver/app/options/validation.go, pkg/controller/nodeipam/ipam/cidrset/cidr_set.go, pkg/proxy/apis/config/validation.
"""

from collections.abc import Iterator

from analyzer.query.systems.kubernetes import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("cluster-networks-refused", Severity.ERROR, __doc__, check)
