"""Terway's routing rules for a pod are incomplete, or lead to another network interface than the pod's.

## What it finds
On nodes where Terway routes by source (rules 512 `to <pod>` and 2048 `from <pod>`; also where all of the latter are gone, and its plugin's configuration or the table of an interface show
it): a pod's address with one of the two rules and not the other; a table without a default route; and a table
whose number is not 1000 and the index of the device that its default route goes by. Pods in VPC-route mode have neither rule and are left out, as are nodes with IPvlan.

## Why it matters
Without the first rule packets to the pod may leave the node again; without the second, or with another interface's table, what the pod sends leaves by an interface that does not own its address: the VPC drops it.

## Example
    2048: from 10.0.1.23 lookup 1003            # table 1003: default via 10.0.1.253 dev eth2, and eth2 is number 4

## How to mend
Recreate the pod, or restart terway on the node; where the interface was detached and attached anew, its old rules and table have to go.

## Sources
AliyunContainerService/terway plugin/datapath/policy_router_linux.go (rule priorities 512 and 2048), plugin/driver/utils/utils_linux.go (GetRouteTableID: 1000 and the link's index), plugin/driver/types/types.go (eniip_virtual_type), plugin/datapath/ipvlan_linux.go.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.systems.terway_modes import Sign, policy_routed
from analyzer.rule import Finding, Namespace, Network, Prefix, Rule, Severity

TO_POD, FROM_POD, MAIN, BASE = 512, 2048, 254, 1000


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        if "ip-rule/4" in root.missing:
            continue
        if any(rule.priority == FROM_POD for rule in root.rules.get(4, ())):
            yield from alone(root)
            yield from tables(root)
        elif sign := policy_routed(network, root):
            yield from alone(root, sign)


def alone(root: Namespace, sign: Sign | None = None) -> Iterator[Finding]:
    """Pods with one rule only; the sign that they are Terway's, where no rule shows it."""
    to = {
        rule.destination: rule
        for rule in root.rules.get(4, ())
        if rule.priority == TO_POD and rule.destination and rule.table == MAIN
    }
    out = {rule.source: rule for rule in root.rules.get(4, ()) if rule.priority == FROM_POD and rule.source}
    local = {route.destination for route in root.routes.get(4, {}).get(MAIN, ()) if route.destination.length == 32}
    for pod in sorted(to.keys() ^ out.keys()):
        if single(pod) and ("ip-route/4" in root.missing or pod in local):
            there, word = (to[pod], "from") if pod in to else (out[pod], "to")
            yield RULE.finding(
                there.at,
                f"{root.scope.node} has no rule '{word} {str(pod).removesuffix('/32')}' beside this one of the pod",
                related=[(sign.at, f"Terway routes by source here: {sign.words}")] if sign else [],
                certain=not root.gaps.get("ip-rule"),
            )


def single(pod: Prefix) -> bool:
    """Whether a network is one address."""
    return pod.length == 32


def tables(root: Namespace) -> Iterator[Finding]:
    """Tables of pods that lead nowhere, or elsewhere. Each is told once."""
    told: set[int] = set()
    for rule in root.rules.get(4, ()):
        table = rule.table
        if (
            rule.priority != FROM_POD
            or not isinstance(table, int)
            or table in told
            or {"ip-route/4", f"ip-route/4/{table}"} & root.missing.keys()
        ):
            continue
        told.add(table)
        default = next((route for route in root.routes.get(4, {}).get(table, ()) if route.destination.length == 0), None)
        if default is None:
            words = f"{root.scope.node}: packets of pods look up table {table}, which has no default route"
            yield RULE.finding(rule.at, words, certain=not root.gaps.get("ip-route"))
            continue
        links = [root.links[hop.device] for hop in default.next_hops if hop.device and hop.device in root.links]
        wrong = [link for link in links if link.index is not None and table > BASE and link.index != table - BASE]
        if links and len(wrong) == len(links):
            yield RULE.finding(
                default.at,
                f"{root.scope.node}: table {table} is that of the interface with number {table - BASE}, and leads to {wrong[0].name}, which is number {wrong[0].index}",
                related=[(rule.at, "a rule that looks it up")],
            )


RULE = Rule("terway-pod-rule-missing", Severity.ERROR, __doc__, check)
