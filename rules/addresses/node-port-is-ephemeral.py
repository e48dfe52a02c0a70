"""The node may take a service's node port for a connection of its own.

## What it finds
A node port inside `net.ipv4.ip_local_port_range` of a node and not in `ip_local_reserved_ports`; a `hostPort` of a pod that is a node port of a service; a range of node ports
(`service-node-port-range`) that reaches into the kernel's usual range.

## Why it matters
A connection that the node itself opens from that port keeps the port busy, and its replies are taken for the service's traffic; a hostPort and a node port on one number hide one another.

## Example
    net.ipv4.ip_local_port_range = 30000 60999        # and nodePort: 31000

## How to mend
Leave the default range 32768–60999, or `sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767`.

## Sources
inet_csk_find_open_port, inet_is_local_reserved_port (net/ipv4); kubernetes/kubernetes#100643, scality/metalk8s#535.
"""

from collections.abc import Iterator

from analyzer.query.plan import ServicePort, running_pods
from analyzer.query.state import roots
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

USUAL = (32768, 60999)
Ports = list[tuple[str, ServicePort]]


def check(network: Network) -> Iterator[Finding]:
    ports = [
        (f"{fact.namespace}/{fact.name}", port)
        for fact in network.cluster.services.values()
        for port in fact.ports
        if port.node_port
    ]
    for root in roots(network):
        yield from ephemeral(root, ports)
    yield from ranges(network)
    first: dict[tuple[int, int], tuple[str, ServicePort]] = {}
    for item in ports:
        first.setdefault((item[1].node_port, item[1].protocol), item)
    for pod in running_pods(network):
        for one in pod.ports:
            if one.host_port and (one.host_port, one.protocol) in first:
                name, port = first[one.host_port, one.protocol]
                yield RULE.finding(
                    one.at,
                    f"hostPort {one.host_port} of pod {pod.namespace}/{pod.name} is the node port of service {name}",
                    related=[(port.at, f"node port {port.node_port} of {name}")],
                    help="use another host port, outside the range of node ports",
                )


def ephemeral(root: Namespace, ports: Ports) -> Iterator[Finding]:
    fact = root.sysctls.get("net.ipv4.ip_local_port_range")
    numbers = [int(word) for word in fact.value.split() if word.isdecimal()] if fact else []
    if fact is None or len(numbers) != 2:
        return
    inside = [
        (name, port) for name, port in ports if numbers[0] <= port.node_port <= numbers[1] and not reserved(root, port.node_port)
    ]
    if inside:
        name, port = inside[0]
        more = f" (and {len(inside) - 1} more)" if len(inside) > 1 else ""
        yield RULE.finding(
            fact.at,
            f"{root.scope.node} opens its own connections from ports {numbers[0]} to {numbers[1]}, among them node port {port.node_port} of {name}{more}",
            related=[(port.at, f"node port {port.node_port} of {name}")],
            help=f"on {root.scope.node}: sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767",
        )


def ranges(network: Network) -> Iterator[Finding]:
    """Ranges of node ports that reach into the range that kernels use if nobody tells them another (net/ipv4/af_inet.c, inet_init_net)."""
    told = any("net.ipv4.ip_local_port_range" in root.sysctls for root in roots(network))
    for item in settings(network, "kubernetes", "node-ports") if not told else ():
        low, _, high = item.value.partition("-")
        if low.isdecimal() and high.isdecimal() and int(low) <= USUAL[1] and int(high) >= USUAL[0]:
            yield RULE.finding(
                item.at,
                f"node ports from {low} to {high} ({item.said_by}): from {max(int(low), USUAL[0])} on nodes open their own connections, if they have the kernel's usual range",
                help="end the range below 32768, or reserve its ports by net.ipv4.ip_local_reserved_ports on every node",
                certain=False,
            )


def reserved(root: Namespace, port: int) -> bool:
    """Whether the node leaves a port free: ``30000-32767,40000``."""
    fact = root.sysctls.get("net.ipv4.ip_local_reserved_ports")
    for part in fact.value.split(",") if fact else ():
        low, _, high = part.strip().partition("-")
        if low.isdecimal() and (high or low).isdecimal() and int(low) <= port <= int(high or low):
            return True
    return False


RULE = Rule("node-port-is-ephemeral", Severity.WARNING, __doc__, check)
