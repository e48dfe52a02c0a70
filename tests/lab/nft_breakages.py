"""Native nft tables beside those of the proxy and the overlay: firewalls, translations and marks in the forms that nodes have."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.lab.plan import CLUSTER_CIDR, Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]


def _node(lab: Lab, random: Random) -> Node:
    return random.choice(lab.nodes)


def _add(lab: Lab, node: Node, text: str) -> None:
    """Loads a table."""
    lab.run(node.name, "nft -f -", text)


def _pods(lab: Lab) -> list[str]:
    """IPv4 addresses of pods."""
    return [address for pod in lab.pods if not pod.host_network for address in pod.addresses if ":" not in address]


def nft_host_firewall(lab: Lab, random: Random) -> None:
    """A host firewall as distributions ship it: what is not asked for is dropped; pods are let in or are not."""
    inside = random.choice((f"ip saddr {CLUSTER_CIDR[4]} accept", 'iifname { cni0, flannel.1, "veth*", "cali*" } accept', ""))
    _add(lab, _node(lab, random), f"""table inet host {{
 chain input {{
  type filter hook input priority filter; policy drop;
  ct state vmap {{ established : accept, related : accept, invalid : drop }}
  iif lo accept
  meta l4proto {{ icmp, ipv6-icmp }} accept
  udp dport 8472 accept
  {inside}
  tcp dport {{ 22, 10250 }} accept
 }}
}}
""")  # fmt: skip


def nft_blocked_sets(lab: Lab, random: Random) -> None:
    """Blocked networks in an interval set, and blocked pairs in a concatenation."""
    one, other = random.choice(_pods(lab)), random.choice(_pods(lab))
    _add(lab, _node(lab, random), f"""table inet block {{
 set nets {{ type ipv4_addr; flags interval; elements = {{ {one}/32, 192.0.2.0/24 }} }}
 set pairs {{ type ipv4_addr . ipv4_addr . inet_service; flags interval; elements = {{ {CLUSTER_CIDR[4]} . {other} . 8000-8090 }} }}
 chain forward {{
  type filter hook forward priority {random.choice(('filter', 'mangle', 'filter + 10'))}; policy accept;
  ct state established,related accept
  {random.choice(('ip saddr', 'ip daddr'))} @nets {random.choice(('drop', 'reject'))}
  ip saddr . ip daddr . tcp dport @pairs counter reject with tcp reset
 }}
}}
""")  # fmt: skip


def nft_verdict_map(lab: Lab, random: Random) -> None:
    """Policies by a verdict map of destinations, one of which is only for some ports."""
    pods = _pods(lab)
    one, other = random.choice(pods), random.choice(pods)
    rows = {one: "jump some", other: random.choice(("drop", "accept", "goto some"))}
    _add(lab, _node(lab, random), f"""table ip policy {{
 chain some {{ ct state established accept; tcp dport 8080 {random.choice(('accept', 'drop'))}; udp dport vmap {{ 8080 : drop, 9090 : accept }}; }}
 chain forward {{
  type filter hook forward priority -1; policy accept;
  ip daddr vmap {{ {', '.join(f'{address} : {verdict}' for address, verdict in rows.items())} }}
 }}
}}
""")  # fmt: skip


def nft_masquerade(lab: Lab, random: Random) -> None:
    """Masquerading as kindnet does it, or with too small a set of what to leave alone."""
    left = random.choice((CLUSTER_CIDR[4], "10.244.0.0/24"))
    _add(lab, _node(lab, random), f"""table inet ipmasq {{
 set noMasqV4 {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {left}, 10.96.0.0/16, 192.168.0.0/16 }} }}
 chain postrouting {{
  type nat hook postrouting priority srcnat - 10; policy accept;
  ct state established,related accept
  fib daddr type local accept
  ip daddr @noMasqV4 accept
  meta nfproto ipv4 masquerade
 }}
}}
""")  # fmt: skip


def nft_translated(lab: Lab, random: Random) -> None:
    """Another proxy: a port of the node goes to pods by a map."""
    one, other = random.choice(_pods(lab)), random.choice(_pods(lab))
    _add(lab, _node(lab, random), f"""table ip forwarder {{
 map to {{ type inet_proto . inet_service : ipv4_addr . inet_service; elements = {{ tcp . 30080 : {one} . 8080, udp . 30080 : {other} . 9090 }} }}
 chain prerouting {{
  type nat hook prerouting priority {random.choice(('dstnat - 5', 'dstnat + 5'))}; policy accept;
  fib daddr type local dnat ip to meta l4proto . th dport map @to
 }}
 chain output {{
  type nat hook output priority -105; policy accept;
  ip daddr {other} tcp dport 8080 dnat ip to numgen random mod 2 map {{ 0 : {one}, 1 : {other} }}
 }}
}}
""")  # fmt: skip


def nft_marks(lab: Lab, random: Random) -> None:
    """Marks of packets and connections that another chain looks at."""
    one = random.choice(_pods(lab))
    _add(lab, _node(lab, random), f"""table inet marks {{
 chain pre {{ type filter hook prerouting priority mangle; policy accept; ip saddr {one} meta mark set meta mark | 0x10; ct mark set meta mark & 0x10; }}
 chain post {{ type filter hook postrouting priority 0; policy accept; ct mark & 0x10 == 0x10 {random.choice(('iifname "cni0"', 'ct direction reply', 'meta mark & 0x10 == 0'))} drop; }}
}}
""")  # fmt: skip


def nft_service_class(lab: Lab, random: Random) -> None:
    """What some send gets a class, which another node drops, or routes elsewhere; tunnels keep it inside."""
    one, other = _node(lab, random), _node(lab, random)
    hook = random.choice(("prerouting", "forward", "output", "postrouting"))
    kind = "route" if hook == "output" else "filter"
    what = random.choice(("", f"ip saddr {random.choice(_pods(lab))}", "meta l4proto { tcp, udp }", "icmp type echo-request"))
    _add(lab, one, f"table ip classes {{ chain c {{ type {kind} hook {hook} priority mangle; policy accept; {what} ip dscp set 0x04; }}\n}}\n")  # fmt: skip
    if random.random() < 0.3:
        lab.run(one.name, "ip link set flannel.1 type vxlan tos inherit 2>/dev/null || true")
    match random.choice(("drop", "route", "accept")):
        case "drop":
            test = random.choice(("ip dscp 0x04", "ip dscp != 0x00", "ip dscp { cs1, 0x04 }"))
            _add(lab, other, f"table ip classed {{ chain c {{ type filter hook {random.choice(('input', 'forward', 'prerouting', 'postrouting'))} priority 0; policy accept; {test} drop; }}\n}}\n")  # fmt: skip
        case "route":
            lab.run(other.name, "ip rule add tos 0x10 priority 90 lookup 990\nip route add blackhole default table 990")
        case _:
            _add(
                lab,
                other,
                "table inet classed { chain c { type filter hook forward priority 0; policy accept; ip dscp 0x0a drop; }\n}\n",
            )


def nft_negations(lab: Lab, random: Random) -> None:
    """Negated tests of fields side by side, which nft 1.0.6 makes one comparison of and lists as two."""
    tests = random.sample(("tcp sport != 5 tcp dport != 7", "udp dport != 9090 udp length != 7", "icmp type != 9 icmp code != 3",
                           "ip ttl != 9 ip protocol != sctp", "ip protocol != icmp ip checksum != 9", "tcp flags != fin tcp window != 9"), 2)  # fmt: skip
    narrow = (f"ip saddr {random.choice(_pods(lab))}", f"ip daddr {random.choice(_pods(lab))}", 'iifname "eth0"')
    rules = "\n".join(f"  {random.choice(narrow)} {test} {random.choice(('drop', 'accept', 'reject'))}" for test in tests)
    _add(lab, _node(lab, random), f"""table ip negated {{
 chain forward {{
  type filter hook {random.choice(('forward', 'forward', 'input'))} priority filter; policy accept;
{rules}
 }}
}}
""")  # fmt: skip


def nft_untracked(lab: Lab, random: Random) -> None:
    """Packets of some ports are not tracked, and what is not tracked is let through or is not."""
    _add(lab, _node(lab, random), f"""table inet raw-rules {{
 chain pre {{ type filter hook prerouting priority raw; policy accept; {random.choice(('udp', 'tcp'))} {random.choice(('dport', 'sport'))} 8080 notrack; }}
 chain fwd {{ type filter hook forward priority 5; policy accept; ct state invalid drop; ct state untracked {random.choice(('accept', 'drop'))}; }}
}}
""")  # fmt: skip


def nft_reverse_path(lab: Lab, random: Random) -> None:
    """firewalld's filter of spoofed packets."""
    flags = random.choice(("saddr . iif", "saddr . mark . iif", "saddr"))
    _add(lab, _node(lab, random), f"table ip rpf {{ chain pre {{ type filter hook prerouting priority raw + 10; policy accept; fib {flags} oif missing drop; }}\n}}\n")  # fmt: skip


def nft_device_chain(lab: Lab, random: Random) -> None:
    """A chain of the node's uplink, which macvlan pods have too: it drops some of what comes in, or goes out."""
    what = random.choice(("icmp type echo-request", "tcp dport 8080", f"ip saddr {random.choice(_pods(lab) or ['192.0.2.1'])}"))
    _add(lab, _node(lab, random), f"""table netdev uplink {{
 chain first {{
  type filter hook {random.choice(('ingress', 'egress'))} device "eth0" priority 0; policy accept;
  {what} drop
 }}
}}
""")  # fmt: skip


ALL: tuple[Apply, ...] = (
    nft_host_firewall, nft_blocked_sets, nft_verdict_map, nft_masquerade, nft_translated, nft_marks, nft_service_class, nft_negations, nft_untracked, nft_reverse_path,
)  # fmt: skip
ANYWHERE: tuple[Apply, ...] = (nft_device_chain,)
