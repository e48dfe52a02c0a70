"""The words of ``ip -d link`` that stand behind a kind, and those about any device.

Follows the print_opt functions of iproute2 (ip/iplink_*.c, ip/link_*.c) and print_linkinfo (ip/ipaddress.c), of all versions: a word that none of them
prints was damaged, or is newer, and what it says is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Words:
    """What may stand behind a kind: words with that many values behind them, the first characters of words that have none, and words behind which a list stands."""

    values: Mapping[str, int]
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


def words(flags: str = "", values: str = "", two: str = "", starts: tuple[str, ...] = (), ends: tuple[str, ...] = ()) -> Words:
    """From lists of words."""
    return Words(
        {**dict.fromkeys(flags.split(), 0), **dict.fromkeys(values.split(), 1), **dict.fromkeys(two.split(), 2)}, starts, ends
    )


UDP = "udpcsum noudpcsum udp6zerocsumtx noudp6zerocsumtx udp6zerocsumrx noudp6zerocsumrx"
ENCAPSULATION = (
    "encap-csum noencap-csum encap-csum6 noencap-csum6 encap-udp6-csum noencap-udp6-csum encap-remcsum noencap-remcsum"
)
TUNNEL = words(
    "ipip ip6ip ipip6 ip6ip6 mplsip any external pmtudisc nopmtudisc ignore-df noignore-df isatap iseq oseq icsum ocsum seq csum mip6 "
    f"allow-localremote {ENCAPSULATION}",
    "remote local dev ttl tos hoplimit encaplimit tclass flowlabel dscp fwmark key ikey okey 6rd-prefix 6rd-relay_prefix encap encap-sport "
    "encap-dport erspan_index erspan_ver erspan_dir erspan_hwid proto (flowinfo",
)
TUNNELS = frozenset(
    {"ipip", "sit", "gre", "gretap", "ip6tnl", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "vti", "vti6", "ipip6", "any"}
)
BRIDGE_PORT = words(
    "",
    "state priority cost hairpin guard root_block fastleave learning flood port_id port_no designated_port designated_cost designated_bridge "
    "designated_root hold_timer message_age_timer forward_delay_timer topology_change_ack config_pending proxy_arp proxy_arp_wifi mcast_router "
    "mcast_fast_leave mcast_flood bcast_flood mcast_to_unicast neigh_suppress neigh_vlan_suppress group_fwd_mask group_fwd_mask_str vlan_tunnel "
    "isolated locked mab backup_port backup_nhid mcast_max_groups mcast_n_groups mcast_eht_hosts_limit mcast_eht_hosts_cnt",
)
KINDS: Mapping[str, Words] = {
    **dict.fromkeys(sorted(TUNNELS), TUNNEL),
    "vxlan": words(
        f"external vnifilter nolearning learning proxy rsc l2miss l3miss noproxy norsc nol2miss nol3miss remcsumtx remcsumrx gbp gpe localbypass "
        f"nolocalbypass {UDP}",
        "id group group6 remote remote6 local local6 dev dstport tos ttl df flowlabel ageing maxaddr label_policy reserved_bits mc_route",
        "srcport port",
    ),
    "geneve": words(f"external innerprotoinherit {UDP}", "id remote ttl tos df flowlabel dstport", "port_range port-range"),
    "macvlan": words("nopromisc nodst", "mode bcqueuelen usedbcqueuelen bclim", ends=("remotes",)),
    "ipvlan": words("bridge private vepa", "mode"),
    "vlan": words("", "protocol id", starts=("<",)),
    "bridge": words(
        "",
        "forward_delay hello_time max_age ageing_time stp_state stp_mode priority vlan_filtering vlan_protocol bridge_id designated_root root_port "
        "root_path_cost topology_change topology_change_detected hello_timer tcn_timer topology_change_timer gc_timer fdb_n_learned fdb_max_learned "
        "vlan_default_pvid vlan_stats_enabled vlan_stats_per_port group_fwd_mask group_address mcast_snooping no_linklocal_learn mcast_vlan_snooping "
        "mst_enabled mst_enable mdb_offload_fail_notification fdb_local_vlan_0 mcast_router mcast_query_use_ifaddr mcast_querier mcast_querier_ipv4_addr "
        "mcast_querier_ipv4_port mcast_querier_ipv4_other_timer mcast_querier_ipv6_addr mcast_querier_ipv6_port mcast_querier_ipv6_other_timer "
        "mcast_hash_elasticity mcast_hash_max mcast_last_member_count mcast_startup_query_count mcast_last_member_interval mcast_membership_interval "
        "mcast_querier_interval mcast_query_interval mcast_query_response_interval mcast_startup_query_interval mcast_stats_enabled mcast_igmp_version "
        "mcast_mld_version nf_call_iptables nf_call_ip6tables nf_call_arptables",
    ),
    "vrf": words("", "table"),
    "bond": words(
        "",
        "mode active_slave miimon updelay downdelay peer_notify_delay use_carrier arp_interval arp_missed_max arp_ip_target ns_ip6_target arp_validate "
        "arp_all_targets primary primary_reselect fail_over_mac xmit_hash_policy resend_igmp num_grat_arp num_unsol_na all_slaves_active min_links "
        "lp_interval packets_per_slave lacp_active lacp_rate ad_select ad_aggregator ad_num_ports ad_actor_key ad_partner_key ad_partner_mac "
        "ad_actor_sys_prio ad_user_port_key ad_actor_system tlb_dynamic_lb coupled_control broadcast_neighbor",
    ),
    "veth": words(),
    "wireguard": words(),
    "dummy": words(),
    "openvswitch": words(),
}
SAME = {"macvtap": "macvlan", "ipvtap": "ipvlan"}
"""Kinds with the words of another."""
PLAIN = frozenset(
    [
        "tun",
        "ifb",
        "nlmon",
        "netdevsim",
        "team",
        "netkit",
        "vcan",
        "vxcan",
        "can",
        "xfrm",
        "bareudp",
        "amt",
        "gtp",
        "macsec",
        "hsr",
        "vsock",
        "vsockmon",
        "lowpan",
        "dsa",
        "ovpn",
        "batadv",
        "virt_wifi",
        "wwan",
        "rmnet",
        "ipoib",
        "pfcp",
        "ppp",
        "caif",
        "tap",
        "ipvs",
        "nat64",
        "vmnet",
        "ovs",
        "xdp",
        "tunl",
        "vport",
        "amneziawg",
    ]
)
"""Kinds of which no option decides here."""
ALONE = PLAIN | {"veth", "dummy"}
"""Kinds that take no frames from other devices, as bridges, tunnels and VLANs do: what is not known of one is about its own frames."""
PORTS: Mapping[str, tuple[str, Words | None]] = {
    "bridge_slave": ("bridge", BRIDGE_PORT),
    "openvswitch_slave": ("openvswitch", words()),
    "bond_slave": ("bond", None),
    "vrf_slave": ("vrf", words("", "table")),
    "team_slave": ("team", None),
    "hsr_slave": ("hsr", None),
    "batadv_slave": ("batadv", None),
}
NUMBERED = frozenset(
    {"promiscuity", "allmulti", "minmtu", "maxmtu", "numtxqueues", "numrxqueues", "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size"}
)  # fmt: skip
ANY_DEVICE = frozenset(
    [
        "promiscuity",
        "allmulti",
        "minmtu",
        "maxmtu",
        "addrgenmode",
        "numtxqueues",
        "numrxqueues",
        "gso_max_size",
        "gso_max_segs",
        "tso_max_size",
        "tso_max_segs",
        "gro_max_size",
        "gso_ipv4_max_size",
        "gro_ipv4_max_size",
        "gro_ipv4_max",
        "portid",
        "portname",
        "switchid",
        "parentbus",
        "parentdev",
        "port_name",
        "switch_id",
        "netns-immutable",
        "headroom",
        "tailroom",
        "max_pacing_offload_horizon",
        "dpll-pin",
        "protodown",
        "protodown_reason",
    ]
)
"""The first of these ends what is said of the kind; none of what follows decides about packets, whatever newer versions add to it."""


def own(line: Sequence[str]) -> Sequence[str]:
    """The words of a line that are about its kind: those before the first about any device. ValueError where these are not such as are printed."""
    end = next((i for i, word in enumerate(line) if word in ANY_DEVICE), len(line))
    refuse_values(line[end:])
    return line[:end]


def refuse_values(line: Sequence[str]) -> None:
    """ValueError for a word about any device without its number, and for a last word that is neither known nor the value of one: what stood behind it may
    be lost."""
    for word, value in pairwise((*line, "")):
        if word in NUMBERED and not value.isdecimal():
            raise ValueError(f"expected the number of {word}, not {value[:60]!r}")
    if line and not line[-1].isdecimal() and ANY_DEVICE.isdisjoint(line[-2:]):
        raise ValueError(f"the line may break off at {line[-1][:60]!r}")


def refuse(kind: str, known: Words | None, line: Sequence[str]) -> None:
    """ValueError for a word that the kind does not have, and for one whose value is missing."""
    position = 0
    while known is not None and position < len(line):
        word = line[position]
        if word in known.ends:
            return
        step = known.values.get(word, 0 if word.startswith(known.starts or ("\0",)) else -1)
        if step < 0:
            raise ValueError(f"the word {word!r} of {kind} is not known")
        if position + step >= len(line):
            raise ValueError(f"{word!r} of {kind} has no value")
        position += 1 + step


def written(text: str) -> str:
    """A type of service as it is written: a number, or else, and for 1, that of the packet inside."""
    number = text.lower().removeprefix("0x")
    return text if set(number) <= set("0123456789abcdef") and number not in ("1", "01") and len(number) < 3 else "inherit"
