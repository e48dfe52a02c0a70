"""A node receives traffic for a service that only leads to local endpoints, and has none.

## What it finds
A Service with externalTrafficPolicy or internalTrafficPolicy Local, and nodes on which none of its ready endpoints runs.

## Why it matters
Those nodes drop the traffic. For an external load balancer that is intended (it asks the health-check port); for node ports that clients address directly, and
for internal traffic, it is an outage.

## Example
    internalTrafficPolicy: Local       # endpoints only on n1; pods on n2 reach nothing

## How to mend
Run the pods on every node (a DaemonSet), or use the policy Cluster. If every endpoint counts as remote, compare kube-proxy's --hostname-override with the nodes' names.

## Sources
kubernetes/kubernetes#75262, #66354, #92761; pkg/proxy/topology.go.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    cluster = network.cluster
    if not cluster.known & {"EndpointSlice", "Endpoints"} or not cluster.nodes:
        return
    for key, service in sorted(cluster.services.items()):
        external = service.external_policy == "Local" and service.type in ("NodePort", "LoadBalancer")
        if not external and service.internal_policy != "Local":
            continue
        ready = [endpoint for group in cluster.endpoints.get(key, ()) for endpoint in group.endpoints if endpoint.ready]
        if not ready or any(not endpoint.node for endpoint in ready):
            continue
        without = sorted(set(cluster.nodes) - {endpoint.node for endpoint in ready})
        if not without:
            continue
        field = "externalTrafficPolicy" if external else "internalTrafficPolicy"
        strangers = {endpoint.node for endpoint in ready} - set(cluster.nodes)
        yield RULE.finding(
            service.place("spec", field),
            f"service {key[0]}/{key[1]} has {field} Local, and {len(without)} of {len(cluster.nodes)} nodes have no endpoint of it: {', '.join(without[:5])}",
            note=f"its endpoints name nodes that do not exist: {', '.join(sorted(strangers))}" if strangers else "",
            help="run its pods on every node, or use the policy Cluster",
            severity=Severity.NOTE if external and service.type == "LoadBalancer" else Severity.WARNING,
        )


RULE = Rule("local-policy-without-endpoint", Severity.WARNING, __doc__, check)
