"""A node's ipcache gives a pod another identity than its own node does.

## What it finds
An entry of an ipcache for exactly the address of a running pod, whose identity is not that of the pod's endpoint on its own node.

## Why it matters
Policies are decided by identities. With a stale one (a pod's labels changed, or another pod had the address before) packets are dropped though a policy admits them, or pass though none does: without a tunnel the receiving node looks the sender
up, and every sending node the receiver.

## Example
    10.244.1.12/32   identity=10009 …             # the ipcache of n2
    10.244.1.12:0    id=102  sec_id=10002 …       # the endpoint on n1

## How to mend
Compare `kubectl get ciliumendpoint` with both; restart the agent whose entry is stale.

## Sources
cilium/cilium pkg/ipcache; Documentation/internals/security-identities.rst.
"""

from collections.abc import Iterator

from analyzer.query.cilium import agents, entry_of, known_pods, of_workload
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    for known in known_pods(network):
        own = known.entry.identity
        for state in agents(network):
            fact = entry_of(state, known.address)
            if fact is None or fact.prefix.length not in (32, 128) or fact.identity == own or not of_workload(own):
                continue
            yield RULE.finding(
                fact.at,
                f"the ipcache of {state.scope} says that {known.address} has identity {fact.identity}; {known.pod.namespace}/{known.pod.name} has {own}",
                related=[(known.entry.at, f"its endpoint on {known.state.scope}")],
                help=f"restart the agent of {state.scope}",
            )


RULE = Rule("cilium-identity-stale", Severity.ERROR, __doc__, check)
