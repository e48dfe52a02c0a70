"""Ways to break a network of the lab by what rules look at beside addresses and ports: zones of conntrack, bits by their place."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING

from tests.lab.plan import Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]


def _node(lab: Lab, random: Random) -> Node:
    return random.choice(lab.nodes)


def directed_zone(lab: Lab, random: Random) -> None:
    """Connections are looked up in a zone for one direction; in the other in zone 0, or in the mark's."""
    node, option = _node(lab, random), random.choice(("--zone-orig", "--zone-reply"))
    narrow = random.choice(("", "", "-p udp", "-p icmp", "-i eth0", "-p tcp --syn"))
    zone = random.choice(("5", "5", "mark"))
    lines = [f"iptables -t raw -A PREROUTING {narrow} -j CT {option} {zone}"]
    lines += [f"iptables -t raw -A OUTPUT {narrow} -j CT {option} {zone}"] if "-i" not in narrow and random.random() < 0.5 else []
    lines += ["iptables -t raw -I PREROUTING -p udp --dport 8080 -j MARK --set-mark 5"] if zone == "mark" else []
    lines += ["iptables -I FORWARD -m conntrack --ctstate INVALID -j DROP"] if random.random() < 0.5 else []
    lines += ["iptables -I FORWARD -m conntrack --ctstate NEW -m tcp -p tcp ! --syn -j DROP"] if random.random() < 0.3 else []
    lab.run(node.name, "\n".join(lines))


def nft_zones(lab: Lab, random: Random) -> None:
    """Zones by a map of devices or marks, in one direction or in both, also of packets that were not to be tracked, and a chain that looks at them."""
    way = random.choice(("", "original ", "reply "))
    zone = random.choice(("5", 'iifname map { "eth0" : 5, "cni0" : 6 }', "meta mark map { 0 : 7 }"))
    test = random.choice(("5", "!= 0", "{ 5, 6 }", "0", "vmap { 5 : drop, 7 : drop }"))
    end = "" if "vmap" in test else random.choice(("drop", "accept"))
    before = random.choice(("", "", "notrack; ", "ip protocol udp notrack; "))
    lab.run(_node(lab, random).name, "nft -f -", f"""table ip zones {{
 chain first {{ type filter hook prerouting priority raw; policy accept; {before}{random.choice(("", "ip protocol udp", "ip protocol tcp"))} ct {way}zone set {zone}; }}
 chain own {{ type filter hook output priority raw; policy accept; ct {random.choice((way, ""))}zone set {random.choice((5, 6))}; }}
 chain last {{ type filter hook {random.choice(("forward", "input", "postrouting"))} priority 5; policy accept; ct {random.choice(("", "original ", "reply "))}zone {test} {end}; }}
}}
""")  # fmt: skip


def own_translation(lab: Lab, random: Random) -> None:
    """A destination is translated to what it is, to another port, or to any of some, and a rule drops what was translated."""
    address = ip_address(_pod(lab, random))
    port = random.choice((":8080", ":8080", ":8080-8090", ":80", ""))
    state = random.choice(("DNAT", "DNAT", "SNAT"))
    way = f"PREROUTING -d {address} {{}} -j DNAT --to-destination {address}{port}"
    if state == "SNAT":
        way = f"POSTROUTING -d {address} {{}} -j MASQUERADE{random.choice((' --to-ports 8080', '', ' --random-fully'))}"
    rules = [f"iptables -t nat -I {way}".format(f"-p {kind} --dport 8080") for kind in ("tcp", "udp")]
    lab.run(_node(lab, random).name, "\n".join([*rules, f"iptables -I FORWARD -m conntrack --ctstate {state} -j DROP"]))


def _pod(lab: Lab, random: Random) -> int:
    """The IPv4 address of a pod as a number."""
    own = [address for pod in lab.pods if not pod.host_network for address in pod.addresses if ":" not in address]
    return int(ip_address(random.choice(own)))


def words_tested(lab: Lab, random: Random) -> None:
    """Rules of iptables that look at words of headers (u32): of an address, of ports behind the header, of TCP's flags, of the kind of ICMP."""
    address, sign = _pod(lab, random), random.choice(("", "", "! "))
    test = random.choice((
        f"12={address:#x}", f"16&0xFFFFFF00={address & 0xFFFFFF00:#x}", f"16>>8={address >> 8:#x}&&6&0xFF=17", "6&0xFF=1",
        "6&0xFF=6&&4&0x1FFF=0&&0>>22&0x3C@0&0xFFFF=8080", "6&0xFF=17&&0>>22&0x3C@0>>16=0:1023,20000:60000",
        "6&0xFF=6&&0>>22&0x3C@12>>16&0x12=0x12", "6&0xFF=1&&0>>22&0x3C@0>>24=0", "0>>22&0x3C@4=0x1234",
    ))  # fmt: skip
    chain = random.choice(("FORWARD", "FORWARD", "INPUT", "-t mangle PREROUTING")).rpartition(" ")
    lab.run(_node(lab, random).name, f'iptables {chain[0]} -I {chain[2]} -m u32 {sign}--u32 "{test}" -j {random.choice(("DROP", "DROP", "ACCEPT"))}')  # fmt: skip


def raw_payloads(lab: Lab, random: Random) -> None:
    """Rules of nft that look at bits by their place, of which nft has no name for what is there."""
    address = _pod(lab, random)
    test = random.choice((
        f"@nh,96,32 {address:#x}", f"@nh,128,24 {address >> 8:#x} @nh,72,8 17", f"@nh,152,8 & 0x3 == {address & 3}", "@th,0,32 & 0xffff == 8080",
        "@nh,72,8 { 1, 17 }", "meta l4proto tcp @th,104,8 & 0x12 == 0x12", "@th,0,8 8", "@ll,96,16 0x800", "@th,64,16 0x1234",
    ))  # fmt: skip
    lab.run(_node(lab, random).name, "nft -f -", f"""table inet places {{
 chain c {{ type filter hook {random.choice(("forward", "input", "prerouting", "postrouting"))} priority {random.choice(("raw", "mangle", "5"))}; policy accept; meta nfproto ipv4 {test} {random.choice(("drop", "drop", "accept"))}; }}
}}
""")  # fmt: skip


def ipsec_only(lab: Lab, random: Random) -> None:
    """A node lets through, or drops, what IPsec transforms, which is nothing, or what it does not."""
    way, wanted = random.choice((("in", "none"), ("in", "ipsec"), ("out", "none"), ("out", "ipsec --proto esp")))
    chain = random.choice(("FORWARD", "INPUT" if way == "in" else "OUTPUT"))
    end = random.choice(("DROP", "DROP", "ACCEPT"))
    lines = [f"iptables -I {chain} {random.choice(('-p udp', '-p tcp --dport 8080', '-p icmp', ''))} -m policy --dir {way} --pol {wanted} -j {end}"]  # fmt: skip
    lines += ["nft add table ip plain", "nft 'add chain ip plain c { type filter hook forward priority 7; policy accept; }'",
              f"nft add rule ip plain c ip protocol {random.choice(('icmp', 'udp'))} meta ipsec {random.choice(('exists', 'missing'))} drop"] if random.random() < 0.4 else []  # fmt: skip
    lab.run(_node(lab, random).name, "\n".join(lines))


ALL: tuple[Apply, ...] = (directed_zone, nft_zones, own_translation, words_tested, raw_payloads, ipsec_only)
