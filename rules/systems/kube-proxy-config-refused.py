"""kube-proxy would refuse its configuration.

## What it finds
In a `KubeProxyConfiguration` (a file, or the ConfigMap `kube-proxy`): a `clusterCIDR` that is neither one network nor one of each family, a mark's bit outside 0 to 31, a period that is negative or less than its minimum, an unknown
`detectLocalMode` or IPVS scheduler, a mode of detecting whose interface is not named, networks of `excludeCIDRs` and `nodePortAddresses` that are none, limits and timeouts below zero, addresses to listen at that are none. As a warning:
`detectLocalMode: ClusterCIDR` without a network.

## Why it matters
kube-proxy ends at its start on every node: services keep the rules that they had, and new nodes have none.

## Example
    clusterCIDR: 10.244.0.0/16,10.245.0.0/16

## How to mend
Correct the field in the ConfigMap, and restart the DaemonSet kube-proxy.

## Sources
kubernetes pkg/proxy/apis/config/validation/validation.go, pkg/proxy/apis/config/v1alpha1/defaults.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.kube_proxy import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)


RULE = Rule("kube-proxy-config-refused", Severity.ERROR, __doc__, check)
