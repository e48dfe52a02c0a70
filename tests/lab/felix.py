"""NetworkPolicies as Calico's Felix enforces them with iptables and ipsets, in the shape that it renders.

After felix/rules/{static,dispatch,endpoints,policy}.go of v3.28 and libcalico-go/lib/backend/k8s/conversion. A workload has a chain for what it sends and one for
what it gets; both are looked at in FORWARD, the first in INPUT too; what the host sends to its own workloads is not policed. Selectors and named ports are ipsets.
The rules are compiled by the API's text (tests/lab/policies.py) and share nothing with the analyzer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.lab.overlay import workload_device
from tests.lab.plan import Node, Pod
from tests.lab.policies import PORTS, Document, peers_of, selects, version

if TYPE_CHECKING:
    from tests.lab.build import Lab

ACCEPT, PASS, BLOCKS, THIS = "0x10000/0x10000", "0x20000/0x20000", "0x40000/0x40000", "0x80000/0x80000"
CLEARED = {ACCEPT: "0x0/0x10000", PASS: "0x0/0x20000", BLOCKS: "0x0/0x40000", THIS: "0x0/0x80000"}
STATIC = """*raw
:cali-PREROUTING - [0:0]
:cali-from-host-endpoint - [0:0]
-A PREROUTING -m comment --comment "cali:6gwbT8clXdHdC1b1" -j cali-PREROUTING
-A cali-PREROUTING -j MARK --set-xmark 0x0/0xf0000
-A cali-PREROUTING -i cali+ -j MARK --set-xmark 0x40000/0x40000
-A cali-PREROUTING -m mark --mark 0x40000/0x40000 -m rpfilter --validmark --invert -j DROP
-A cali-PREROUTING -m mark --mark 0x0/0x40000 -j cali-from-host-endpoint
-A cali-PREROUTING -m mark --mark 0x10000/0x10000 -j ACCEPT
COMMIT
*filter
-A INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j cali-INPUT
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A FORWARD -m comment --comment "cali:S93hcgKJrXEqnTfs" -m comment --comment "Policy explicitly accepted packet." -m mark --mark 0x10000/0x10000 -j ACCEPT
-A OUTPUT -m comment --comment "cali:tVnHkvAo15HuiPy0" -j cali-OUTPUT
-A cali-INPUT -p ipencap -m comment --comment "Allow IPIP packets from Calico hosts" -m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL -j ACCEPT
-A cali-INPUT -p ipencap -m comment --comment "Drop IPIP packets from non-Calico hosts" -j DROP
-A cali-INPUT -i cali+ -g cali-wl-to-host
-A cali-INPUT -m mark --mark 0x10000/0x10000 -j ACCEPT
-A cali-INPUT -j MARK --set-xmark 0x0/0xf0000
-A cali-INPUT -j cali-from-host-endpoint
-A cali-INPUT -m comment --comment "Host endpoint policy accepted packet." -m mark --mark 0x10000/0x10000 -j ACCEPT
-A cali-FORWARD -j MARK --set-xmark 0x0/0xe0000
-A cali-FORWARD -m mark --mark 0x0/0x10000 -j cali-from-hep-forward
-A cali-FORWARD -i cali+ -j cali-from-wl-dispatch
-A cali-FORWARD -o cali+ -j cali-to-wl-dispatch
-A cali-FORWARD -j cali-to-hep-forward
-A cali-FORWARD -j cali-cidr-block
-A cali-OUTPUT -m mark --mark 0x10000/0x10000 -j ACCEPT
-A cali-OUTPUT -o cali+ -j RETURN
-A cali-OUTPUT -j MARK --set-xmark 0x0/0xf0000
-A cali-OUTPUT -m conntrack ! --ctstate DNAT -j cali-to-host-endpoint
-A cali-OUTPUT -m comment --comment "Host endpoint policy accepted packet." -m mark --mark 0x10000/0x10000 -j ACCEPT
-A cali-wl-to-host -j cali-from-wl-dispatch
-A cali-wl-to-host -m comment --comment "Configured DefaultEndpointToHostAction" -j ACCEPT
"""
CHAINS = (
    *("cali-INPUT", "cali-FORWARD", "cali-OUTPUT", "cali-wl-to-host", "cali-from-host-endpoint", "cali-to-host-endpoint"),
    *("cali-from-hep-forward", "cali-to-hep-forward", "cali-cidr-block", "cali-from-wl-dispatch", "cali-to-wl-dispatch"),
)
Sets = dict[str, tuple[str, list[str]]]
"""The type and the members of each set."""
KINDS = (("Egress", "from", "-i", "fw", "o"), ("Ingress", "to", "-o", "tw", "i"))


def compiled(lab: Lab, node: Node) -> tuple[Sets, dict[str, list[str]]]:
    """The sets and the chains of the node's workloads."""
    sets: Sets = {"cali40all-hosts-net": ("hash:net", [one.address() for one in lab.nodes])}
    chains: dict[str, list[str]] = {name: [] for name in CHAINS}
    for pod in lab.pods_on(node):
        if not pod.host_network:
            workload(lab, pod, chains, sets)
    for _, way, *_ in KINDS:
        chains[f"cali-{way}-wl-dispatch"].append('-m comment --comment "Unknown interface" -j DROP')
    for space in sorted({pod.namespace for pod in lab.pods}):
        for short, kind in (("pri", "ingress"), ("pro", "egress")):
            chains[f"cali-{short}-kns.{space}"] = [
                f'-m comment --comment "Profile kns.{space} {kind}" -j MARK --set-xmark {ACCEPT}',
                accepted(),
            ]
    return sets, chains


def install(lab: Lab, node: Node) -> None:
    """Writes the sets and the rules of the node's workloads."""
    sets, chains = compiled(lab, node)
    declared = "".join(f":{name} - [0:0]\n" for name in sorted(chains))
    own = "".join(f"-A {name} {line}\n" for name, lines in chains.items() for line in lines)
    lab.run(node.name, "ipset restore", "".join(set_lines(sets)))
    lab.run(node.name, "iptables-restore --noflush", STATIC.replace("*filter\n", f"*filter\n{declared}") + own + "COMMIT\n")


def set_lines(sets: Sets) -> Iterator[str]:
    """The sets as ``ipset save`` has them."""
    for name, (kind, members) in sorted(sets.items()):
        yield f"create {name} {kind} family inet hashsize 1024 maxelem 1048576\n"
        yield from (f"add {name} {member}\n" for member in sorted(set(members)))


def accepted(comment: str = "") -> str:
    """The rule that ends a chain whose packet was accepted."""
    return (f'-m comment --comment "{comment}" ' if comment else "") + f"-m mark --mark {ACCEPT} -j RETURN"


def workload(lab: Lab, pod: Pod, chains: dict[str, list[str]], sets: Sets) -> None:
    """The chains of a workload, and its places in the dispatch."""
    device = workload_device(pod)
    for kind, way, option, short, letter in KINDS:
        chains[f"cali-{way}-wl-dispatch"].append(f"{option} {device} -g cali-{short}-{device}")
        lines = [
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-m conntrack --ctstate INVALID -j DROP",
            f"-j MARK --set-xmark {CLEARED[ACCEPT]}",
        ]
        if kind == "Egress":
            lines.append(
                '-p udp -m comment --comment "Drop VXLAN encapped packets originating in workloads" -m multiport --dports 4789 -j DROP'
            )
            lines.append('-p ipencap -m comment --comment "Drop IPinIP encapped packets originating in workloads" -j DROP')
        chosen = [item for item in lab.policies if selects(item, pod) and kind in item["spec"]["policyTypes"]]
        if chosen:
            lines.append(f'-m comment --comment "Start of tier default" -j MARK --set-xmark {CLEARED[PASS]}')
        for item in chosen:
            name = f"cali-p{letter}-{short_name(item)}"
            chains[name] = list(policy(lab, item, kind, sets))
            lines += [f"-m mark --mark {CLEARED[PASS]} -j {name}", accepted("Return if policy accepted")]
        if chosen:
            lines.append(
                f'-m comment --comment "End of tier default. Drop if no policies passed packet" -m mark --mark {CLEARED[PASS]} -j DROP'
            )
        profile = f"cali-pr{letter}-kns.{pod.namespace}"
        lines += [
            f"-j {profile}",
            accepted("Return if profile accepted"),
            '-m comment --comment "Drop if no profiles matched" -j DROP',
        ]
        chains[f"cali-{short}-{device}"] = lines


def short_name(item: Document) -> str:
    """A policy's name as a chain has it: hashed where it is long."""
    return hashed("_", f"knp.default.{item['metadata']['namespace']}/{item['metadata']['name']}", 20)


def hashed(prefix: str, text: str, length: int) -> str:
    """A name that fits: the beginning, and a part of the text's hash."""
    return prefix + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()[: length - len(prefix)]


def policy(lab: Lab, item: Document, kind: str, sets: Sets) -> Iterator[str]:
    """The rules of a policy: for each peer and group of ports what matches, then that it is accepted."""
    field, peers = ("ingress", "from") if kind == "Ingress" else ("egress", "to")
    for given in item["spec"].get(field) or []:
        for where, holes in sides(lab, item, given.get(peers), "src" if kind == "Ingress" else "dst", sets):
            for protocol, ports in groups(lab, item, kind, given.get("ports"), sets):
                yield from rules(protocol, where, ports, holes)


def rules(protocol: str, where: str, ports: list[str], holes: list[str]) -> Iterator[str]:
    """The rules for one group: of several ports one must match and of holes none, which a block of rules before says by a mark."""
    match = protocol + where
    if len(ports) > 1 or holes:
        first = CLEARED[BLOCKS] if len(ports) > 1 else BLOCKS
        yield f"-j MARK --set-xmark {first.partition('/')[0]}/0xc0000"
        yield from (f"{protocol}{port}-j MARK --set-xmark {BLOCKS}" for port in ports if len(ports) > 1)
        yield from (f"{protocol}{hole}-j MARK --set-xmark {CLEARED[BLOCKS]}" for hole in holes)
        match += f"-m mark --mark {BLOCKS} "
    yield f"{match}{ports[0] if len(ports) == 1 else ''}-j MARK --set-xmark {ACCEPT}"
    yield accepted()


def sides(lab: Lab, item: Document, peers: list[Document] | None, way: str, sets: Sets) -> Iterator[tuple[str, list[str]]]:
    """The match of each peer, a set of a selector or a block, and those of the block's exceptions."""
    if not peers:
        yield "", []
    option = "-s" if way == "src" else "-d"
    for peer in peers or []:
        if (block := peer.get("ipBlock")) is not None:
            if version(block["cidr"].partition("/")[0]) == 4:
                where = "" if block["cidr"] == "0.0.0.0/0" else f"{option} {block['cidr']} "
                yield where, [f"{option} {hole} " for hole in block.get("except") or []]
            continue
        name = hashed("cali40s:", f"{item['metadata']['namespace']} {sorted(peer.items())}", 31)
        sets[name] = "hash:net", [own for pod in peers_of(lab, item, peer) for own in pod.addresses if version(own) == 4]
        yield f"-m set --match-set {name} {way} ", []


def groups(lab: Lab, item: Document, kind: str, ports: list[Document] | None, sets: Sets) -> Iterator[tuple[str, list[str]]]:
    """The ports of a rule by protocol: the protocol's match, and the matches of which one must hold; none: all ports."""
    if not ports:
        yield "", []
    protocols: dict[str, list[Document]] = {}
    for port in ports or []:
        protocols.setdefault(port.get("protocol", "TCP"), []).append(port)
    for protocol, own in protocols.items():
        if any(one.get("port") is None for one in own):
            yield f"-p {protocol.lower()} ", []
            continue
        numbers = [
            str(one["port"]) + (f":{one['endPort']}" if "endPort" in one else "") for one in own if isinstance(one["port"], int)
        ]
        names = [named_set(lab, item, kind, one["port"], protocol, sets) for one in own if isinstance(one["port"], str)]
        matches = [f"-m multiport --dports {','.join(numbers)} "] if numbers else []
        yield f"-p {protocol.lower()} ", [*matches, *(f"-m set --match-set {name} dst,dst " for name in names)]


def named_set(lab: Lab, item: Document, kind: str, port: str, protocol: str, sets: Sets) -> str:
    """The set of the addresses and numbers that a name of a port stands for: at any pod, since the rule says at whom."""
    name = hashed("cali40n:", f"{port} {protocol} {item['metadata']} {kind}", 31)
    number, own = PORTS[port]
    there = [pod for pod in lab.pods if own == protocol and not pod.host_network and (kind == "Egress" or selects(item, pod))]
    sets[name] = (
        "hash:ip,port",
        [f"{one},{protocol.lower()}:{number}" for pod in there for one in pod.addresses if version(one) == 4],
    )
    return name
