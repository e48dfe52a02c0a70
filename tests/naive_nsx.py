"""What SecurityPolicies of NSX mean beside NetworkPolicies, read plainly, one connection at a time, from nsx-operator's document: apart from everything in the analyzer.

All pods and namespaces are given. Answers are sets, as in ``naive_policy``.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import permutations
from typing import Any

from tests.naive_policy import NO, OPEN, YES, Answers, both, either, opposite, selects

Object = dict[str, Any]
WAYS = {"in": "in", "ingress": "in", "out": "out", "egress": "out"}


def space(item: Object) -> str:
    return str(item["metadata"]["namespace"])


def labels(item: Object) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def space_labels(objects: list[Object], name: str) -> dict[str, str]:
    own = next(labels(item) for item in objects if item["kind"] == "Namespace" and item["metadata"]["name"] == name)
    return own | {"kubernetes.io/metadata.name": name}


def meant(targets: list[Object], policy: Object, pod: Object) -> bool:
    """Whether a pod is one of the targets: of the policy's namespace, by its labels; machines are none."""
    chosen = [one for one in targets if "podSelector" in one and "vmSelector" not in one]
    return space(pod) == space(policy) and any(selects(one["podSelector"], labels(pod)) for one in chosen)


def peer_holds(objects: list[Object], peer: Object, policy: Object, end: Object | str) -> Answers:
    own = end if isinstance(end, str) else end["status"]["podIPs"][0]["ip"]
    if {"podSelector", "vmSelector"} <= set(peer):
        return NO
    if any(ip_address(own) in ip_network(one["cidr"]) for one in peer.get("ipBlocks", [])):
        return YES
    if isinstance(end, str):
        return OPEN if "podSelector" not in peer and ("vmSelector" in peer or "namespaceSelector" in peer) else NO
    if "vmSelector" in peer or not {"podSelector", "namespaceSelector"} & set(peer):
        return NO
    there = selects(peer["namespaceSelector"], space_labels(objects, space(end))) if "namespaceSelector" in peer else None
    near = space(end) == space(policy) if there is None else there
    return YES if near and selects(peer.get("podSelector"), labels(end)) else NO


def port_holds(port: Object, protocol: int, number: int, pod: Object | str) -> bool:
    if {"TCP": 6, "UDP": 17}[port.get("protocol", "TCP")] != protocol:
        return False
    first = port.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        declared = [] if isinstance(pod, str) else pod["spec"]["containers"][0]["ports"]
        return (
            any((one["name"], one["containerPort"], one["protocol"]) == (first, number, "TCP") for one in declared)
            and protocol == 6
        )
    return int(first) <= number <= int(port.get("endPort") or first)


def through(
    objects: list[Object], way: str, pod: Object | str, other: Object | str, target: Object | str, flow: tuple[int, int]
) -> Answers:
    """One direction: the first rule that matches, policies in any order where priorities are equal; then NetworkPolicies."""
    if isinstance(pod, str):
        return YES
    groups: dict[int, list[Object]] = {}
    for item in objects:
        if item["kind"] == "SecurityPolicy":
            groups.setdefault(item["spec"].get("priority", 0), []).append(item)
    found = after(objects, way, pod, flow)
    for number in sorted(groups, reverse=True):
        orders = [in_order(objects, order, way, pod, other, target, flow, found) for order in permutations(groups[number])]
        found = frozenset[bool]().union(*orders)
    return found


def in_order(
    objects: list[Object],
    order: tuple[Object, ...],
    way: str,
    pod: Object,
    other: Object | str,
    target: Object | str,
    flow: tuple[int, int],
    rest: Answers,
) -> Answers:
    for policy in reversed(order):
        spec = policy["spec"]
        for rule in reversed(spec["rules"]):
            targets = spec.get("appliedTo") or rule.get("appliedTo") or []
            if WAYS[rule["direction"].lower()] != way or not meant(targets, policy, pod):
                continue
            peers = [
                peer_holds(objects, peer, policy, other) for peer in rule.get("sources" if way == "in" else "destinations") or []
            ]
            ports = rule.get("ports") or []
            if ports and not any(port_holds(port, *flow, target) for port in ports):
                continue
            holds = either(*peers) if peers else YES
            allows = YES if rule["action"].lower() == "allow" else NO
            rest = either(both(holds, allows), both(opposite(holds), rest)) if len(holds) == 1 else allows | rest
    return rest


def after(objects: list[Object], way: str, pod: Object, flow: tuple[int, int]) -> Answers:
    """NetworkPolicies that close a direction but for one port of TCP, from everybody."""
    kind = "Ingress" if way == "in" else "Egress"
    own = [i for i in objects if i["kind"] == "NetworkPolicy" and space(i) == space(pod) and kind in i["spec"]["policyTypes"]]
    own = [item for item in own if selects(item["spec"]["podSelector"], labels(pod))]
    rules = [rule for item in own for rule in item["spec"].get(kind.lower(), [])]
    return YES if not own or any(flow == (6, rule["ports"][0]["port"]) for rule in rules) else NO


def verdict(objects: list[Object], source: Object | str, target: Object | str, flow: tuple[int, int]) -> Answers:
    """Whether a connection is admitted out of its source and into its target."""
    out = through(objects, "out", source, target, target, flow)
    return both(out, through(objects, "in", target, source, target, flow))
