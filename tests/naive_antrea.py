"""What Antrea's policies mean, as its controller makes rules of them, each asked for a packet: slow, plain, and apart from everything in the analyzer.

antrea-io/antrea, pkg/apis/crd/v1beta1/types.go; pkg/controller/networkpolicy/crd_utils.go and antreaclusternetworkpolicy.go.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import permutations
from typing import NamedTuple

from tests.naive_policy import NO, OPEN, YES, Answers, Object, both, either, selects

TIERS = {"emergency": 50, "securityops": 100, "networkops": 150, "platform": 200, "application": 250, "baseline": 253}
KINDS = {"TCP": 6, "UDP": 17, "SCTP": 132}


class End(NamedTuple):
    """One end: a pod or a node by its object, else an address of nothing in the cluster; the service by which it is asked for."""

    address: str
    object: Object | None = None

    @property
    def pod(self) -> bool:
        """A pod of a network of its own: no group has pods in their node's network."""
        return self.object is not None and self.object["kind"] == "Pod" and not self.object["spec"].get("hostNetwork")

    @property
    def labels(self) -> dict[str, str]:
        return (self.object or {"metadata": {}})["metadata"].get("labels") or {}

    @property
    def namespace(self) -> str:
        return str((self.object or {"metadata": {}})["metadata"].get("namespace") or "")


class Packet(NamedTuple):
    """The first packet of a connection; of ICMP the port is type * 256 + code."""

    protocol: int
    port: int
    source_port: int


class Cluster(NamedTuple):
    """All objects."""

    objects: list[Object]

    def of(self, kind: str, *groups: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind and item["apiVersion"].split("/")[0] in groups]

    def space(self, name: str) -> dict[str, str]:
        labels = [item["metadata"].get("labels") or {} for item in self.of("Namespace", "v1") if item["metadata"]["name"] == name]
        return {**(labels[0] if labels else {}), "kubernetes.io/metadata.name": name}

    def named(self, kind: str, namespace: str, name: str, group: str) -> Object | None:
        found = [item for item in self.of(kind, group) if item["metadata"]["name"] == name]
        return next((item for item in found if item["metadata"].get("namespace", "") == namespace), None)


def verdict(cluster: Cluster, source: End, destination: End, packet: Packet) -> Answers:
    """Whether a packet passes: out of the pod that sends it, and into the one that it is for."""
    out = direction(cluster, source, destination, packet, "egress") if source.pod else YES
    return both(out, direction(cluster, destination, source, packet, "ingress") if destination.pod else YES)


def direction(cluster: Cluster, subject: End, other: End, packet: Packet, side: str) -> Answers:
    """The tiers in their order, NetworkPolicy before the baseline; ``Pass`` goes to NetworkPolicy at once."""
    native = [
        item
        for kind in ("ClusterNetworkPolicy", "NetworkPolicy")
        for item in cluster.of(kind, "crd.antrea.io")
        if item["spec"].get(side)
    ]
    order: dict[tuple[int, float], list[Object]] = {}
    for item in native:
        order.setdefault((tier_of(cluster, item), item["spec"]["priority"]), []).append(item)
    before = [order[key] for key in sorted(order) if key[0] != TIERS["baseline"]]
    behind = [order[key] for key in sorted(order) if key[0] == TIERS["baseline"]]
    found = actions(cluster, before, subject, other, packet, side)
    return frozenset(
        answer
        for action in found
        for answer in (
            {action == "Allow"} if action in ("Allow", "Drop") else upstream(cluster, behind, subject, other, packet, side)
        )
    )


def upstream(cluster: Cluster, behind: list[list[Object]], subject: End, other: End, packet: Packet, side: str) -> Answers:
    """NetworkPolicy, which decides where it isolates the pod, then the baseline tier, then everything passes."""
    own = [
        item for item in cluster.of("NetworkPolicy", "networking.k8s.io") if item["metadata"]["namespace"] == subject.namespace
    ]
    isolating = [item for item in own if side in item["spec"] and selects(item["spec"]["podSelector"], subject.labels)]
    if isolating:
        rules = [rule for item in isolating for rule in item["spec"][side]]
        target = subject if side == "ingress" else other
        return either(*(ports(rule, packet, target) for rule in rules))
    last = actions(cluster, behind, subject, other, packet, side)
    return frozenset(action != "Drop" for action in last)


def actions(cluster: Cluster, groups: list[list[Object]], subject: End, other: End, packet: Packet, side: str) -> frozenset[str]:
    """What the rules come to, of policies of which those of one tier and priority are in any order: ``Next`` where none matches."""
    going = {"Next"}
    for tied in groups:
        orders = [
            walked(cluster, [rule for item in order for rule in rules_of(item, side)], subject, other, packet, side)
            for order in permutations(tied)
        ]
        here = frozenset[str]().union(*orders)
        going = (going - {"Next"}) | here
        if "Next" not in here:
            break
    return frozenset(going)


def tier_of(cluster: Cluster, item: Object) -> int:
    """The priority of a policy's tier; without one it is in ``application``."""
    name = item["spec"].get("tier") or "application"
    own = cluster.named("Tier", "", name, "crd.antrea.io")
    return int(own["spec"]["priority"] if own else TIERS[name])


def rules_of(item: Object, side: str) -> list[tuple[Object, Object]]:
    return [(item, rule) for rule in item["spec"].get(side) or []]


def walked(
    cluster: Cluster, rules: list[tuple[Object, Object]], subject: End, other: End, packet: Packet, side: str
) -> frozenset[str]:
    """The first rule that matches; what may match goes on as well."""
    found = set[str]()
    for item, rule in rules:
        answer = matches(cluster, item, rule, subject, other, packet, side)
        if True in answer:
            action = "Drop" if rule["action"] == "Reject" else rule["action"]
            found.add(action)
        if False not in answer:
            return frozenset(found)
    return frozenset(found | {"Next"})


def matches(cluster: Cluster, item: Object, rule: Object, subject: End, other: End, packet: Packet, side: str) -> Answers:
    """A rule is about a subject that it is applied to, a peer and a port."""
    own = item["metadata"].get("namespace", "")
    applied = item["spec"].get("appliedTo") or rule.get("appliedTo") or []
    if not any(selected(cluster, one, subject, own, False) for one in applied):
        return NO
    target = subject if side == "ingress" else other
    if rule.get("toServices"):
        return NO  # no question here asks for a service
    peers = rule.get("from" if side == "ingress" else "to")
    peer = either(*(peer_is(cluster, one, subject, other, own) for one in peers)) if peers else YES
    return both(peer, ports(rule, packet, target))


def peer_is(cluster: Cluster, peer: Object, subject: End, other: End, own: str) -> Answers:
    """Whether the other end is a peer. A name may have any address, but only those of the cluster's own domain that of a pod."""
    if "fqdn" in peer:
        return NO if other.pod and ".svc." not in peer["fqdn"] else OPEN
    if "namespaces" in peer:
        spaces = cluster.space(subject.namespace), cluster.space(other.namespace)
        keys = peer["namespaces"].get("sameLabels") or ["kubernetes.io/metadata.name"]
        same = all(key in spaces[0] and spaces[0][key] == spaces[1].get(key) for key in keys)
        return YES if other.pod and same and selects(peer.get("podSelector"), other.labels) else NO
    return YES if selected(cluster, peer, other, own, True) else NO


def selected(cluster: Cluster, one: Object, end: End, own: str, as_peer: bool) -> bool:
    """Whether an end is what a peer, a subject or a group selects."""
    if "group" in one:
        kind = "Group" if own else "ClusterGroup"
        group = cluster.named(kind, own, one["group"], "crd.antrea.io")
        return group is not None and in_group(cluster, group, end, own, as_peer)
    if "ipBlock" in one:
        return as_peer and in_block(one["ipBlock"], end)
    if "serviceAccount" in one:
        account = one["serviceAccount"]
        has = end.pod and end.object is not None and end.object["spec"].get("serviceAccountName") == account["name"]
        return has and end.namespace == account["namespace"]
    if "nodeSelector" in one:
        is_node = end.object is not None and end.object["kind"] == "Node"
        return is_node and selects(one["nodeSelector"], end.labels)
    return by_selectors(cluster, one, end, own)


def by_selectors(cluster: Cluster, one: Object, end: End, own: str) -> bool:
    """Pods by their labels and their namespace's: without a selector of namespaces those of the policy's, or of all for a policy of the cluster."""
    if not end.pod:
        return False
    if "namespaceSelector" in one:
        within = selects(one["namespaceSelector"], cluster.space(end.namespace))
    else:
        within = not own or end.namespace == own
    return within and selects(one.get("podSelector"), end.labels)


def in_group(cluster: Cluster, group: Object, end: End, own: str, as_peer: bool) -> bool:
    """The members of a group: of its children, of blocks, of a service's selector, or by selectors."""
    spec = group["spec"]
    if spec.get("childGroups"):
        children = [cluster.named(group["kind"], own, name, "crd.antrea.io") for name in spec["childGroups"]]
        return any(in_group(cluster, child, end, own, as_peer) for child in children if child)
    if spec.get("ipBlocks"):
        return as_peer and any(in_block(block, end) for block in spec["ipBlocks"])
    if spec.get("serviceReference"):
        reference = spec["serviceReference"]
        service = cluster.named("Service", reference["namespace"], reference["name"], "v1")
        chosen = service is not None and bool(service["spec"].get("selector"))
        return bool(
            chosen
            and service
            and end.pod
            and end.namespace == reference["namespace"]
            and selects({"matchLabels": service["spec"]["selector"]}, end.labels)
        )
    return by_selectors(cluster, spec, end, own)


def in_block(block: Object, end: End) -> bool:
    """Blocks are held against addresses, whoever has them."""
    inside = [ip_address(end.address) in ip_network(text, strict=False) for text in (block["cidr"], *block.get("except", []))]
    return inside[0] and not any(inside[1:])


def ports(rule: Object, packet: Packet, target: End) -> Answers:
    """No ports and no protocols are all traffic; else one of them has to be the packet's."""
    if not rule.get("ports") and not rule.get("protocols"):
        return YES
    numbered = any(port_is(port, packet, target) for port in rule.get("ports") or [])
    return YES if numbered or any(protocol_is(one, packet) for one in rule.get("protocols") or []) else NO


def port_is(port: Object, packet: Packet, target: End) -> bool:
    """One port: a number, a range or a name of the pod that the packet is for, from a source port or any."""
    if packet.protocol != KINDS[port.get("protocol", "TCP")]:
        return False
    first: int = port.get("sourcePort", 0)
    if first and not first <= packet.source_port <= port.get("sourceEndPort", first):
        return False
    wanted = port.get("port")
    if isinstance(wanted, str):
        containers = target.object["spec"]["containers"] if target.pod and target.object else []
        declared = [one for container in containers for one in container.get("ports") or []]
        return any(
            (one.get("name"), KINDS[one.get("protocol", "TCP")], one["containerPort"]) == (wanted, packet.protocol, packet.port)
            for one in declared
        )
    number: int = wanted or 0
    return wanted is None or number <= packet.port <= port.get("endPort", number)


def protocol_is(one: Object, packet: Packet) -> bool:
    """ICMP by type and code, each where it is given."""
    if "icmp" not in one or packet.protocol != 1:
        return False
    kind, code = divmod(packet.port, 256)
    wanted = one["icmp"].get("icmpType", kind), one["icmp"].get("icmpCode", code)
    return wanted == (kind, code)
