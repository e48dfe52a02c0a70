"""The match modules of iptables rules, from their options (iptables-extensions(8), extensions/libxt_*.c)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.addresses import address, hardware_address
from analyzer.facts.matches import (
    AddressRangeMatch,
    AddressTypeMatch,
    ConntrackMatch,
    IcmpMatch,
    LengthMatch,
    MacMatch,
    MarkMatch,
    Match,
    OwnerMatch,
    PacketTypeMatch,
    PhysdevMatch,
    PortMatch,
    RateMatch,
    RecentMatch,
    ReversePathMatch,
    SetMatch,
    Side,
    StatisticMatch,
    TcpFlagsMatch,
    TimeToLiveMatch,
    UnknownMatch,
)
from analyzer.parsers._iptables_absent import extension_header, helper, interfaces_not_shown, ipsec, listed_as, socket
from analyzer.parsers._iptables_addresses import address_match, protocol
from analyzer.parsers._iptables_ipvs import balanced
from analyzer.parsers._iptables_names import (
    FLAG_BITS,
    ICMP_CODES,
    ICMP_TYPES,
    ICMPV6_TYPES,
    number,
    port_range,
    ports_of,
)
from analyzer.parsers._iptables_open import OPEN_MODULES, accounted
from analyzer.parsers._iptables_options import Maker, Option, Options, named, only
from analyzer.parsers._iptables_services import congestion, device_group, service_class, type_of_service
from analyzer.parsers._iptables_words import word
from analyzer.parsers._words import of_table


def matches_of(module: str, options: Options, family: int) -> list[Match]:
    """The matches of ``-m module`` with its options; ValueError or LookupError for what is not understood."""
    maker = MODULES.get(module)
    if maker is None:
        raise ValueError(f"the match {module!r} is not modelled")
    return maker(options, family)


def unknown(module: str, options: Options) -> UnknownMatch:
    """The match as text."""
    return UnknownMatch(" ".join((f"-m {module}", *(option.text for option in options))))


PORT_OPTIONS: Mapping[str, Side | None] = {
    "sport": Side.SOURCE, "source-port": Side.SOURCE, "sports": Side.SOURCE, "source-ports": Side.SOURCE,
    "dport": Side.DESTINATION, "destination-port": Side.DESTINATION, "dports": Side.DESTINATION, "destination-ports": Side.DESTINATION,
    "ports": None, "port": None,
}  # fmt: skip


def transport(options: Options, family: int) -> list[Match]:
    """tcp, udp, sctp, dccp, udplite, multiport."""
    del family
    result: list[Match] = []
    for option in options:
        if option.name in PORT_OPTIONS:
            result.append(PortMatch(PORT_OPTIONS[option.name], ports_of(option.value), option.negated))
        elif option.name == "tcp-flags":
            result.append(TcpFlagsMatch(flags(option.values[0]), flags(option.values[1]), option.negated))
        elif option.name == "syn":
            result.append(TcpFlagsMatch(0x17, 2, option.negated))
        else:
            result.append(UnknownMatch(option.text))
    return result


def flags(text: str) -> int:
    """``SYN,ACK``."""
    value = 0
    for part in text.split(","):
        value |= of_table(FLAG_BITS, part, "flag of TCP")
    return value


def icmp(options: Options, family: int) -> list[Match]:
    """``--icmp-type 8``, ``3/4``, names."""
    result: list[Match] = []
    for option in options:
        kind, slash, code = option.value.partition("/")
        if family == 4 and kind in ICMP_CODES:
            number_of, only = ICMP_CODES[kind]
            result.append(IcmpMatch(number_of, (only, only), option.negated))
            continue
        names = ICMP_TYPES if family == 4 else ICMPV6_TYPES
        value = int(kind) if kind.isdecimal() else names[kind]
        result.append(IcmpMatch(value, (int(code), int(code)) if slash else (0, 255), option.negated))
    return result


def conntrack(options: Options, family: int) -> list[Match]:
    """conntrack and state."""
    values: dict[str, object] = {}
    addresses: list[tuple[str, int, int, bool]] = []
    ports: list[tuple[str, int, int, bool]] = []
    for option in options:
        match option.name:
            case "ctstate" | "state":
                values["states"] = frozenset(option.value.split(","))
                values["states_negated"] = option.negated
            case "ctstatus":
                values["statuses"] = frozenset(option.value.split(","))
                values["statuses_negated"] = option.negated
            case "ctproto":
                values["protocol"] = protocol(option.value)
                values["protocol_negated"] = option.negated
            case "ctorigsrc" | "ctorigdst" | "ctreplsrc" | "ctrepldst":
                found = address_match(Side.SOURCE, option.value, option.negated, family)
                addresses.append((option.name.removeprefix("ct"), found.value, found.mask, option.negated))
            case "ctorigsrcport" | "ctorigdstport" | "ctreplsrcport" | "ctrepldstport":
                low, high = port_range(option.value)
                ports.append((option.name.removeprefix("ct"), low, high, option.negated))
            case "ctdir":
                values["original_direction"] = option.value == "ORIGINAL"
            case "ctexpire":
                low, high = port_range(option.value) if ":" in option.value else (number(option.value), number(option.value))
                values["expire"] = (low, high, option.negated)
            case _:
                raise ValueError(f"the option {option.text!r} of conntrack is not modelled")
    return [ConntrackMatch(addresses=tuple(addresses), ports=tuple(ports), **values)]  # type: ignore[arg-type]


def masked(text: str) -> tuple[int, int]:
    """``0x1/0xff``."""
    value, slash, mask = text.partition("/")
    return number(value), number(mask) if slash else 0xFFFFFFFF


def mark(connection: bool) -> Maker:
    """mark and connmark."""

    def make(options: Options, family: int) -> list[Match]:
        del family
        option = only(options, "mark")
        value, mask = masked(option.value)
        return [MarkMatch(value, mask, option.negated, connection)]

    return make


def set_match(options: Options, family: int) -> list[Match]:
    """``--match-set NAME src,dst``."""
    del family
    first = named(options, "match-set", "set")
    extra = tuple(
        option.text
        for option in options
        if option is not first and option.name not in ("return-nomatch", "update-counters", "update-subcounters")
    )
    if extra:
        raise ValueError(f"the options {' '.join(extra)!r} of set are not modelled")
    nomatch = tuple(option.name for option in options if option.name == "return-nomatch")
    return [SetMatch(first.values[0], tuple(Side(side) for side in first.values[1].split(",")), first.negated, nomatch)]


def address_type(options: Options, family: int) -> list[Match]:
    """addrtype: one match for each side."""
    del family
    limit = next((option.name.removeprefix("limit-iface-") for option in options if option.name.startswith("limit-iface-")), "")
    sides = {"src-type": Side.SOURCE, "dst-type": Side.DESTINATION}
    return [
        AddressTypeMatch(sides[option.name], frozenset(option.value.split(",")), option.negated, limit)
        for option in options
        if not option.name.startswith("limit-iface-")
    ]


def address_range(options: Options, family: int) -> list[Match]:
    """``--src-range 10.0.0.1-10.0.0.9``."""
    result: list[Match] = []
    for option in options:
        low, _, high = option.value.partition("-")
        side = {"src-range": Side.SOURCE, "dst-range": Side.DESTINATION}[option.name]
        result.append(AddressRangeMatch(side, family, address(low).value, address(high or low).value, option.negated))
    return result


def statistic(options: Options, family: int) -> list[Match]:
    """``--mode random --probability 0.5``, ``--mode nth --every 3 --packet 0``."""
    del family
    values = {option.name: option.value for option in options}
    negated = any(option.negated for option in options)
    chance = values.get("probability")
    every = values.get("every")
    return [
        StatisticMatch(
            values["mode"],
            float(chance) if chance else None,
            int(every) if every else None,
            int(values.get("packet", 0)),
            negated,
        )
    ]


def physdev(options: Options, family: int) -> list[Match]:
    """physdev."""
    del family
    incoming = next((option for option in options if option.name == "physdev-in"), None)
    outgoing = next((option for option in options if option.name == "physdev-out"), None)
    told = {option.name: not option.negated for option in options}
    return [
        PhysdevMatch(
            incoming.value if incoming else None,
            incoming.negated if incoming else False,
            outgoing.value if outgoing else None,
            outgoing.negated if outgoing else False,
            told.get("physdev-is-in"),
            told.get("physdev-is-out"),
            told.get("physdev-is-bridged"),
        )
    ]


def rate(module: str) -> Maker:
    """The modules that depend on traffic."""

    def make(options: Options, family: int) -> list[Match]:
        del family
        return [RateMatch(module, " ".join((f"-m {module}", *(option.text for option in options))))]

    return make


def recent(options: Options, family: int) -> list[Match]:
    """recent."""
    del family
    values = {option.name: option.values for option in options}
    action = named(options, "set", "rcheck", "update", "remove")
    seconds, hits = values.get("seconds"), values.get("hitcount")
    return [
        RecentMatch(
            values.get("name", ("DEFAULT",))[0],
            action.name,
            Side.DESTINATION if "rdest" in values else Side.SOURCE,
            action.negated,
            int(seconds[0]) if seconds else None,
            int(hits[0]) if hits else None,
            "reap" in values,
            address(values["mask"][0]).value if "mask" in values else None,
        )
    ]


def length(options: Options, family: int) -> list[Match]:
    """``--length 1:100``."""
    del family
    option = only(options, "length")
    low, colon, high = option.value.partition(":")
    return [LengthMatch(int(low or 0), int(high or 0xFFFF) if colon else int(low), option.negated)]


def time_to_live(options: Options, family: int) -> list[Match]:
    """ttl and hl."""
    del family
    option = options[0]
    name = option.name.rsplit("-", 1)[-1]
    operator = "ne" if option.negated and name == "eq" else name
    if len(options) != 1 or operator not in ("eq", "ne", "lt", "gt"):
        raise ValueError(f"the option {option.text!r} is not modelled")
    return [TimeToLiveMatch(operator, int(option.value))]


def owner(options: Options, family: int) -> list[Match]:
    """owner: ids by number; names are kept as text."""
    del family
    user = next((option for option in options if option.name == "uid-owner" and option.value[:1].isdigit()), None)
    group = next((option for option in options if option.name == "gid-owner" and option.value[:1].isdigit()), None)
    rest = " ".join(option.text for option in options if option not in (user, group))
    return [OwnerMatch(ids(user), bool(user and user.negated), ids(group), bool(group and group.negated), rest)]


def ids(option: Option | None) -> tuple[int, int] | None:
    """``0`` or ``0-99``."""
    if option is None:
        return None
    low, _, high = option.value.partition("-")
    return int(low), int(high or low)


def reverse_path(options: Options, family: int) -> list[Match]:
    """rpfilter."""
    del family
    names = {option.name for option in options}
    return [ReversePathMatch("loose" in names, "validmark" in names, "accept-local" in names, "invert" in names)]


def nothing(options: Options, family: int) -> list[Match]:
    """comment and others that test nothing."""
    del options, family
    return []


def packet_type(options: Options, family: int) -> list[Match]:
    """pkttype."""
    del family
    option = only(options, "pkt-type")
    return [PacketTypeMatch(option.value, option.negated)]


def mac(options: Options, family: int) -> list[Match]:
    """mac."""
    del family
    option = only(options, "mac-source")
    return [MacMatch(hardware_address(option.value.lower()), option.negated)]


MODULES: Mapping[str, Maker] = {
    **dict.fromkeys(("tcp", "udp", "sctp", "dccp", "udplite", "multiport"), transport),
    **dict.fromkeys(("icmp", "icmp6", "icmpv6", "ipv6-icmp"), icmp),
    **{name: rate(name) for name in ("limit", "hashlimit", "connlimit", "quota", "connbytes", "rateest")},
    "conntrack": conntrack,
    "state": conntrack,
    "mark": mark(False),
    "connmark": mark(True),
    "set": set_match,
    "addrtype": address_type,
    "iprange": address_range,
    "statistic": statistic,
    "physdev": physdev,
    "recent": recent,
    "length": length,
    "ttl": time_to_live,
    "hl": time_to_live,
    "owner": owner,
    "rpfilter": reverse_path,
    "comment": nothing,
    "pkttype": packet_type,
    "mac": mac,
    "socket": socket,
    "tos": type_of_service,
    "dscp": service_class,
    "ecn": congestion,
    "devgroup": device_group,
    "u32": word,
    "policy": ipsec,
    "interfaces-that-are-not-shown": interfaces_not_shown,
    "listed-as": listed_as,
    "helper": helper,
    "ipvs": balanced,
    **{name: extension_header(name) for name in ("rt", "frag", "hbh", "dst")},
    "nfacct": accounted,
    **OPEN_MODULES,
}
