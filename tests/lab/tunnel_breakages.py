"""Ways to break the tunnels of tunnelled.py: their ends, keys, sequence numbers and sizes, devices beside them, and what becomes of their packets on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.lab import tunnelled
from tests.lab.plan import GATEWAY, Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]
Change = Callable[[str], str]
KEYED = frozenset({"gre", "gre-keyed", "ip6gre", "gretap", "gretap-keyed"})
UDP = frozenset({"geneve", "geneve-six", "bridged-geneve", "bridged-vxlan"})
REMADE = frozenset(tunnelled.TUNNELLED) - {"ipip"}
SECOND = {4: "192.168.66.{}", 6: "fd00:66::{}"}
FALLBACK = {"ipip": "tunl0", "flannel-ipip": "tunl0", "kube-router": "tunl0", "gre": "gre0", "gre-keyed": "gre0", "sit": "sit0", "sit-any": "sit0",
            "ip6tnl": "ip6tnl0", "ip6gre": "ip6gre0"}  # fmt: skip
"""The device that a driver has by itself in each namespace, which takes what no other does."""
PROTOCOL = {
    "kube-router": "4", "ipip": "4", "flannel-ipip": "4", "gre": "47", "gre-keyed": "47", "sit": "41", "sit-any": "4", "ip6tnl": "4", "ip6gre": "47",
    "gretap": "47", "gretap-keyed": "47", "geneve": "udp", "geneve-six": "udp", "bridged-geneve": "udp", "bridged-vxlan": "udp",
}  # fmt: skip


def _two(lab: Lab, random: Random) -> tuple[Node, Node]:
    one, other = random.sample(lab.nodes, 2)
    return one, other


def _outer(lab: Lab) -> int:
    kind = tunnelled.PAIRWISE.get(lab.scenario.overlay)
    return kind.outer if kind else 4


def _device(lab: Lab, peer: Node) -> str:
    return {"ipip": "tunl0", "flannel-ipip": "flannel.ipip"}.get(lab.scenario.overlay) or tunnelled.device(peer)


def _remade(lab: Lab, node: Node, change: Change) -> None:
    """A node's tunnels made anew, what makes each device ``changed``; routes and addresses as before."""
    lines = []
    for line in tunnelled.commands(lab, node):
        if (found := re.match(r"ip link add (\S+) type (?!bridge)", line)) is not None:
            first, semicolon, rest = line.partition(";")
            lines.append(f"ip link del {found[1]}; {change(first)}{semicolon}{rest}")
        elif "type bridge" not in line:
            lines.append(line.replace(" route add ", " route replace "))
    lab.run(node.name, "\n".join(lines))


def tunnel_end_wrong(lab: Lab, random: Random) -> None:
    """A node's tunnels go to or come from another address: one more of its own or of the peer's, or nobody's."""
    node, peer = _two(lab, random)
    family = _outer(lab)
    address, bits = SECOND[family].format(random.choice((90, 91))), 24 if family == 4 else 64
    owner = random.choice((node, peer, None))
    if owner is not None:
        lab.run(owner.name, f"ip -{family} addr add {address}/{bits} dev eth0{' nodad' if family == 6 else ''}")
    end = random.choice(("local", "local", "remote"))
    if f" {end} " not in " ".join(tunnelled.commands(lab, node)):
        end = "remote"
    _remade(lab, node, lambda line: re.sub(rf" {end} \S+", f" {end} {address}", line))


def tunnel_end_open(lab: Lab, random: Random) -> None:
    """A node's tunnels have no far end or none of their own."""
    node, _ = _two(lab, random)
    end = random.choice(("local", "remote")) if lab.scenario.overlay not in UDP else "local"
    _remade(lab, node, lambda line: re.sub(rf" {end} \S+", "", line))


def tunnel_key_wrong(lab: Lab, random: Random) -> None:
    key = random.choice(("", "key 5", "key 11", "ikey 11 okey 5", "key 0"))
    _remade(lab, _two(lab, random)[0], lambda line: re.sub(r" key \S+", "", line) + f" {key}")


def tunnel_checked(lab: Lab, random: Random) -> None:
    """Checksums and sequence numbers of GRE on one side only, or on both."""
    node, peer = _two(lab, random)
    words = random.choice(("csum", "icsum", "ocsum", "seq", "iseq", "oseq", "csum seq", "seq csum key 3"))
    chosen = [node, peer] if random.random() < 0.3 else [node]
    for one in chosen:
        _remade(lab, one, lambda line: (re.sub(r" key \S+", "", line) if "key" in words else line) + f" {words}")


def tunnel_cut(lab: Lab, random: Random) -> None:
    """A narrow way, and tunnels whose packets may be cut."""
    node, peer = _two(lab, random)
    words = {"ip6tnl": "encaplimit none", "ip6gre": "encaplimit none", "geneve-six": "udp6zerocsumtx"}.get(lab.scenario.overlay)
    if words is None and lab.scenario.overlay in UDP:
        words = random.choice(("df set", "df inherit", "df unset"))
    words = words or random.choice(
        ("nopmtudisc", "nopmtudisc", "pmtudisc", "nopmtudisc ignore-df" if "gre" in lab.scenario.overlay else "nopmtudisc")
    )
    if lab.scenario.overlay != "ipip":
        _remade(lab, node, lambda line: f"{line} {words}")
    lab.run(random.choice((node, peer)).name, f"ip link set eth0 mtu {random.choice((1400, 1440, 1492))}")


def tunnel_mtu(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(node.name, f"ip link set {_device(lab, peer)} mtu {random.choice((1300, 1400, 1500))}")


def tunnel_down(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(node.name, f"ip link set {_device(lab, peer)} down")


def tunnel_address_lost(lab: Lab, random: Random) -> None:
    node, peer = _two(lab, random)
    lab.run(node.name, f"ip addr flush dev {_device(lab, peer)}")


def tunnel_packets_dropped(lab: Lab, random: Random) -> None:
    """A node's rules drop what tunnels send or are sent."""
    node, peer = _two(lab, random)
    family = _outer(lab)
    where = random.choice((f"INPUT -s {peer.address(family)}", f"OUTPUT -d {peer.address(family)}", "INPUT", "OUTPUT"))
    protocol = PROTOCOL[lab.scenario.overlay]
    target = "DROP" if random.random() < 0.7 else "REJECT"
    port = f" --dport {4789 if 'vxlan' in lab.scenario.overlay else 6081}" if protocol == "udp" else ""
    lab.run(node.name, f"{'iptables' if family == 4 else 'ip6tables'} -I {where} -p {protocol}{port} -j {target}")


def tunnel_packets_masqueraded(lab: Lab, random: Random) -> None:
    """A node's tunnels' packets get another source when they leave."""
    node, _ = _two(lab, random)
    family = _outer(lab)
    address = SECOND[family].format(92)
    lab.run(node.name, f"ip -{family} addr add {address}/{24 if family == 4 else 64} dev eth0{' nodad' if family == 6 else ''}")
    tables, protocol = "iptables" if family == 4 else "ip6tables", PROTOCOL[lab.scenario.overlay]
    target = random.choice((f"SNAT --to-source {address}", "MASQUERADE"))
    lab.run(node.name, f"{tables} -t nat -A POSTROUTING -p {protocol} -o eth0 -j {target}")


def tunnel_fallback(lab: Lab, random: Random) -> None:
    """The driver's own device is up; the node's are as they were, down, gone, or for another far end."""
    node, peer = _two(lab, random)
    own, name = FALLBACK[lab.scenario.overlay], _device(lab, peer)
    lab.run(node.name, f"ip link set {own} up")
    if own != name:
        gone = random.choice(
            ("true", f"ip link set {name} down", f"ip link del {name}", f"iptables -t raw -I PREROUTING -i {own} -j DROP")
        )
        lab.run(node.name, gone)


def tunnel_beside(lab: Lab, random: Random) -> None:
    """One more device that could take the packets; where it does, they are dropped."""
    node, peer = _two(lab, random)
    family, overlay = _outer(lab), lab.scenario.overlay
    kind = {"ipip": "ipip", "flannel-ipip": "ipip"}.get(overlay) or (
        tunnelled.PAIRWISE[overlay].kind if overlay in tunnelled.PAIRWISE else "gretap"
    )
    local, remote = f" local {node.address(family)}", f" remote {peer.address(family)}"
    ends = random.choice((local, remote, local + remote, ""))
    more = random.choice(("", " dev eth0", " dev lo", *([" key 11", " key 7"] if "gre" in kind else [])))
    mode = " mode any" if kind in ("ip6tnl",) else ""
    for table in ("iptables", "ip6tables"):
        lab.run(node.name, f"{table} -t raw -I PREROUTING -i beside -j DROP")
    lab.run(node.name, f"ip link add beside type {kind}{ends}{more}{mode}; ip link set beside up")
    if random.random() < 0.3:
        lab.run(node.name, f"ip link set {_device(lab, peer)} down")


def tunnel_routed_elsewhere(lab: Lab, random: Random) -> None:
    """A rule sends the tunnels' packets by a table of its own."""
    node, peer = _two(lab, random)
    family = _outer(lab)
    how = random.choice(
        (
            f"blackhole {peer.address(family)}",
            f"{peer.address(family)} via {GATEWAY[family]} dev eth0",
            f"{peer.address(family)} dev eth0",
        )
    )
    rule = random.choice((f"to {peer.address(family)}", f"from {node.address(family)}", "iif lo"))
    lab.run(node.name, f"ip -{family} route add {how} table 90; ip -{family} rule add pref 90 {rule} lookup 90")


def tunnel_strict(lab: Lab, random: Random) -> None:
    """rp_filter on the tunnel's device, whose way back may be another."""
    node, peer = _two(lab, random)
    name = _device(lab, peer).replace(".", "/")
    lab.run(node.name, f"sysctl -qw net/ipv4/conf/{name}/rp_filter={random.choice((1, 2))}")
    if random.random() < 0.6 and lab.scenario.overlay not in tunnelled.BRIDGED:
        lab.run(node.name, f"ip route replace {peer.pod_cidr()} via {peer.address()} dev eth0")


def tunnel_service_type(lab: Lab, random: Random) -> None:
    """The tunnels' packets have a type of service, and a routing rule asks for it."""
    node, peer = _two(lab, random)
    if _outer(lab) != 4 or lab.scenario.overlay == "ipip":
        return
    _remade(lab, node, lambda line: f"{line} tos {random.choice(('inherit', '0x10', '0x08'))}")
    lab.run(node.name, f"ip route add blackhole {peer.address()} table 91; ip rule add pref 91 tos 0x10 lookup 91")


def tunnel_number_wrong(lab: Lab, random: Random) -> None:
    """Another network's number, port, or checksums that are not taken."""
    words = random.choice(("id 99", "dstport 6082", "udp6zerocsumtx", "udp6zerocsumrx", "noudp6zerocsumrx"))
    key = words.split()[0]
    _remade(
        lab,
        _two(lab, random)[0],
        lambda line: re.sub(rf" {key} \S+", "", line) + f" {words}" if " " in words else f"{line} {words}",
    )


def tunnel_mac_shared(lab: Lab, random: Random) -> None:
    """Both ends of a tunnel that carries frames have one MAC."""
    node, peer = _two(lab, random)
    for one, other in ((node, peer), (peer, node)):
        lab.run(one.name, f"ip link set {_device(lab, other)} address 02:00:00:00:77:77")


EVERY: tuple[Apply, ...] = (tunnel_mtu, tunnel_down, tunnel_address_lost, tunnel_packets_dropped, tunnel_packets_masqueraded, tunnel_routed_elsewhere,
                            tunnel_strict, tunnel_cut)  # fmt: skip
OF_REMADE: tuple[Apply, ...] = (tunnel_end_wrong, tunnel_end_open, tunnel_service_type)
OF_KEYED: tuple[Apply, ...] = (tunnel_key_wrong, tunnel_checked)
OF_FALLBACK: tuple[Apply, ...] = (tunnel_fallback,)
OF_NUMBERS: tuple[Apply, ...] = (tunnel_number_wrong,)
OF_FRAMES: tuple[Apply, ...] = (tunnel_mac_shared,)
FITTING: tuple[tuple[Apply, frozenset[str]], ...] = (
    *((one, frozenset(tunnelled.TUNNELLED)) for one in EVERY),
    *((one, REMADE) for one in OF_REMADE),
    *((one, KEYED) for one in OF_KEYED),
    *((one, frozenset(FALLBACK)) for one in OF_FALLBACK),
    (tunnel_beside, frozenset({*FALLBACK, "gretap", "gretap-keyed"})),
    *((one, UDP) for one in OF_NUMBERS),
    *((one, frozenset({"geneve", "geneve-six", *tunnelled.BRIDGED})) for one in OF_FRAMES),
)
"""Which of them fit which overlays."""
