"""What Cilium's policies mean, read packet by packet: who is at the other end is told by Cilium labels, as its agent tells identities.

Slow, plain, and apart from everything in the analyzer. Each end of a packet has a set of labels with their sources (``k8s:app=a``,
``reserved:remote-node``), seen from the subject of a rule; selectors are held against these. Answers are sets, as in ``naive_policy``:
what Cilium's versions differ in, or what the objects do not tell, has both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from tests.naive_cilium_ends import (
    NAMESPACE,
    SPACE_LABELS,
    UNKNOWN,
    Cilium,
    Labels,
    Side,
    addresses_of,
    answer,
    endpoint,
    holds,
    in_any_place,
    keys,
    node_labels,
    own_labels,
    requirements,
    seen,
    selects,
)
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
    is_host,
    is_pod,
    labels_of,
    names_of,
    namespace_of,
    node_of,
    opposite,
)

WITH_PORTS = ("TCP", "UDP", "SCTP")


# Peers


def entity(cilium: Cilium, name: str, side: Side, family: int) -> Answers:
    if name == "all":
        return YES
    if name == "cluster":
        return either(answer(side.end.object is not None), api_server(cilium, side, family) if endpoints_of_api(cilium) else NO)
    if name == "kube-apiserver":
        return api_server(cilium, side, family)
    return in_any_place(side, lambda labels: answer(f"reserved:{name}" in labels))


def endpoints_of_api(cilium: Cilium) -> list[str] | None:
    slices = [item for item in cilium.of_kind("EndpointSlice") if item["metadata"]["name"] == "kubernetes"]
    return [text for item in slices for found in item["endpoints"] for text in found["addresses"]] or None


def api_server(cilium: Cilium, side: Side, family: int) -> Answers:
    known = endpoints_of_api(cilium)
    if is_pod(side.end):
        return NO
    return OPEN if known is None else either(*(block(cilium, text, side, family, ("nodes",)) for text in known))


def compared(cilium: Cilium) -> list[str]:
    """What of the cluster CIDRs are held against: nodes, pods."""
    return cilium.setting("policy-cidr-match-mode", "").split(",")


def block(cilium: Cilium, cidr: str, side: Side, family: int, held: Sequence[str]) -> Answers:
    """Whether an end is in a block, which of the cluster only what it is held against can be."""
    network = ip_network(cidr, strict=False)
    kind = "pods" if is_pod(side.end) else "nodes" if is_host(side.end) else ""
    if network.version != family or (kind and kind not in held):
        return NO
    own = addresses_of(cilium, side.end)
    if not own:
        return YES if network.prefixlen == 0 else OPEN
    return answer(any(ip_address(text) in network for text in own))


def cidr_set(cilium: Cilium, item: Object, side: Side, family: int) -> Answers:
    held = compared(cilium)
    blocks = [item["cidr"]] if "cidr" in item else blocks_of_groups(cilium, item)
    inside = either(*(block(cilium, text, side, family, held) for text in blocks))
    holes = either(*(block(cilium, text, side, family, ("nodes", "pods")) for text in item.get("except") or []))
    return both(inside, opposite(holes))


def blocks_of_groups(cilium: Cilium, item: Object) -> list[str]:
    groups = cilium.of_kind("CiliumCIDRGroup")
    if "cidrGroupRef" in item:
        groups = [group for group in groups if group["metadata"]["name"] == item["cidrGroupRef"]]
    else:
        groups = [group for group in groups if selects_plain(cilium, item["cidrGroupSelector"], labels_of(group))]
    return [text for group in groups for text in group["spec"]["externalCIDRs"]]


def selects_plain(cilium: Cilium, selector: Object, labels: Labels) -> bool:
    """A selector over the labels of an object that is no endpoint."""
    return selects(cilium, selector, {f"k8s:{key}": value for key, value in labels.items()}, part_of_identity=False) == YES


def service(cilium: Cilium, item: Object, side: Side, family: int) -> Answers:
    return either(
        *(backends(cilium, found, side, family) for found in cilium.of_kind("Service") if is_meant(cilium, item, found))
    )


def is_meant(cilium: Cilium, item: Object, found: Object) -> bool:
    asked = item.get("k8sService") or item["k8sServiceSelector"]
    if asked.get("namespace") and asked["namespace"] != namespace_of(found):
        return False
    if "serviceName" in asked:
        return bool(asked["serviceName"] == found["metadata"]["name"])
    return selects_plain(cilium, asked["selector"], labels_of(found))


def backends(cilium: Cilium, found: Object, side: Side, family: int) -> Answers:
    own = found["spec"].get("selector")
    if own:
        if not is_pod(side.end) or side.end.object is None or namespace_of(side.end.object) != namespace_of(found):
            return NO
        return answer(all(labels_of(side.end.object).get(key) == value for key, value in own.items()))
    name = found["metadata"]["name"]
    slices = [s for s in cilium.of_kind("EndpointSlice") if labels_of(s).get("kubernetes.io/service-name") == name]
    texts = [text for s in slices if namespace_of(s) == namespace_of(found) for e in s["endpoints"] for text in e["addresses"]]
    held = compared(cilium)
    return either(*(block(cilium, text, side, family, held) for text in texts))


def node_peer(cilium: Cilium, selector: Object, side: Side) -> Answers:
    """fromNodes and toNodes: other nodes, where nodes have identities by label."""
    if not is_host(side.end):
        return NO
    chosen = node_chosen(cilium, selector, side.end)
    other = in_any_place(side, lambda labels: answer("reserved:remote-node" in labels))
    return both(other, chosen, cilium.switch("enable-node-selector-labels"))


def node_chosen(cilium: Cilium, selector: Object, end: End) -> Answers:
    """A selector over the labels of the node that an end is."""
    labels = node_labels(cilium, end)
    if UNKNOWN in labels:
        return OPEN if keys(selector) else YES
    return answer(all(holds(key, operator, values, labels) for key, operator, values in requirements(selector)))


def peers(cilium: Cilium, rule: Object, side: Side, space: str, family: int) -> Answers | None:
    """The peers of a rule; None where it names none. Each list is a choice, an empty one is nobody."""
    prefix = "from" if any(key.startswith("from") for key in rule) else "to"
    if not any(key.startswith(prefix) and key not in ("toPorts", "fromRequires", "toRequires") for key in rule):
        return None
    held = compared(cilium)
    found = [endpoint(cilium, item, side, space) for item in rule.get(prefix + "Endpoints", [])]
    found += [entity(cilium, name, side, family) for name in rule.get(prefix + "Entities", [])]
    found += [block(cilium, text, side, family, held) for text in rule.get(prefix + "CIDR", [])]
    found += [cidr_set(cilium, item, side, family) for item in rule.get(prefix + "CIDRSet", [])]
    found += [node_peer(cilium, item, side) for item in rule.get(prefix + "Nodes", [])]
    found += [service(cilium, item, side, family) for item in rule.get("toServices", [])]
    found += [name(cilium, item, side) for item in rule.get("toFQDNs", [])]
    found += [NO if is_pod(side.end) else OPEN for _ in rule.get(prefix + "Groups", [])]
    return either(*found)


def name(cilium: Cilium, item: Object, side: Side) -> Answers:
    """A name, or a pattern whose star stays within a label, and alone is every name: addresses of the world that somebody was told for it."""
    if side.end.object is not None:
        return NO
    known = names_of(Reading(cilium.objects))
    if "matchName" in item:
        if item["matchName"] not in known:
            return OPEN
        return answer(any(ip_address(text) == ip_address(side.end.outside) for text in known[item["matchName"]]))
    pattern = item["matchPattern"]
    expression = ".*" if pattern == "*" else re.escape(pattern).replace(r"\*", "[-a-z0-9_]*")
    if any(re.fullmatch(expression, told) and side.end.outside in texts for told, texts in known.items()):
        return YES
    return NO if any(side.end.outside in texts for texts in known.values()) else OPEN


# Flows


def flows(cilium: Cilium, rule: Object, packet: Packet, into: bool, destination: End) -> Answers | None:
    """``toPorts`` and ``icmps``; None where the rule has neither."""
    if not rule.get("toPorts") and not rule.get("icmps"):
        return None
    found = [port(cilium, item, packet, into, destination) for entry in rule.get("toPorts") or [] for item in entry["ports"]]
    found += [icmp(item, packet) for entry in rule.get("icmps") or [] for item in entry["fields"]]
    return either(*found)


def icmp(item: Object, packet: Packet) -> Answers:
    names = {"EchoRequest": {"IPv4": 8, "IPv6": 128}, "DestinationUnreachable": {"IPv4": 3, "IPv6": 1}}
    family = item.get("family", "IPv4")
    kind = names[item["type"]][family] if item["type"] in names else int(item["type"])
    return answer(packet.protocol == {"IPv4": "ICMP", "IPv6": "ICMPv6"}[family] and packet.port >> 8 == kind)


def port(cilium: Cilium, item: Object, packet: Packet, into: bool, destination: End) -> Answers:
    protocol = item.get("protocol", "ANY")
    if packet.protocol not in (WITH_PORTS if protocol == "ANY" else (protocol,)):
        return NO
    if item["port"].isdecimal():
        low = int(item["port"])
        return answer(low == 0 or low <= packet.port <= max(low, item.get("endPort") or 0))
    return named_port(cilium, item, packet, into, destination)


def named_port(cilium: Cilium, item: Object, packet: Packet, into: bool, destination: End) -> Answers:
    """Into a pod the name is the pod's own. Out of one versions differ where pods give the name to more than one port, or the other does not have it."""
    name, protocol = item["port"].lower(), item.get("protocol", "ANY")
    here = (packet.protocol, packet.port) in ports_named(destination, name)
    if into:
        return answer(here)
    everywhere = {
        found for pod in cilium.of_kind("Pod") if runs(pod) and is_pod(End(pod)) for found in ports_named(End(pod), name)
    }
    everywhere = {found for found in everywhere if protocol in ("ANY", found[0])}
    clear = len({found[0] for found in everywhere}) == len(everywhere)
    if here:
        return YES if clear else OPEN
    return OPEN if (packet.protocol, packet.port) in everywhere else NO


def runs(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def ports_named(end: End, name: str) -> set[tuple[str, int]]:
    """The ports that a pod's containers give a name; of pods in their node's network Cilium knows none (pkg/k8s/watchers/pod.go, updatePodHostData)."""
    containers = end.object["spec"].get("containers", []) if is_pod(end) and end.object is not None else []
    ports = [item for container in containers for item in container.get("ports", [])]
    return {(item.get("protocol", "TCP"), item["containerPort"]) for item in ports if item["name"] == name}


# Policies


def specs_of(item: Object) -> list[Object]:
    return ([item["spec"]] if item.get("spec") else []) + list(item.get("specs") or [])


def selected(cilium: Cilium, item: Object, spec: Object, subject: End) -> Answers:
    """Whether a spec is about an end."""
    space = namespace_of(item) if item["kind"] == "CiliumNetworkPolicy" else ""
    if "nodeSelector" in spec:
        if not is_host(subject):
            return NO
        return both(node_chosen(cilium, spec["nodeSelector"], subject), cilium.switch("enable-host-firewall"))
    if not is_pod(subject) or subject.object is None:
        return NO
    here = answer(not space or namespace_of(subject.object) == space)
    return both(here, selects(cilium, spec["endpointSelector"], own_labels(cilium, subject)))


def matches(cilium: Cilium, item: Object, rule: Object, side: Side, packet: Packet, into: bool, destination: End) -> Answers:
    """Whether a rule matches; one without peers and flows matches nothing."""
    space = namespace_of(item) if item["kind"] == "CiliumNetworkPolicy" else ""
    who, what = peers(cilium, rule, side, space, packet.family), flows(cilium, rule, packet, into, destination)
    if who is None and what is None:
        return NO
    return both(who if who is not None else YES, what if what is not None else YES)


def kubernetes(item: Object) -> Object:
    """A NetworkPolicy as Cilium translates it: peers become endpoints with the namespace in their labels."""
    space = namespace_of(item)
    found: Object = {"endpointSelector": item["spec"].get("podSelector") or {}}
    for way, key in (("ingress", "from"), ("egress", "to")):
        if way.capitalize() in item["spec"]["policyTypes"]:
            found[way] = [translated(rule, key) for rule in item["spec"].get(way) or []] or [{}]
    return {"kind": "CiliumNetworkPolicy", "metadata": {"name": "k8s", "namespace": space}, "spec": found}


def translated(rule: Object, key: str) -> Object:
    found: Object = {f"{key}Endpoints": [endpoints(peer) for peer in rule[key]]} if rule.get(key) else {}
    if rule.get("ports"):
        found["toPorts"] = [
            {"ports": [{"port": str(item["port"]), "protocol": item.get("protocol", "TCP")} for item in rule["ports"]]}
        ]
    return found or {f"{key}Entities": ["all"]}


def endpoints(peer: Object) -> Object:
    """A peer by labels: those of namespaces have a prefix, and a selector of namespaces that is empty asks that there is one."""
    pods = peer.get("podSelector") or {}
    if peer.get("namespaceSelector") is None:
        return pods
    spaces = [(f"k8s:{SPACE_LABELS}{key}", operator, values) for key, operator, values in requirements(peer["namespaceSelector"])]
    asked = [*(spaces or [(f"k8s:{NAMESPACE}", "Exists", [])]), *requirements(pods)]
    return {"matchExpressions": [{"key": key, "operator": operator, "values": values} for key, operator, values in asked]}


def direction(cilium: Cilium, subject: End, other: End, packet: Packet, into: bool, destination: End) -> Answers:
    """One direction: what denies, then what allows, then whether the subject is isolated."""
    way, side = "ingress" if into else "egress", seen(cilium, other, subject)
    denied, allowed, isolated = [], [], [answer(cilium.setting("enable-policy", "default") == "always" and is_pod(subject))]
    policies = cilium.of_kind("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
    for item in policies + [kubernetes(item) for item in cilium.of_kind("NetworkPolicy")]:
        for spec in specs_of(item):
            chosen = selected(cilium, item, spec, subject)
            asked = (spec.get("enableDefaultDeny") or {}).get(way, True)
            isolated += [chosen] if (spec.get(way) or spec.get(f"{way}Deny")) and asked else []
            for rule in spec.get(f"{way}Deny") or []:
                denied.append(both(chosen, matches(cilium, item, rule, side, packet, into, destination)))
            for rule in spec.get(way) or []:
                allowed.append(both(chosen, matches(cilium, item, rule, side, packet, into, destination)))
    admitted = either(*allowed, opposite(either(*isolated)))
    return both(opposite(either(*denied)), either(admitted, own_node_enters(cilium, subject, other) if into else NO))


def own_node_enters(cilium: Cilium, pod: End, node: End) -> Answers:
    """A pod's own node is admitted into it, unless ``allow-localhost`` is policy."""
    if not is_pod(pod) or not is_host(node) or cilium.setting("allow-localhost", "auto") == "policy":
        return NO
    if not node_of(pod) or not node_of(node):
        return OPEN
    return answer(node_of(pod) == node_of(node))


def verdict(cilium: Cilium, source: End, destination: End, packet: Packet) -> Answers:
    """Whether a packet is admitted: out of its source, and into its destination. A pod reaches itself. Endpoints know no SCTP unless it is turned on."""
    taken = cilium.config is None or cilium.setting("enable-sctp", "false") == "true"
    between = (is_pod(source) or is_pod(destination)) and source.object is not destination.object
    if packet.protocol == "SCTP" and between and not taken:
        return NO
    if cilium.setting("enable-policy", "default") == "never" or source.object is destination.object is not None:
        return YES
    out = direction(cilium, source, destination, packet, False, destination)
    return both(out, direction(cilium, destination, source, packet, True, destination))
