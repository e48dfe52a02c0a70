"""kube-proxy's rules on a node do not keep clients with their endpoint, as a service asks for.

## What it finds
A service with `sessionAffinity: ClientIP` whose rules on a node lead to an endpoint without asking `recent` for the client first, or without noting the client there (mode iptables); whose virtual
server is not persistent (IPVS); or that keep clients for another time than `timeoutSeconds`. Services with one endpoint are left out: every client stays with that.

## Why it matters
Requests of one client go to different endpoints: logins are lost, uploads fail. Other nodes may be right.

## Example
    sessionAffinity: ClientIP          # and KUBE-SVC-LOLE4ISW44XBNF3G has no rule with -m recent --rcheck

## How to mend
Restart kube-proxy on the node, and look into its log for a restore that fails.

## Sources
kubernetes pkg/proxy/iptables/proxier.go (writeServiceToEndpointRules), pkg/proxy/ipvs/proxier.go (FlagPersistent), net/netfilter/xt_recent.c, ipvsadm(8) -p.
"""

from collections.abc import Iterator

from analyzer.query.served_endpoints import Place, Wanted, asked
from analyzer.query.service_chains import Unkept, unkept
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    question = asked(network)
    kept = {place: one for place, one in question.wanted.items() if one.service.affinity_seconds and len(one.endpoints) > 1}
    for root in roots(network) if kept else ():
        yield from in_iptables(root, kept, question.chains(root.scope))
        yield from in_ipvs(root, kept)


def in_iptables(root: Namespace, kept: dict[Place, Wanted], chains: dict[Place, str]) -> Iterator[Finding]:
    """Chains of services that lead to endpoints without looking who was there."""
    for place, item in kept.items():
        name = chains.get(place)
        for found in unkept(root, name, place[0].family, item.service.affinity_seconds or 0) if name else ():
            yield told(root, item, found)


def in_ipvs(root: Namespace, kept: dict[Place, Wanted]) -> Iterator[Finding]:
    """Virtual servers that are not persistent, or for another time."""
    for server in root.virtual_servers:
        item = kept.get((server.address, server.protocol, server.port)) if server.address is not None else None
        if item is not None and server.persistent != item.service.affinity_seconds:
            seconds = f"for {server.persistent} seconds" if server.persistent else "not at all"
            yield told(root, item, Unkept(server.at, f"IPVS keeps them {seconds}"))


def told(root: Namespace, item: Wanted, found: Unkept) -> Finding:
    """What a node does, and what the service asks for."""
    node, seconds = root.scope.node, item.service.affinity_seconds
    return RULE.finding(
        found.at,
        f"{node} does not keep clients of {item.title} with their endpoints for {seconds} seconds: {found.reason}",
        related=[(item.service.place("spec", "sessionAffinity"), "the service asks for it")],
        help=f"restart kube-proxy on {node}",
    )


RULE = Rule("session-affinity-lost", Severity.WARNING, __doc__, check)
