"""NetworkPolicies in the lab: random ones, and a small compiler to iptables in the manner of Calico's and kube-router's.

The compiler is written from the API's text and shares nothing with the analyzer: for each pod of a node a chain by direction that marks what a rule
admits, and drops the rest. Installed first in FORWARD: services are translated before it, a node's own packets do not pass it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any

from tests.lab import romana_enforcer
from tests.lab.plan import GATEWAY, NODES, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

Document = dict[str, Any]
PORTS = {"http": (8080, "TCP"), "alt": (9090, "UDP")}
CHOICES: tuple[list[Document] | None, ...] = (
    None,
    [{"port": 8080}],
    [{"port": "http"}],
    [{"port": 8000, "endPort": 8100}],
    [{"port": 8080, "protocol": "UDP"}],
    [{"port": "alt", "protocol": "UDP"}, {"protocol": "TCP"}],
    [{"port": 9090}],
)
# Questions for neighbours and answers pass a bridge's FORWARD too, and are of no connection (nf_conntrack_icmpv6_error).
DISCOVERY = (135, 136)
PASSED = "0x10000/0x10000"
UNKNOWN_PORTS = {"weave": frozenset({"range", "name"}), "ovn-kubernetes": frozenset({"name"})}
ENFORCERS = {
    "felix": "felix",
    "felix-nft": "felix_nft",
    "kube-router": "kube_router_firewall",
    "weave": "weave_npc",
    "romana": "romana_enforcer",
}


def documents(lab: Lab, random: Random) -> list[Document]:
    """One to four policies over the pods of the lab, of the kind that its enforcer can have."""
    make = romana_enforcer.document if lab.scenario.enforcer == "romana" else document
    return [make(lab, random, f"policy-{number}") for number in range(random.randint(1, 4))]


def choices(lab: Lab) -> tuple[list[Document] | None, ...]:
    """What rules say of ports: Weave knows no names and no ranges, OVN-Kubernetes no names."""
    unknown = UNKNOWN_PORTS.get(lab.scenario.enforcer, frozenset())
    return tuple(one for one in CHOICES if not any(said(port) & unknown for port in one or []))


def said(port: Document) -> set[str]:
    """How a rule gives a port."""
    return {"range" if "endPort" in port else "name" if isinstance(port.get("port"), str) else "number"}


def document(lab: Lab, random: Random, name: str) -> Document:
    """A policy."""
    types = random.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    spec: Document = {"podSelector": selector(lab, random), "policyTypes": types}
    for kind, field, peers in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if kind in types:
            spec[field] = [rule(lab, random, peers) for _ in range(random.choice((0, 1, 1, 2)))]
    space = random.choice(sorted({pod.namespace for pod in lab.pods}))
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": space}, "spec": spec,
    }  # fmt: skip


def selector(lab: Lab, random: Random) -> Document:
    """A selector of pods: all, by application, by name, or all but some."""
    pod = random.choice(lab.pods)
    return random.choice((
        {},
        {"matchLabels": {"app": pod.labels["app"]}},
        {"matchLabels": {"pod": pod.name}},
        {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": [pod.name]}]},
    ))  # fmt: skip


def rule(lab: Lab, random: Random, key: str) -> Document:
    """A rule: no peers, or one or two; no ports, or some."""
    found: Document = {}
    if peers := [peer(lab, random) for _ in range(random.choice((0, 1, 1, 2)))]:
        found[key] = peers
    if (ports := random.choice(choices(lab))) is not None:
        found["ports"] = ports
    return found


def peer(lab: Lab, random: Random) -> Document:
    """A peer: pods here, pods by namespace, or a block with or without an exception."""
    spaces = sorted({pod.namespace for pod in lab.pods})
    by_name = {"matchLabels": {"kubernetes.io/metadata.name": random.choice(spaces)}}
    family = random.choice(lab.scenario.families)
    node, pod = random.choice(lab.nodes), random.choice(lab.pods)
    own = next((address for address in pod.addresses if version(address) == family), pod.addresses[0])
    return random.choice((
        {"podSelector": selector(lab, random)},
        {"namespaceSelector": by_name, "podSelector": selector(lab, random)},
        {"namespaceSelector": by_name},
        {"ipBlock": {"cidr": node.pod_cidr(family)}},
        {"ipBlock": {"cidr": "0.0.0.0/0" if version(own) == 4 else "::/0", "except": [host(own)]}},
        {"ipBlock": {"cidr": host(GATEWAY[family])}},
        {"ipBlock": {"cidr": host(node.address(family))}},
        {"ipBlock": {"cidr": NODES[family], "except": [host(node.address(family))]}},
    ))  # fmt: skip


def version(address: str) -> int:
    """The family of an address."""
    return ipaddress.ip_address(address).version


def host(address: str) -> str:
    """The block of one address."""
    return f"{address}/{32 if version(address) == 4 else 128}"


def install(lab: Lab, node: Node) -> None:
    """Writes the rules of the node's pods in the shape of the scenario's enforcer."""
    if lab.scenario.enforcer != "plain":
        import_module(f"tests.lab.{ENFORCERS[lab.scenario.enforcer]}").install(lab, node)
        return
    for family in lab.scenario.families:
        command = "iptables-restore" if family == 4 else "ip6tables-restore"
        lab.run(node.name, f"{command} --noflush", compiled(lab, node, family))


def compiled(lab: Lab, node: Node, family: int) -> str:
    """The text for ``iptables-restore --noflush``."""
    chains: dict[str, list[str]] = {}
    head = ["-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
    if family == 6:
        head += [f"-A FORWARD -p ipv6-icmp -m icmp6 --icmpv6-type {number} -j ACCEPT" for number in DISCOVERY]
    for number, pod in enumerate(lab.pods_on(node)):
        for kind, side in (("Egress", "-s"), ("Ingress", "-d")):
            chosen = [item for item in lab.policies if selects(item, pod) and kind in item["spec"]["policyTypes"]]
            for own in pod.addresses if chosen else ():
                if version(own) == family:
                    name = f"POL-{number}-{kind.upper()[:2]}"
                    head.append(f"-A FORWARD {side} {host(own)} -j {name}")
                    chains |= pod_chains(lab, name, pod, kind, chosen, family)
    lines = [f"-A {name} {line}" for name, rules in chains.items() for line in rules]
    return "\n".join(["*filter", *(f":{name} - [0:0]" for name in chains), *head, *lines, "COMMIT", ""])


def pod_chains(lab: Lab, name: str, pod: Pod, kind: str, chosen: list[Document], family: int) -> dict[str, list[str]]:
    """The chain of a pod and direction, and one for each block with exceptions."""
    field, peers, side = ("ingress", "from", "-s") if kind == "Ingress" else ("egress", "to", "-d")
    mark = f"-j MARK --set-xmark {PASSED}"
    main, others = ["-j MARK --set-xmark 0x0/0x10000"], dict[str, list[str]]()
    for item in chosen:
        for given in item["spec"].get(field) or []:
            for block, holes, at in blocks(lab, item, given.get(peers), family):
                matches = list(port_matches(given.get("ports"), [pod] if kind == "Ingress" else at or []))
                if at is None and kind == "Egress":
                    main += [f"-d {host(own)} {text}{mark}" for own, text in named_at_each(lab, block, holes, given, family)]
                where = f"{side} {block} " if block else ""
                if holes:
                    inner = f"{name}-{len(others)}"
                    others[inner] = [*(f"{side} {hole} -j RETURN" for hole in holes), *(f"{text}{mark}" for text in matches)]
                    main.append(f"{where}-j {inner}")
                else:
                    main += [f"{where}{text}{mark}" for text in matches]
    return {**others, name: [*main, f"-m mark --mark {PASSED} -j RETURN", "-j DROP"]}


def blocks(
    lab: Lab, policy: Document, peers: list[Document] | None, family: int
) -> Iterator[tuple[str, list[str], list[Pod] | None]]:
    """The addresses that a rule's peers are: a block ("" for all), its exceptions, and the pod whose address it is, for names of ports; None where
    it may be of several."""
    if not peers:
        yield "", [], None
    for item in peers or []:
        if (block := item.get("ipBlock")) is not None:
            if ipaddress.ip_network(block["cidr"]).version == family:
                yield block["cidr"], block.get("except") or [], None
            continue
        for pod in lab.pods:
            if is_peer(policy, item, pod):
                yield from ((host(own), [], [pod]) for own in pod.addresses if version(own) == family)


def named_at_each(lab: Lab, block: str, holes: list[str], given: Document, family: int) -> Iterator[tuple[str, str]]:
    """The pods in a block with the matches of the ports that the rule names: they are numbers at pods only."""
    named = [item for item in given.get("ports") or [] if isinstance(item.get("port"), str)]
    for pod in (pod for pod in lab.pods if named and not pod.host_network):
        for own in pod.addresses:
            address = ipaddress.ip_address(own)
            inside = not block or address in ipaddress.ip_network(block)
            if address.version == family and inside and not any(address in ipaddress.ip_network(hole) for hole in holes):
                yield from ((own, text) for text in port_matches(named, [pod]))


def port_matches(ports: list[Document] | None, destinations: list[Pod]) -> Iterator[str]:
    """The matches of a rule's ports; a name is the number that the destinations give it."""
    if not ports:
        yield ""
    for item in ports or []:
        protocol, port = item.get("protocol", "TCP"), item.get("port")
        low = f"-p {protocol.lower()} -m {protocol.lower()} "
        if port is None:
            yield f"-p {protocol.lower()} "
        elif isinstance(port, int):
            yield f"{low}--dport {port}:{item['endPort']} " if "endPort" in item else f"{low}--dport {port} "
        elif destinations and PORTS[port][1] == protocol:
            yield f"{low}--dport {PORTS[port][0]} "


def selects(policy: Document, pod: Pod) -> bool:
    """Whether a policy is about a pod."""
    return pod.namespace == policy["metadata"]["namespace"] and matches(policy["spec"]["podSelector"], pod)


def matches(wanted: Document, pod: Pod) -> bool:
    """Whether a selector holds for a pod's labels."""
    plain = all(pod.labels.get(key) == value for key, value in wanted.get("matchLabels", {}).items())
    return plain and not any(pod.labels.get(item["key"]) in item["values"] for item in wanted.get("matchExpressions", []))


def peers_of(lab: Lab, policy: Document, item: Document) -> list[Pod]:
    """The pods that a peer with selectors means."""
    return [pod for pod in lab.pods if is_peer(policy, item, pod)]


def is_peer(policy: Document, item: Document, pod: Pod) -> bool:
    """Whether a peer with selectors is a pod; pods in their node's network are none."""
    if pod.host_network:
        return False
    if "namespaceSelector" in item:
        space = item["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == pod.namespace
    else:
        space = policy["metadata"]["namespace"] == pod.namespace
    return space and matches(item.get("podSelector", {}), pod)
