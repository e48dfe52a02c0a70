"""The JSON of ``ip -j addr`` and ``ip -j link``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analyzer.addresses import Address, address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.links import (
    AddressFact,
    Bond,
    Bridge,
    Geneve,
    Ipvlan,
    Kind,
    LinkFact,
    Macvlan,
    OtherKind,
    Tunnel,
    Vlan,
    Vrf,
    Vxlan,
    Wireguard,
    group_of,
)
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers import UNREADABLE, reason
from analyzer.parsers._link_flags import flags_of, operational
from analyzer.parsers._link_words import ALONE, KINDS, PLAIN, PORTS, TUNNELS, written
from analyzer.parsers._words import json_items
from analyzer.source import Gap, Source, Span

Item = Mapping[str, Any]


def read_json(source: Source) -> Iterator[Fact | Gap]:
    """Links, addresses and bridge ports; an item that cannot be read is a gap."""
    for item, at in json_items(source):
        try:
            yield from list(facts_of(source, item, at))
        except UNREADABLE as problem:
            yield Gap(at, f"{item.get('ifname', 'interface')}: {reason(problem)}", source.kind, source.scope)


def port_kind(name: str | None) -> str | None:
    """The kind of port that a link is."""
    if name is not None and f"{name}_slave" not in PORTS:
        raise ValueError(f"the kind {name!r} of a port is not known")
    return name


def facts_of(source: Source, item: Item, at: Span) -> Iterator[Fact | Gap]:
    """The facts of one item."""
    info: Item = item.get("linkinfo") or {}
    if "flags" in item or "mtu" in item:
        link = link_of(source, item, info, at)
        try:
            yield replace(
                link,
                master_kind=port_kind(info.get("info_slave_kind")),
                kind=kind_of(info["info_kind"], info.get("info_data") or {}) if "info_kind" in info else None,
            )
        except UNREADABLE as problem:
            yield Gap(
                at,
                f"{link.name}: {reason(problem)}",
                source.kind,
                source.scope,
                device=link.name if info.get("info_kind") in ALONE else "",
            )
            yield link
    if info.get("info_slave_kind") == "bridge":
        yield port_of(source, item, info.get("info_slave_data") or {}, at)
    for order, entry in enumerate(item.get("addr_info") or ()):
        if entry:
            yield address_of(source, item["ifname"], entry, at, order)


def link_of(source: Source, item: Item, info: Item, at: Span) -> LinkFact:
    """One link."""
    mac = item.get("address")
    return LinkFact(
        at=at,
        scope=source.scope,
        name=item["ifname"],
        index=item.get("ifindex"),
        flags=flags_of(item.get("flags") or ()),
        mtu=item.get("mtu"),
        mac=hardware_address(mac) if item.get("link_type") in ("ether", "loopback") and mac else None,
        link_type=item.get("link_type", "ether"),
        state=operational(item.get("operstate", "UNKNOWN")),
        master=item.get("master"),
        peer_index=item.get("link_index"),
        parent=item.get("link"),
        netnsid=item.get("link_netnsid"),
        netns_name=item.get("link_netns"),
        detailed="promiscuity" in item or bool(info),
        promiscuity=item.get("promiscuity", 0),
        alias=item.get("ifalias"),
        alternative_names=tuple(item.get("altnames") or ()),
        group=group_of(str(item.get("group", ""))),
    )


def addressed(data: Item, *keys: str) -> Address | None:
    """The address under the first key that is there; ``any`` is none."""
    text = next((data[key] for key in keys if data.get(key)), None)
    return None if text in (None, "any", "") else address(str(text))


def kind_of(name: str, data: Item) -> Kind:
    """The kind from ``info_kind`` and ``info_data``."""
    if name in TUNNELS:
        return tunnel(name, data)
    match name:
        case "vxlan":
            return vxlan(data)
        case "geneve":
            return geneve(data)
        case "wireguard":
            return Wireguard()
        case "macvlan" | "macvtap":
            return Macvlan(data.get("mode", "vepa"))
        case "ipvlan" | "ipvtap":
            return Ipvlan(data.get("mode", "l3"), data.get("mode_flag", "bridge"))
        case "vlan":
            return Vlan(data["id"], data.get("protocol", "802.1Q"))
        case "bridge":
            return bridge(data)
        case "vrf":
            return Vrf(data["table"])
        case "bond":
            return Bond(str(data.get("mode", "")), data.get("active_slave"))
        case _ if name in KINDS or name in PLAIN:
            return OtherKind(name)
        case _:
            raise ValueError(f"the kind {name!r} is not known")


def tunnel(name: str, data: Item) -> Tunnel:
    """An IP-in-IP, SIT or GRE device."""
    return Tunnel(
        name,
        addressed(data, "local"),
        addressed(data, "remote"),
        data.get("link"),
        bool(data.get("external")),
        data.get("ikey"),
        service(data),
        str(data.get("proto", "")),
        data.get("okey"),
        (bool(data.get("icsum")), bool(data.get("ocsum"))),
        (bool(data.get("iseq")), bool(data.get("oseq"))),
        data.get("pmtudisc") is False,
        bool(data.get("ignore_df")),
        "encap_limit" in data,
        bool(data.get("allow_localremote")),
    )


def geneve(data: Item) -> Geneve:
    """A Geneve device."""
    return Geneve(
        data.get("id"),
        addressed(data, "remote", "remote6"),
        data.get("port", 6081),
        bool(data.get("external")),
        service(data),
        fragmenting(data),
        (bool(data.get("udp_zero_csum6_tx")), bool(data.get("udp_zero_csum6_rx"))),
    )


def fragmenting(data: Item) -> str:
    """``df``."""
    return "" if data.get("df") == "unset" else str(data.get("df", ""))


def service(data: Item) -> str:
    """The type of service of what a tunnel sends; 1 is that of the packet inside."""
    found = data.get("tos") or data.get("tclass") or ""
    return written(hex(found) if isinstance(found, int) and 0 <= found < 256 else str(found))


def vxlan(data: Item) -> Vxlan:
    """A VXLAN device."""
    return Vxlan(
        identifier=data.get("id"),
        local=addressed(data, "local", "local6"),
        remote=addressed(data, "remote", "remote6"),
        group=addressed(data, "group", "group6"),
        device=data.get("link"),
        port=data.get("port", 8472),
        learning=bool(data.get("learning", True)),
        external=bool(data.get("external")),
        proxy=bool(data.get("proxy")),
        l2miss=bool(data.get("l2miss")),
        l3miss=bool(data.get("l3miss")),
        ttl="auto" if data.get("ttl") == 0 else str(data.get("ttl", "")),
        dont_fragment=fragmenting(data),
        source_ports=source_ports(data.get("port_range")),
        zero_checksums=(bool(data.get("udp_zero_csum6_tx")), bool(data.get("udp_zero_csum6_rx"))),
        service=service(data),
        marked=bool(data.get("gbp")),
    )


def source_ports(given: Any) -> tuple[int, int]:
    """``port_range``."""
    return (int(given.get("low", 0)), int(given.get("high", 0))) if isinstance(given, dict) else (0, 0)


def bridge(data: Item) -> Bridge:
    """A bridge."""

    def flag(key: str) -> bool | None:
        return None if key not in data else bool(data[key])

    return Bridge(
        flag("vlan_filtering"),
        flag("stp_state"),
        data.get("vlan_default_pvid"),
        data.get("ageing_time"),
        flag("nf_call_iptables"),
        flag("nf_call_ip6tables"),
    )


def port_of(source: Source, item: Item, data: Item, at: Span) -> BridgePortFact:
    """A bridge port."""
    return BridgePortFact(
        at=at,
        scope=source.scope,
        device=item["ifname"],
        master=item.get("master"),
        state=data.get("state"),
        hairpin=data.get("hairpin"),
        learning=data.get("learning"),
        flood=data.get("flood"),
        multicast_flood=data.get("mcast_flood"),
        broadcast_flood=data.get("bcast_flood"),
        isolated=data.get("isolated"),
        locked=data.get("locked"),
        proxy_arp=data.get("proxy_arp"),
        neighbour_suppression=data.get("neigh_suppress"),
        vlan_tunnel=data.get("vlan_tunnel"),
    )


NOT_FLAGS = frozenset(
    {
        "family",
        "local",
        "prefixlen",
        "broadcast",
        "scope",
        "label",
        "valid_life_time",
        "preferred_life_time",
        "address",
        "metric",
        "protocol",
        "index",
        "anycast",
    }
)


def address_of(source: Source, device: str, entry: Item, at: Span, order: int) -> AddressFact:
    """One entry of ``addr_info``: ``local`` is the own address, ``address`` a peer's. All stand in one place: their order tells them apart."""
    peer = entry.get("address")
    return AddressFact(
        at=at,
        scope=source.scope,
        device=device,
        address=address(entry["local"]),
        length=int(entry["prefixlen"]),
        peer=address(peer) if peer else None,
        peer_length=int(entry["prefixlen"]) if peer else None,
        broadcast=address(entry["broadcast"]) if "broadcast" in entry else None,
        scope_name=entry.get("scope", "global"),
        label=entry.get("label"),
        flags=frozenset(key for key, value in entry.items() if value is True and key not in NOT_FLAGS),
        order=order,
    )
