"""NetworkPolicies as Weave's network policy controller enforces them with iptables and ipsets, in the shape that it renders.

After prog/weave-npc/main.go and npc/{controller,namespace,selector,rule,ipblock}.go of Weave Net 2.8. What leaves by the bridge is new and admitted, or dropped; what comes from it has
to be marked by a rule of egress. Pods that no policy selects are in the sets of what is admitted by default. Names of ports and ranges are not known to it. The rules are compiled by
the API's text (tests/lab/policies.py) and share nothing with the analyzer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.lab.plan import Node
from tests.lab.policies import Document, peers_of, selects, version

if TYPE_CHECKING:
    from tests.lab.build import Lab

BRIDGE = "cni0"
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ(){}[]+=_$%^!*|/?.;:@#~"
MARK = "0x40000/0x40000"
HEAD = """*filter
:WEAVE-NPC - [0:0]
:WEAVE-NPC-DEFAULT - [0:0]
:WEAVE-NPC-INGRESS - [0:0]
:WEAVE-NPC-EGRESS - [0:0]
:WEAVE-NPC-EGRESS-DEFAULT - [0:0]
:WEAVE-NPC-EGRESS-CUSTOM - [0:0]
:WEAVE-NPC-EGRESS-ACCEPT - [0:0]
"""
STATIC = f"""-A FORWARD -i {BRIDGE} -m comment --comment "NOTE: this must go before '-j KUBE-FORWARD'" -j WEAVE-NPC-EGRESS
-A FORWARD -o {BRIDGE} -m comment --comment "NOTE: this must go before '-j KUBE-FORWARD'" -j WEAVE-NPC
-A FORWARD -o {BRIDGE} -m state --state NEW -j NFLOG --nflog-group 86
-A FORWARD -o {BRIDGE} -j DROP
-A FORWARD -i {BRIDGE} ! -o {BRIDGE} -j ACCEPT
-A FORWARD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i {BRIDGE} -j WEAVE-NPC-EGRESS
-A WEAVE-NPC -m state --state RELATED,ESTABLISHED -j ACCEPT
-A WEAVE-NPC -d 224.0.0.0/4 -j ACCEPT
-A WEAVE-NPC -m physdev --physdev-out vethwe-bridge --physdev-is-bridged -j ACCEPT
-A WEAVE-NPC -m state --state NEW -j WEAVE-NPC-DEFAULT
-A WEAVE-NPC -m state --state NEW -j WEAVE-NPC-INGRESS
-A WEAVE-NPC-EGRESS -m state --state RELATED,ESTABLISHED -j ACCEPT
-A WEAVE-NPC-EGRESS -m physdev --physdev-in vethwe-bridge --physdev-is-bridged -j RETURN
-A WEAVE-NPC-EGRESS -m addrtype --dst-type LOCAL -j RETURN
-A WEAVE-NPC-EGRESS -d 224.0.0.0/4 -j RETURN
-A WEAVE-NPC-EGRESS -m state --state NEW -j WEAVE-NPC-EGRESS-DEFAULT
-A WEAVE-NPC-EGRESS -m state --state NEW -m mark ! --mark {MARK} -j WEAVE-NPC-EGRESS-CUSTOM
-A WEAVE-NPC-EGRESS-ACCEPT -j MARK --set-xmark {MARK}
"""
DENY = f"""-A WEAVE-NPC-EGRESS -m state --state NEW -m mark ! --mark {MARK} -j NFLOG --nflog-group 86
-A WEAVE-NPC-EGRESS -m mark ! --mark {MARK} -j DROP
"""
Sets = dict[str, tuple[str, list[str]]]


def install(lab: Lab, node: Node) -> None:
    """Writes the sets and the rules of the node."""
    sets: Sets = {}
    lines = [line for kind in ("Ingress", "Egress") for line in (*defaults(lab, kind, sets), *custom(lab, kind, sets))]
    polices = any("Egress" in item["spec"]["policyTypes"] for item in lab.policies)
    made = "".join(
        f"create {name} {kind} family inet hashsize 1024 maxelem 65536 comment\n"
        + "".join(f"add {name} {member}\n" for member in sorted(set(members)))
        for name, (kind, members) in sorted(sets.items())
    )
    lab.run(node.name, "ipset restore", made)
    text = HEAD + STATIC + (DENY if polices else "") + "\n".join([*lines, "COMMIT", ""])
    lab.run(node.name, "iptables-restore --noflush", text)


def named(text: str) -> str:
    """The name of a set: base 85 of a hash, over Weave's own alphabet (npc/shortname.go)."""
    number, digits = int.from_bytes(hashlib.sha1(text.encode()).digest(), "big"), ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return f"weave-{digits[:25]}"


def defaults(lab: Lab, kind: str, sets: Sets) -> Iterator[str]:
    """What pods that no policy of the kind selects get, or send."""
    for space in sorted({pod.namespace for pod in lab.pods}):
        name = named(f"{space} default {kind}")
        free = [
            pod
            for pod in lab.pods
            if pod.namespace == space
            and not pod.host_network
            and not any(selects(item, pod) and kind in item["spec"]["policyTypes"] for item in lab.policies)
        ]
        sets[name] = "hash:ip", [own for pod in free for own in pod.addresses if version(own) == 4]
        if kind == "Ingress":
            yield f'-A WEAVE-NPC-DEFAULT -m set --match-set {name} dst -m comment --comment "DefaultAllow ingress isolation for namespace: {space}" -j ACCEPT'
        else:
            for target in ("WEAVE-NPC-EGRESS-ACCEPT", "RETURN"):
                yield f'-A WEAVE-NPC-EGRESS-DEFAULT -m set --match-set {name} src -m comment --comment "DefaultAllow egress isolation for namespace: {space}" -j {target}'


def custom(lab: Lab, kind: str, sets: Sets) -> Iterator[str]:
    """The rules of the policies of a kind."""
    field, peers, mine, theirs = ("ingress", "from", "dst", "src") if kind == "Ingress" else ("egress", "to", "src", "dst")
    for item in lab.policies:
        if kind not in item["spec"]["policyTypes"]:
            continue
        own = named(f"{item['metadata']} own")
        sets[own] = (
            "hash:ip",
            [
                one
                for pod in lab.pods
                if selects(item, pod) and not pod.host_network
                for one in pod.addresses
                if version(one) == 4
            ],
        )
        for given in item["spec"].get(field) or []:
            for peer in sides(lab, item, given.get(peers), theirs, sets):
                for port in ports(given.get("ports")):
                    match = f"{port[0]}{peer}-m set --match-set {own} {mine} {port[1]}"
                    if kind == "Ingress":
                        yield f"-A WEAVE-NPC-INGRESS {match}-j ACCEPT"
                    else:
                        yield from (
                            f"-A WEAVE-NPC-EGRESS-CUSTOM {match}-j {target}" for target in ("WEAVE-NPC-EGRESS-ACCEPT", "RETURN")
                        )


def sides(lab: Lab, item: Document, peers: list[Document] | None, way: str, sets: Sets) -> Iterator[str]:
    """The match of each peer."""
    if not peers:
        yield ""
    for peer in peers or []:
        name = named(f"{item['metadata']['namespace']} {sorted(peer.items())}")
        if (block := peer.get("ipBlock")) is None:
            sets[name] = "hash:ip", [own for pod in peers_of(lab, item, peer) for own in pod.addresses if version(own) == 4]
        elif version(block["cidr"].partition("/")[0]) == 4:
            wide = ["0.0.0.0/1", "128.0.0.0/1"] if block["cidr"] == "0.0.0.0/0" else [block["cidr"]]
            sets[name] = "hash:net", [*wide, *(f"{hole} nomatch" for hole in block.get("except") or [])]
        else:
            continue
        yield f"-m set --match-set {name} {way} "


def ports(given: list[Document] | None) -> Iterator[tuple[str, str]]:
    """The protocol and the port of each item."""
    if not given:
        yield "", ""
    for item in given or []:
        protocol, port = item.get("protocol", "TCP").lower(), item.get("port")
        yield f"-p {protocol} ", f"-m {protocol} --dport {port} " if port is not None else ""
