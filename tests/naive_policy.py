"""What policies mean, read packet by packet straight from the objects' own text: slow, plain, and apart from everything in the analyzer.

NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy as plain dictionaries. A question has a set of answers:
what the API leaves open, or what the objects do not tell, has both. Each function here follows one sentence of the API's types.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any, NamedTuple

Object = dict[str, Any]
Answers = frozenset[bool]
YES, NO, OPEN = frozenset({True}), frozenset({False}), frozenset({True, False})
WITH_PORTS = ("TCP", "UDP", "SCTP")


class End(NamedTuple):
    """One end of a packet: a pod or a node by its object, or an address outside; ``several``: one of several pods that are alike."""

    object: Object | None = None
    outside: str = ""
    several: bool = False


class Packet(NamedTuple):
    """The first packet of a connection. ``protocol`` may be one without ports (ICMP)."""

    family: int
    protocol: str
    port: int


class Reading(NamedTuple):
    """The objects, and how a network system takes what the API leaves open."""

    objects: list[Object]
    icmp_under_ports: Answers = OPEN
    blocks_match_pods: bool = True
    own_node_passes: bool = True


def either(*answers: Answers) -> Answers:
    """One of the questions is answered with yes; what is open in each is apart from the others."""
    return frozenset(any(choice) for choice in product(*answers)) if answers else NO


def both(*answers: Answers) -> Answers:
    """All are answered with yes."""
    return frozenset(all(choice) for choice in product(*answers)) if answers else YES


def opposite(answers: Answers) -> Answers:
    """The question the other way round."""
    return frozenset(not answer for answer in answers)


# Objects


def namespace_of(item: Object) -> str:
    return item["metadata"].get("namespace") or "default"


def labels_of(item: Object) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


def namespace_labels(reading: Reading, name: str) -> dict[str, str]:
    """The labels of a namespace. The API server sets the label of its name on each."""
    for item in reading.objects:
        if item["kind"] == "Namespace" and item["metadata"]["name"] == name:
            return {**labels_of(item), "kubernetes.io/metadata.name": name}
    return {"kubernetes.io/metadata.name": name}


def node_named(reading: Reading, name: str) -> Object | None:
    return next((item for item in reading.objects if item["kind"] == "Node" and item["metadata"]["name"] == name), None)


def is_pod(end: End) -> bool:
    """A pod with a network of its own. Policies are about these: pods in their node's network are as the node."""
    return end.object is not None and end.object["kind"] == "Pod" and not end.object["spec"].get("hostNetwork")


def is_host(end: End) -> bool:
    return end.object is not None and not is_pod(end)


def node_of(end: End) -> str:
    """The name of the node that an end is on, or is."""
    if end.object is None:
        return ""
    return str(end.object["metadata"]["name"] if end.object["kind"] == "Node" else end.object["spec"].get("nodeName", ""))


def addresses_of(reading: Reading, end: End) -> list[str]:
    """The addresses; none where they are not known."""
    if end.object is None:
        return [end.outside]
    status = end.object.get("status") or {}
    if end.object["kind"] == "Node":
        return [item["address"] for item in status.get("addresses", [])]
    own = [item["ip"] for item in status.get("podIPs", [])]
    node = node_named(reading, node_of(end))
    return own or (addresses_of(reading, End(node)) if node and is_host(end) else [])


# Selectors


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """A label selector. All requirements have to hold; an empty one selects everything."""
    selector = selector or {}
    wanted = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return wanted and all(requirement_holds(item, labels) for item in selector.get("matchExpressions") or [])


def requirement_holds(item: Object, labels: dict[str, str]) -> bool:
    """One requirement of matchExpressions."""
    key, values = item["key"], item.get("values") or []
    if item["operator"] == "In":
        return key in labels and labels[key] in values
    if item["operator"] == "NotIn":
        return key not in labels or labels[key] not in values
    return bool((key in labels) == (item["operator"] == "Exists"))


def in_block(reading: Reading, end: End, cidr: str, family: int) -> Answers:
    """Whether the address of the family is in a block."""
    network = ip_network(cidr, strict=False)
    if network.version != family or (is_pod(end) and not reading.blocks_match_pods):
        return NO
    own = addresses_of(reading, end)
    if not own:
        return YES if network.prefixlen == 0 else OPEN
    return YES if any(ip_address(text) in network for text in own) else NO


# NetworkPolicy


def types_of(spec: Object) -> list[str]:
    """policyTypes, by default Ingress, and Egress where there are egress rules."""
    return spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def network_policies(reading: Reading, subject: End, packet: Packet, other: End, outwards: bool) -> frozenset[str]:
    """What the NetworkPolicies that select the subject say: allow, deny, or nothing where none does."""
    assert subject.object is not None
    found = []
    for item in reading.objects:
        if item["kind"] != "NetworkPolicy" or namespace_of(item) != namespace_of(subject.object):
            continue
        spec = item["spec"]
        if ("Egress" if outwards else "Ingress") in types_of(spec) and selects(
            spec.get("podSelector"), labels_of(subject.object)
        ):
            found.append(item)
    if not found:
        return frozenset({"nothing"})
    admitted = either(*(np_admits(reading, item, packet, subject, other, outwards) for item in found))
    return frozenset("allow" if answer else "deny" for answer in admitted)


def np_admits(reading: Reading, item: Object, packet: Packet, subject: End, other: End, outwards: bool) -> Answers:
    """Whether one of the rules admits the packet."""
    rules = item["spec"].get("egress" if outwards else "ingress") or []
    destination = other if outwards else subject
    found = []
    for rule in rules:
        peers = rule.get("to" if outwards else "from")
        peer = either(*(np_peer(reading, item, each, other, packet.family) for each in peers)) if peers else YES
        found.append(both(peer, np_ports(reading, rule.get("ports"), packet, destination)))
    return either(*found)


def np_peer(reading: Reading, item: Object, peer: Object, other: End, family: int) -> Answers:
    """Whether a peer is the other end."""
    if peer.get("ipBlock"):
        block = peer["ipBlock"]
        holes = [opposite(hole_has(reading, other, cidr, family)) for cidr in block.get("except") or []]
        return both(in_block(reading, other, block["cidr"], family), *holes)
    if not is_pod(other) or other.object is None:
        return NO
    space = namespace_of(other.object)
    if peer.get("namespaceSelector") is None:
        within = space == namespace_of(item)
    else:
        within = selects(peer["namespaceSelector"], namespace_labels(reading, space))
    return YES if within and selects(peer.get("podSelector"), labels_of(other.object)) else NO


def hole_has(reading: Reading, end: End, cidr: str, family: int) -> Answers:
    """Whether an exception is about the address."""
    return in_block(reading._replace(blocks_match_pods=True), end, cidr, family)


def np_ports(reading: Reading, ports: list[Object] | None, packet: Packet, destination: End) -> Answers:
    """Whether one of the ports is the packet's; no ports at all are all traffic."""
    if not ports:
        return YES
    if packet.protocol not in WITH_PORTS:
        return reading.icmp_under_ports
    return YES if any(np_port(port, packet, destination) for port in ports) else NO


def np_port(port: Object, packet: Packet, destination: End) -> bool:
    """One port: of its protocol (TCP where none is given), by number, range or name, or all."""
    if packet.protocol != (port.get("protocol") or "TCP"):
        return False
    wanted = port.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return has_named_port(destination, wanted, packet)
    return bool(wanted <= packet.port <= (port.get("endPort") or wanted))


def has_named_port(destination: End, name: str, packet: Packet) -> bool:
    """Whether the packet goes to a port that the destination's containers give the name."""
    if destination.object is None or destination.object["kind"] != "Pod":
        return False
    declared = [port for container in destination.object["spec"]["containers"] for port in container.get("ports") or []]
    return (name, packet.protocol, packet.port) in [
        (port.get("name"), port.get("protocol") or "TCP", port["containerPort"]) for port in declared
    ]


# Names


def names_of(reading: Reading) -> dict[str, list[str]]:
    """The addresses of the names that a resolver was told."""
    found = [item for item in reading.objects if item["kind"] == "DNSNameResolver"]
    entries = [entry for item in found for entry in item["status"]["resolvedNames"]]
    return {entry["dnsName"].rstrip("."): [one["ip"] for one in entry["resolvedAddresses"]] for entry in entries}
