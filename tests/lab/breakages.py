"""Ways to break a network of the lab: links, overlays, routes, neighbours. Add one: a function and a line in ``BREAKAGES``.

A breakage takes the network and a source of random choices, and changes the network by commands inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.lab import (
    chaos,
    device_breakages,
    enforcement_breakages,
    hardware_breakages,
    ipvs_breakages,
    link_breakages,
    matching_breakages,
    netfilter_breakages,
    nft_breakages,
    overlay_breakages,
    peer_pods,
    romana_enforcer,
    rule_breakages,
    six_breakages,
    source_breakages,
    tunnel_breakages,
    wireguard,
)
from tests.lab.build import Lab
from tests.lab.plan import GATEWAY, Node, Pod, Scenario

Apply = Callable[[Lab, Random], None]
ANYWHERE: frozenset[str] = frozenset()
OVERLAYS = frozenset({"vxlan"})
BRIDGED, ROUTED = frozenset({"vxlan", "host-gw", "bridge", "peer-pods"}), frozenset({"vxlan", "host-gw", "ptp", "calico"})
PEER = frozenset({"peer-pods"})
BY_RULES = frozenset({"romana", "terway", "aws-vpc-cni"})
BY_ROUTES = BY_RULES | {"azure", "gke"}
PODS = BRIDGED | ROUTED | BY_ROUTES
PROXIES = (("nftables", nft_breakages.ALL), ("ipvs", ipvs_breakages.ALL))


@dataclass(frozen=True, slots=True)
class Breakage:
    """A breakage, and which scenarios it fits: ``overlays`` (none: all), ``services`` by kube-proxy's iptables mode needed, more than
    one node (``peers``) needed, IPv6 (``six``) needed, kube-proxy in the mode ``proxy`` needed, policies in the
    shape of a network system (``enforced``) needed, the ``guest`` kernel needed, an ``uplink`` of that kind needed."""

    apply: Apply
    overlays: frozenset[str] = ANYWHERE
    services: bool = False
    peers: bool = False
    six: bool = False
    proxy: str = ""
    enforced: bool = False
    guest: bool = False
    uplink: str = ""

    @property
    def name(self) -> str:
        return self.apply.__name__

    def fits(self, scenario: Scenario) -> bool:
        """Whether the scenario has what this breaks."""
        if (self.six and 6 not in scenario.families) or self.proxy not in ("", scenario.proxy):
            return False
        if (self.guest and not scenario.guest) or self.uplink not in ("", scenario.uplink):
            return False
        if (self.enforced and scenario.enforcer == "plain") or (self.overlays and scenario.overlay not in self.overlays):
            return False
        served = scenario.services and scenario.proxy == "iptables"
        return (served or not self.services) and (scenario.nodes > 1 or not self.peers)


def nodes(lab: Lab, random: Random) -> tuple[Node, Node]:
    """A node, and another (the same where there is but one)."""
    chosen = random.sample(lab.nodes, min(2, len(lab.nodes)))
    return chosen[0], chosen[-1]


def pod(lab: Lab, random: Random) -> Pod:
    """A pod with a namespace of its own."""
    return random.choice([one for one in lab.pods if not one.host_network])


def veth(lab: Lab, one: Pod) -> str:
    """The host's end of a pod's pair."""
    return hardware_breakages.veth_of(lab, one)


def ip_forward_0(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "sysctl -qw net.ipv4.ip_forward=0")


def device_forwarding_off(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "sysctl -qw net.ipv4.conf.eth0.forwarding=0")


def rp_filter_strict(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, f"sysctl -qw net.ipv4.conf.all.rp_filter={random.choice((1, 2))}")


def rp_filter_strict_asym(lab: Lab, random: Random) -> None:
    """Strict, and the way back to another node's pods leaves elsewhere."""
    node, peer = nodes(lab, random)
    lab.run(
        node.name, f"sysctl -qw net.ipv4.conf.all.rp_filter=1; ip route replace {peer.pod_cidr()} via {peer.address()} dev eth0"
    )


def asym_no_rpf(lab: Lab, random: Random) -> None:
    """The control: the way back leaves elsewhere, and nobody minds."""
    node, peer = nodes(lab, random)
    lab.run(node.name, f"ip route replace {peer.pod_cidr()} via {peer.address()} dev eth0")


def br_nf_off(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0")


def hairpin_off(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"bridge link set dev {veth(lab, one)} hairpin off")


def vtep_mac_changed(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip link set flannel.1 address 5e:89:00:00:00:01")


def stale_neigh(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    lab.run(node.name, f"ip neigh replace {peer.pod_network()} lladdr 5e:89:00:00:00:02 dev flannel.1 nud permanent")


def neigh_missing(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    lab.run(node.name, f"ip neigh del {peer.pod_network()} dev flannel.1")


def mtu_pod_too_big(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.key, "ip link set eth0 mtu 1500")


def underlay_mtu_small(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip link set eth0 mtu 1400")


def route_missing(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    lab.run(node.name, f"ip route del {peer.pod_cidr()}")


def route_wrong_via(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    others = [one.address() for one in lab.nodes if one not in (node, peer)]
    lab.run(node.name, f"ip route replace {peer.pod_cidr()} via {random.choice([GATEWAY[4], '192.168.66.77', *others])} dev eth0")


def route_blackhole(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    kind = random.choice(("blackhole", "prohibit", "unreachable"))
    narrow = random.choice((peer.pod_cidr(), peer.pod_cidr().replace("/24", "/25")))
    lab.run(node.name, f"ip route {'replace' if narrow == peer.pod_cidr() else 'add'} {kind} {narrow}")


def route_throw(lab: Lab, random: Random) -> None:
    """A rule sends pods' packets to a table that throws them back; or the table of local routes throws, which no rule parts from the main one."""
    node, peer = nodes(lab, random)
    if random.random() < 0.4:
        narrow = random.choice((peer.pod_cidr(), peer.pod_cidr().replace("/24", "/23"), f"{peer.address()}/32"))
        lab.run(node.name, f"ip route add throw {narrow} table local")
        return
    lab.run(node.name, f"ip rule add pref 900 from {node.pod_cidr()} lookup 90; ip route add throw {peer.pod_cidr()} table 90")


def second_uplink(lab: Lab, random: Random) -> None:
    """A second network between the nodes; the packets of one go there, the answers come back by the first."""
    node, peer = nodes(lab, random)
    lines = ["ip link add br1 type bridge", "ip link set br1 up"]
    for one in lab.nodes:
        process = lab.machine.agents[one.name].pid
        lines += [
            f"ip link add second{one.number} type veth peer name eth1 netns {process}",
            f"ip link set second{one.number} master br1 up",
        ]
    lab.run("underlay", "\n".join(lines))
    for one in lab.nodes:
        lab.run(one.name, f"ip link set eth1 up; ip addr add {one.second_address()}/24 dev eth1")
    lab.run(node.name, f"ip route replace {peer.pod_cidr()} via {peer.second_address()} dev eth1")
    lab.run(
        peer.name, f"sysctl -qw net.ipv4.conf.{random.choice(('all', 'eth1', 'default'))}.rp_filter={random.choice((0, 1, 1, 2))}"
    )


def two_next_hops(lab: Lab, random: Random) -> None:
    """A route with two next hops of which one may be nobody."""
    node, peer = nodes(lab, random)
    other = random.choice((peer.address(), "192.168.66.77", node.address()))
    lab.run(
        node.name,
        f"ip route replace {peer.pod_cidr()} nexthop via {peer.address()} dev eth0 weight 1 nexthop via {other} dev eth0 weight 2 || true",
    )


def nm_cloud_rule(lab: Lab, random: Random) -> None:
    """A table of its own for packets from the node's address, which knows no pods."""
    node = nodes(lab, random)[0]
    lab.run(
        node.name,
        f"ip route add default via {GATEWAY[4]} dev eth0 table 30400; ip rule add pref 30400 from {node.address()} lookup 30400",
    )


def rule_unreachable(lab: Lab, random: Random) -> None:
    node, peer = nodes(lab, random)
    lab.run(
        node.name,
        f"ip rule add pref 800 from {node.pod_cidr()} to {peer.pod_cidr()} {random.choice(('blackhole', 'unreachable', 'prohibit'))}",
    )


def pod_no_default_route(lab: Lab, random: Random) -> None:
    lab.run(pod(lab, random).key, "ip route del default")


def pod_gateway_wrong(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.key, f"ip route replace default via {lab.node(one.node).pod_cidr().replace('0/24', '222')} dev eth0 onlink")


def pod_neigh_wrong(lab: Lab, random: Random) -> None:
    """A pod's gateway with the MAC of nobody."""
    one = pod(lab, random)
    gateway = lab.run(one.key, "ip route show default").split("via ")[1].split()[0]
    lab.run(one.key, f"ip neigh replace {gateway} lladdr 02:00:00:00:00:99 dev eth0 nud permanent")


def pod_address_lost(lab: Lab, random: Random) -> None:
    lab.run(pod(lab, random).key, "ip -4 addr flush dev eth0")


def cni0_no_ip(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip -4 addr flush dev cni0")


def cni0_wrong_subnet(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip -4 addr flush dev cni0; ip addr add 10.244.77.1/24 dev cni0")


def cni0_down(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip link set cni0 down")


def veth_detached(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"ip link set {veth(lab, one)} nomaster")


def veth_down(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"ip link set {veth(lab, one)} down")


def port_isolated(lab: Lab, random: Random) -> None:
    found = lab.pods_on(nodes(lab, random)[0])
    for one in random.sample(found, min(len(found), 2)):
        lab.run(one.node, f"bridge link set dev {veth(lab, one)} isolated on")


def vlan_filtering(lab: Lab, random: Random) -> None:
    """One pod's port in another VLAN."""
    one = pod(lab, random)
    port = veth(lab, one)
    lab.run(
        one.node,
        f"ip link set cni0 type bridge vlan_filtering 1 || exit 0; bridge vlan del dev {port} vid 1; bridge vlan add dev {port} vid 7 pvid untagged",
    )


def learning_off(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"bridge link set dev {veth(lab, one)} learning off flood off")


def dup_pod_ip(lab: Lab, random: Random) -> None:
    """A pod takes the address of another on the same node as well."""
    node = nodes(lab, random)[0]
    here = lab.pods_on(node)
    if len(here) > 1:
        one, other = random.sample(here, 2)
        bits = 32 if lab.scenario.overlay in ("ptp", "calico", "canal", *BY_ROUTES) else 24
        lab.run(one.key, f"ip addr add {other.addresses[0]}/{bits} dev eth0")


def proxy_arp_on(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "sysctl -qw net.ipv4.conf.eth0.proxy_arp=1 net.ipv4.neigh.eth0.proxy_delay=0")


def proxy_arp_off(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"sysctl -qw net.ipv4.conf.{veth(lab, one)}.proxy_arp=0")


def arp_ignored(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, f"sysctl -qw net.ipv4.conf.all.arp_ignore={random.choice((1, 2, 8))}")


def workload_route_missing(lab: Lab, random: Random) -> None:
    one = pod(lab, random)
    lab.run(one.node, f"ip route del {one.addresses[0]}")


def pings_ignored(lab: Lab, random: Random) -> None:
    where = random.choice((pod(lab, random).key, nodes(lab, random)[0].name))
    lab.run(where, "sysctl -qw net.ipv4.icmp_echo_ignore_all=1; sysctl -qw net.ipv6.icmp.echo_ignore_all=1 || true")


def no_default_route(lab: Lab, random: Random) -> None:
    lab.run(nodes(lab, random)[0].name, "ip route del default 2>/dev/null || true")


_WIRED = (
    Breakage(ip_forward_0), Breakage(device_forwarding_off), Breakage(rp_filter_strict), Breakage(no_default_route),
    Breakage(rp_filter_strict_asym, frozenset({"vxlan"}), peers=True), Breakage(asym_no_rpf, frozenset({"vxlan"}), peers=True),
    Breakage(br_nf_off, BRIDGED), Breakage(hairpin_off, BRIDGED),
    Breakage(vtep_mac_changed, OVERLAYS), Breakage(stale_neigh, OVERLAYS, peers=True), Breakage(neigh_missing, OVERLAYS, peers=True),
    Breakage(overlay_breakages.fdb_missing, OVERLAYS, peers=True), Breakage(overlay_breakages.fdb_wrong_dst, OVERLAYS, peers=True), Breakage(overlay_breakages.fdb_default, OVERLAYS, peers=True),
    Breakage(overlay_breakages.vni_mismatch, OVERLAYS), Breakage(overlay_breakages.vxlan_port_mismatch, OVERLAYS), Breakage(overlay_breakages.multicast_group, OVERLAYS, peers=True),
    Breakage(overlay_breakages.asks_nobody, OVERLAYS, peers=True),
    Breakage(overlay_breakages.flannel_dev_down, OVERLAYS), Breakage(overlay_breakages.flannel_dev_missing, OVERLAYS),
    Breakage(mtu_pod_too_big, OVERLAYS), Breakage(underlay_mtu_small, OVERLAYS),
    Breakage(route_missing, ROUTED, peers=True), Breakage(route_wrong_via, ROUTED, peers=True), Breakage(route_blackhole, ROUTED, peers=True),
    Breakage(route_throw, ROUTED, peers=True), Breakage(nm_cloud_rule), Breakage(rule_unreachable, ROUTED, peers=True),
    Breakage(second_uplink, ROUTED, peers=True), Breakage(two_next_hops, ROUTED, peers=True),
    Breakage(pod_no_default_route, PODS), Breakage(pod_gateway_wrong, BRIDGED), Breakage(pod_neigh_wrong, PODS),
    Breakage(pod_address_lost), Breakage(cni0_no_ip, BRIDGED), Breakage(cni0_wrong_subnet, BRIDGED), Breakage(cni0_down, BRIDGED),
    Breakage(veth_detached, BRIDGED), Breakage(veth_down, PODS), Breakage(port_isolated, BRIDGED), Breakage(vlan_filtering, BRIDGED),
    Breakage(learning_off, BRIDGED), Breakage(dup_pod_ip, PODS), Breakage(proxy_arp_on), Breakage(arp_ignored), Breakage(pings_ignored),
    Breakage(proxy_arp_off, frozenset({"calico", "canal"})), Breakage(workload_route_missing, frozenset({"ptp", "calico", "canal"}) | BY_ROUTES),
    Breakage(peer_pods.pod_machine_mac, PEER), Breakage(peer_pods.redirect_missing, PEER),
)  # fmt: skip
_SERVED = frozenset({"svc_no_endpoints", "svc_stale_endpoint", "etp_local_no_local", "kube_services_jump_missing", "conntrack_notrack",
                     "no_clustercidr_masq", "legacy_stale_rules", "external_ip_is_node_ip", "postrouting_jump_missing", "itp_local_no_local", "firewall_chain_emptied",
                     "external_jump_missing", "connections_tracked"})  # fmt: skip
_FILTERED = tuple(Breakage(apply, services=apply.__name__ in _SERVED) for apply in netfilter_breakages.ALL)
_PROXIED = tuple(Breakage(apply, proxy=name) for name, found in PROXIES for apply in found)
_HARDWARE = tuple(Breakage(apply, BRIDGED - PEER) for apply in hardware_breakages.ALL)
_LINKS = tuple(Breakage(apply, PODS - PEER) for apply in link_breakages.ALL)
_LINKS += tuple(Breakage(apply, BRIDGED - PEER) for apply in link_breakages.BRIDGES)
_SIX = tuple(Breakage(apply, OVERLAYS, six=True) for apply in six_breakages.ALL)
_SIX += tuple(Breakage(apply, ROUTED, peers=True, six=True) for apply in six_breakages.ROUTED)
_SOURCES = tuple(Breakage(apply, PODS - PEER) for apply in source_breakages.WIRED)
_SOURCES += tuple(Breakage(apply, OVERLAYS, six=True) for apply in source_breakages.SIX)
_OTHERS = tuple(Breakage(apply) for apply in chaos.ALL) + tuple(Breakage(apply, BY_RULES) for apply in rule_breakages.ALL)
_OTHERS += tuple(Breakage(apply) for apply in (*nft_breakages.ANYWHERE, *matching_breakages.ALL))
_ENFORCED = tuple(Breakage(apply, enforced=True) for apply in enforcement_breakages.ALL)
_ENFORCED += (Breakage(romana_enforcer.rules_mixed, frozenset({"romana"}), enforced=True),)
_DEVICES = tuple(Breakage(apply, BRIDGED - PEER, peers=True, guest=True) for apply in device_breakages.BRIDGES)
_DEVICES += (Breakage(wireguard.wireguard_peer, frozenset({"wireguard"}), peers=True),)
_DEVICES += tuple(Breakage(apply, peers=True, guest=True, uplink=uplink) for uplink, apply in device_breakages.UPLINKS)
_TUNNELS = tuple(Breakage(one, some, peers=True) for one, some in tunnel_breakages.FITTING)
BREAKAGES = _WIRED + _FILTERED + _PROXIED + _SIX + _HARDWARE + _LINKS + _OTHERS + _SOURCES + _ENFORCED + _DEVICES + _TUNNELS


def choose(scenario: Scenario, random: Random, most: int = 3) -> list[Breakage]:
    """Some breakages that fit the scenario, none now and then; where policies are enforced by a network system's rules, half of the time only of these."""
    fitting = [one for one in BREAKAGES if one.fits(scenario)]
    if scenario.enforcer != "plain" and random.random() < 0.5:
        fitting = [one for one in fitting if one.enforced]
    return random.sample(fitting, min(len(fitting), random.choice(range(most + 1))))
