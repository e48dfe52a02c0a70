"""Chains of ARP and of bridges, IP sets that rules change, and routing by the type of service."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.lab.hardware_breakages import veth_of
from tests.lab.plan import CLUSTER_CIDR, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]


def _node(lab: Lab, random: Random) -> Node:
    return random.choice(lab.nodes)


def _pods(lab: Lab, node: Node) -> list[Pod]:
    return [pod for pod in lab.pods_on(node) if not pod.host_network]


def _unheard(lab: Lab, random: Random) -> tuple[Node, str]:
    """A node, and a neighbour of it, which it does not ask. Where it does not listen to it either, neither learns of the other, whoever asks first; else that would
    depend on which probe was sent before."""
    node = _node(lab, random)
    others = [other.address() for other in lab.nodes if other is not node]
    return _deaf(lab, node, random.choice([*(pod.addresses[0] for pod in _pods(lab, node)), *others]))


def _deaf(lab: Lab, node: Node, one: str) -> tuple[Node, str]:
    lab.run(node.name, f"arptables -A OUTPUT -d {one} -j DROP")
    return node, one


def arp_filtered(lab: Lab, random: Random) -> None:
    """A node's arptables drop what some neighbour asks and answers."""
    node, one = _unheard(lab, random)
    rule = random.choice((
        f"INPUT -s {one} -j DROP", f"INPUT -s {one}/32 ! -i tunl+ -j DROP", f"INPUT -s {one} ! -i lo --h-length 6 -j DROP",
        f"INPUT -s {one} ! --destination-mac 02:00:00:00:00:01 -j DROP", f"INPUT -s {one} ! --opcode 3 -j DROP", f"INPUT -s {one} ! -d 203.0.113.7 -j DROP",
    ))  # fmt: skip
    lab.run(node.name, f"arptables -A {rule}")
    if random.random() < 0.3:
        lab.run(
            node.name,
            f"arptables -N own; arptables -A own -s {one} -j RETURN; arptables -A own -j ACCEPT; arptables -P INPUT DROP; arptables -A INPUT -j own",
        )


def arp_native(lab: Lab, random: Random) -> None:
    """A native table of ARP."""
    node, one = _unheard(lab, random)
    rule = random.choice((
        f"arp operation {{ request, reply }} arp saddr ip {one} drop", f'iifname != "lo" arp saddr ip {one} drop', f"arp saddr ip {one} arp htype 1 drop",
        f"arp saddr ip vmap {{ {one} : drop, 203.0.113.7 : drop }}", f"arp operation vmap {{ 3 : drop, 8 : drop }}; arp saddr ip & 255.255.255.255 == {one} drop",
    ))  # fmt: skip
    rules = "\n  ".join(rule.split("; "))
    lab.run(
        node.name,
        "nft -f -",
        f"table arp own {{\n chain c {{\n  type filter hook input priority 0; policy accept;\n  {rules}\n }}\n}}\n",
    )


def arp_one_way(lab: Lab, random: Random) -> None:
    """A node's rules drop ARP in one direction only: who does not ask may still be asked, and learn."""
    node = _node(lab, random)
    others = [other.address() for other in lab.nodes if other is not node]
    one = random.choice([*(pod.addresses[0] for pod in _pods(lab, node)), *others])
    rule = random.choice((
        f"OUTPUT -d {one} --opcode 1", f"OUTPUT -d {one} --opcode 2", f"INPUT -s {one} --opcode 1", f"INPUT -s {one} --opcode 2",
        f"OUTPUT -d {one}", f"INPUT -s {one}", "OUTPUT --opcode 1", "INPUT --opcode 2", "OUTPUT --opcode 2", "INPUT --opcode 1",
    ))  # fmt: skip
    lab.run(node.name, f"arptables -A {rule} -j DROP")


def mac_spoof_check(lab: Lab, random: Random) -> None:
    """The chains of the bridge plugin's ``macspoofchk``; a pod's MAC is no more the one that they were made for."""
    node = _node(lab, random)
    pod = random.choice(_pods(lab, node))
    device, mac = veth_of(lab, pod), random.choice(("02:00:00:00:00:01", "$(cat)"))
    own = lab.run(pod.key, "cat /sys/class/net/eth0/address").strip()
    lab.run(node.name, "nft -f -", f"""table bridge nat {{
 chain PREROUTING {{
  type filter hook prerouting priority dstnat; policy accept;
  iifname "{device}" jump cni-br-iface-1
 }}
 chain cni-br-iface-1 {{
  jump cni-br-iface-1-mac
 }}
 chain cni-br-iface-1-mac {{
  ether saddr {own if mac == "$(cat)" else mac} return
  drop
 }}
}}
""")  # fmt: skip


def bridge_filter(lab: Lab, random: Random) -> None:
    """Rules of a bridge by port, MAC, address, protocol, and kind of frame."""
    node = _node(lab, random)
    pod = random.choice(_pods(lab, node))
    device, address = veth_of(lab, pod), pod.addresses[0]
    hook = random.choice(("prerouting", "input", "forward", "output", "postrouting"))
    goes = hook in ("forward", "output", "postrouting")
    rule = random.choice((
        f"ip saddr {address} drop", f"ip daddr {address} tcp dport 8080 drop", "ether type arp drop" if not goes else "ip protocol icmp drop",
        f'{"oifname" if goes else "iifname"} "{device}" drop', f'{"oifname" if goes else "iifname"} "{device}" ip protocol tcp accept; drop',
        f"arp saddr ip {address} drop", "arp operation reply drop", "meta protocol ip udp dport 8080 reject" if hook in ("prerouting", "input") else "ip protocol udp drop",
    ))  # fmt: skip
    rules = "\n  ".join(rule.split("; "))
    lab.run(
        node.name,
        "nft -f -",
        f"table bridge own {{\n chain c {{\n  type filter hook {hook} priority filter; policy accept;\n  {rules}\n }}\n}}\n",
    )


def set_changed(lab: Lab, random: Random) -> None:
    """Rules put addresses into a set, and others ask for them."""
    node = _node(lab, random)
    first, then = random.choice((
        ("-A PREROUTING -p tcp --dport 8080 -j SET --add-set seen src", "-A FORWARD -p tcp -m set --match-set seen src -j DROP"),
        ("-A PREROUTING -p tcp --dport 8080 --syn -j SET --add-set seen src", "-A FORWARD -p tcp ! --syn -m set --match-set seen src -j DROP"),
        ("-A PREROUTING -p icmp -j SET --add-set seen dst", "-A FORWARD -p icmp -m set --match-set seen src -j DROP"),
        ("-A PREROUTING -p udp -j SET --add-set seen src,src", "-A FORWARD -p udp -m set --match-set seen dst,dst -j DROP"),
    ))  # fmt: skip
    kind = "hash:ip,port" if "," in first else "hash:ip"
    lab.run(node.name, f"ipset create seen {kind}; iptables -t raw {first}; iptables {then}")


def routed_by_service_type(lab: Lab, random: Random) -> None:
    """Packets get a type of service, and a routing rule asks for it."""
    node = _node(lab, random)
    tos = random.choice(("0x10", "0x08"))
    kind, target = random.choice(
        (("blackhole", "default"), ("prohibit", CLUSTER_CIDR[4]), ("unreachable", f"{random.choice(lab.nodes).pod_cidr(4)}"))
    )
    marks = random.choice(
        (f"-p tcp --dport 8080 -j TOS --set-tos {tos}", f"-p icmp -j TOS --set-tos {tos}", "-p udp -j DSCP --set-dscp 4")
    )
    asked = "0x10" if "DSCP" in marks else tos
    lab.run(node.name, f"ip route add {kind} {target} table 77; ip rule add tos {asked} lookup 77 pref 100; "
                       f"iptables -t mangle -A {random.choice(('PREROUTING', 'OUTPUT'))} {marks}")  # fmt: skip


def port_locked(lab: Lab, random: Random) -> None:
    """A pod's port is locked: the bridge takes its frames only where its table has the pod's MAC there."""
    node = _node(lab, random)
    pod = random.choice(_pods(lab, node))
    device, other = veth_of(lab, pod), veth_of(lab, random.choice(_pods(lab, node)))
    mac = lab.run(pod.key, "cat /sys/class/net/eth0/address").strip()
    entry = random.choice((f"del {mac} dev {device} master", f"replace {mac} dev {random.choice((device, other))} master static"))
    lab.run(node.name, f"bridge link set dev {device} locked on; bridge fdb {entry} || true")


ALL: tuple[Apply, ...] = (arp_filtered, arp_native, arp_one_way, set_changed, routed_by_service_type)
BRIDGES: tuple[Apply, ...] = (mac_spoof_check, bridge_filter, port_locked)
