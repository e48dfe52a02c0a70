"""An egress gateway of Cilium cannot carry what its policy sends to it.

## What it finds
A CiliumEgressGatewayPolicy whose gateway selects no node, whose `egressIP` or `interface` no node that it selects has, that the agent refuses (both of these given, a selector of nothing, a destination that is no network), or that has no
effect because `cilium-config` does not switch egress gateways on; and entries of a node's map without a gateway, with one that is no node, or, on the gateway, without an address.

## Why it matters
The policy takes the packets of the pods that it selects. Where no gateway takes them on they are dropped at the pod's node; where the policy is refused they leave with their own node's address, and the firewall outside refuses them.

## Example
    egressGateway: {nodeSelector: {matchLabels: {egress: "yes"}}, egressIP: 192.0.2.40}     # no node has 192.0.2.40

## How to mend
Label a node, give it the address (`ip addr add`), or correct the policy.

## Sources
cilium/cilium pkg/egressgateway/policy.go (ParseCEGP, deriveFromPolicyGatewayConfig), manager.go (NewEgressGatewayManager), bpf/lib/egress_gateway.h; Documentation/network/egress-gateway/egress-gateway.rst.
"""

from collections.abc import Iterator

from analyzer.query.systems.cilium_egress import lost, unfit
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for one in unfit(network):
        yield RULE.finding(one.at, one.message, severity=None if one.certain else Severity.WARNING)
    for entry, words in lost(network):
        yield RULE.finding(entry.at, words, help="label a node for the gateway, or give it the address that the policy names")


RULE = Rule("cilium-egress-gateway-unfit", Severity.ERROR, __doc__, check)
