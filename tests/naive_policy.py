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
RELATIONS = {"sameLabels", "notSameLabels"}
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


# Cluster-wide policies


def tier_of(item: Object) -> str:
    if item["kind"] == "ClusterNetworkPolicy":
        return str(item["spec"]["tier"])
    return {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}.get(item["kind"], "")


def priority_of(item: Object) -> int:
    """Its place in the tier. That of a BaselineAdminNetworkPolicy is behind all others: beside other kinds it is not defined."""
    return int(item["spec"].get("priority", 1001))


def cluster_policies(reading: Reading, tier: str, subject: End, packet: Packet, other: End, outwards: bool) -> frozenset[str]:
    """What a tier says: allow, deny, pass, or nothing. Policies of one priority: any of those that match may decide."""
    policies = [item for item in reading.objects if tier_of(item) == tier]
    result: frozenset[str] = frozenset()
    for priority in sorted({priority_of(item) for item in policies}):
        equal = [item for item in policies if priority_of(item) == priority]
        said = [cluster_policy(reading, item, subject, packet, other, outwards) for item in equal]
        result |= frozenset().union(*said) - {"nothing"}
        if not all("nothing" in one for one in said):
            return result
    return result | {"nothing"}


def cluster_policy(reading: Reading, item: Object, subject: End, packet: Packet, other: End, outwards: bool) -> frozenset[str]:
    """What one policy says: the first rule that matches decides."""
    if pods_match(reading, item["spec"]["subject"], subject) == NO:
        return frozenset({"nothing"})
    result: set[str] = set()
    for rule in item["spec"].get("egress" if outwards else "ingress") or []:
        action, matches = cluster_rule(reading, rule, packet, subject, other, outwards)
        if True in matches:
            result.add(action)
        if matches == YES:
            return frozenset(result)
    return frozenset(result | {"nothing"})


def cluster_rule(reading: Reading, rule: Object, packet: Packet, subject: End, other: End, outwards: bool) -> tuple[str, Answers]:
    """What a rule does, and whether it matches. A peer without a field that is known makes it fail closed."""
    action = {"Accept": "allow", "Allow": "allow", "Deny": "deny", "Pass": "pass"}[rule["action"]]
    peers = rule["to" if outwards else "from"]
    fields = {"namespaces", "pods", "nodes", "networks", "domainNames"} if outwards else {"namespaces", "pods"}
    if any(not fields & peer.keys() for peer in peers):
        return ("allow", NO) if action == "allow" else ("deny", YES)
    ports = rule.get("protocols") or rule.get("ports")
    destination = other if outwards else subject
    port = YES if not ports or any(cluster_port(item, packet, destination) for item in ports) else NO
    return action, both(either(*(cluster_peer(reading, peer, other, packet.family, subject) for peer in peers)), port)


def cluster_peer(reading: Reading, peer: Object, other: End, family: int, subject: End) -> Answers:
    """Whether a peer is the other end."""
    if "domainNames" in peer:
        return either(*(has_name(reading, other, name, family) for name in peer["domainNames"]))
    if "networks" in peer:
        return either(*(in_block(reading, other, cidr, family) for cidr in peer["networks"]))
    if "nodes" in peer:
        return node_matches(reading, peer["nodes"], other)
    if "namespaces" in peer and RELATIONS & peer["namespaces"].keys():
        return both(pods_match(reading, {"namespaces": {}}, other), shares(reading, peer["namespaces"], subject, other))
    return pods_match(reading, peer, other)


def names_of(reading: Reading) -> dict[str, list[str]]:
    """The addresses of the names that a resolver was told."""
    found = [item for item in reading.objects if item["kind"] == "DNSNameResolver"]
    entries = [entry for item in found for entry in item["status"]["resolvedNames"]]
    return {entry["dnsName"].rstrip("."): [one["ip"] for one in entry["resolvedAddresses"]] for entry in entries}


def has_name(reading: Reading, other: End, name: str, family: int) -> Answers:
    """Whether the other end has an address of a name; "*." in front is one label or more. Names that nobody was told may have any address that no other name has."""
    known = names_of(reading)
    if not name.startswith("*"):
        return either(*(in_block(reading, other, text, family) for text in known[name])) if name in known else OPEN
    own = [text for told, texts in known.items() if told.endswith(name[1:]) for text in texts]
    elsewhere = [text for texts in known.values() for text in texts]
    holds = either(*(in_block(reading, other, text, family) for text in own))
    told = either(*(in_block(reading._replace(blocks_match_pods=True), other, text, family) for text in elsewhere))
    return either(holds, both(opposite(told), OPEN))


def shares(reading: Reading, chosen: Object, own: End, other: End) -> Answers:
    """sameLabels and notSameLabels of the first releases: namespaces that have all of the labels, with the subject's values, or with another one."""
    mine, theirs = (namespace_labels(reading, namespace_of(end.object)) if end.object else {} for end in (own, other))
    keys = chosen.get("sameLabels", chosen.get("notSameLabels"))
    if not keys or not all(key in theirs for key in keys):
        return NO
    if "sameLabels" in chosen:
        return YES if all(mine.get(key) == theirs[key] for key in keys) else NO
    if not all(key in mine for key in keys):
        return OPEN
    return YES if any(mine[key] != theirs[key] for key in keys) else NO


def node_matches(reading: Reading, selector: Object, other: End) -> Answers:
    """Whether the other end has the address of a node with the labels."""
    if not is_host(other):
        return NO
    node = node_named(reading, node_of(other))
    if node is None:
        return OPEN if selector.get("matchLabels") or selector.get("matchExpressions") else YES
    return YES if selects(selector, labels_of(node)) else NO


def pods_match(reading: Reading, chosen: Object, end: End) -> Answers:
    """Whether an end is one of the pods of a subject or a peer. Pods in their node's network are not included."""
    if not is_pod(end) or end.object is None:
        return NO
    spaces = namespace_labels(reading, namespace_of(end.object))
    if "namespaces" in chosen:
        return YES if selects(chosen["namespaces"], spaces) else NO
    pods = chosen["pods"]
    found = selects(pods.get("namespaceSelector"), spaces) and selects(pods["podSelector"], labels_of(end.object))
    return YES if found else NO


def cluster_port(item: Object, packet: Packet, destination: End) -> bool:
    """One entry of ports or protocols."""
    name = item.get("namedPort") or item.get("destinationNamedPort")
    if name:
        return has_named_port(destination, name, packet)
    if "portNumber" in item:
        one = item["portNumber"]
        return bool((one.get("protocol") or "TCP", one["port"]) == (packet.protocol, packet.port))
    if "portRange" in item:
        span = item["portRange"]
        return (span.get("protocol") or "TCP") == packet.protocol and span["start"] <= packet.port <= span["end"]
    inside = item.get(packet.protocol.lower())
    if not inside:
        return False
    port = inside["destinationPort"]
    return bool(
        port["number"] == packet.port if "number" in port else port["range"]["start"] <= packet.port <= port["range"]["end"]
    )


# All together


def one_way(reading: Reading, subject: End, other: End, packet: Packet, outwards: bool) -> Answers:
    """One direction: the Admin tier, then NetworkPolicies, then the Baseline tier; what nobody decides is allowed."""
    if not is_pod(subject):
        return YES
    result: set[bool] = set()
    tiers = (
        cluster_policies(reading, "Admin", subject, packet, other, outwards),
        network_policies(reading, subject, packet, other, outwards),
        cluster_policies(reading, "Baseline", subject, packet, other, outwards),
    )
    for said in tiers:
        result |= {word == "allow" for word in said & {"allow", "deny"}}
        if not said & {"nothing", "pass"}:
            return frozenset(result)
    return frozenset(result | {True})


def verdict(reading: Reading, source: End, destination: End, packet: Packet) -> Answers:
    """Whether the packet passes: yes, no, or both where it is not known."""
    if source == destination and not source.several:
        return YES
    walked = both(
        one_way(reading, source, destination, packet, outwards=True),
        one_way(reading, destination, source, packet, outwards=False),
    )
    mixed = (is_pod(source) and is_host(destination)) or (is_host(source) and is_pod(destination))
    if not mixed or not reading.own_node_passes:
        return walked
    nodes = (node_of(source), node_of(destination))
    if "" in nodes:
        return walked | YES
    return YES if nodes[0] == nodes[1] else walked
