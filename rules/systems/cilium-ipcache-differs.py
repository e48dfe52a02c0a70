"""Cilium's agent and the ipcache of its node do not agree on whose an address is.

## What it finds
An entry of `cilium-dbg ip list` whose addresses have no entry, or one of another identity, in `cilium-dbg bpf ipcache list` of the same node.

## Why it matters
Programs ask the ipcache in the kernel, not the agent: packets of such addresses are judged by the wrong identity, or sent past the tunnel. The agent has failed to write the map (it is full, or was replaced under it), or has
not come to it yet.

## Example
    cilium-dbg ip list:           10.244.2.21/32   10002   custom-resource
    cilium-dbg bpf ipcache list:  10.244.2.21/32   identity=10009 …

## How to mend
Look for "bpf map" and "ipcache" in the agent's log and at `cilium-dbg map list` (`ipcache`: errors); restarting the agent writes the map anew.

## Sources
pkg/ipcache/ipcache.go, pkg/datapath/ipcache/listener.go (`OnIPIdentityCacheChange`); cilium-dbg/cmd/ip_list.go and bpf_ipcache_list.go.
"""

from collections.abc import Iterator

from analyzer.query.cilium import agents, whole
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for state in agents(network):
        if not state.addresses or not state.ipcache or not whole(network, state, "cilium-ipcache"):
            continue
        held = {fact.prefix: fact for fact in state.ipcache}
        for told in state.addresses:
            fact = held.get(told.prefix)
            if told.identity is None or (fact is not None and fact.identity == told.identity):
                continue
            has = f"identity {fact.identity}" if fact is not None else "no entry"
            yield RULE.finding(
                fact.at if fact is not None else state.ipcache[0].at,
                f"the ipcache of {state.scope} has {has} for {told.prefix}, which the agent says is of identity {told.identity}",
                related=[(told.at, "the agent's entry")],
                help=f"restart the agent of {state.scope}",
            )


RULE = Rule("cilium-ipcache-differs", Severity.WARNING, __doc__, check)
