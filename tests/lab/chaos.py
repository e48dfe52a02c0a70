"""Random state that nobody would write: rules in any table, routing rules, sets, neighbours."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.lab.build import Lab
from tests.lab.plan import GATEWAY

Apply = Callable[[Lab, Random], None]
HOOKS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
IN, OUT = ("PREROUTING", "INPUT", "FORWARD"), ("FORWARD", "OUTPUT", "POSTROUTING")


def addresses(lab: Lab, random: Random) -> str:
    """A pod's or a node's address, or a network of them."""
    return random.choice([
        *(pod.addresses[0] for pod in lab.pods), *(node.address() for node in lab.nodes),
        *(node.pod_cidr() for node in lab.nodes), *(service.addresses[4] for service in lab.services),
        "10.244.0.0/16", "10.244.0.0/23", "192.168.66.0/24", "0.0.0.0/1", GATEWAY[4], "10.244.0.2/31",
    ])  # fmt: skip


def matches(lab: Lab, random: Random, chain: str) -> str:
    """Some matches, as the command line of iptables has them."""
    words: list[str] = []
    if random.random() < 0.6:
        words.append(f"{random.choice(('', '! '))}-s {addresses(lab, random)}")
    if random.random() < 0.6:
        words.append(f"{random.choice(('', '! '))}-d {addresses(lab, random)}")
    devices = ("eth0", "cni0", "flannel.1", "veth+", "cali+", "lo")
    if chain in IN and random.random() < 0.3:
        words.append(f"{random.choice(('', '! '))}-i {random.choice(devices)}")
    if chain in OUT and random.random() < 0.3:
        words.append(f"{random.choice(('', '! '))}-o {random.choice(devices)}")
    words += _transport(random)
    words += [random.choice(_others(lab, random))] if random.random() < 0.5 else []
    return " ".join(words)


def _transport(random: Random) -> list[str]:
    kind = random.choice(("tcp", "udp", "icmp", "", ""))
    if kind in ("tcp", "udp"):
        extra = random.choice((
            "", "--dport 8080", "! --dport 8080", "--dport 80:9000", "--sport 20000:20200", "-m multiport --dports 80,8080,10250",
            "-m multiport --sports 20000:20100,8080", *(("--syn", "--tcp-flags SYN,ACK SYN", "! --syn") if kind == "tcp" else ()),
        ))  # fmt: skip
        return [f"-p {kind} {extra}"]
    if kind == "icmp":
        return [f"-p icmp {random.choice(('', '--icmp-type echo-request', '--icmp-type 0', '! --icmp-type 8'))}"]
    return []


def _others(lab: Lab, random: Random) -> tuple[str, ...]:
    state = random.choice(("NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "INVALID", "NEW,ESTABLISHED", "UNTRACKED"))
    first, second = sorted((random.randrange(2, 6), random.randrange(2, 6)))
    return (
        f"-m conntrack {random.choice(('', '! '))}--ctstate {state}",
        f"-m state --state {state}" if "UNTRACKED" not in state else "-m conntrack --ctstate UNTRACKED",
        f"-m conntrack --ctstate {random.choice(('DNAT', 'SNAT'))}",
        f"-m conntrack --ctorigdst {lab.services[0].addresses[4] if lab.services else lab.pods[0].addresses[0]}",
        f"-m conntrack --ctdir {random.choice(('ORIGINAL', 'REPLY'))}",
        f"-m mark {random.choice(('', '! '))}--mark {random.choice(('0x4000/0x4000', '0x0/0xff', '0x1'))}",
        f"-m addrtype {random.choice(('', '! '))}--{random.choice(('src', 'dst'))}-type {random.choice(('LOCAL', 'UNICAST', 'BROADCAST'))}",
        f"-m iprange --{random.choice(('src', 'dst'))}-range 10.244.0.{first}-10.244.1.{second}",
        f"-m length --length {random.choice(('0:60', '0:2000', '400:'))}",
        "-m comment --comment 'one two'",
        f"-m set --match-set lab-set {random.choice(('src', 'dst'))}",
        f"-m ttl --ttl-gt {random.choice((0, 62, 63))}",
    )


def target(lab: Lab, random: Random, table: str, chain: str) -> str:
    """What a rule of the table does."""
    pod = random.choice(lab.pods).addresses[0]
    marking = f"MARK --set-xmark {random.choice(('0x1/0x1', '0x4000/0x4000', '0x0/0x4000', '0x1/0xffffffff'))}"
    if table == "nat":
        sending = {"PREROUTING": (f"DNAT --to-destination {pod}:8080", f"DNAT --to-destination {pod}", "REDIRECT --to-ports 10250"),
                   "OUTPUT": (f"DNAT --to-destination {pod}:8080",), "INPUT": (f"SNAT --to-source {GATEWAY[4]}",),
                   "POSTROUTING": ("MASQUERADE", f"SNAT --to-source {random.choice(lab.nodes).address()}")}  # fmt: skip
        choices: tuple[str, ...] = (*sending[chain], "ACCEPT", "RETURN")
    elif table == "raw":
        choices = ("DROP", "ACCEPT", "CT --notrack", "NOTRACK", marking)
    elif table == "mangle":
        choices = (marking, "ACCEPT", "CONNMARK --save-mark", "CONNMARK --restore-mark", "DROP")
    else:
        choices = ("DROP", "ACCEPT", "RETURN", marking, *(("REJECT",) if table == "filter" else ()))
    chosen = random.choice(choices)
    if chosen.startswith(("DNAT", "REDIRECT")) and ":" in chosen + chosen * chosen.startswith("REDIRECT"):
        return f"-p tcp -j {chosen}"
    return f"-j {chosen}"


def random_rules(lab: Lab, random: Random) -> None:
    """Up to four rules anywhere on a node."""
    node = random.choice(lab.nodes)
    lines = ["ipset create lab-set hash:net 2>/dev/null || true", f"ipset add lab-set {random.choice(lab.pods).addresses[0]} -exist",
             "ipset add lab-set 10.244.1.0/28 -exist"]  # fmt: skip
    for _ in range(random.randrange(1, 5)):
        table = random.choice(tuple(HOOKS))
        chain = random.choice(HOOKS[table])
        command = random.choice(("iptables", "iptables", "iptables", "iptables-legacy", "iptables-nft"))
        rule = f"{matches(lab, random, chain)} {target(lab, random, table, chain)}"
        lines.append(f"{command} -t {table} -{random.choice('AI')} {chain} {rule} 2>/dev/null || true")
    lab.run(node.name, "\n".join(lines))


def random_chain(lab: Lab, random: Random) -> None:
    """A chain of one's own with some rules, jumped or gone to, and a rule after it."""
    node = random.choice(lab.nodes)
    chain = random.choice(HOOKS["filter"])
    rules = [
        f"iptables -A LAB-CHAIN {matches(lab, random, chain)} {target(lab, random, 'filter', chain)} 2>/dev/null || true"
        for _ in range(3)
    ]
    lab.run(
        node.name,
        "\n".join(["ipset create lab-set hash:net 2>/dev/null || true", "iptables -N LAB-CHAIN || exit 0", *rules,
                   f"iptables -I {chain} {matches(lab, random, chain)} -{random.choice('jg')} LAB-CHAIN 2>/dev/null || true"]),
    )  # fmt: skip


def random_routing(lab: Lab, random: Random) -> None:
    """Routing rules to tables with some routes."""
    node = random.choice(lab.nodes)
    peers = [one for one in lab.nodes if one is not node] or [node]
    lines = []
    for number in range(random.randrange(1, 4)):
        selector = random.choice((f"from {addresses(lab, random)}", f"to {addresses(lab, random)}", "fwmark 0x4000/0x4000", "iif eth0",
                                  "iif cni0", f"not from {addresses(lab, random)}", "ipproto tcp dport 8080", "iif lo"))  # fmt: skip
        action = random.choice(
            ("lookup 77", "lookup 77", "lookup main suppress_prefixlength 0", "lookup main suppress_prefixlength 24")
        )
        lines.append(f"ip rule add pref {500 + number} {selector} {action} 2>/dev/null || true")
        route = random.choice((f"{random.choice(peers).pod_cidr()} via {random.choice(peers).address()} dev eth0", f"default via {GATEWAY[4]} dev eth0",
                               f"blackhole {addresses(lab, random)}", f"throw {addresses(lab, random)}",
                               f"unreachable {addresses(lab, random)}"))  # fmt: skip
        lines.append(f"ip route add {route} table 77 2>/dev/null || true")
    lab.run(node.name, "\n".join(lines))


def random_neighbour(lab: Lab, random: Random) -> None:
    """A permanent neighbour on a node or in a pod, with some other's MAC."""
    one = random.choice([pod for pod in lab.pods if not pod.host_network])
    other = random.choice([pod for pod in lab.pods if not pod.host_network])
    mac = lab.run(other.node, f"ip -n {other.netns} -o link show eth0").split("link/ether ")[1].split()[0]
    device = lab.run(one.node, f"ip -o route get {one.addresses[0]}").split(" dev ")
    if len(device) > 1 and device[1].split()[0] != "lo":
        lab.run(one.node, f"ip neigh replace {one.addresses[0]} lladdr {mac} dev {device[1].split()[0]} nud permanent")


def random_sysctl(lab: Lab, random: Random) -> None:
    node = random.choice(lab.nodes)
    switch = random.choice(("all.rp_filter=1", "eth0.rp_filter=1", "eth0.forwarding=0", "all.route_localnet=1", "all.proxy_arp=1", "eth0.arp_ignore=1",
                            "all.accept_local=1", "all.arp_filter=1"))  # fmt: skip
    lab.run(node.name, f"sysctl -qw net.ipv4.conf.{switch}")


ALL: tuple[Apply, ...] = (random_rules, random_rules, random_chain, random_routing, random_neighbour, random_sysctl)
