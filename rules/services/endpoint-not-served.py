"""kube-proxy's rules on a node lack a ready endpoint of a service, or a whole service.

## What it finds
A port of a service whose EndpointSlices have ready endpoints to which the node's rules for the service's own address (iptables, nftables or IPVS) do not lead; and, where rules for other
services are there, a port without any rule. Services of which nodes may choose endpoints (`internalTrafficPolicy: Local`, hints, `trafficDistribution`), those of another proxy, and clusters where Cilium replaces kube-proxy are left out.

## Why it matters
kube-proxy on the node does not keep up, or cannot write its rules: new pods get no connections from there, and new services do not work. Other nodes may be right.

## Example
    EndpointSlice web-x: 10.244.1.5, 10.244.2.5          # and KUBE-SVC-LOLE4ISW44XBNF3G leads to 10.244.1.5 alone

## How to mend
Look into kube-proxy's log on the node (a restore that fails, an API server that it does not reach) and restart it. A capture that was made while pods started may show it, too.

## Sources
kubernetes pkg/proxy/topology.go (CategorizeEndpoints), pkg/proxy/iptables/proxier.go (syncProxyRules), pkg/proxy/nftables/proxier.go, pkg/proxy/ipvs/proxier.go.
"""

from collections.abc import Iterator

from analyzer.query.served_endpoints import Served, Texts, Wanted, served, wanted
from analyzer.query.state import roots
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

CHANGING = ("iptables-save", "nft", "ipvsadm-save")


def check(network: Network) -> Iterator[Finding]:
    replaced = any(item.value in ("true", "strict") for item in settings(network, "cilium", "kube-proxy-replacement"))
    if replaced or not network.cluster.known & {"EndpointSlice", "Endpoints"}:
        return
    asked, texts = wanted(network), Texts({})
    for root in roots(network) if asked else ():
        found = served(network, root, texts, asked)
        if not found or any(root.gaps.get(kind) for kind in CHANGING):
            continue
        families = {address.family for address, _, _ in found}
        for place, item in asked.items():
            if place in found:
                yield from lacking(root, item, found[place])
            elif place[0].family in families:
                yield RULE.finding(
                    item.port.at,
                    f"{root.scope.node} has no rule for {item.title} at {place[0]}, which has {count(item)}",
                    help=f"look into the log of kube-proxy on {root.scope.node}",
                    certain=False,
                )


def count(item: Wanted) -> str:
    """How many endpoints are ready."""
    return f"{len(item.endpoints)} ready endpoint{'s' if len(item.endpoints) > 1 else ''}"


def lacking(root: Namespace, item: Wanted, told: list[Served]) -> Iterator[Finding]:
    """Endpoints to which no rule leads. A service with rules of two kinds is told by another rule."""
    missing = sorted(set(item.endpoints).difference(*(one.endpoints for one in told)))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield RULE.finding(
            item.endpoints[missing[0]],
            f"{root.scope.node} ({told[0].mode}) sends nothing of {item.title} to {missing[0]}{more}, which is ready",
            related=[(item.port.at, "the service's port")],
            help=f"look into the log of kube-proxy on {root.scope.node}",
            certain=False,
        )


RULE = Rule("endpoint-not-served", Severity.WARNING, __doc__, check)
