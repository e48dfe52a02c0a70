"""What MultiNetworkPolicy means on a secondary network, and which pods primary networks of OVN-Kubernetes part, read plainly from the objects' own text.

Apart from everything in the analyzer. Answers are sets, as in ``naive_policy``.
"""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from typing import Any

from tests.naive_policy import NO, OPEN, YES, Answers, both, either, selects

Object = dict[str, Any]
POLICY_FOR, STATUS, ASKED = "k8s.v1.cni.cncf.io/policy-for", "k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks"
PART = "k8s.ovn.org/primary-user-defined-network"
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}


def space(item: Object) -> str:
    return item["metadata"].get("namespace") or "default"


def labels(item: Object) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def space_labels(objects: list[Object], name: str) -> dict[str, str]:
    own = next((labels(item) for item in objects if item["kind"] == "Namespace" and item["metadata"]["name"] == name), {})
    return own | {"kubernetes.io/metadata.name": name}


def full(name: str, home: str) -> str:
    return name if "/" in name else f"{home}/{name}"


# MultiNetworkPolicy


def addresses_on(pod: Object, network: str) -> list[str] | None:
    """The addresses of a pod on a network; None where it is not on it. What came of its wish comes before the wish."""
    notes, home = pod["metadata"].get("annotations") or {}, space(pod)
    if STATUS in notes:
        found = [item for item in json.loads(notes[STATUS]) if not item.get("default") and full(item["name"], home) == network]
        return [ip for item in found for ip in item.get("ips", [])] if found else None
    wanted = [full(part.strip().split("@")[0], home) for part in notes.get(ASKED, "").split(",") if part.strip()]
    return [] if network in wanted else None


def in_block(block: Object, ips: list[str]) -> Answers:
    """A block; of addresses that are not known only 0.0.0.0/0 without exceptions is sure."""
    whole = ip_network(block["cidr"])
    holes = [ip_network(text) for text in block.get("except") or []]
    if not ips:
        return OPEN if holes or whole.prefixlen else YES
    return YES if any(ip_address(ip) in whole and not any(ip_address(ip) in hole for hole in holes) for ip in ips) else NO


def peer_holds(objects: list[Object], home: str, peer: Object, end: Object | str, network: str) -> Answers:
    if "ipBlock" in peer:
        return in_block(peer["ipBlock"], [end] if isinstance(end, str) else addresses_on(end, network) or [])
    if isinstance(end, str):
        return NO
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], space_labels(objects, space(end))):
            return NO
    elif space(end) != home:
        return NO
    return YES if selects(peer.get("podSelector"), labels(end)) else NO


def port_holds(port: Object, protocol: int, number: int) -> Answers:
    """A port; of one by name it is not known what it means on a secondary network."""
    if NUMBERS[port.get("protocol", "TCP")] != protocol:
        return NO
    first = port.get("port")
    if first is None:
        return YES
    if isinstance(first, str):
        return OPEN
    return YES if first <= number <= int(port.get("endPort") or first) else NO


def rule_holds(
    objects: list[Object], policy: Object, rule: Object, key: str, other: Object | str, flow: tuple[int, int], network: str
) -> Answers:
    peers = [peer_holds(objects, space(policy), peer, other, network) for peer in rule.get(key) or []]
    ports = [port_holds(port, *flow) for port in rule.get("ports") or []]
    return both(either(*peers) if peers else YES, either(*ports) if ports else YES)


def types_of(policy: Object) -> list[str]:
    spec = policy["spec"]
    return spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def admitted(
    objects: list[Object], network: str, pod: Object | str, other: Object | str, kind: str, flow: tuple[int, int]
) -> Answers:
    """What the policies for the network that select a pod admit in a direction; without one, everything."""
    if isinstance(pod, str):
        return YES
    key, peers = kind.lower(), "from" if kind == "Ingress" else "to"
    own = []
    for policy in objects:
        notes = policy["metadata"].get("annotations") or {}
        named = [full(part.strip(), space(policy)) for part in notes.get(POLICY_FOR, "").split(",") if part.strip()]
        if (
            policy["kind"] == "MultiNetworkPolicy"
            and network in named
            and space(policy) == space(pod)
            and kind in types_of(policy)
        ):
            own += [policy] if selects(policy["spec"].get("podSelector"), labels(pod)) else []
    rules = [
        rule_holds(objects, policy, rule, peers, other, flow, network) for policy in own for rule in policy["spec"].get(key) or []
    ]
    return either(*rules) if own else YES


def on_network(objects: list[Object], network: str, source: Object | str, target: Object | str, flow: tuple[int, int]) -> Answers:
    """Whether a flow between two ends on a network is admitted."""
    out = admitted(objects, network, source, target, "Egress", flow)
    return both(out, admitted(objects, network, target, source, "Ingress", flow))


# UserDefinedNetwork


def primary(objects: list[Object], pod: Object) -> tuple[str, bool] | None:
    """The primary network of a pod, and whether that it takes part is known; None where it is the cluster's own."""
    home = space(pod)
    given = any(item["kind"] == "Namespace" and item["metadata"]["name"] == home for item in objects)
    for item in objects:
        if item["kind"] == "UserDefinedNetwork":
            mine, network = space(item) == home, item["spec"]
        elif item["kind"] == "ClusterUserDefinedNetwork":
            network = item["spec"]["network"]
            mine = selects(item["spec"]["namespaceSelector"], space_labels(objects, home))
        else:
            continue
        if (
            mine
            and network[network["topology"].lower()]["role"] == "Primary"
            and (not given or PART in space_labels(objects, home))
        ):
            return f"{item['kind']} {item['metadata']['name']}", given
    return None


def parted(objects: list[Object], source: Object | str, target: Object | str) -> Answers:
    """Whether a pod reaches another, or an address outside, by their primary networks. The cluster's DNS may be asked through its service."""
    if isinstance(source, str) or isinstance(target, str) or source is target:
        return YES
    if space(source) == space(target):
        return YES
    answers: set[bool] = set()
    for one in perhaps(objects, source):
        for other in perhaps(objects, target):
            dns = one != other and labels(target).get("k8s-app") == "kube-dns" and other is None
            answers |= {True, False} if dns else {one == other}
    return frozenset(answers)


def perhaps(objects: list[Object], pod: Object) -> list[str | None]:
    """The primary networks that a pod may be on; None is the cluster's own."""
    found = primary(objects, pod)
    return [None] if found is None else [found[0]] if found[1] else [found[0], None]
