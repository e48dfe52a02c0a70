"""Nothing listens on a service's target port in a pod that it leads to.

## What it finds
A ready endpoint of a service whose pod namespace was captured with its sockets, where no socket listens on the endpoint's port, or only on 127.0.0.1.

## Why it matters
Connections to the service are refused whenever this endpoint is chosen.

## Example
    targetPort: 8080              # ss in the pod: LISTEN 127.0.0.1:8080, or only :80

## How to mend
Correct the target port, or let the server listen on all addresses.

## Sources
Kubernetes documentation "Debug Services"; inet_hashtables.c (a socket bound to 127.0.0.1 matches no other destination).
"""

from collections.abc import Iterator

from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    homes = {address: pod for pod in network.attachments for address in pod.addresses}
    for (namespace, name), groups in sorted(network.cluster.endpoints.items()):
        for group in groups:
            for endpoint in group.endpoints:
                pod = homes.get(endpoint.address)
                inside = network.namespaces.get(pod.scope) if pod else None
                if pod is None or inside is None or not endpoint.ready:
                    continue
                for _, protocol, port in group.ports:
                    if port is not None and (problem := silent(inside, endpoint.address, protocol, port)):
                        text, place = problem
                        yield RULE.finding(
                            endpoint.at,
                            f"service {namespace}/{name} leads to {endpoint.address} port {port}, where {text} in {pod.name}",
                            related=[(place, "listens here instead")] if place else [],
                            help=f"let {pod.name} listen on 0.0.0.0:{port}, or correct the target port",
                            certain=not inside.gaps.get("ss"),
                        )


def silent(inside: Namespace, address: Address, protocol: int, port: int) -> tuple[str, Span | None] | None:
    """Why nothing answers on the port, None when something does or such sockets were not captured."""
    if inside.listeners is None or protocol not in inside.listed:
        return None
    near = [item for item in inside.listeners if item.protocol == protocol and item.port == port]
    if any(item.address is None or item.address.value == 0 or item.address == address for item in near):
        return None
    loopback = next((item for item in near if item.address and item.address.value >> 24 == 127), None)
    if loopback:
        return f"a socket listens on {loopback.address} only", loopback.at
    return "nothing listens", None


RULE = Rule("target-port-not-listening", Severity.ERROR, __doc__, check)
