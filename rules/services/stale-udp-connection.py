"""A UDP connection of a service is still tracked towards an endpoint that is gone.

## What it finds
Entries of the connection table for UDP whose original destination is an address or a node port of a service, and whose reply source is no endpoint of that
service, or is the address itself (no translation) although there are endpoints. An address that the node itself has, as NodeLocal DNSCache gives it
that of the DNS service, is answered there.

## Why it matters
A client that keeps sending from the same port (DNS resolvers, syslog) stays on the dead endpoint: the entry is renewed by each packet.

## Example
    udp 17 29 src=10.244.1.5 dst=10.96.0.10 sport=40000 dport=53 [UNREPLIED] src=10.244.0.9 …      # 10.244.0.9 is gone

## How to mend
`conntrack -D -p udp --orig-dst 10.96.0.10`; upgrade kube-proxy. `analyze trace … --source-port 40000` shows where such packets go.

## Sources
kubernetes/kubernetes#48370, #125467, #66651, #126130.
"""

from collections.abc import Iterator

from analyzer.query.state import node_addresses, roots
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity

UDP = 17
Key = tuple[str, str]


def check(network: Network) -> Iterator[Finding]:
    groups = {key: found for key, found in network.cluster.endpoints.items() if found}
    endpoints = {key: {endpoint.address for group in found for endpoint in group.endpoints} for key, found in groups.items()}
    if not any(endpoints.values()):
        return
    addresses, ports = at_addresses(network), at_node_ports(network)
    for root in roots(network):
        own = own_addresses(root)
        for entry in root.connections:
            _, destination, _, port = entry.original
            service = addresses.get(destination) or ports.get((destination, port))
            here = entry.reply[0] == destination and destination in own and destination in addresses
            if entry.protocol == UDP and service in endpoints and entry.reply[0] not in endpoints[service] and not here:
                yield RULE.finding(
                    entry.at,
                    f"a UDP connection of {entry.original[0]} to service {service[0]}/{service[1]} is kept towards {entry.reply[0]}, "
                    "which is no endpoint of it",
                    help=f"conntrack -D -p udp --orig-dst {destination} --orig-port-dst {port}",
                )


def at_addresses(network: Network) -> dict[Address, Key]:
    """Services by the addresses that they have for themselves."""
    return {
        address: key
        for key, service in network.cluster.services.items()
        for address in (*service.cluster_addresses, *service.external_addresses, *service.load_balancer_addresses)
    }


def at_node_ports(network: Network) -> dict[tuple[Address, int], Key]:
    """Services by address and node port of UDP."""
    ports = [(port.node_port, key) for key, service in network.cluster.services.items() for port in service.ports
             if port.node_port and port.protocol == UDP]  # fmt: skip
    return {(address, port): key for address in node_addresses(network) for port, key in ports} if ports else {}


def own_addresses(root: Namespace) -> set[Address]:
    """The node's addresses that no virtual server has: IPVS gives the node those of all services."""
    return {fact.address for fact in root.addresses} - {server.address for server in root.virtual_servers}


RULE = Rule("stale-udp-connection", Severity.WARNING, __doc__, check)
