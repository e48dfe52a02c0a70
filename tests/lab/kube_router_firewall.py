"""NetworkPolicies as kube-router enforces them with iptables and ipsets, in the shape that it renders.

After pkg/controllers/netpol/{network_policy_controller,pod,policy}.go and pkg/utils of kube-router v2. Each pod has a chain, which its packets meet in FORWARD (also those that a
bridge hands to iptables), INPUT and OUTPUT; policies are chains that mark what they admit; what no policy marks is rejected. Pings pass, and so does what the node sends to its
pods. The rules are compiled by the API's text (tests/lab/policies.py) and share nothing with the analyzer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tests.lab.plan import Node, Pod
from tests.lab.policies import PASSED, PORTS, Document, peers_of, selects, version

if TYPE_CHECKING:
    from tests.lab.build import Lab

SERVICES = "10.96.0.0/16"
HEAD = """*filter
:KUBE-ROUTER-INPUT - [0:0]
:KUBE-ROUTER-FORWARD - [0:0]
:KUBE-ROUTER-OUTPUT - [0:0]
:KUBE-NWPLCY-DEFAULT - [0:0]
:KUBE-NWPLCY-COMMON - [0:0]
:KUBE-NWPLCY-TAIL - [0:0]
"""
STATIC = f"""-A INPUT -m comment --comment "kube-router netpol - 4IA2OSFRMVNDXBVV" -j KUBE-ROUTER-INPUT
-A FORWARD -m comment --comment "kube-router netpol - TEMCG2JMHZYE7H7T" -j KUBE-ROUTER-FORWARD
-A OUTPUT -m comment --comment "kube-router netpol - VEAAIY32XVBHCSCY" -j KUBE-ROUTER-OUTPUT
-A KUBE-ROUTER-INPUT -d {SERVICES} -m comment --comment "allow traffic to primary/secondary cluster IP range - TZZOAXOCHPHEHX7M" -j RETURN
-A KUBE-ROUTER-INPUT -p tcp -m comment --comment "allow LOCAL TCP traffic to node ports - LR7XO7NXDBGQJD2M" -m addrtype --dst-type LOCAL -m multiport --dports 30000:32767 -j RETURN
-A KUBE-ROUTER-INPUT -p udp -m comment --comment "allow LOCAL UDP traffic to node ports - 76UCBPIZNGJNWNUZ" -m addrtype --dst-type LOCAL -m multiport --dports 30000:32767 -j RETURN
-A KUBE-NWPLCY-DEFAULT -m comment --comment "rule to mark traffic matching a network policy" -j MARK --set-xmark {PASSED}
-A KUBE-NWPLCY-COMMON -m comment --comment "rule to drop invalid state for pod" -m conntrack --ctstate INVALID -j DROP
-A KUBE-NWPLCY-COMMON -m comment --comment "rule for stateful firewall for pod" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-NWPLCY-COMMON -p icmp -m comment --comment "allow icmp echo requests" -m icmp --icmp-type 8 -j ACCEPT
-A KUBE-NWPLCY-COMMON -p icmp -m comment --comment "allow icmp destination unreachable messages" -m icmp --icmp-type 3 -j ACCEPT
-A KUBE-NWPLCY-COMMON -p icmp -m comment --comment "allow icmp time exceeded messages" -m icmp --icmp-type 11 -j ACCEPT
"""
HOOKS = ("INPUT", "FORWARD", "OUTPUT")
Sets = dict[str, tuple[str, list[str]]]


def install(lab: Lab, node: Node) -> None:
    """Writes the sets and the rules of the node's pods."""
    sets: Sets = {}
    chains: dict[str, list[str]] = {}
    hooks: list[str] = []
    pods = [pod for pod in lab.pods_on(node) if not pod.host_network]
    for item in lab.policies:
        chains[chain(item)] = [
            line
            for kind in ("Ingress", "Egress")
            if kind in item["spec"]["policyTypes"]
            for line in policy(lab, item, kind, sets)
        ]
    for pod in pods:
        name = hashed("KUBE-POD-FW-", pod.key)
        chains[name] = list(firewall(lab, pod))
        hooks += [
            f'-A KUBE-ROUTER-{hook} {match}-m comment --comment "{pod.key}" -j {name}'
            for hook, match in entries(pod.addresses[0])
        ]
    hooks += [
        f'-A KUBE-ROUTER-{hook} -m comment --comment "rule to explicitly ACCEPT traffic that comply to network policies" -m mark --mark 0x20000/0x20000 -j ACCEPT'
        for hook in HOOKS
    ]
    declared = "".join(f":{name} - [0:0]\n" for name in sorted(chains))
    own = [f"-A {name} {line}" for name, lines in chains.items() for line in lines]
    lab.run(node.name, "ipset restore", "".join(set_lines(sets)))
    lab.run(node.name, "iptables-restore --noflush", HEAD + declared + STATIC + "\n".join([*hooks, *own, "COMMIT", ""]))


def entries(own: str) -> Iterator[tuple[str, str]]:
    """Where a pod's packets meet its chain."""
    yield from (
        ("FORWARD", f"-d {own}/32 "),
        ("OUTPUT", f"-d {own}/32 "),
        ("FORWARD", f"-d {own}/32 -m physdev --physdev-is-bridged "),
    )
    yield from ((hook, f"-s {own}/32 ") for hook in HOOKS)
    yield "FORWARD", f"-s {own}/32 -m physdev --physdev-is-bridged "


def firewall(lab: Lab, pod: Pod) -> Iterator[str]:
    """The chain of a pod."""
    own = pod.addresses[0]
    yield '-m comment --comment "common netpol rules" -j KUBE-NWPLCY-COMMON'
    yield f'-d {own}/32 -m comment --comment "rule to permit the traffic traffic to pods when source is the pod\'s local node" -m addrtype --src-type LOCAL -j ACCEPT'
    for kind, side in (("Ingress", "-d"), ("Egress", "-s")):
        chosen = [item for item in lab.policies if selects(item, pod) and kind in item["spec"]["policyTypes"]]
        yield from (f"{side} {own}/32 -j {chain(item)}" for item in chosen)
        if not chosen:
            yield f'{side} {own}/32 -m comment --comment "run through default {kind.lower()} network policy  chain" -j KUBE-NWPLCY-DEFAULT'
    yield f'-m comment --comment "rule to log dropped traffic" -m mark ! --mark {PASSED} -m limit --limit 10/min --limit-burst 10 -j NFLOG --nflog-group 100'
    yield f'-m comment --comment "rule to REJECT traffic destined for POD" -m mark ! --mark {PASSED} -j REJECT --reject-with icmp-port-unreachable'
    yield "-j MARK --set-xmark 0x0/0x10000"
    yield '-m comment --comment "set mark to ACCEPT traffic that comply to network policies" -j MARK --set-xmark 0x20000/0x20000'


def chain(item: Document) -> str:
    """The name of a policy's chain."""
    return hashed("KUBE-NWPLCY-", f"{item['metadata']['namespace']}/{item['metadata']['name']}")


def hashed(prefix: str, text: str) -> str:
    """A name of kube-router: base 32 of a hash, cut."""
    return prefix + base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


def policy(lab: Lab, item: Document, kind: str, sets: Sets) -> Iterator[str]:
    """The rules of a policy in one direction: each admitted match marks, and returns."""
    field, peers = ("ingress", "from") if kind == "Ingress" else ("egress", "to")
    mine, theirs = ("dst", "src") if kind == "Ingress" else ("src", "dst")
    target = hashed("KUBE-DST-" if kind == "Ingress" else "KUBE-SRC-", f"{item['metadata']} {kind}")
    own = [pod for pod in lab.pods if selects(item, pod) and not pod.host_network]
    sets[target] = "hash:ip", addresses(own)
    for given in item["spec"].get(field) or []:
        for name, pods in sides(lab, item, given.get(peers), kind, sets):
            peer = f"-m set --match-set {name} {theirs} " if name else ""
            named = own if kind == "Ingress" else lab.pods if pods is None else pods
            for match, at in ports(given.get("ports"), named, sets):
                where = (
                    f"-m set --match-set {at} dst " if at else f"-m set --match-set {target} {mine} " if kind == "Ingress" else ""
                )
                mine_too = f"-m set --match-set {target} {mine} " if kind == "Egress" else ""
                protocol, rest = match.partition(" -m ")[::2] if match else ("", "")
                whole = f"{protocol} " if protocol else ""
                found = f"{whole}{peer}{mine_too}{where}{f'-m {rest}' if rest else ''}"
                yield f"{found}-j MARK --set-xmark {PASSED}"
                yield f"{found}-m mark --mark {PASSED} -j RETURN"


def sides(
    lab: Lab, item: Document, peers: list[Document] | None, kind: str, sets: Sets
) -> Iterator[tuple[str, list[Pod] | None]]:
    """The set of each peer, empty for all, and the pods in it (None: not only pods)."""
    if not peers:
        yield "", None
    for peer in peers or []:
        name = hashed("KUBE-SRC-" if kind == "Ingress" else "KUBE-DST-", f"{item['metadata']} {sorted(peer.items())} {kind}")
        if (block := peer.get("ipBlock")) is None:
            found = peers_of(lab, item, peer)
            sets[name] = "hash:ip", addresses(found)
            yield name, found
        elif version(block["cidr"].partition("/")[0]) == 4:
            wide = ["0.0.0.0/1", "128.0.0.0/1"] if block["cidr"] == "0.0.0.0/0" else [block["cidr"]]
            sets[name] = "hash:net", [*wide, *(f"{hole} nomatch" for hole in block.get("except") or [])]
            yield name, None


def ports(given: list[Document] | None, at: Iterable[Pod], sets: Sets) -> Iterator[tuple[str, str]]:
    """The match of each port; for a name also the set of the pods that have it."""
    if not given:
        yield "", ""
    for item in given or []:
        protocol, port = item.get("protocol", "TCP").lower(), item.get("port")
        if port is None:
            yield f"-p {protocol}", ""
        elif isinstance(port, int):
            yield f"-p {protocol} -m {protocol} --dport {port}{':' + str(item['endPort']) if 'endPort' in item else ''} ", ""
        elif PORTS[port][1].lower() == protocol:
            members = addresses(at)
            name = hashed("KUBE-DST-", f"{port} {protocol} {members}")
            sets[name] = "hash:ip", members
            yield f"-p {protocol} -m {protocol} --dport {PORTS[port][0]} ", name


def addresses(pods: Iterable[Pod]) -> list[str]:
    """The IPv4 addresses of pods that have their own."""
    return [own for pod in pods if not pod.host_network for own in pod.addresses if version(own) == 4]


def set_lines(sets: Sets) -> Iterator[str]:
    """The sets as ``ipset save`` has them."""
    for name, (kind, members) in sorted(sets.items()):
        yield f"create {name} {kind} family inet hashsize 1024 maxelem 65536 timeout 0\n"
        for member in sorted(set(members)):
            block, _, nomatch = member.partition(" ")
            yield f"add {name} {block} timeout 0{' ' + nomatch if nomatch else ''}\n"
