"""The NAT maps of Calico's eBPF dataplane do not have the backends that a service has.

## What it finds
On a captured node whose maps were dumped: a service port with a cluster address that has no frontend though the service has ready endpoints; a frontend without one of the ready endpoints, or with a backend that no EndpointSlice of the
service names; and a frontend whose backends are missing in the second map.

## Why it matters
Where this dataplane stands in for kube-proxy, connections to a backend that is gone are lost or reach a stranger; an endpoint that is no backend gets none; without a frontend the service's address leads nowhere.

## Example
    10.96.0.50 port 80 proto 6 id 35 count 1 local 0
            35:0     10.65.1.9:8080                    # no endpoint of the service has 10.65.1.9

## How to mend
Restart calico-node on the node, which writes the maps anew; its log says what it could not write (maps may be full: bpfMapSizeNATFrontend, bpfMapSizeNATBackend).

## Sources
projectcalico/calico felix/bpf/nat/maps.go, felix/bpf/proxy/syncer.go, felix/cmd/calico-bpf/commands/nat.go.
"""

from collections.abc import Iterator

from analyzer.query.calico_maps import MapFrontendFact, frontends
from analyzer.query.port_endpoints import End, endpoints
from analyzer.rule import Finding, Namespace, Network, Rule, Severity, Span

HELP = "restart calico-node on the node"


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    if "EndpointSlice" not in network.cluster.known and "Endpoints" not in network.cluster.known:
        return
    for root, found in frontends(network):
        yield from missing(root, found)
        known = {(one.address, one.port, one.protocol): one for one in reversed(found) if one.source is None}
        for (namespace, name), service in sorted(network.cluster.services.items()):
            if service.type == "ExternalName" or service.headless:
                continue
            for port in service.ports:
                every, ready = endpoints(network, (namespace, name), port.name, port.protocol)
                for address in service.cluster_addresses:
                    front = known.get((address, port.port, port.protocol))
                    own = {end: at for end, at in ready.items() if end[0].family == address.family}
                    word = f"{namespace}/{name} port {port.port}"
                    if front is not None:
                        yield from unlike(root, front, word, every, own)
                    elif own and any(one.address.family == address.family for one in found):
                        text = f"the NAT map of {root.scope.node} has no frontend {address}:{port.port} of {word}"
                        yield RULE.finding(found[0].at, text, related=[(port.at, "the service's port")], help=HELP)


def missing(root: Namespace, found: list[MapFrontendFact]) -> Iterator[Finding]:
    """Frontends that count backends which are not there."""
    for one in found:
        if one.lost:
            text = f"{one.lost} of the {one.count} backends of {one.address}:{one.port} are not in the map of backends of {root.scope.node}"
            yield RULE.finding(one.at, text, help=HELP)


def unlike(
    root: Namespace, front: MapFrontendFact, word: str, every: dict[End, Span], ready: dict[End, Span]
) -> Iterator[Finding]:
    """Backends that are no endpoints, and ready endpoints that are no backends. One whose packets are dropped (``count -1``) has none by design."""
    backends = {(one.address, one.port): one.at for one in front.backends}
    for (address, number), at in backends.items():
        if (address, number) not in every:
            text = f"{address}:{number} is a backend of {word} on {root.scope.node}, and no endpoint of it"
            yield RULE.finding(at, text, related=[(front.at, "the frontend")], help=HELP)
    for (address, number), place in ready.items():
        if (address, number) not in backends and not front.lost and front.count >= 0:
            text = f"{address}:{number}, a ready endpoint of {word}, is no backend on {root.scope.node}"
            yield RULE.finding(front.at, text, related=[(place, "the endpoint")], help=HELP)


RULE = Rule("calico-map-backends-differ", Severity.ERROR, __doc__, check)
