"""A node's ipcache does not have a pod that runs on another node.

## What it finds
A running pod whose own node has an endpoint for its address, while the ipcache of another captured node has no entry for exactly this address.

## Why it matters
The ipcache says whose an address is. Without its own entry the pod is taken for the world, or for a part of its node's pod network: policies that select it do not match, and in tunnel mode, where no prefix of its node is there
either, packets to it are dropped ("No tunnel/encapsulation endpoint").

## Example
    10.244.2.21/32     identity=10002 …     # stands in the ipcache of n3, and not in that of n1

## How to mend
See whether the agent of the node gets CiliumEndpoints (`cilium-dbg status`, "KVStore" and "Kubernetes"), and restart it: it fills its ipcache anew.

## Sources
cilium/cilium pkg/ipcache, pkg/datapath/ipcache/listener.go; cilium/cilium#26588.
"""

from collections.abc import Iterator

from analyzer.query.cilium import agents, entry_of, known_pods, of_workload, whole
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    whole_ones = [state for state in agents(network) if whole(network, state, "cilium-ipcache") and state.ipcache]
    for known in known_pods(network):
        for state in whole_ones:
            fact = entry_of(state, known.address)
            if state.scope == known.state.scope or not of_workload(known.entry.identity):
                continue
            if fact is not None and fact.prefix.length in (32, 128):
                continue
            place = fact.at if fact is not None else state.ipcache[0].at
            instead = f"{fact.prefix} (identity {fact.identity})" if fact is not None else "nothing"
            yield RULE.finding(
                place,
                f"the ipcache of {state.scope} has no entry for {known.address} of {known.pod.namespace}/{known.pod.name}, but {instead}",
                related=[(known.entry.at, f"its endpoint on {known.state.scope}, of identity {known.entry.identity}")],
                help=f"restart the agent of {state.scope}",
            )


RULE = Rule("cilium-pod-not-in-ipcache", Severity.ERROR, __doc__, check)
