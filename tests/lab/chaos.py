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


def uncommon(lab: Lab, random: Random, chain: str) -> str:
    """A match that nodes carry besides the usual ones: what traffic decides, what the packet's other parts decide, and programs."""
    pod, arriving = random.choice(lab.pods).addresses[0], chain in IN or chain == "INPUT"
    choices = [
        "-m limit --limit 1/sec", f"-m recent --name lab --{random.choice(('set', 'rcheck', 'update'))} --rsource",
        "-m hashlimit --hashlimit-name lab --hashlimit-upto 5/min --hashlimit-mode srcip", "-m statistic --mode nth --every 2 --packet 0",
        "-m statistic --mode random --probability 0.5", "-m u32 --u32 '6&0xFF=6'", "-m bpf --bytecode '4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0'",
        "-p udp -m length --length 20:100", f"-m tos --tos {random.choice(('0x10', '0x00'))}", "-m dscp --dscp 8", "-m ecn --ecn-ip-ect 0",
        f"-m connmark {random.choice(('', '! '))}--mark {random.choice(('0x1/0x1', '0x0'))}", "-m connlimit --connlimit-above 1000",
        "-m connbytes --connbytes 100: --connbytes-dir both --connbytes-mode bytes", "-m string --algo bm --string abc", "-p tcp --syn -m tcpmss --mss 1:1000",
        f"-m conntrack --ctstatus {random.choice(('SEEN_REPLY', 'CONFIRMED', 'ASSURED', 'NONE', 'EXPECTED'))}", "-m conntrack --ctproto 6",
        f"-m conntrack --ctreplsrc {pod}", f"-m conntrack --ctorigsrc {pod}", "-m conntrack --ctorigdstport 8080", "-m realm --realm 1", "-m cpu --cpu 0",
        "-p tcp -m multiport --ports 8080,20000:20020", "-p udp -m multiport ! --dports 9090,53", "-m helper --helper ftp", "-m time --timestart 00:00 --timestop 23:59",
        f"-m addrtype --{random.choice(('src', 'dst'))}-type LOCAL", f"-m iprange ! --src-range 10.244.0.2-{pod if pod > '10.244.0.2' else '10.244.0.9'}",
        "-m devgroup --src-group 0" if arriving else "-m connmark --mark 0x1", f"-m pkttype --pkt-type {random.choice(('unicast', 'broadcast', 'host'))}",
    ]  # fmt: skip
    if chain in (*IN, "INPUT"):
        choices += [
            f"-m mac --mac-source {mac_of(lab, random)}",
            "-m addrtype --dst-type LOCAL --limit-iface-in",
            "-m physdev --physdev-is-in",
        ]
    if chain in ("PREROUTING", "INPUT"):
        choices += ["-m socket --nowildcard", "-m rpfilter --invert"] if chain == "PREROUTING" else []
    if chain in OUT:
        choices += (
            ["-m addrtype --dst-type UNICAST --limit-iface-out"]
            if chain != "OUTPUT"
            else ["-m owner --uid-owner 0", "-m owner ! --gid-owner 7"]
        )
        choices += ["-m physdev --physdev-is-bridged"] if chain != "OUTPUT" else []
    return random.choice(choices)


def mac_of(lab: Lab, random: Random) -> str:
    """The MAC of a pod."""
    pod = random.choice([one for one in lab.pods if not one.host_network])
    mac: str = lab.run(pod.node, f"ip -n {pod.netns} -o link show eth0").split("link/ether ")[1].split()[0]
    return mac


def deed(lab: Lab, random: Random, table: str, chain: str) -> str:
    """A target that nodes carry besides the usual ones."""
    pod, own = random.choice(lab.pods).addresses[0], random.choice(lab.nodes)
    seen = ("LOG", "NFLOG --nflog-group 1", "ACCEPT", "DROP")
    match table:
        case "nat" if chain in ("PREROUTING", "OUTPUT"):
            return random.choice((
                f"-d 192.168.66.0/24 -j NETMAP --to {own.pod_cidr()}", f"-d {own.pod_cidr()} -j NETMAP --to 10.244.1.0/24", "-p tcp -j REDIRECT --to-ports 8080-8081", "-p udp -j REDIRECT",
                f"-p tcp -j DNAT --to-destination {pod}:8080-8081", f"-j DNAT --to-destination {pod}-{pod}", "-d 10.0.0.0/8 -p udp -j DNAT --to-destination :9090",
            ))  # fmt: skip
        case "nat":
            return random.choice((
                "-p tcp -j MASQUERADE --to-ports 1024-2000", f"-j SNAT --to-source {own.address()}-{own.address()}", "-j MASQUERADE --random-fully",
                f"-s {own.pod_cidr()} -j NETMAP --to 192.168.66.0/24", f"-p tcp -j SNAT --to-source {own.address()}:5000-5005",
            ))  # fmt: skip
        case "mangle":
            choices: list[str] = [
                "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", "-j CONNMARK --set-xmark 0x1/0x1",
                "-j TOS --set-tos 0x10", "-j DSCP --set-dscp 8", f"-j TTL --ttl-{random.choice(('set 1', 'set 2', 'dec 1', 'dec 62', 'dec 63', 'inc 1', 'set 64'))}",
                "-p tcp --syn -j TCPMSS --set-mss 1000", "-j HMARK --hmark-tuple src --hmark-mod 2 --hmark-offset 1 --hmark-rnd 1", "-j CHECKSUM --checksum-fill",
                f"-j MARK --{random.choice(('or-mark 0x1', 'and-mark 0xfffe', 'xor-mark 0x4000', 'set-mark 0x1/0x4000'))}", *(f"-j {one}" for one in seen),
            ]  # fmt: skip
            if chain == "PREROUTING":
                choices += [
                    f"-p {random.choice(('tcp', 'udp'))} -j TPROXY --on-port {random.choice((8080, 10250, 9090))} --tproxy-mark {random.choice(('0x1/0x1', '0x0/0x0'))}"
                ] * 3
            return random.choice(choices)
        case "raw":
            return random.choice(
                (
                    "-j CT --zone 5",
                    "-j CT --zone-orig 5",
                    "-j CT --notrack",
                    "-j NOTRACK",
                    "-j TRACE",
                    "-j MARK --set-xmark 0x1/0x1",
                    *(f"-j {one}" for one in seen),
                )
            )
        case _:
            kinds = ("icmp-net-unreachable", "icmp-admin-prohibited", "icmp-host-prohibited", "icmp-proto-unreachable")
            refused: tuple[str, ...] = (
                ("-j REJECT --reject-with " + random.choice(kinds), "-p tcp -j REJECT --reject-with tcp-reset")
                if table == "filter"
                else ()
            )
            return random.choice((*(f"-j {one}" for one in seen), *refused))


def uncommon_rules(lab: Lab, random: Random) -> None:
    """Up to three rules on a node, each with an uncommon match, an uncommon target, or both."""
    node = random.choice(lab.nodes)
    lines = []
    for _ in range(random.randrange(1, 4)):
        table = random.choice(("mangle", "mangle", "nat", "nat", "raw", "filter"))
        chain = random.choice(HOOKS[table])
        found = matches(lab, random, chain) if random.random() < 0.3 else ""
        found += f" {uncommon(lab, random, chain)}" if random.random() < 0.5 else ""
        command = random.choice(("iptables", "iptables", "iptables-legacy", "iptables-nft"))
        does = deed(lab, random, table, chain) if random.random() < 0.7 else target(lab, random, table, chain)
        lines.append(f"{command} -t {table} -{random.choice('AI')} {chain} {found} {does} 2>/dev/null || true")
    lab.run(node.name, "\n".join(lines))


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


ALL: tuple[Apply, ...] = (
    random_rules,
    random_rules,
    uncommon_rules,
    uncommon_rules,
    random_chain,
    random_routing,
    random_neighbour,
    random_sysctl,
)
