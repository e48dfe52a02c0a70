"""A node reports that its network is not set up.

## What it finds
A Node whose condition `NetworkUnavailable` is `True`: no route for its pod network was made (`NoRouteCreated`), or its CNI has not said that it runs.

## Why it matters
The scheduler keeps pods away from the node, and in clouds that route pod networks its pods cannot be reached from other nodes: the route table is full (50 routes on AWS), or
the cloud's controller may not write it.

## Example
    conditions:
    - {type: NetworkUnavailable, status: "True", reason: NoRouteCreated, message: RouteController failed to create a route}

## How to mend
See the messages of the cloud controller manager (quota, permissions, wrong cluster name), or of the CNI's agent on the node.

## Sources
kubernetes/kubernetes#40307, kubernetes/kops#4918, kubernetes-sigs/cloud-provider-azure#8175; cloud-provider, controllers/route/route_controller.go.
"""

from collections.abc import Iterator, Mapping

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    others = any(node.pod_cidrs for node in network.cluster.nodes.values())
    for _, node in sorted(network.cluster.nodes.items()):
        status = node.document.get("status")
        conditions = status.get("conditions") if isinstance(status, Mapping) else None
        for index, item in enumerate(conditions if isinstance(conditions, list) else ()):
            if isinstance(item, Mapping) and item.get("type") == "NetworkUnavailable" and item.get("status") == "True":
                yield RULE.finding(
                    node.place("status", "conditions", index, "status"),
                    f"the network of {node.name} is not available: {item.get('reason') or 'no reason given'}",
                    related=[]
                    if node.pod_cidrs or not others
                    else [(node.place("spec"), "it has no pod network (spec.podCIDRs)")],
                    note=" ".join(str(item.get("message") or "").split())[:300],
                    help="see the cloud controller manager's and the CNI agent's messages",
                )


RULE = Rule("node-network-unavailable", Severity.ERROR, __doc__, check, follows=("node-without-pod-network",))
