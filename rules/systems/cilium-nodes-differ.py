"""Cilium is set up differently on two nodes.

## What it finds
Captured nodes whose agents say different things of what all nodes must have in common: tunnel or native routing, the tunnel's protocol and port, encryption.

## Why it matters
What one node sends in a tunnel the other does not take out, or takes for something else: pods of the two nodes do not reach each other, or only one way.

## Example
    Routing:   Network: Tunnel [vxlan]   Host: Legacy        # n1
    Routing:   Network: Native   Host: Legacy                # n2

## How to mend
Restart the agents of the nodes that still run by an older `cilium-config`; per-node configuration (CiliumNodeConfig) must not change these.

## Sources
cilium/cilium Documentation/network/concepts/routing.rst, pkg/option/config.go.
"""

from collections.abc import Iterator

from analyzer.query.cilium import CiliumState, agents
from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    states = [state for state in agents(network) if place(network, state) is not None]
    for words, value in (("routes", routing), ("encrypts", encryption)):
        known = [(state, found) for state in states if (found := value(state)) is not None]
        other = next(((state, found) for state, found in known if found != known[0][1]), None)
        at, there = (place(network, known[0][0]), place(network, other[0])) if other is not None else (None, None)
        if other is not None and at is not None and there is not None:
            yield RULE.finding(
                there,
                f"{other[0].scope} {words} by {other[1]}, and {known[0][0].scope} by {known[0][1]}",
                related=[(at, f"{known[0][0].scope}")],
                help="restart the agents that run by an older configuration",
            )


def routing(state: CiliumState) -> str | None:
    """How a node reaches the pods of others."""
    if state.setup.tunnel is None:
        return None
    return f"{state.setup.tunnel} at port {state.port}" if state.setup.tunnel else "the network's own routes"


def encryption(state: CiliumState) -> str | None:
    """How a node encrypts, as its agent says."""
    return None if "cilium-status" in state.missing else state.setup.encryption or "nothing"


def place(network: Network, state: CiliumState) -> Span | None:
    """Where a node's set-up shows: its tunnel's device, else the one of its host."""
    links = network.namespaces[state.scope].links
    link = links.get(state.tunnel_device) or links.get("cilium_host")
    return link.at if link is not None else None


RULE = Rule("cilium-nodes-differ", Severity.ERROR, __doc__, check)
