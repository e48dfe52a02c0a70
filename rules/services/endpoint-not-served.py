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

from analyzer.query.served_endpoints import Lack, asked, lacks
from analyzer.query.state import roots
from analyzer.query.systems.kubernetes import settings
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

CHANGING = ("iptables-save", "nft", "ipvsadm-save")


def check(network: Network) -> Iterator[Finding]:
    replaced = any(item.value in ("true", "strict") for item in settings(network, "cilium", "kube-proxy-replacement"))
    if replaced or not network.cluster.known & {"EndpointSlice", "Endpoints"}:
        return
    question = asked(network)
    for root in roots(network) if question.wanted else ():
        if not any(root.gaps.get(kind) for kind in CHANGING):
            yield from (told(root, one) for one in lacks(root, question))


def told(root: Namespace, one: Lack) -> Finding:
    """Endpoints to which no rule leads, or a port without any."""
    node, item = root.scope.node, one.item
    if not one.mode:
        many = f"{len(item.endpoints)} ready endpoint{'s' if len(item.endpoints) > 1 else ''}"
        text, at, related = f"{node} has no rule for {item.title} at {one.place[0]}, which has {many}", item.port.at, []
    else:
        first, more = one.missing[0], f" and {len(one.missing) - 1} more" if len(one.missing) > 1 else ""
        text = f"{node} ({one.mode}) sends nothing of {item.title} to {first}{more}, which is ready"
        at, related = item.endpoints[first], [(item.port.at, "the service's port")]
    return RULE.finding(at, text, related=related, help=f"look into the log of kube-proxy on {node}", certain=False)


RULE = Rule("endpoint-not-served", Severity.WARNING, __doc__, check)
