"""Facts become the network: what is resolved, what stays unknown and says so, and that neither order nor odd facts matter."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.addresses import address, prefix
from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.facts.base import Fact
from analyzer.facts.kubernetes import ConfigMapFact, Located, NodeFact, PodFact
from analyzer.facts.links import AddressFact, Kind, LinkFact, NamespaceIdFact, OtherKind, Tunnel, Vlan, Vrf, Vxlan
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.routes import NextHop, NextHopFact, RouteFact, RoutingRuleFact, TableNameFact
from analyzer.facts.system import FilterFact, Mirred, SysctlFact
from analyzer.model.build import build
from analyzer.model.network import Interface, Network
from analyzer.source import Gap, Scope, Source, Span
from tests.captures import files_of, network_of

ROOT = Path(__file__).parent.parent
N1, POD = Scope("n1"), Scope("n1", "default_web")
LO = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 state UNKNOWN\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"


def at(line: int = 1, path: str = "nodes/n1/ip_-d_addr") -> Span:
    return Span(path, line)


def link(scope: Scope, name: str, index: int, peer: int | None = None, **more: object) -> LinkFact:
    kind = more.pop("kind", OtherKind("veth") if peer is not None else None)
    values: dict[str, object] = {"flags": frozenset({"UP"}), "detailed": True, "kind": kind, **more}
    where = Span(f"nodes/{scope}/ip_-d_addr", index)
    return LinkFact(at=where, scope=scope, name=name, index=index, peer_index=peer, **values)  # type: ignore[arg-type]


def inet(scope: Scope, device: str, text: str, line: int = 1) -> AddressFact:
    host, _, length = text.partition("/")
    where = Span(f"nodes/{scope}/ip_-d_addr", line)
    return AddressFact(at=where, scope=scope, device=device, address=address(host), length=int(length))


def network(*items: Fact, sources: tuple[Source, ...] = (), assume_defaults: bool = False) -> Network:
    scopes = {fact.scope for fact in items if fact.scope is not None}
    own = tuple(Source(f"nodes/{scope}/ip_-d_addr", "1: lo:", "ip-addr", scope) for scope in sorted(scopes))
    return build((*own, *sources), items, (), assume_defaults)


def test_a_veth_pair_is_found_by_mutual_indexes() -> None:
    found = network(link(N1, "vethA", 7, 2, netnsid=0), link(POD, "eth0", 2, 7, netnsid=0))
    assert found.peers[Interface(N1, "vethA")] == Interface(POD, "eth0")
    assert found.peers[Interface(POD, "eth0")] == Interface(N1, "vethA")
    assert not found.outside


def test_a_pair_in_one_namespace_is_found_by_its_names() -> None:
    one = link(N1, "veth0", 4, kind=OtherKind("veth"), parent="veth1")
    two = link(N1, "veth1", 5, kind=OtherKind("veth"), parent="veth0")
    assert network(one, two).peers[Interface(N1, "veth0")] == Interface(N1, "veth1")


def test_a_vlan_is_not_the_end_of_a_pair() -> None:
    found = network(link(N1, "eth0", 2), link(N1, "eth0.5", 3, kind=Vlan(5), parent="eth0"))
    assert not found.peers
    assert found.lower == {Interface(N1, "eth0.5"): Interface(N1, "eth0")}


def test_ids_settle_what_indexes_leave_open() -> None:
    other = Scope("n1", "default_db")
    pair = [link(N1, "vethA", 7, 2, netnsid=1), link(POD, "eth0", 2, 7, netnsid=0), link(other, "odd0", 2, 7, netnsid=0)]
    open_end = network(*pair)
    assert Interface(N1, "vethA") not in open_end.peers
    assert Interface(N1, "vethA") in open_end.outside
    assert any("could be each of" in gap.reason for gap in open_end.gaps)
    told = network(*pair, NamespaceIdFact(at=at(9), scope=N1, name="default_web", netnsid=1))
    assert told.peers[Interface(N1, "vethA")] == Interface(POD, "eth0")


def test_what_one_pair_teaches_settles_another() -> None:
    other = Scope("n1", "default_db")
    items = [
        link(N1, "first", 6, 3, netnsid=1),
        link(POD, "net1", 3, 6, netnsid=0),
        link(N1, "vethA", 7, 2, netnsid=1),
        link(POD, "eth0", 2, 7, netnsid=0),
        link(other, "odd0", 2, 7, netnsid=0),
    ]
    assert network(*items).peers[Interface(N1, "vethA")] == Interface(POD, "eth0")


def test_a_tunnel_that_was_moved_keeps_its_socket_where_it_was_made() -> None:
    moved: Kind = Vxlan(5, remote=address("192.168.0.2"), device="eth0", port=4789)
    found = network(
        link(N1, "ens3", 2),
        link(N1, "vxlan9", 9, kind=Vxlan(1)),
        link(POD, "eth0", 2, 7, netnsid=0),
        link(POD, "vxlan1", 4, kind=moved, netnsid=0),
    )
    assert found.sockets[Interface(N1, "vxlan9")] == N1
    assert found.sockets[Interface(POD, "vxlan1")] == N1
    # `ip` printed the name that the index 2 has in the pod's namespace
    assert found.lower[Interface(POD, "vxlan1")] == Interface(N1, "ens3")


def test_a_parent_in_another_namespace_is_found_by_its_index() -> None:
    found = network(link(N1, "eth0", 2), link(POD, "vlan5", 9, 2, kind=Vlan(5), netnsid=0))
    assert found.lower == {Interface(POD, "vlan5"): Interface(N1, "eth0")}


def test_the_more_detailed_capture_of_a_link_wins_and_contradictions_are_gaps() -> None:
    plain = LinkFact(at=at(1, "nodes/n1/ip_addr"), scope=N1, name="eth0", index=2, mtu=1500, mac=1, alias="uplink")
    detailed = link(N1, "eth0", 2, mtu=1450, mac=1)
    found = network(plain, detailed)
    assert found.namespaces[N1].links["eth0"].mtu == 1450
    assert found.namespaces[N1].links["eth0"].alias == "uplink"
    (gap,) = found.gaps
    assert "its mtu here is not the same" in gap.reason
    assert found.namespaces[N1].gaps["ip-addr"] == (gap,)


def test_names_of_tables_become_numbers() -> None:
    route = RouteFact(at=at(1), scope=N1, destination=prefix("10.0.0.0/8"), table="vpn")
    rule = RoutingRuleFact(at=at(2), scope=N1, family=4, priority=100, table="vpn")
    names = TableNameFact(at=at(3), scope=N1, number=42, name="vpn")
    told = network(route, rule, names).namespaces[N1]
    assert 42 in told.routes[4]
    assert told.rules[4][0].table == 42
    untold = network(route, rule).namespaces[N1]
    assert untold.rules[4][0].table in untold.routes[4]


def test_next_hop_objects_become_the_ways_of_their_routes() -> None:
    group = NextHopFact(at=at(1), scope=N1, identifier=9, group=((1, 2), (2, 1)))
    one = NextHopFact(at=at(2), scope=N1, identifier=1, next_hop=NextHop(address("10.0.0.1"), "eth0"))
    two = NextHopFact(at=at(3), scope=N1, identifier=2, next_hop=NextHop(address("10.0.0.2"), "eth0"))
    route = RouteFact(at=at(4), scope=N1, destination=prefix("10.9.0.0/16"), next_hop_id=9)
    (found,) = network(group, one, two, route).namespaces[N1].routes[4][254]
    assert [(str(hop.via), hop.weight) for hop in found.next_hops] == [("10.0.0.1", 2), ("10.0.0.2", 1)]
    assert any("next-hop object 9" in gap.reason for gap in network(route).gaps)


def test_the_kernels_routing_rules_stand_where_none_were_captured() -> None:
    space = network(link(N1, "eth0", 2)).namespaces[N1]
    assert [(rule.priority, rule.table) for rule in space.rules[4]] == [(0, 255), (32766, 254), (32767, 253)]
    assert [rule.table for rule in space.rules[6]] == [255, 254]
    assert space.missing["ip-rule/4"] == "nodes/n1/ip_rule was not captured"


def test_the_local_table_is_made_from_addresses() -> None:
    space = network(link(N1, "eth0", 2), inet(N1, "eth0", "10.0.0.5/24")).namespaces[N1]
    found = {(str(route.destination), route.kind) for route in space.routes[4][255]}
    assert found == {("10.0.0.5/32", "local"), ("10.0.0.0/32", "broadcast"), ("10.0.0.255/32", "broadcast")}


def test_addresses_in_a_vrf_are_not_in_the_local_table() -> None:
    vrf = link(N1, "red", 3, kind=Vrf(10))
    space = network(vrf, link(N1, "eth1", 4, master="red"), inet(N1, "eth1", "10.0.0.5/24")).namespaces[N1]
    assert 255 not in space.routes.get(4, {})


def test_switches_are_found_under_each_of_their_names() -> None:
    space = network(
        SysctlFact(at=at(1), scope=N1, key="net.ipv4.ip_forward", value="1"),
        SysctlFact(at=at(2), scope=N1, key="net.ipv4.conf.eth0/5.rp_filter", value="2"),
        SysctlFact(at=at(3), scope=N1, key="net.ipv4.conf.eth1.6.rp_filter", value="1"),
    ).namespaces[N1]
    assert space.sysctl("net.ipv4.conf.all.forwarding") == "1"
    assert space.sysctl("net.ipv4.conf.eth0.5.rp_filter") == "2"
    assert space.sysctl("net.ipv4.conf.eth1/6.rp_filter") == "1"
    assert space.sysctl("net.ipv4.conf.all.rp_filter") is None


def test_what_was_not_captured_is_named_and_can_be_assumed() -> None:
    space = network(link(POD, "eth0", 2)).namespaces[POD]
    assert space.missing["netfilter/4"] == "nodes/n1/netns/default_web/iptables-save was not captured"
    assert space.listeners is None
    assert "ip-addr" not in space.missing
    assumed = network(link(N1, "eth0", 2), assume_defaults=True).namespaces[N1]
    assert "netfilter/4" not in assumed.missing
    assert "no netfilter rules" in assumed.assumed["netfilter/4"]
    assert assumed.sysctl("net.ipv4.ip_forward") == "0"
    assert "ip-route/4" in assumed.missing


def test_a_file_that_failed_counts_as_missing(tmp_path: Path) -> None:
    text = f"""\
-- nodes/n1/ip_-d_addr --
{LO}
-- nodes/n1/ip_neigh --
bash: ip: command not found
-- nodes/n1/iptables-save --
bash: iptables-save: command not found
-- nodes/n1/ip_route --
default via 10.0.0.1 dev eth0
-- nodes/n1/ip_rule --
0:	from all lookup local
100:	from 10.0.0.0/8 lookup 77
32766:	from all lookup main
-- nodes/n1/nft_list_ruleset --
"""
    space = network_of(files_of(text), tmp_path).namespaces[N1]
    assert "nodes/n1/ip_neigh cannot be used" in space.missing["ip-neigh"]
    assert "cannot be used" in space.missing["netfilter/4"]
    assert "routing table 77 is not known" in space.missing["ip-route/4/77"]
    assert not {"ip-route/4", "ip-rule/4", "ip-addr", "nft"} & set(space.missing)
    assert {"ip-route/6", "ip-rule/6"} <= set(space.missing)


def test_the_legacy_ruleset_alone_leaves_the_other_back_end_unknown(tmp_path: Path) -> None:
    rules = "*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"
    text = f"-- nodes/n1/ip_-d_addr --\n{LO}\n-- nodes/n1/iptables-legacy-save --\n{rules}"
    space = network_of(files_of(text), tmp_path).namespaces[N1]
    assert space.missing["netfilter/4"] == "nodes/n1/iptables-save was not captured"
    assert "netfilter-legacy" not in space.missing
    both = network_of(files_of(f"{text}-- nodes/n1/iptables-save --\n{rules}"), tmp_path / "both").namespaces[N1]
    assert "netfilter/4" not in both.missing


def test_ip_link_alone_leaves_addresses_unknown(tmp_path: Path) -> None:
    text = f"-- nodes/n1/ip_-d_link --\n{LO}"
    assert "ip-addr" in network_of(files_of(text), tmp_path).namespaces[N1].missing


def test_parts_of_one_pasted_text_fail_one_by_one(tmp_path: Path) -> None:
    parts = f"-- nodes/n1/ip_-d_addr --\n{LO}    inet 127.0.0.1/8 scope host lo\n-- nodes/n1/ip_neigh --\nsh: ip: not found\n-- nodes/n1/nft_list_ruleset --\n"
    (tmp_path / "pasted.txt").write_text(parts)
    loaded = load((str(tmp_path / "pasted.txt"),), None)
    known, gaps = facts(loaded.sources)
    space = build(loaded.sources, known, (*loaded.gaps, *gaps)).namespaces[N1]
    assert "ip-neigh" in space.missing
    assert not {"ip-addr", "nft"} & set(space.missing)


def test_what_ip_shows_to_be_without_bridges_needs_no_listing_of_ports(tmp_path: Path) -> None:
    text = f"-- nodes/n1/ip_-d_addr --\n{LO}2: eth0: <UP> mtu 1500 state UP\n    link/ether 52:54:00:00:00:11 brd ff:ff:ff:ff:ff:ff promiscuity 0\n"
    space = network_of(files_of(text), tmp_path).namespaces[N1]
    assert not {"bridge-fdb", "bridge-link", "bridge-vlan"} & set(space.missing)


def test_uplinks_with_a_common_network_share_a_segment() -> None:
    n2, n3 = Scope("n2"), Scope("n3")
    items: list[Fact] = [link(scope, "eth0", 2) for scope in (N1, n2, n3)]
    items += [inet(N1, "br0", "10.0.0.1/24"), inet(n2, "eth0", "10.0.0.2/24"), inet(n3, "eth0", "10.0.1.3/24")]
    items += [link(N1, "eth1", 3, master="br0", master_kind="bridge"), link(N1, "br0", 4, kind=OtherKind("bridge"))]
    found = network(*items)
    (segment,) = found.segments
    assert segment.members == (Interface(N1, "eth1"), Interface(n2, "eth0"))
    assert "10.0.0.0/24" in segment.assumption


def test_private_networks_that_look_alike_are_no_segment() -> None:
    n2 = Scope("n2")
    items = [link(N1, "eth0", 2), link(n2, "eth0", 2), inet(N1, "eth0", "10.0.2.15/24"), inet(n2, "eth0", "10.0.2.15/24")]
    assert network(*items).segments == ()


def pod(name: str, host: str, host_network: bool = False, finished: bool = False) -> PodFact:
    return PodFact(
        at=at(1, "k8s/pods.yaml"), api_version="v1", kind="Pod", name=name, namespace="default", node="n1",
        addresses=(address(host),), host_network=host_network, finished=finished,
    )  # fmt: skip


def test_pods_are_found_by_folder_by_address_and_on_the_host() -> None:
    odd = Scope("n1", "cni-77")
    found = network(
        link(N1, "eth0", 2),
        link(POD, "eth0", 2),
        inet(POD, "eth0", "10.244.1.2/24"),
        link(odd, "eth0", 2),
        inet(odd, "eth0", "10.244.1.3/24"),
        pod("db", "10.244.1.3"),
        pod("agent", "192.168.0.1", host_network=True),
        pod("done", "10.244.1.2", finished=True),
    )
    assert [(item.name, item.scope) for item in found.attachments] == [
        ("default/agent", N1),
        ("default/db", odd),
        ("default/web", POD),
    ]
    assert found.attachments[2].pod is None


def test_a_pod_lives_where_its_address_is_not_redirected_by_tc() -> None:
    worker, machine = Scope("n1", "cni-1"), Scope("vm", "podns")
    redirect = FilterFact(
        at=at(5), scope=worker, device="eth0", hook="ingress", preference=1, protocol="all", classifier="u32",
        everything=True, actions=(Mirred(True, False, "vxlan1"),),
    )  # fmt: skip
    items: list[Fact] = [
        link(worker, "eth0", 2),
        link(machine, "vxlan0", 3, kind=Vxlan(5)),
        inet(worker, "eth0", "10.1.0.5/23"),
        inet(machine, "vxlan0", "10.1.0.5/23"),
        pod("web", "10.1.0.5"),
    ]
    (found,) = network(*items, redirect).attachments
    assert found.scope == machine
    (before, other) = network(*items).attachments
    assert (before.name, before.scope) == ("default/web", worker)
    assert other.scope == machine


def test_nodes_are_matched_by_name_then_by_address() -> None:
    def node(name: str, host: str) -> NodeFact:
        where = at(1, f"k8s/{name}.yaml")
        return NodeFact(at=where, api_version="v1", kind="Node", name=name, addresses=(("InternalIP", address(host)),))

    found = network(
        link(N1, "eth0", 2), inet(N1, "eth0", "10.0.0.1/24"), node("n1.example.org", "10.0.0.1"), node("n9", "10.0.0.9")
    )
    assert found.node_names == {"n1.example.org": "n1"}


def test_ranges_are_read_from_config_maps_with_their_lines() -> None:
    text = (
        "data:\n  ClusterConfiguration: |\n    networking:\n      podSubnet: 10.244.0.0/16\n      serviceSubnet: 10.96.0.0/12\n"
    )
    value = "networking:\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/12\n"
    fact = ConfigMapFact(
        at=at(1, "k8s/cm.yaml"), api_version="v1", kind="ConfigMap", name="kubeadm-config", namespace="kube-system",
        data={"ClusterConfiguration": Located(value, at(2, "k8s/cm.yaml"))},
    )  # fmt: skip
    found = build((Source("k8s/cm.yaml", text, "kubernetes"),), (fact,), ())
    assert [(item.purpose, str(item.prefix), item.at.line) for item in found.cluster.ranges] == [
        ("pod", "10.244.0.0/16", 4),
        ("service", "10.96.0.0/12", 5),
    ]


def test_the_peer_pod_of_the_sample_lives_in_its_machine() -> None:
    loaded = load((str(ROOT / "samples" / "clusters" / "peer-pods"),), None)
    known, gaps = facts(loaded.sources)
    found = build(loaded.sources, known, (*loaded.gaps, *gaps))
    (item,) = found.attachments
    assert item.name == "default/nginx-priv"
    assert item.scope == Scope("podvm-nginx-priv-8b726648", "podns")
    assert [segment.name for segment in found.segments] == ["192.168.10.0/24", "10.132.2.0/23"]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_facts_and_sources_does_not_matter(seed: int) -> None:
    loaded = load((str(ROOT / "samples" / "clusters" / "peer-pods"),), None)
    known, gaps = facts(loaded.sources)
    expected = build(loaded.sources, known, (*loaded.gaps, *gaps))
    dice = random.Random(seed)
    sources, mixed, every = list(loaded.sources), list(known), [*loaded.gaps, *gaps]
    dice.shuffle(sources)
    dice.shuffle(mixed)
    dice.shuffle(every)
    found = build(sources, mixed, every)
    assert found == expected
    assert list(found.namespaces) == list(expected.namespaces)
    assert list(found.peers) == list(expected.peers)
    assert [gap.at for gap in found.gaps] == [gap.at for gap in expected.gaps]


SCOPES = st.sampled_from([N1, POD, Scope("n2"), Scope("n2", "x")])
NAMES = st.sampled_from(["lo", "eth0", "veth0", "veth1", "cni0", "vxlan0", ""])
NUMBERS = st.one_of(st.none(), st.integers(0, 4))
HOSTS = st.builds(lambda low: address(f"10.0.0.{low}"), st.integers(0, 4))
KINDS = st.sampled_from(
    [None, Vlan(1), Vxlan(1, device="eth0"), Vxlan(None, device="if3"), Tunnel("ipip", device="x"), OtherKind("veth")]
)
SPANS = st.builds(Span, st.sampled_from(["a", "b"]), st.integers(1, 3))
FACTS = st.one_of(
    st.builds(LinkFact, at=SPANS, scope=SCOPES, name=NAMES, index=NUMBERS, peer_index=NUMBERS, parent=st.one_of(st.none(), NAMES),
              netnsid=NUMBERS, kind=KINDS, master=st.one_of(st.none(), NAMES), detailed=st.booleans()),
    st.builds(AddressFact, at=SPANS, scope=SCOPES, device=NAMES, address=HOSTS, length=st.integers(-1, 130)),
    st.builds(RouteFact, at=SPANS, scope=SCOPES, destination=st.just(prefix("10.0.0.0/8")), table=st.sampled_from([254, "main", "vpn", -1]),
              next_hop_id=NUMBERS),
    st.builds(NextHopFact, at=SPANS, scope=SCOPES, identifier=st.integers(0, 4), group=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4))).map(tuple)),
    st.builds(NeighbourFact, at=SPANS, scope=SCOPES, address=HOSTS, device=st.one_of(st.none(), NAMES), mac=NUMBERS),
    st.builds(NamespaceIdFact, at=SPANS, scope=SCOPES, name=st.sampled_from(["default_web", "x"]), netnsid=NUMBERS),
    st.builds(PodFact, at=SPANS, api_version=st.just("v1"), kind=st.just("Pod"), name=NAMES, node=st.sampled_from(["n1", "n2", ""]),
              addresses=st.lists(HOSTS, max_size=2).map(tuple), host_network=st.booleans()),
)  # fmt: skip


@given(st.lists(FACTS, max_size=12), st.booleans(), st.randoms())  # type: ignore[untyped-decorator]
def test_no_fact_makes_it_raise_and_order_never_matters(items: list[Fact], assume: bool, dice: random.Random) -> None:
    scopes = {fact.scope for fact in items if fact.scope is not None}
    sources = tuple(Source(f"{scope}", "x", "ip-addr", scope) for scope in sorted(scopes))
    gaps = (Gap(Span("a", 1), "odd", "ip-addr", N1),)
    one = build(sources, items, gaps, assume)
    dice.shuffle(items)
    two = build(sources, items, gaps, assume)
    assert one == two
    assert one.gaps == two.gaps
