"""Ways to break a network of the lab by what rules look at beside addresses and ports: zones of conntrack."""

from __future__ import annotations

from collections.abc import Callable
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
    """Zones by a map of devices or marks, in one direction or in both, and a chain that looks at them."""
    way = random.choice(("", "original ", "reply "))
    zone = random.choice(("5", 'iifname map { "eth0" : 5, "cni0" : 6 }', "meta mark map { 0 : 7 }"))
    test = random.choice(("5", "!= 0", "{ 5, 6 }", "0", "vmap { 5 : drop, 7 : drop }"))
    end = "" if "vmap" in test else random.choice(("drop", "accept"))
    lab.run(_node(lab, random).name, "nft -f -", f"""table ip zones {{
 chain first {{ type filter hook prerouting priority raw; policy accept; {random.choice(("", "ip protocol udp", "ip protocol tcp"))} ct {way}zone set {zone}; }}
 chain own {{ type filter hook output priority raw; policy accept; ct {random.choice((way, ""))}zone set {random.choice((5, 6))}; }}
 chain last {{ type filter hook {random.choice(("forward", "input", "postrouting"))} priority 5; policy accept; ct {random.choice(("", "original ", "reply "))}zone {test} {end}; }}
}}
""")  # fmt: skip


ALL: tuple[Apply, ...] = (directed_zone, nft_zones)
