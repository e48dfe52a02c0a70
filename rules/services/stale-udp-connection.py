"""A UDP connection of a service is still tracked towards an endpoint that is gone.

## What it finds
Entries of the connection table for UDP whose original destination is a service's address and port, and whose reply source is no endpoint of any service,
or is the service's address itself (no translation) although there are endpoints.

## Why it matters
A client that keeps sending from the same port (DNS resolvers, syslog) stays on the dead endpoint: the entry is renewed by each packet.

## Example
    udp 17 29 src=10.244.1.5 dst=10.96.0.10 sport=40000 dport=53 [UNREPLIED] src=10.244.0.9 …      # 10.244.0.9 is gone

## How to mend
`conntrack -D -p udp --orig-dst 10.96.0.10`; upgrade kube-proxy.

## Sources
kubernetes/kubernetes#48370, #125467, #66651, #126130.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    cluster = network.cluster
    services = {address: key for key, service in cluster.services.items() for address in service.cluster_addresses}
    endpoints = {endpoint.address for groups in cluster.endpoints.values() for group in groups for endpoint in group.endpoints}
    if not endpoints:
        return
    for root in roots(network):
        for entry in root.connections:
            service = services.get(entry.original[1])
            if (
                entry.protocol == 17
                and service is not None
                and entry.reply[0] not in endpoints
                and cluster.endpoints.get(service)
            ):
                yield RULE.finding(
                    entry.at,
                    f"a UDP connection of {entry.original[0]} to service {service[0]}/{service[1]} is kept towards {entry.reply[0]}, which is no endpoint",
                    help=f"conntrack -D -p udp --orig-dst {entry.original[1]}",
                )


RULE = Rule("stale-udp-connection", Severity.WARNING, __doc__, check)
