"""Ways to break a network of the lab by netfilter rules, as they happen to people."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.lab import proxy
from tests.lab.build import Lab
from tests.lab.plan import CLUSTER_CIDR, Node

Apply = Callable[[Lab, Random], None]


def _node(lab: Lab, random: Random) -> Node:
    return random.choice(lab.nodes)


def vxlan_udp_dropped(lab: Lab, random: Random) -> None:
    chain = random.choice(("INPUT", "OUTPUT"))
    lab.run(_node(lab, random).name, f"iptables -I {chain} -p udp --dport 8472 -j DROP")


def extra_masquerade(lab: Lab, random: Random) -> None:
    lab.run(
        _node(lab, random).name, "iptables -t nat -I POSTROUTING -m addrtype ! --dst-type LOCAL ! -d 10.141.0.0/16 -j MASQUERADE"
    )


def snat_to_address(lab: Lab, random: Random) -> None:
    node = _node(lab, random)
    lab.run(node.name, f"iptables -t nat -I POSTROUTING -s {CLUSTER_CIDR[4]} -o eth0 -j SNAT --to-source {node.address()}")


def forward_policy_drop(lab: Lab, random: Random) -> None:
    """Nothing accepts pods' packets any more, where a jump did."""
    lab.run(
        _node(lab, random).name,
        "iptables -P FORWARD DROP; iptables -D FORWARD -m comment --comment 'flanneld forward' -j FLANNEL-FWD || true",
    )


def forward_policy_drop_ok(lab: Lab, random: Random) -> None:
    """The control: the policy is DROP, and the overlay's own rules accept."""
    lab.run(_node(lab, random).name, "iptables -P FORWARD DROP")


def input_policy_drop(lab: Lab, random: Random) -> None:
    lab.run(_node(lab, random).name, "iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
            "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p udp --dport 8472 -j ACCEPT; iptables -A INPUT -p icmp -j ACCEPT")  # fmt: skip


def nft_extra_table_drop(lab: Lab, random: Random) -> None:
    """A second table, as firewalld makes one, refuses what iptables accepts."""
    lab.run(
        _node(lab, random).name,
        "nft add table inet firewalld; "
        "nft add chain inet firewalld filter_FORWARD '{ type filter hook forward priority 10; policy accept; }'; "
        f"nft add rule inet firewalld filter_FORWARD ip daddr {CLUSTER_CIDR[4]} ct state new drop",
    )


def legacy_forward_drop(lab: Lab, random: Random) -> None:
    lab.run(_node(lab, random).name, "iptables-legacy -P FORWARD DROP")


def legacy_stale_rules(lab: Lab, random: Random) -> None:
    """A DNAT of old in the other back end."""
    node, service = _node(lab, random), lab.services[0]
    target = random.choice([pod for pod in lab.pods if not pod.host_network]).addresses[0]
    command = "iptables-legacy" if lab.scenario.backend == "nft" else "iptables-nft"
    lab.run(
        node.name,
        f"{command} -t nat -A PREROUTING -d {service.addresses[4]} -p tcp --dport {service.port} -j DNAT --to-destination {target}:{service.target}",
    )


def kube_firewall_uncond_drop(lab: Lab, random: Random) -> None:
    lab.run(
        _node(lab, random).name,
        f"iptables -N KUBE-FIREWALL 2>/dev/null || true; iptables -A KUBE-FIREWALL -j DROP; iptables -C {'INPUT'} -j KUBE-FIREWALL 2>/dev/null || iptables -A INPUT -j KUBE-FIREWALL",
    )


def kube_services_jump_missing(lab: Lab, random: Random) -> None:
    chain = random.choice(("PREROUTING", "OUTPUT"))
    lab.run(
        _node(lab, random).name, f"iptables -t nat -D {chain} -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES"
    )


def postrouting_jump_missing(lab: Lab, random: Random) -> None:
    lab.run(
        _node(lab, random).name,
        "iptables -t nat -D POSTROUTING -m comment --comment 'kubernetes postrouting rules' -j KUBE-POSTROUTING",
    )


def nf_raw_docker28(lab: Lab, random: Random) -> None:
    """Docker 28: packets to a pod's address are dropped unless they come from its own bridge."""
    node = _node(lab, random)
    for pod in lab.pods_on(node)[:1]:
        lab.run(node.name, f"iptables -t raw -A PREROUTING -d {pod.addresses[0]} ! -i cni0 -j DROP")


def conntrack_notrack(lab: Lab, random: Random) -> None:
    service = lab.services[0]
    chain = random.choice(("PREROUTING", "OUTPUT"))
    lab.run(_node(lab, random).name, f"iptables -t raw -A {chain} -d {service.addresses[4]} -j CT --notrack")


def tcp_loose_off(lab: Lab, random: Random) -> None:
    """Conntrack sees TCP's handshake in part, or not at all, and opens no connection for what follows; INVALID packets may be dropped."""
    unseen = random.choice(("SYN SYN", "SYN,ACK SYN,ACK", "SYN,ACK SYN"))
    family = random.choice(("iptables", "iptables", "ip6tables"))
    lab.run(
        _node(lab, random).name,
        f"sysctl -qw net.netfilter.nf_conntrack_tcp_loose={random.choice((0, 0, 0, 1))}\n"
        f"{family} -t raw -I PREROUTING -p tcp --tcp-flags {unseen} -j CT --notrack\n"
        f"{family} -I {random.choice(('FORWARD', 'FORWARD', 'INPUT'))} -m conntrack --ctstate INVALID -j {random.choice(('DROP', 'DROP', 'ACCEPT'))}",
    )


def connections_tracked(lab: Lab, random: Random) -> None:
    """The nodes track connections with the tuples of the probes already, and one restores their marks."""
    lab.tracked = True
    restored = "iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark"
    drop = "iptables -I FORWARD -m mark --mark 7 -j DROP; iptables -I INPUT -m conntrack --ctstatus ASSURED -p udp -j DROP"
    lab.run(_node(lab, random).name, random.choice(("true", restored, f"{restored}; {drop}")))


def rewrite(lab: Lab, node: Node) -> None:
    """kube-proxy's rules written anew, all else kept."""
    lab.run(node.name, "iptables-save | grep -v KUBE- | iptables-restore")
    lab.run(node.name, "iptables-restore --noflush", proxy.rules(lab, node, 4))


def svc_no_endpoints(lab: Lab, random: Random) -> None:
    random.choice(lab.services).ready = False
    for node in lab.nodes:
        rewrite(lab, node)


def svc_stale_endpoint(lab: Lab, random: Random) -> None:
    """One node sends a share of the connections to an address that no pod has."""
    node = _node(lab, random)
    saved = lab.run(node.name, "iptables-save -t nat")
    old = next((pod.addresses[0] for pod in lab.pods if f"{pod.addresses[0]}:8080" in saved), None)
    if old is not None:
        lab.run(
            node.name,
            "iptables-restore",
            saved.replace(f"--to-destination {old}:8080", f"--to-destination {old.rsplit('.', 1)[0]}.199:8080"),
        )


def etp_local_no_local(lab: Lab, _: Random) -> None:
    """A local policy, and endpoints on one node only."""
    service = lab.services[0]
    service.external_policy = "Local"
    for pod in lab.pods:
        if pod.node != lab.nodes[0].name and pod.labels.get("app") == service.selector:
            pod.labels = {"app": "other"}
    for node in lab.nodes:
        rewrite(lab, node)


def itp_local_no_local(lab: Lab, random: Random) -> None:
    """A policy Local inside the cluster, and endpoints on one node only."""
    random.choice(lab.services).internal_policy = "Local"
    for pod in lab.pods:
        if pod.node != lab.nodes[0].name and pod.labels.get("app") == "web":
            pod.labels = {"app": "other"}
    for node in lab.nodes:
        rewrite(lab, node)


def firewall_chain_emptied(lab: Lab, random: Random) -> None:
    """A load balancer's source ranges that a node has lost."""
    node = _node(lab, random)
    saved = lab.run(node.name, "iptables-save -t nat")
    kept = [line for line in saved.splitlines() if not (line.startswith("-A KUBE-FW-") and " -s " in line)]
    lab.run(node.name, "iptables-restore", "\n".join(kept) + "\n")


def external_jump_missing(lab: Lab, random: Random) -> None:
    """A node that does not know a service's address for the world outside."""
    node, address = _node(lab, random), random.choice(("198.51.100.80", "198.51.100.81", "198.51.100.82"))
    saved = lab.run(node.name, "iptables-save -t nat")
    kept = [line for line in saved.splitlines() if f"-d {address}/32" not in line]
    lab.run(node.name, "iptables-restore", "\n".join(kept) + "\n")


def no_clustercidr_masq(lab: Lab, random: Random) -> None:
    """kube-proxy without a cluster CIDR."""
    node = _node(lab, random)
    saved = lab.run(node.name, "iptables-save -t nat")
    kept = [line for line in saved.splitlines() if not (line.startswith("-A KUBE-SVC-") and "KUBE-MARK-MASQ" in line)]
    lab.run(node.name, "iptables-restore", "\n".join(kept) + "\n")


def external_ip_is_node_ip(lab: Lab, random: Random) -> None:
    lab.services[0].external_addresses = (random.choice(lab.nodes).address(),)
    for node in lab.nodes:
        rewrite(lab, node)


def policy_by_source(lab: Lab, random: Random) -> None:
    """A policy engine's drop for one pod's ingress, except from one source."""
    pod = random.choice([one for one in lab.pods if not one.host_network])
    allowed = random.choice(lab.pods).addresses[0]
    lab.run(
        pod.node,
        f"iptables -I FORWARD -d {pod.addresses[0]} -m conntrack --ctstate NEW ! -s {allowed} -p tcp -j REJECT --reject-with tcp-reset; "
        f"iptables -I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )


def localhost_only_established(lab: Lab, random: Random) -> None:
    lab.run(_node(lab, random).name, "iptables -I OUTPUT -m conntrack --ctstate NEW -p tcp -d 10.244.0.0/16 -j DROP")


def ttl_short(lab: Lab, random: Random) -> None:
    """A node shortens the life of packets: who forwards them next may drop them."""
    chain, change = random.choice(("PREROUTING", "FORWARD", "POSTROUTING")), random.choice(("set 1", "set 2", "dec 62", "dec 63"))
    lab.run(_node(lab, random).name, f"iptables -t mangle -A {chain} -d 10.0.0.0/8 -j TTL --ttl-{change}")


def first_ttl_short(lab: Lab, random: Random) -> None:
    """A node or a pod sends with a small TTL, by its switches or by a route that says so."""
    pod = random.choice([one for one in lab.pods if not one.host_network])
    place, value = random.choice((_node(lab, random).name, pod.key)), random.choice((1, 2))
    route = f"ip route show default | head -1 | xargs -r -I ROUTE sh -c 'ip route change ROUTE hoplimit {value}'"
    six = f"for one in all default eth0; do sysctl -qw net.ipv6.conf.$one.hop_limit={value}; done"
    lab.run(place, random.choice((f"sysctl -qw net.ipv4.ip_default_ttl={value}; {six}", route)))


def handshake_cut(lab: Lab, random: Random) -> None:
    """The first packet of a connection and its answer pass; what follows does not."""
    port = random.choice(("--dport 8080", "--dport 10250", "--dport 9000:11000", "--sport 40000:65535", "--sport 10251:29999"))
    lab.run(
        _node(lab, random).name,
        random.choice((
            f"iptables -I FORWARD -p tcp {port} -m conntrack --ctstate ESTABLISHED -j DROP",
            f"iptables -t mangle -A PREROUTING -p tcp {port} -m conntrack --ctstate ESTABLISHED --ctdir ORIGINAL -j DROP",
            f"iptables -t mangle -A POSTROUTING -p tcp {port} ! --syn -j DROP",
            f"iptables -t raw -A PREROUTING -p tcp {port} --tcp-flags SYN,ACK ACK -j DROP",
            f"iptables -I INPUT -p tcp {port} -m state --state ESTABLISHED -j REJECT --reject-with tcp-reset",
        )),
    )  # fmt: skip


def answers_cut(lab: Lab, random: Random) -> None:
    """The handshake passes; what the server sends in the open connection does not."""
    port = random.choice(("--sport 8080", "--sport 10250", "--sport 9000:11000", "--dport 1024:65535"))
    lab.run(
        _node(lab, random).name,
        random.choice((
            f"iptables -I FORWARD -p tcp {port} --tcp-flags SYN,ACK ACK -m conntrack --ctdir REPLY -j DROP",
            f"iptables -t mangle -A PREROUTING -p tcp {port} --tcp-flags SYN NONE -m conntrack --ctdir REPLY --ctstate ESTABLISHED -j DROP",
            f"iptables -t raw -A PREROUTING -p tcp {port} --tcp-flags SYN,ACK ACK -j DROP",
            f"iptables -t mangle -A FORWARD -p tcp {port} -m connmark --mark 7 -m conntrack --ctdir REPLY -j DROP; "
            "iptables -t mangle -I FORWARD -p tcp -m conntrack --ctdir ORIGINAL --ctstate ESTABLISHED -j CONNMARK --set-mark 7",
        )),
    )  # fmt: skip


def picked_port(lab: Lab, random: Random) -> None:
    """A node translates to a source port that its kernel picks; a rule there or elsewhere looks at the port."""
    node, own = _node(lab, random), random.choice(("5000-5009", "30000-50000"))
    moved = random.choice((
        "MASQUERADE --random-fully", "MASQUERADE --random", "MASQUERADE", f"MASQUERADE --to-ports {own}",
        f"SNAT --to-source {node.address()}:{own}", f"SNAT --to-source {node.address()}:{own} --random",
    ))  # fmt: skip
    asked = random.choice(("1024:65535", "1:1023", "1024:33000", "40000", "5000:5009", "5000:5004", "30000:50000"))
    sign, protocol = random.choice(("", "! ")), random.choice(("tcp", "tcp", "udp"))
    rule = f"iptables -t nat -I POSTROUTING -p {protocol} -m addrtype ! --dst-type LOCAL ! -d 10.141.0.0/16 ! --dport 8472 -j {moved}"
    lab.run(node.name, rule.replace(f"-p {protocol}", f"-p {protocol} -m {protocol}"))
    lab.run(
        _node(lab, random).name,
        random.choice((
            f"iptables -I FORWARD -p tcp {sign}--sport {asked} --syn -j DROP",
            f"iptables -t raw -A PREROUTING -p tcp {sign}--sport {asked} -m tcp --syn -j DROP",
            f"iptables -t raw -A PREROUTING -p tcp {sign}--dport {asked} --tcp-flags SYN,ACK SYN,ACK -j DROP",
            f"iptables -t mangle -A POSTROUTING -p tcp {sign}--sport {asked} --syn -j DROP",
            f"iptables -I FORWARD -p tcp -m conntrack --ctstate ESTABLISHED {sign}--ctrepldstport {asked} -j DROP",
        )),
    )  # fmt: skip


def conntrack_zone(lab: Lab, random: Random) -> None:
    """Connections in zones of their own, the same in both directions; a rule that names no zone comes first for some packets."""
    node, zone = _node(lab, random), random.choice((1, 7))
    protocol = random.choice(("all", "icmp", "udp", "tcp"))
    first = random.choice(("", f"-p udp --{random.choice(('s', 'd'))}port 8080", "-p icmp"))
    for chain in ("PREROUTING", "OUTPUT"):
        lines = [f"iptables -t raw -A {chain} {first} -j CT --zone 0"] if first else []
        lines += [
            f"iptables -t raw -A {chain} -p {protocol} -j CT --zone {zone}",
            f"iptables -t raw -A {chain} -p icmp -j CT --zone 3",
        ]
        lab.run(node.name, "; ".join(lines))


ALL: tuple[Apply, ...] = (
    vxlan_udp_dropped, extra_masquerade, snat_to_address, forward_policy_drop, forward_policy_drop_ok, input_policy_drop, nft_extra_table_drop,
    legacy_forward_drop, legacy_stale_rules, kube_firewall_uncond_drop, kube_services_jump_missing, postrouting_jump_missing, nf_raw_docker28,
    conntrack_notrack, svc_no_endpoints, svc_stale_endpoint, etp_local_no_local, no_clustercidr_masq, external_ip_is_node_ip, policy_by_source,
    localhost_only_established, ttl_short, first_ttl_short, handshake_cut, answers_cut, tcp_loose_off, picked_port, conntrack_zone, connections_tracked, itp_local_no_local, firewall_chain_emptied, external_jump_missing,
)  # fmt: skip
