"""Cilium's load-balancing map does not have the backends that a service has.

## What it finds
On a captured node whose Cilium replaces kube-proxy: a service port with a cluster address that has no frontend though the service has ready endpoints; a frontend without one of the ready endpoints; and a backend that no
EndpointSlice of the service names.

## Why it matters
Connections to a backend that is gone are lost or reach a stranger; an endpoint that is not a backend gets none; without a frontend the service's address leads nowhere.

## Example
    10.96.0.50:80/TCP (1)   10.244.2.9:8080/TCP (1) (1)      # no endpoint of the service has 10.244.2.9

## How to mend
`cilium-dbg service list` shows whether the agent knows better than its map; restart the agent of the node.

## Sources
cilium/cilium pkg/loadbalancer, pkg/maps/lbmap; kubernetes/kubernetes#109286 for the same failure of kube-proxy.
"""

from collections.abc import Iterator

from analyzer.query.cilium import CiliumState, FrontendFact, agents, whole
from analyzer.query.port_endpoints import End, endpoints
from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    if "EndpointSlice" not in network.cluster.known and "Endpoints" not in network.cluster.known:
        return
    for state in agents(network):
        if state.setup.replacement and whole(network, state, "cilium-lb") and state.frontends:
            yield from differing(network, state)


def differing(network: Network, state: CiliumState) -> Iterator[Finding]:
    """The services of a node whose frontends are not as they should be."""
    known = {(one.address, one.port, one.protocol): one for one in reversed(state.frontends) if not one.internal}
    for (namespace, name), service in sorted(network.cluster.services.items()):
        if service.type == "ExternalName" or service.headless:
            continue
        for port in service.ports:
            every, ready = endpoints(network, (namespace, name), port.name, port.protocol)
            for address in service.cluster_addresses:
                frontend = known.get((address, port.port, port.protocol)) or known.get((address, port.port, 0))
                word = f"{namespace}/{name} port {port.port}"
                own = {end: at for end, at in ready.items() if end[0].family == address.family}
                if frontend is None and own:
                    text = f"the load-balancing map of {state.scope} has no frontend {address}:{port.port} of {word}"
                    yield RULE.finding(
                        state.frontends[0].at,
                        text,
                        related=[(port.at, "the service's port")],
                        help=f"restart the agent of {state.scope}",
                    )
                elif frontend is not None and not frontend.proxy:
                    yield from unlike(state, frontend, word, every, own)


def unlike(
    state: CiliumState, frontend: FrontendFact, word: str, every: dict[End, Span], ready: dict[End, Span]
) -> Iterator[Finding]:
    """Backends that are no endpoints, and ready endpoints that are no backends."""
    backends = {(one.address, one.port): one.at for one in frontend.backends}
    for (address, number), at in backends.items():
        if (address, number) not in every:
            text = f"{address}:{number} is a backend of {word} on {state.scope}, and no endpoint of it"
            yield RULE.finding(at, text, related=[(frontend.at, "the frontend")], help=f"restart the agent of {state.scope}")
    local = "InternalLocal" in frontend.flags
    for (address, number), place in ready.items():
        if (address, number) not in backends and not local and not frontend.lost:
            text = f"{address}:{number}, a ready endpoint of {word}, is no backend on {state.scope}"
            yield RULE.finding(frontend.at, text, related=[(place, "the endpoint")], help=f"restart the agent of {state.scope}")


RULE = Rule("cilium-service-backends-differ", Severity.ERROR, __doc__, check)
