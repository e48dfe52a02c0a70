"""The targets of iptables rules, from their options (iptables-extensions(8))."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from analyzer.addresses import address, prefix
from analyzer.facts.matches import Side
from analyzer.facts.netfilter import (
    ChangeSet,
    CopyMark,
    Jump,
    Masquerade,
    NetworkMap,
    NoTrack,
    Pass,
    Queue,
    Redirect,
    Reject,
    SetMark,
    SetTimeToLive,
    Target,
    Translate,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.parsers._conntrack_values import bounded
from analyzer.parsers._iptables_matches import masked
from analyzer.parsers._iptables_names import number, port
from analyzer.parsers._iptables_options import Options
from analyzer.parsers._iptables_services import set_class, set_congestion, set_type

ALL = 0xFFFFFFFF
PASSING = frozenset(
    {
        "LOG",
        "NFLOG",
        "ULOG",
        "TRACE",
        "AUDIT",
        "TCPMSS",
        "CHECKSUM",
        "CLASSIFY",
        "TCPOPTSTRIP",
        "SECMARK",
        "CONNSECMARK",
        "RATEEST",
        "IDLETIMER",
        "LED",
        "NFACCT",
        "TEE",
    }
)


def target_of(name: str, options: Options, goto: bool, family: int) -> Target:
    """The target of ``-j name`` with its options; a name that is none of iptables' own is a chain."""
    if goto:
        return Jump(name, goto=True)
    if name in ("ACCEPT", "DROP", "RETURN"):
        return Verdict(name)
    if name in PASSING:
        return Pass(name)
    maker = TARGETS.get(name)
    if maker is not None:
        return maker(options, family)
    return UnknownTarget(" ".join((name, *(option.text for option in options)))) if name in OTHERS or options else Jump(name)


OF_NO_PACKET = frozenset({"helper", "ctevents", "expevents", "timeout"})
"""What CT says of a connection that no rule asks for."""
OTHERS = frozenset({"SYNPROXY", "HMARK", "DNPT", "SNPT", "CLUSTERIP", "MIRROR", "SAME"})


def values_of(options: Options) -> dict[str, str]:
    """The options' first values by name."""
    return {option.name: option.values[0] if option.values else "" for option in options}


def translate(side: Side) -> Callable[[Options, int], Target]:
    """DNAT and SNAT: ``10.0.0.1-10.0.0.9:80-90``, ``[fd00::1]:80``, ``:8080``, ``10.0.0.1``, ``10.0.0.1:8000-8009/80``."""
    key = "to-destination" if side is Side.DESTINATION else "to-source"

    def make(options: Options, family: int) -> Target:
        values = values_of(options)
        text = values[key]
        if [option.name for option in options].count(key) > 1:
            return UnknownTarget(" ".join(option.text for option in options))
        text, _, base = text.partition("/")
        hosts, ports = split(text, family)
        random, first = "random" in values or "random-fully" in values, port(base) if base else None
        return Translate(side, hosts, ports, random, "persistent" in values, first)

    return make


def split(text: str, family: int) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Addresses and ports of a translation."""
    host, ports = text, ""
    if text.startswith("["):
        host, _, ports = text[1:].partition("]")
        ports = ports.removeprefix(":")
    elif family == 4:
        host, _, ports = text.partition(":")
    low, _, high = host.replace("[", "").replace("]", "").partition("-")
    return (address(low).value, address(high or low).value) if low else None, port_pair(ports)


def port_pair(text: str) -> tuple[int, int] | None:
    """``80`` or ``80-90``; None for nothing."""
    if not text:
        return None
    low, _, high = text.partition("-")
    return port(low), port(high or low)


def masquerade(options: Options, family: int) -> Target:
    """MASQUERADE."""
    del family
    values = values_of(options)
    return Masquerade(port_pair(values.get("to-ports", "")), "random" in values or "random-fully" in values)


def redirect(options: Options, family: int) -> Target:
    """REDIRECT."""
    del family
    values = values_of(options)
    return Redirect(port_pair(values.get("to-ports", values.get("to-port", ""))), "random" in values)


def set_mark(connection: bool) -> Callable[[Options, int], Target]:
    """MARK and CONNMARK, in every way of saying it: ``mark = (mark & ~mask) ^ value``."""

    def make(options: Options, family: int) -> Target:
        del family
        option = options[0]
        if any(item.name.endswith("-shift-mark") for item in options):
            return UnknownTarget(" ".join(item.text for item in options))
        match option.name:
            case "set-xmark":
                value, mask = masked(option.value)
                return SetMark(value, mask, connection)
            case "set-mark":
                value, mask = masked(option.value)
                return SetMark(value, value | mask, connection)
            case "and-mark":
                return SetMark(0, ~number(option.value) & ALL, connection)
            case "or-mark":
                return SetMark(number(option.value), number(option.value), connection)
            case "xor-mark":
                return SetMark(number(option.value), 0, connection)
            case "save-mark" | "restore-mark" if connection:
                return copy_mark(options)
            case _:
                return UnknownTarget(" ".join(item.text for item in options))

    return make


def copy_mark(options: Options) -> CopyMark:
    """``--save-mark`` and ``--restore-mark`` with ``--nfmask``/``--ctmask`` or ``--mask``."""
    values = values_of(options)
    both = values.get("mask")
    packet = number(values.get("nfmask", both or "0xffffffff"))
    connection = number(values.get("ctmask", both or "0xffffffff"))
    return CopyMark(options[0].name == "save-mark", packet, connection)


def connection_target(options: Options, family: int) -> Target:
    """CT. What names no zone gives the packet a template of zone 0, which keeps it from later rules (xt_CT.c ``xt_ct_tg_check``)."""
    del family
    names = {option.name for option in options}
    if names == {"notrack"}:
        return NoTrack()
    zones = [option for option in options if option.name not in OF_NO_PACKET]
    directions = {"zone": "", "zone-orig": "original", "zone-reply": "reply"}
    if not zones:
        return Zone()
    if len(zones) > 1 or zones[0].name not in directions:
        return UnknownTarget(" ".join(("CT", *(option.text for option in zones))))
    value = zones[0].values[0]
    return Zone(None if value == "mark" else bounded("zone", value, 16), directions[zones[0].name])


def time_to_live(options: Options, family: int) -> Target:
    """TTL and HL: ``--ttl-set``, ``--ttl-inc``, ``--ttl-dec``, and the same with ``hl``."""
    del family
    name, value = options[0].name.partition("-")[2], int(options[0].value)
    if name not in ("set", "inc", "dec"):
        return UnknownTarget(" ".join(option.text for option in options))
    return SetTimeToLive(int(name != "set"), -value if name == "dec" else value)


def transparent_proxy(options: Options, family: int) -> Target:
    """TPROXY."""
    del family
    values = values_of(options)
    mark, mask = masked(values["tproxy-mark"]) if "tproxy-mark" in values else (0, 0)
    host = values.get("on-ip")
    return TransparentProxy(int(values["on-port"]), address(host) if host and host not in ("0.0.0.0", "::") else None, mark, mask)


def change_set(options: Options, family: int) -> Target:
    """SET; what ``--map-set`` sets is not followed."""
    del family
    changes: dict[str, tuple[str, tuple[Side, ...]]] = {}
    for option in options:
        if option.name in ("add-set", "del-set"):
            changes[option.name] = option.values[0], tuple(Side(side) for side in option.values[1].split(","))
        elif option.name not in ("exist", "timeout"):
            return UnknownTarget(" ".join(item.text for item in options))
    return ChangeSet(changes.get("add-set"), changes.get("del-set"))


def queue(options: Options, family: int) -> Target:
    """NFQUEUE (xt_NFQUEUE.c): ``--queue-num 1``, ``--queue-balance 0:3``. QUEUE is queue 0 (x_tables.c, verdicts of the standard target)."""
    del family
    values = values_of(options)
    low, colon, high = values.get("queue-balance", values.get("queue-num", "0")).partition(":")
    return Queue((number(low), number(high) if colon else number(low)), "queue-bypass" in values)


def reject(options: Options, family: int) -> Target:
    """REJECT."""
    return Reject(values_of(options).get("reject-with", "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable"))


TARGETS: Mapping[str, Callable[[Options, int], Target]] = {
    "DNAT": translate(Side.DESTINATION),
    "SNAT": translate(Side.SOURCE),
    "MASQUERADE": masquerade,
    "REDIRECT": redirect,
    "NETMAP": lambda options, _: NetworkMap(prefix(values_of(options)["to"])),
    "MARK": set_mark(False),
    "CONNMARK": set_mark(True),
    "TTL": time_to_live,
    "HL": time_to_live,
    "TOS": set_type,
    "DSCP": set_class,
    "ECN": set_congestion,
    "NOTRACK": lambda _options, _family: NoTrack(),
    "CT": connection_target,
    "TPROXY": transparent_proxy,
    "SET": change_set,
    "NFQUEUE": queue,
    "QUEUE": queue,
    "REJECT": reject,
}
