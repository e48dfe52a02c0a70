"""Cluster-wide policies read plainly, and what all kinds of Kubernetes decide together, in the manner of ``naive_policy``."""

from __future__ import annotations

from tests.naive_policy import (
    NO,
    OPEN,
    YES,
    Answers,
    End,
    Object,
    Packet,
    Reading,
    both,
    either,
    has_named_port,
    in_block,
    is_host,
    is_pod,
    labels_of,
    names_of,
    namespace_labels,
    namespace_of,
    network_policies,
    node_named,
    node_of,
    opposite,
    selects,
)

RELATIONS = {"sameLabels", "notSameLabels"}


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
