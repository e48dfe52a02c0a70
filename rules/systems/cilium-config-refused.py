"""Cilium's agent would refuse its configuration.

## What it finds
In the ConfigMap `cilium-config`: a word that no version knows (`routing-mode`, `tunnel-protocol`, `enable-policy`, `kube-proxy-replacement`, `ipam`, `bpf-lb-mode` and others), a `cluster-id` above what
`max-connected-clusters` allows (255), and `auto-direct-node-routes` with a tunnel.

## Why it matters
The agent ends at its start on every node: pods stay in ContainerCreating, and what runs keeps its last state.

## Example
    routing-mode: tunneled

## How to mend
Correct the value (with Helm in the values, and `helm upgrade`), and restart the DaemonSet cilium.

## Sources
cilium/cilium pkg/option/config.go (Validate), pkg/datapath/tunnel/tunnel.go, pkg/clustermesh/types/option.go, daemon/cmd/daemon_main.go, daemon/cmd/kube_proxy_replacement.go.
"""

from collections.abc import Iterator

from analyzer.query.systems.cilium_config import refusals
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in refusals(network):
        yield RULE.finding(one.at, one.message)


RULE = Rule("cilium-config-refused", Severity.ERROR, __doc__, check)
