"""kube-proxy's rules translate to an address that is no endpoint of the service, or lack one.

## What it finds
An endpoint of kube-proxy that is in none of the EndpointSlices: a chain KUBE-SEP-… that is led to (mode iptables), a chain of `table ip kube-proxy` (nftables), or a real server of a service's
address with a weight above 0 (ipvs). Chains that nothing leads to, which kube-proxy leaves until its next whole synchronisation, and services of namespaces without captured endpoints are left out.

## Why it matters
A share of the connections goes to an address where the pod is gone.

## Example
    -A KUBE-SEP-TCD3IFXQZW3ZEZQU -p tcp -m tcp -j DNAT --to-destination 10.244.0.3:8080      # no slice has 10.244.0.3

## How to mend
Restart kube-proxy on the node and look into its log for a restore that fails.

## Sources
kubernetes/kubernetes#109811, #78421; pkg/proxy/iptables/proxier.go, pkg/proxy/nftables/proxier.go, pkg/proxy/ipvs/graceful_termination.go.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.query.native import destinations, reached, tables
from analyzer.query.state import roots
from analyzer.query.tables import Chain, chains, destination_of, reachable_chains
from analyzer.rule import Address, Finding, Namespace, Network, Rule, Severity, Span

TARGET = re.compile(r"-A KUBE-SEP-\S+ [^\n]*--to-destination (\S+?)(?::\d+)?(?=\s)")
SERVICE = re.compile(r"^(?:endpoint-\w+-)?(?P<namespace>[\w.-]+)/(?P<name>[\w.-]+)")
Stale = tuple[Span, str, str, Address]


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    cluster = network.cluster
    if not cluster.known & {"EndpointSlice", "Endpoints"}:
        return
    wanted = {endpoint.address for groups in cluster.endpoints.values() for group in groups for endpoint in group.endpoints}
    known = Known(wanted, frozenset(written for address in wanted for written in (str(address), f"[{address}]")))
    owners = dict(services_by_address(network))
    saved: dict[object, list[str]] = {}
    for source in network.sources.values():
        if source.kind == "iptables-save":
            saved.setdefault(source.scope, []).extend(source.pieces())
    for root in roots(network):
        found = [*in_iptables(root, known, saved.get(root.scope, ())), *in_nftables(root, wanted), *in_ipvs(root, wanted, owners)]
        for at, where, whose, target in found:
            if captured(network, whose):
                yield RULE.finding(
                    at,
                    f"{root.scope.node} ({where}) translates {whose} to {target}, which no EndpointSlice has",
                    help=f"restart kube-proxy on {root.scope.node}",
                )


@dataclass(frozen=True, slots=True)
class Known:
    """The addresses of endpoints, as they are written too; ``sound`` contents of chains, and ``texts``, that lead to no others."""

    wanted: set[Address]
    written: frozenset[str]
    sound: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


def services_by_address(network: Network) -> Iterator[tuple[Address, str]]:
    """The services' addresses, each with its service."""
    for (namespace, name), service in network.cluster.services.items():
        for address in (*service.cluster_addresses, *service.external_addresses, *service.load_balancer_addresses):
            yield address, f"{namespace}/{name}"


def in_iptables(root: Namespace, known: Known, texts: Iterable[str]) -> Iterator[Stale]:
    """kube-proxy's chains for endpoints. It leaves chains that nothing leads to until its next whole synchronisation."""
    if all(leads_to_endpoints(text, known) for text in texts):
        return
    for family in (4, 6):
        for ruleset, found in chains(root, "nat", family, lambda name: name.startswith("KUBE-SEP-")):
            if found.content in known.sound:
                continue
            targets = [(rule, target) for rule in found.rules if (target := destination_of(rule, family)) is not None]
            stale = [(rule, target) for rule, target in targets if target not in known.wanted]
            if found.content and not stale:
                known.sound.add(found.content)
            if stale and used(ruleset.tables["nat"], found.name):
                yield from ((rule.at, ruleset.backend, rule.comment or found.name, target) for rule, target in stale)


def used(table: Mapping[str, Chain], name: str) -> bool:
    """Whether packets may come to a chain; where the text does not hold the chain of all services, that is not known."""
    starts = [table[hook] for hook in ("PREROUTING", "OUTPUT", "KUBE-SERVICES") if hook in table]
    return "KUBE-SERVICES" not in table or any(one.name == name for start in starts for one in reachable_chains(table, start))


def in_nftables(root: Namespace, wanted: set[Address]) -> Iterator[Stale]:
    """The chains for endpoints in kube-proxy's own tables of nftables."""
    for table in tables(root, "kube-proxy"):
        stale = [item for item in destinations(table) if item[2] not in wanted]
        bases = [chain.name for chain in table.chains.values() if chain.base] if stale else []
        used = {chain.name for base in bases for chain in reached(table, base)}
        for chain, rule, target in stale:
            if chain.name in used:
                yield rule.at, "kube-proxy's nftables", service_of(chain.name), target


def in_ipvs(root: Namespace, wanted: set[Address], owners: Mapping[Address, str]) -> Iterator[Stale]:
    """Real servers of services' addresses. One of weight 0 only ends what it has (kube-proxy's graceful termination)."""
    for server in root.virtual_servers:
        whose = owners.get(server.address) if server.address is not None else None
        for real in server.servers if whose else ():
            if real.weight and real.address not in wanted:
                yield real.at, "IPVS", whose or "", real.address


def service_of(chain: str) -> str:
    """The service in the name of a chain, ``endpoint-<hash>-<namespace>/<name>/<protocol>/<port>__<address>/<port>``."""
    found = SERVICE.search(chain)
    return f"{found['namespace']}/{found['name']}" if found else chain


def captured(network: Network, whose: str) -> bool:
    """Whether endpoints of the service's namespace were captured, as far as the text names one."""
    found = SERVICE.search(whose)
    return found is None or any(namespace == found["namespace"] for namespace, _ in network.cluster.endpoints)


def leads_to_endpoints(text: str, known: Known) -> bool:
    """Whether every target in whole lines of text is an endpoint, told without reading the rules: a node may have a hundred thousand, mostly as others have them."""
    if text not in known.texts and known.written.issuperset(TARGET.findall(text)):
        known.texts.add(text)
    return text in known.texts


RULE = Rule("stale-endpoint", Severity.ERROR, __doc__, check)
