"""The AWS VPC CNI's routing rules for a pod are missing or lead nowhere.

## What it finds
On nodes of the AWS VPC CNI (host ends `eni…`), a pod's address with a route of its own and no rule `to <pod> lookup main` before the table rules; and a rule `from <pod> lookup <table>` whose
table has no default route.

## Why it matters
Each pod on a secondary network interface needs both: without the first, packets to it may take the table of another pod's interface and leave the node; without a default route in
the second, what it sends finds no way out, or leaves by the wrong interface and is dropped there.

## Example
    512:  from all to 10.0.1.61 lookup main
    1536: from 10.0.1.61 lookup 2               # and table 2 is empty

## How to mend
Restart aws-node on the node; see that no other agent (systemd-networkd, amazon-ec2-net-utils) removes rules and tables that it does not know.

## Sources
aws/amazon-vpc-cni-k8s#1856, #1070, #2025; cmd/routed-eni-cni-plugin/driver (SetupPodNetwork: toContainerRule, fromContainerRule).
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Address, Finding, Namespace, Network, Prefix, Rule, Severity

TO_POD, FROM_POD, MAIN = 512, 1536, 254


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if "ip-rule/4" not in root.missing and any(rule.priority in (TO_POD, FROM_POD) for rule in root.rules.get(4, ())):
            yield from unreached(root)
            yield from without_way(root)


def pods(root: Namespace) -> Iterator[tuple[Prefix, str]]:
    """The pods' addresses, by the routes to their host ends."""
    for route in root.routes.get(4, {}).get(MAIN, ()):
        devices = [hop.device for hop in route.next_hops if hop.device and hop.device.startswith("eni")]
        if devices and route.destination.length == 32:
            yield route.destination, devices[0]


def unreached(root: Namespace) -> Iterator[Finding]:
    """Pods with a route, and no rule that leads to it before the others."""
    led = [rule.destination for rule in root.rules.get(4, ()) if rule.destination and rule.priority <= TO_POD]
    for pod, device in pods(root):
        if not any(one.covers(pod) for one in led):
            route = next(route for route in root.routes[4][MAIN] if route.destination == pod)
            yield RULE.finding(
                route.at,
                f"{root.scope.node} has no rule 'to {Address(4, pod.value)} lookup main' for the pod behind {device}",
                help=f"restart aws-node on {root.scope.node}",
                certain=not root.gaps.get("ip-rule"),
            )


def without_way(root: Namespace) -> Iterator[Finding]:
    """Rules from pods to a table without a default route."""
    for rule in root.rules.get(4, ()):
        table = rule.table
        if rule.priority != FROM_POD or rule.source is None or not isinstance(table, int) or table == MAIN:
            continue
        if f"ip-route/4/{table}" in root.missing or "ip-route/4" in root.missing:
            continue
        if not any(route.destination.length == 0 for route in root.routes.get(4, {}).get(table, ())):
            yield RULE.finding(
                rule.at,
                f"packets from {Address(4, rule.source.value)} look up table {table} on {root.scope.node}, which has no default route",
                help=f"restart aws-node on {root.scope.node}",
                certain=not root.gaps.get("ip-route"),
            )


RULE = Rule("aws-pod-rule-missing", Severity.ERROR, __doc__, check)
