"""NetworkPolicies as Romana enforces them with iptables and ipsets, in the shape that it renders.

After romana/core: listener/translate.go and resources.go (tenants are namespaces, segments a label; a namespace that does not ask for isolation admits all), agent/enforcer/{base,enforcer}.go,
pkg/policytools/{blueprint.go,data/policy.tsv} (scheme ``policyOnTop``) and cni/divert_rules.go. Policies are of ingress, name tenants and segments, and have one rule each: of several, Romana
mixes the peers of one with the ports of another, as all of a policy share their chains (``rules_mixed`` builds that).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from tests.lab.plan import Node
from tests.lab.romana import SEGMENT, Block, blocks, device, segment

if TYPE_CHECKING:
    from tests.lab.build import Lab

Document = dict[str, Any]
PORTS: tuple[list[Document], ...] = (
    [],
    [{"port": 8080, "protocol": "TCP"}],
    [{"port": 9090, "protocol": "UDP"}],
    [{"port": 8080, "protocol": "TCP"}, {"port": 8080, "protocol": "UDP"}],
    [{"port": 9090, "protocol": "TCP"}],
)
ISOLATED = {"net.beta.kubernetes.io/networkpolicy": json.dumps({"ingress": {"isolation": "DefaultDeny"}})}
SPACE = "kubernetes.io/metadata.name"
BASE = """*filter
:ROMANA-INPUT - [0:0]
:ROMANA-OUTPUT - [0:0]
:ROMANA-FORWARD-IN - [0:0]
:ROMANA-FORWARD-OUT - [0:0]
:ROMANA-OP - [0:0]
:ROMANA-OP-IN - [0:0]
"""
FIRST = """-A ROMANA-OUTPUT -j ACCEPT
-A ROMANA-INPUT -j ACCEPT
-A ROMANA-FORWARD-OUT -m set --match-set localBlocks dst -j ROMANA-FORWARD-IN
-A ROMANA-FORWARD-OUT -m comment --comment Egress -j ACCEPT
-A ROMANA-FORWARD-IN -m comment --comment Ingress -m state --state RELATED,ESTABLISHED -j ACCEPT
-A ROMANA-FORWARD-IN -j ROMANA-OP
"""
LAST = """-A ROMANA-FORWARD-IN -m comment --comment DefaultDrop -j DROP
-A ROMANA-OP -m comment --comment POLICY_CHAIN_FOOTER -j RETURN
-A ROMANA-OP-IN -m comment --comment POLICY_CHAIN_FOOTER -j RETURN
"""


def document(lab: Lab, random: Random, name: str) -> Document:
    """A policy that Romana's listener can translate."""
    pods = [pod for pod in lab.pods if not pod.host_network]
    spec: Document = {"podSelector": chosen(lab, random), "policyTypes": ["Ingress"], "ingress": [rule(lab, random)]}
    space = random.choice(sorted({pod.namespace for pod in pods}))
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": space}, "spec": spec,
    }  # fmt: skip


def rule(lab: Lab, random: Random) -> Document:
    """Peers, one or two, and ports."""
    peers = [
        random.choice(({"podSelector": chosen(lab, random)}, {"namespaceSelector": tenant(lab, random)}))
        for _ in range(random.choice((1, 2)))
    ]
    ports = random.choice(PORTS)
    return {"from": peers, **({"ports": ports} if ports else {})}


def chosen(lab: Lab, random: Random) -> Document:
    """A selector of pods: all, or a segment."""
    return random.choice(({}, {"matchLabels": {SEGMENT: segment(random.choice(lab.pods))}}))


def tenant(lab: Lab, random: Random) -> Document:
    """A selector of one namespace."""
    return {"matchLabels": {SPACE: random.choice(lab.pods).namespace}}


def asked_of(lab: Lab, space: str) -> dict[str, str]:
    """What a namespace asks for: here those with policies are isolated."""
    return dict(ISOLATED) if any(item["metadata"]["namespace"] == space for item in lab.policies) else {}


def install(lab: Lab, node: Node) -> None:
    """Writes the sets and the rules of a node, and sends the packets of its pods to them."""
    chains: dict[str, list[str]] = {}
    for space in sorted({pod.namespace for pod in lab.pods}):
        if not asked_of(lab, space):
            everyone(chains, space)
    for item in lab.policies:
        policy(chains, item)
    jumps = "".join(f"-A ROMANA-FORWARD-IN -j {name}\n" for name in chains if not name.endswith(("_X", "_R")))
    own = "".join(f"-A {name} {line}\n" for name, lines in chains.items() for line in dict.fromkeys(lines))
    declared = "".join(f":{name} - [0:0]\n" for name in chains)
    diverted = "".join(divert(device(pod)) for pod in lab.pods_on(node))
    lab.run(node.name, "ipset restore", "".join(sets(lab, node)))
    lab.run(node.name, "iptables-restore --noflush", BASE + declared + FIRST + jumps + LAST + own + diverted + "COMMIT\n")


def divert(name: str) -> str:
    """Which packets of a pod meet Romana's chains."""
    return (
        f"-A INPUT -i {name} -j ROMANA-INPUT\n-A FORWARD -i {name} -j ROMANA-FORWARD-OUT\n"
        f"-A FORWARD -o {name} -j ROMANA-FORWARD-IN\n-A OUTPUT -o {name} -j ROMANA-OUTPUT\n"
    )


def everyone(chains: dict[str, list[str]], space: str) -> None:
    """The policy of a namespace that is not isolated."""
    add(chains, f"allow all into {space}", [f"-m set --match-set {set_name(space)} dst"], [""], [{}])


def policy(chains: dict[str, list[str]], item: Document) -> None:
    """The chains of a policy: its target, its peers, its ports."""
    space = item["metadata"]["namespace"]
    target = set_name(space, item["spec"]["podSelector"].get("matchLabels", {}).get(SEGMENT, ""))
    for given in item["spec"]["ingress"]:
        peers = [f"-m set --match-set {peer(space, one)} src" for one in given["from"]]
        add(
            chains, f"{space}/{item['metadata']['name']}", [f"-m set --match-set {target} dst"], peers, given.get("ports") or [{}]
        )


def add(chains: dict[str, list[str]], name: str, targets: list[str], peers: list[str], ports: list[Document]) -> None:
    """What a rule of a policy adds to the three chains that the policy has."""
    first = f"ROMANA-P-{hashlib.sha1(name.encode()).hexdigest()[:16]}"
    chains.setdefault(first, []).extend(f"{one} -j {first}_X" for one in targets)
    chains.setdefault(f"{first}_X", []).extend(f"{one} -j {first}_R".strip() for one in peers)
    chains.setdefault(f"{first}_R", []).extend(f"{port(one)}-j ACCEPT" for one in ports)


def port(given: Document) -> str:
    """The match of a port; none: everything."""
    protocol = given.get("protocol", "").lower()
    return f"-p {protocol} -m {protocol} --dport {given['port']} " if given else ""


def peer(space: str, given: Document) -> str:
    """The set of a peer."""
    if "namespaceSelector" in given:
        return set_name(given["namespaceSelector"]["matchLabels"][SPACE])
    return set_name(space, given["podSelector"].get("matchLabels", {}).get(SEGMENT, ""))


def set_name(tenant: str, segment: str = "") -> str:
    """The set of a tenant, or of one of its segments (policytools.MakeTenantSetName)."""
    words = f"tenant_{tenant}" + (f"_segment_{segment}" if segment else "")
    return f"ROMANA-{hashlib.sha1(words.encode()).hexdigest()[:16]}"


def sets(lab: Lab, node: Node) -> Iterator[str]:
    """The sets as ``ipset restore`` takes them: of segments, of tenants with the sets of their segments, and the node's own blocks (enforcer.go, makeBlockSets)."""
    found: list[Block] = list(blocks(lab))
    tenants = {one.tenant for one in found} | {pod.namespace for pod in lab.pods}
    segments = {(space, segment(pod)) for space in tenants for pod in lab.pods}
    for space, name in sorted(segments):
        yield f"create {set_name(space, name)} hash:net\n"
        yield from (f"add {set_name(space, name)} {one.cidr}\n" for one in found if (one.tenant, one.segment) == (space, name))
    for space in sorted(tenants):
        yield f"create {set_name(space)} list:set\n"
        yield from (f"add {set_name(space)} {set_name(*pair)}\n" for pair in sorted(segments) if pair[0] == space)
    yield "create localBlocks hash:net\n"
    yield from (f"add localBlocks {one.cidr}\n" for one in found if one.host == node.name)


def rules_mixed(lab: Lab, random: Random) -> None:
    """A policy gets a second rule: Romana admits the peers of the one at the ports of the other too."""
    item = random.choice(lab.policies)
    item["spec"]["ingress"] = [
        {"from": [{"namespaceSelector": {"matchLabels": {SPACE: space}}}], "ports": ports}
        for space, ports in zip(sorted({pod.namespace for pod in lab.pods})[:2], PORTS[1:3], strict=False)
    ]
    for node in lab.nodes:
        lab.run(node.name, "iptables -F; iptables -X; ipset destroy")
        install(lab, node)
