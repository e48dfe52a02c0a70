"""What ``ip -d link`` says of a link's kind and of the port that it is, from the words behind its ``link/…`` line.

Follows the print_opt functions of iproute2 (ip/iplink_*.c).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from itertools import takewhile

from analyzer.addresses import Address, address
from analyzer.facts.links import (
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
)
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers._link_words import KINDS, PLAIN, PORTS, SAME, TUNNELS, own, refuse, written
from analyzer.source import Scope, Span

Words = Sequence[str]


def after(words: Words, key: str) -> str | None:
    """The word behind a key, None where there is none."""
    for position in range(len(words) - 1):
        if words[position] == key:
            return words[position + 1]
    return None


FURTHER = frozenset({"ingress-qos-map", "egress-qos-map"})
"""What a VLAN's kind has on lines of its own."""


def kind_of(lines: Sequence[Words]) -> tuple[Kind | None, str | None]:
    """The kind of the link, and the kind of port it is: each begins a line. ValueError for a kind, or a word about one, that is not known."""
    kind: Kind | None = None
    master_kind: str | None = None
    for line in lines:
        said = own(line)
        if not said:
            continue
        name, options = said[0], said[1:]
        if name in PORTS:
            master_kind, known = PORTS[name]
            refuse(name, known, options)
        elif kind is None and (name in KINDS or name in SAME or name in PLAIN):
            refuse(name, KINDS.get(SAME.get(name, name)), options)
            kind = build(name, options)
        elif not (isinstance(kind, OtherKind) and kind.name in PLAIN) and name not in FURTHER:
            raise ValueError(f"the kind {name!r} is not known")
    return kind, master_kind


def build(name: str, words: Words) -> Kind:
    """The kind from its name and options."""
    if name in TUNNELS:
        return tunnel(name, words)
    maker = READERS.get(name)
    return maker(words) if maker else OtherKind(name)


def addressed(words: Words, key: str) -> Address | None:
    """The address behind a key; ``any`` is none."""
    text = after(words, key)
    return None if text is None or text == "any" else address(text)


def vxlan(words: Words) -> Vxlan:
    """``vxlan id 1 local 192.168.0.1 dev eth0 srcport 0 0 dstport 8472 nolearning …``."""
    identifier = after(words, "id")
    return Vxlan(
        identifier=int(identifier) if identifier else None,
        local=addressed(words, "local") or addressed(words, "local6"),
        remote=addressed(words, "remote") or addressed(words, "remote6"),
        group=addressed(words, "group") or addressed(words, "group6"),
        device=after(words, "dev"),
        port=int(after(words, "dstport") or 8472),
        learning="nolearning" not in words,
        external="external" in words,
        proxy="proxy" in words,
        l2miss="l2miss" in words,
        l3miss="l3miss" in words,
        ttl=after(words, "ttl") or "",
        dont_fragment=after(words, "df") or "",
        source_ports=source_ports(words),
        zero_checksums=("udp6zerocsumtx" in words, "udp6zerocsumrx" in words),
        service=service(words),
        marked="gbp" in words,
    )


def source_ports(words: Words) -> tuple[int, int]:
    """``srcport 0 0``."""
    position = words.index("srcport") if "srcport" in words else len(words)
    found = words[position + 1 : position + 3]
    return (int(found[0]), int(found[1])) if len(found) == 2 else (0, 0)


def tunnel(name: str, words: Words) -> Tunnel:
    """``ipip any remote any local 10.0.0.1 dev eth0 ttl inherit pmtudisc``."""
    given = frozenset(words)
    return Tunnel(
        name,
        addressed(words, "local"),
        addressed(words, "remote"),
        after(words, "dev"),
        "external" in given,
        after(words, "key") or after(words, "ikey"),
        service(words),
        next((word for word in takewhile("remote".__ne__, words) if word in MODES), ""),
        after(words, "key") or after(words, "okey"),
        ("icsum" in given or "csum" in given, "ocsum" in given or "csum" in given),
        ("iseq" in given or "seq" in given, "oseq" in given or "seq" in given),
        "nopmtudisc" in given,
        "ignore-df" in given,
        (after(words, "encaplimit") or "none") != "none",
        "allow-localremote" in given,
    )


MODES = frozenset({"ipip", "ip6ip", "ipip6", "ip6ip6", "mplsip", "any"})


def service(words: Words) -> str:
    """``tos 0x10``, ``tclass inherit``."""
    return written(after(words, "tos") or after(words, "tclass") or "")


def geneve(words: Words) -> Geneve:
    """``geneve id 5 remote 10.0.0.2 dstport 6081``."""
    identifier = after(words, "id")
    return Geneve(
        int(identifier) if identifier else None,
        addressed(words, "remote"),
        int(after(words, "dstport") or 6081),
        "external" in words,
        service(words),
        after(words, "df") or "",
        ("udp6zerocsumtx" in words, "udp6zerocsumrx" in words),
    )


MACVLAN = ("private", "vepa", "bridge", "passthru", "source")


def mode(words: Words, known: Container[str], otherwise: str) -> str:
    """The mode of a device, one of those that there are."""
    text = after(words, "mode") or otherwise
    if text not in known:
        raise ValueError(f"the mode {text!r} is not known")
    return text


def ipvlan(words: Words) -> Ipvlan:
    """``ipvlan mode l2 bridge``."""
    flag = next((word for word in words if word in ("bridge", "private", "vepa")), "bridge")
    return Ipvlan(mode(words, ("l2", "l3", "l3s"), "l3"), flag)


def vlan(words: Words) -> Vlan:
    """``vlan protocol 802.1Q id 100 <REORDER_HDR>``."""
    return Vlan(int(after(words, "id") or ""), after(words, "protocol") or "802.1Q")


def bridge(words: Words) -> Bridge:
    """The options of a bridge that decide about frames."""

    def flag(key: str) -> bool | None:
        text = after(words, key)
        return None if text is None else bool(int(text))

    vlan_text, ageing = after(words, "vlan_default_pvid"), after(words, "ageing_time")
    return Bridge(
        vlan_filtering=flag("vlan_filtering"),
        stp=flag("stp_state"),
        default_vlan=int(vlan_text) if vlan_text else None,
        ageing=int(ageing) if ageing else None,
        nf_call_iptables=flag("nf_call_iptables"),
        nf_call_ip6tables=flag("nf_call_ip6tables"),
    )


READERS: Mapping[str, Callable[[Words], Kind]] = {
    "vxlan": vxlan,
    "geneve": geneve,
    "wireguard": lambda _: Wireguard(),
    "macvlan": lambda words: Macvlan(mode(words, MACVLAN, "vepa")),
    "macvtap": lambda words: Macvlan(mode(words, MACVLAN, "vepa")),
    "ipvlan": ipvlan,
    "ipvtap": ipvlan,
    "vlan": vlan,
    "bridge": bridge,
    "vrf": lambda words: Vrf(int(after(words, "table") or "")),
    "bond": lambda words: Bond(after(words, "mode") or "", after(words, "active_slave")),
}


def on(words: Words, key: str) -> bool | None:
    """An on/off option; None where it is not said."""
    text = after(words, key)
    if text not in (None, "on", "off"):
        raise ValueError(f"{key} is on or off, not {text!r}")
    return None if text is None else text == "on"


STATES = frozenset({"disabled", "listening", "learning", "forwarding", "blocking"})


def port_state(text: str | None) -> str | None:
    """The state of a bridge's port, which newer kernels may have as a number."""
    if text is not None and text not in STATES and not text.strip("()").isdecimal():
        raise ValueError(f"{text!r} is no state of a bridge's port")
    return text


def port_of(words: Words, link: LinkFact, at: Span, scope: Scope | None) -> BridgePortFact | None:
    """The bridge port of a link, where ``bridge_slave`` is among the words."""
    if "bridge_slave" not in words:
        return None
    tail = words[list(words).index("bridge_slave") :]
    return BridgePortFact(
        at=at,
        scope=scope,
        device=link.name,
        master=link.master,
        state=port_state(after(tail, "state")),
        hairpin=on(tail, "hairpin"),
        learning=on(tail, "learning"),
        flood=on(tail, "flood"),
        multicast_flood=on(tail, "mcast_flood"),
        broadcast_flood=on(tail, "bcast_flood"),
        isolated=on(tail, "isolated"),
        locked=on(tail, "locked"),
        proxy_arp=on(tail, "proxy_arp"),
        neighbour_suppression=on(tail, "neigh_suppress"),
        vlan_tunnel=on(tail, "vlan_tunnel"),
    )
