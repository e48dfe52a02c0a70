"""Cilium tunnels packets for a pod to another node than the one that has it, or to none.

## What it finds
In tunnel mode, a pod of a captured node that another captured node would send to in the tunnel: by its ipcache, or by its tunnel map (until 1.17), where that names no node, or one whose address is none of the pod's node. And a pod of
the node itself whose entry names a tunnel. In the tunnel map alone: the pod network of another node (`CiliumNode`, else `podCIDRs` of the Node where entries of the map are such networks) without an
entry, or with the address of somebody else.

## Why it matters
Packets to the pod go to a node that does not have it, or to none: they are lost.

## Example
    10.244.2.21/32   identity=10002 encryptkey=0 tunnelendpoint=192.168.0.77 flags=hastunnel     # n2 is 192.168.0.12

## How to mend
Compare with `kubectl get ciliumnode -o yaml` (`spec.addresses`); restart the agent of the node with the entry. Until 1.17: `cilium-dbg bpf tunnel list`.

## Sources
cilium/cilium bpf/lib/encap.h, pkg/datapath/linux/node.go; cilium/cilium#26588, #24618.
"""

from collections.abc import Iterator

from analyzer.query.cilium import CiliumState, Known, agents, entry_of, known_pods, node_of, planned, whole
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    tunnelling = [
        state for state in agents(network) if state.setup.tunnel and whole(network, state, "cilium-ipcache") and state.ipcache
    ]
    for state in agents(network):
        yield from listed(network, state)
    for known in known_pods(network):
        for state in tunnelling:
            if state.scope == known.state.scope:
                yield from at_home(known, state)
            elif known.state.setup.tunnel:
                yield from away(network, known, state)


def listed(network: Network, state: CiliumState) -> Iterator[Finding]:
    """The pod networks of other nodes in the tunnel map."""
    entries = {entry.network.value: entry for entry in state.tunnels if entry.network.family == 4}
    plan = planned(network) if entries and whole(network, state, "cilium-tunnel") else []
    own = {fact.address for fact in network.namespaces[state.scope].addresses}
    if not any(one.network.value in entries for one in plan):
        return
    for one in plan:
        entry = entries.get(one.network.value)
        if network.node_names.get(one.node, one.node) == state.scope.node or not one.addresses or own & {*one.addresses}:
            continue
        if entry is None:
            place, message = (
                state.tunnels[0].at,
                f"{state.scope} has no tunnel to {one.node}: its network {one.network} is not in the tunnel map",
            )
        elif entry.node not in one.addresses:
            place, message = (
                entry.at,
                f"{state.scope} sends packets for {one.network} of {one.node} to {entry.node}, which {one.node} does not have",
            )
        else:
            continue
        yield RULE.finding(
            place, message, related=[(one.at, f"the network of {one.node}")], help=f"restart the agent of {state.scope}"
        )


def at_home(known: Known, state: CiliumState) -> Iterator[Finding]:
    """A pod of the node itself."""
    fact = entry_of(state, known.address)
    if fact is not None and fact.prefix.length in (32, 128) and fact.tunnel is not None:
        message = f"the ipcache of {state.scope} says that {known.address}, an endpoint of this node, is behind {fact.tunnel}"
        yield RULE.finding(
            fact.at, message, related=[(known.entry.at, "its endpoint")], help=f"restart the agent of {state.scope}"
        )


def away(network: Network, known: Known, state: CiliumState) -> Iterator[Finding]:
    """A pod of another node."""
    name = f"{known.address} of {known.pod.namespace}/{known.pod.name} on {known.state.scope}"
    own = {fact.address for fact in network.namespaces[known.state.scope].addresses}
    found = node_of(state, known.address)
    fact = entry_of(state, known.address)
    if found is None and fact is not None and "skiptunnel" in fact.flags:
        return
    if found is None and (state.tunnels or "cilium-tunnel" not in state.missing or fact is not None):
        message = f"{state.scope} knows no node behind which {name} is"
    elif found is not None and found[0] not in own:
        message = f"{state.scope} sends packets to {name} to {found[0]}, which {known.state.scope} does not have"
    else:
        return
    place = found[1] if found is not None else fact.at if fact is not None else state.ipcache[0].at
    yield RULE.finding(place, message, related=[(known.entry.at, "its endpoint")], help=f"restart the agent of {state.scope}")


RULE = Rule("cilium-tunnel-endpoint-wrong", Severity.ERROR, __doc__, check)
