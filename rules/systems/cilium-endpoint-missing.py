"""A running pod is in no endpoint map of Cilium on its node.

## What it finds
A running pod with an address of its own, on a captured node with Cilium, whose address the node's endpoint map does not have.

## Why it matters
Cilium delivers to its endpoints only: packets to the pod go to the host's stack and are dropped there, and no policy is enforced for what it sends. Pods that started before Cilium, or by another CNI plugin, have no endpoint.

## Example
    10.244.2.21:0    id=201  sec_id=10002 …       # is not in the list of n2, where default/web-2 (10.244.2.21) runs

## How to mend
Delete the pod, so that it is made anew under Cilium; `cilium-dbg endpoint list` tells whether the agent knows it while the map does not.

## Sources
cilium/cilium bpf/lib/eps.h (`__lookup_ip4_endpoint`), Documentation/operations/troubleshooting.rst ("Ensure pod is managed by Cilium").
"""

from collections.abc import Iterator

from analyzer.query.cilium import missing_pods
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    for pod, address, state in missing_pods(network):
        if not state.entries:
            continue
        yield RULE.finding(
            state.entries[0].at,
            f"the endpoint map of {state.scope} does not have {address} of {pod.namespace}/{pod.name}, which runs there",
            related=[(pod.place("status", "podIP"), "the pod")],
            help=f"delete {pod.namespace}/{pod.name}, so that it is made anew",
        )


RULE = Rule("cilium-endpoint-missing", Severity.ERROR, __doc__, check)
