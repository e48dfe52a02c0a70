"""Ways to break IPVS and what kube-proxy keeps beside it: virtual and real servers, the device of services' addresses, switches, sets and rules."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.lab.ipvs_proxy import DEVICE, socket
from tests.lab.machine import CommandError
from tests.lab.plan import SERVICE_CIDR, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "fo", "ovf", "lblc", "lblcr")
MARK = "0x700"


def node_of(lab: Lab, random: Random) -> Node:
    """A node."""
    return random.choice(lab.nodes)


def virtual(lab: Lab, node: Node, random: Random, wanted: str = "") -> tuple[str, list[str]]:
    """A virtual server of a node that has real ones, as ipvsadm names it, and these; ``wanted``: what its name starts with."""
    found: dict[str, list[str]] = {}
    for line in lab.run(node.name, "ipvsadm -Sn").splitlines():
        words = line.split()
        if words[0] == "-a":
            found.setdefault(" ".join(words[1:3]), []).append(words[words.index("-r") + 1])
    chosen = [place for place in found if place.startswith(wanted)]
    if not chosen:
        raise CommandError(f"{node.name} has no virtual server {wanted}")
    place = random.choice(chosen)
    return place, found[place]


def server(lab: Lab, node: Node, random: Random) -> str:
    """A real server, as ipvsadm names it."""
    place, servers = virtual(lab, node, random)
    return f"{place} -r {random.choice(servers)}"


def address_of(place: str) -> str:
    """The address of a virtual server."""
    return place.split()[1].rpartition(":")[0].strip("[]")


def virtual_server_missing(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    lab.run(node.name, f"ipvsadm -D {virtual(lab, node, random)[0]}")


def real_server_missing(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    lab.run(node.name, f"ipvsadm -d {server(lab, node, random)}")


def real_servers_missing(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    lab.run(node.name, "\n".join(f"ipvsadm -d {place} -r {one}" for one in servers))


def real_server_weight_0(lab: Lab, random: Random) -> None:
    """As kube-proxy leaves one that is going away."""
    node = node_of(lab, random)
    lab.run(node.name, f"ipvsadm -e {server(lab, node, random)} -m -w 0")


def real_server_elsewhere(lab: Lab, random: Random) -> None:
    """Nobody has the address of a real server, or another port is open there, or none."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    old = random.choice(servers)
    address, _, port = old.rpartition(":")
    dead = f"{address.rpartition('.')[0]}.200" if "." in address else f"{address.strip('[]').rpartition(':')[0]}:c8"
    new = random.choice((socket(dead, int(port)), f"{address}:9090", f"{address}:8081"))
    lab.run(node.name, f"ipvsadm -d {place} -r {old}\nipvsadm -a {place} -r {new} -m -w 1")


def real_server_on_node(lab: Lab, random: Random) -> None:
    """A real server that is the node, itself or by its loopback address, or another node."""
    node = node_of(lab, random)
    place, _ = virtual(lab, node, random)
    six = "[" in place
    address = random.choice(("::1" if six else "127.0.0.1", *(one.address(6 if six else 4) for one in lab.nodes)))
    lab.run(node.name, f"ipvsadm -a {place} -r {socket(address, 10250)} -m -w 1")


def real_server_direct(lab: Lab, random: Random) -> None:
    """Direct routing; now and then to pods that have the service's address, as it must be."""
    rerouted(lab, random, "-g", "ip addr add {address} dev lo")


def real_server_tunnelled(lab: Lab, random: Random) -> None:
    """A tunnel of IP in IP; now and then to pods that open it."""
    lab.run(node_of(lab, random).name, "modprobe -a ipip ip6_tunnel")
    rerouted(
        lab,
        random,
        "-i",
        "ip link set {tunnel} up; ip addr add {address} dev {tunnel}; sysctl -qw net.ipv4.conf.{tunnel}.rp_filter=0",
    )


def rerouted(lab: Lab, random: Random, way: str, prepare: str) -> None:
    """The real servers of a virtual server that keep the packets' destination and port get packets another way, all or one of them."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    if random.random() < 0.9:
        same = [one for one in lab.services if one.port == one.target]
        family = random.choice(lab.scenario.families)
        place, servers = virtual(lab, node, random, f"-t {socket(random.choice(same).addresses[family], 8080)}")
    if random.random() < 0.3:
        servers = servers[:1]
    # Such a real server has the port of the virtual one, whatever is said (ipvsadm.c ``process_options``).
    lab.run(node.name, "\n".join(f"ipvsadm -d {place} -r {one}\nipvsadm -a {place} -r {one} {way} -w 1" for one in servers))
    address, six = address_of(place), "[" in place
    for pod in ends(lab, servers) if random.random() < 0.7 else ():
        script = prepare.format(address=f"{address}/{128 if six else 32}", tunnel="ip6tnl0" if six else "tunl0")
        lab.run(pod.key, script)


def ends(lab: Lab, servers: list[str]) -> list[Pod]:
    """The pods that real servers are."""
    hosts = {one.rpartition(":")[0].strip("[]") for one in servers}
    return [pod for pod in lab.pods if not pod.host_network and hosts & set(pod.addresses)]


def vs_conntrack_off(lab: Lab, random: Random) -> None:
    lab.run(node_of(lab, random).name, "sysctl -qw net.ipv4.vs.conntrack=0")


def vs_switch(lab: Lab, random: Random) -> None:
    """A switch of IPVS."""
    names = ("sloppy_tcp=1", "schedule_icmp=1", "snat_reroute=0", "conn_reuse_mode=0", "backup_only=1", "cache_bypass=1",
             "nat_icmp_send=1", "ignore_tunneled=1", "pmtu_disc=0", "secure_tcp=3")  # fmt: skip
    lab.run(node_of(lab, random).name, f"sysctl -qw net.ipv4.vs.{random.choice(names)}")


def answers_routed_apart(lab: Lab, random: Random) -> None:
    """Routing rules about services' addresses meet the answers of real servers, where IPVS routes these again."""
    node, peer = random.sample(lab.nodes, 2)
    way = random.choice(("unreachable", "blackhole", "via"))
    lines = [f"sysctl -qw net.ipv4.vs.snat_reroute={random.choice((1, 1, 0))}"]
    for family in lab.scenario.families:
        where = f"default via {peer.address(family)} dev eth0" if way == "via" else f"{way} default"
        nodes_port = f"from {node.address(family)} sport 30080-30090 ipproto tcp"
        lines += [f"ip -{family} route add {where} table 77"]
        lines += [
            f"ip -{family} rule add {source} lookup 77 priority 1000" for source in (f"from {SERVICE_CIDR[family]}", nodes_port)
        ]
    lab.run(node.name, "\n".join(lines))


def service_address_of_another(lab: Lab, random: Random) -> None:
    """The device lacks the address of a virtual server, whose real server is the node."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random, "-t 10.96." if random.random() < 0.7 else "-u 10.96.")
    lines = [f"ipvsadm -d {place} -r {one}" for one in servers]
    lines += [f"ipvsadm -a {place} -r {node.address()}:10250 -m -w 1", f"ip addr del {address_of(place)}/32 dev {DEVICE}"]
    lab.run(node.name, "\n".join(lines))


def service_address_missing(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    place, _ = virtual(lab, node, random)
    address = address_of(place)
    lab.run(node.name, f"ip addr del {address}/{128 if ':' in address else 32} dev {DEVICE}")


def service_device(lab: Lab, random: Random) -> None:
    """The device of services' addresses is gone, or up, or answers for them."""
    ways = (
        f"ip link del {DEVICE}",
        f"ip link set {DEVICE} up",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.all.arp_announce=0",
    )
    lab.run(node_of(lab, random).name, random.choice(ways))


def set_entry_missing(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    entries = [line for line in lab.run(node.name, "ipset save").splitlines() if line.startswith("add KUBE-")]
    lab.run(node.name, f"ipset del {random.choice(entries).removeprefix('add ')}")


def set_emptied(lab: Lab, random: Random) -> None:
    node = node_of(lab, random)
    entries = [line.split()[1] for line in lab.run(node.name, "ipset save").splitlines() if line.startswith("add KUBE-")]
    lab.run(node.name, f"ipset flush {random.choice(sorted(set(entries)))}")


def proxy_chain_emptied(lab: Lab, random: Random) -> None:
    """A chain of kube-proxy's is empty."""
    chains = ("-t nat -F KUBE-POSTROUTING", "-t nat -F KUBE-SERVICES", "-t nat -F KUBE-NODE-PORT", "-t nat -F KUBE-LOAD-BALANCER", "-t nat -F KUBE-MARK-MASQ",
              "-F KUBE-IPVS-FILTER", "-F KUBE-IPVS-OUT-FILTER", "-F KUBE-PROXY-FIREWALL")  # fmt: skip
    tables = random.choice(("iptables", "ip6tables") if 6 in lab.scenario.families else ("iptables",))
    lab.run(node_of(lab, random).name, f"{tables} {random.choice(chains)}")


def scheduler_changed(lab: Lab, random: Random) -> None:
    """Another scheduler, with and without its flags, and now and then other weights."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    name = random.choice(SCHEDULERS)
    flags = random.choice(("", *(f" -b {name}-{flag}" for flag in ("fallback", "port")))) if name in ("sh", "mh") else ""
    lab.run(node.name, f"ipvsadm -E {place} -s {name}{flags}")
    if random.random() < 0.6:
        lab.run(node.name, "\n".join(f"ipvsadm -e {place} -r {one} -m -w {random.choice((0, 1, 5))}" for one in servers))


def persistence(lab: Lab, random: Random) -> None:
    """Clients, or networks of them, keep their real server; or those of a virtual server of every port do."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    mask = random.choice(("", " -M 64" if "[" in place else " -M 255.255.255.0"))
    if random.random() < 0.5:
        lab.run(node.name, f"ipvsadm -E {place} -s {random.choice(('rr', 'sh'))} -p 300{mask}")
        return
    every = place.rpartition(":")[0] + ":0"
    port = random.choice(("0", "8080"))
    lines = [f"ipvsadm -a {every} -r {one.rpartition(':')[0]}:{port} -m -w 1" for one in servers]
    lab.run(node.name, "\n".join([f"ipvsadm -D {place}", f"ipvsadm -A {every} -s rr -p 300{mask}", *lines]))


def mark_service(lab: Lab, random: Random) -> None:
    """A virtual server of a mark, which rules set for what is sent to a service."""
    node = node_of(lab, random)
    place, servers = virtual(lab, node, random)
    address, port, six = address_of(place), place.rpartition(":")[2], "[" in place
    options = random.choice(("-s rr", "-s rr -p 300", "-s sh"))
    to = random.choice(("", ":0"))
    lines = [f"ipvsadm -A -f {int(MARK, 16)}{' -6' if six else ''} {options}"]
    lines += [
        f"ipvsadm -a -f {int(MARK, 16)}{' -6' if six else ''} -r {one if not to else one.rpartition(':')[0] + to} -m -w 1"
        for one in servers
    ]
    chains = random.choice((("PREROUTING",), ("PREROUTING", "OUTPUT")))
    match = f"-d {address} -p {'tcp' if '-t' in place else 'udp'} --dport {port}"
    lines += [f"{'ip6' if six else 'ip'}tables -t mangle -A {chain} {match} -j MARK --set-mark {MARK}" for chain in chains]
    if random.random() < 0.5:
        lines.append(f"ipvsadm -D {place}")
    lab.run(node.name, "\n".join(lines))


def one_packet(lab: Lab, random: Random) -> None:
    """Every packet of UDP is scheduled by itself."""
    node = node_of(lab, random)
    place, _ = virtual(lab, node, random, "-u ")
    lab.run(node.name, f"ipvsadm -E {place} -s rr -o")


def balanced_filtered(lab: Lab, random: Random) -> None:
    """A rule about what IPVS has looked at."""
    tests = ("--ipvs", "! --ipvs", "--vmethod MASQ", "--vdir ORIGINAL", "--vdir REPLY", "--vport 80", "--vproto tcp")
    chain = random.choice(("INPUT", "OUTPUT", "FORWARD"))
    lab.run(node_of(lab, random).name, f"iptables -I {chain} -p tcp -m ipvs {random.choice(tests)} -j DROP")


def real_servers_dropped(lab: Lab, random: Random) -> None:
    """A rule that meets packets on their way to a real server, where it stands in their way."""
    chain = random.choice(("INPUT", "OUTPUT", "FORWARD", "-t mangle POSTROUTING", "-t mangle FORWARD", "-t raw OUTPUT"))
    table, _, name = chain.rpartition(" ")
    tests = random.choice(
        (
            "-d 10.244.0.0/16 -p tcp --dport 8080",
            "-d 10.96.0.0/16 -p tcp",
            "-p tcp -m conntrack --ctstate NEW --ctorigdst 10.96.0.0/16",
        )
    )
    if "raw" in table:
        tests = "-d 10.244.0.0/16 -p tcp --dport 8080"
    lab.run(node_of(lab, random).name, f"iptables {table} -I {name} {tests} -j DROP")


def real_servers_marked(lab: Lab, random: Random) -> None:
    """What IPVS sends on is marked, and marks have a table of their own."""
    node = node_of(lab, random)
    chain = random.choice(("PREROUTING", "OUTPUT"))
    where = random.choice(("blackhole default table 77", "unreachable default table 77"))
    lab.run(
        node.name,
        f"iptables -t mangle -A {chain} -p tcp -d {random.choice(('10.244.0.0/16', '10.96.0.0/16'))} -j MARK --set-xmark 0x8000/0x8000\n"
        f"ip rule add fwmark 0x8000/0x8000 lookup 77 priority 1000\nip route add {where}",
    )


def balanced_translated(lab: Lab, random: Random) -> None:
    """A translation of old beside IPVS: of the service's address, or of a real server's."""
    node = node_of(lab, random)
    service = random.choice(lab.services)
    pod = random.choice([one for one in lab.pods if not one.host_network])
    lab.run(node.name, random.choice((
        f"iptables -t nat -I PREROUTING -d {service.addresses[4]} -p tcp -j DNAT --to-destination {pod.addresses[0]}:8080",
        f"iptables -t nat -I OUTPUT -d {service.addresses[4]} -p tcp -j DNAT --to-destination {pod.addresses[0]}:8080",
        f"iptables -t nat -I OUTPUT -d {pod.addresses[0]} -p tcp -j DNAT --to-destination {pod.addresses[0]}:9090",
        f"iptables -t nat -I POSTROUTING -d {pod.addresses[0]} -p tcp -j SNAT --to-source {node.address()}",
        "iptables -t raw -I PREROUTING -d 10.96.0.0/16 -j NOTRACK",
        "iptables -t raw -I OUTPUT -d 10.96.0.0/16 -j NOTRACK",
    )))  # fmt: skip


ALL: tuple[Apply, ...] = (
    virtual_server_missing, real_server_missing, real_servers_missing, real_server_weight_0, real_server_elsewhere, real_server_on_node,
    real_server_direct, real_server_tunnelled, vs_conntrack_off, vs_switch, answers_routed_apart, service_address_of_another, service_address_missing, service_device, set_entry_missing,
    set_emptied, proxy_chain_emptied, scheduler_changed, persistence, mark_service, one_packet, balanced_filtered, real_servers_dropped,
    real_servers_marked, balanced_translated,
)  # fmt: skip
