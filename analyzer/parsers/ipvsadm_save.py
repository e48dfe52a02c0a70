"""``ipvsadm-save -n`` (``ipvsadm -S -n``), the listing of ``ipvsadm -L -n`` and ``/proc/net/ip_vs``: virtual servers and their real servers.

After ipvsadm.c (``print_service_entry``, ``print_largenum``, FMT_RULE) and net/netfilter/ipvs/ip_vs_ctl.c (``ip_vs_info_seq_show``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.ipvs import Forwarding, RealServer, VirtualServerFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import of_table, refuse_errors
from analyzer.source import Gap, Source, Span

PROTOCOLS: Mapping[str, int] = {
    "-t": 6,
    "--tcp-service": 6,
    "-u": 17,
    "--udp-service": 17,
    "--sctp-service": 132,
    "TCP": 6,
    "UDP": 17,
    "SCTP": 132,
}
METHODS: Mapping[str, Forwarding] = {
    "-m": Forwarding.MASQUERADE,
    "--masquerading": Forwarding.MASQUERADE,
    "-g": Forwarding.DIRECT,
    "--gatewaying": Forwarding.DIRECT,
    "-i": Forwarding.TUNNEL,
    "--ipip": Forwarding.TUNNEL,
    "Masq": Forwarding.MASQUERADE,
    "Route": Forwarding.DIRECT,
    "Tunnel": Forwarding.TUNNEL,
    "Local": Forwarding.LOCAL,
}
LONG: Mapping[str, str] = {
    "--add-service": "-A",
    "--add-server": "-a",
    "--scheduler": "-s",
    "--persistent": "-p",
    "--netmask": "-M",
    "--sched-flags": "-b",
    "--ops": "-o",
    "--real-server": "-r",
    "--weight": "-w",
    "--u-threshold": "-x",
    "--l-threshold": "-y",
    "--fwmark-service": "-f",
    "--ipv6": "-6",
}
UNUSED = frozenset({"-M", "-y", "--pe", "--tun-type", "--tun-port"})
TUNNELS = {"ipip": Forwarding.TUNNEL, "gue": Forwarding.GUE, "gre": Forwarding.GRE}
BARE = frozenset({"-o", "-6", "--tun-nocsum", "--tun-csum", "--tun-remcsum", "-n", "--numeric"})
SCHEDULER_FLAGS: Mapping[str, int] = {
    "flag-1": 1,
    "flag-2": 2,
    "flag-3": 4,
    "sh-fallback": 1,
    "sh-port": 2,
    "mh-fallback": 1,
    "mh-port": 2,
}
HEADINGS = ("IP Virtual Server", "Prot ", "-> RemoteAddress")
PERSISTENCE = "300"
HEXADECIMAL = re.compile(r"([0-9A-F]{8}|\[(?:[0-9A-F]{4}:){7}[0-9A-F]{4}\]):([0-9A-F]{4})", re.IGNORECASE)
WRITTEN = re.compile(r"(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})")


class Name(NamedTuple):
    """What no two virtual servers have in common."""

    family: int
    protocol: int = 0
    address: Address | None = None
    port: int = 0
    mark: int = 0


@dataclass(slots=True)
class Draft:
    """A virtual server while its lines are read."""

    name: Name
    at: Span
    scheduler: str
    persistent: int = 0
    one_packet: bool = False
    flags: frozenset[int] = frozenset()
    servers: list[RealServer] = field(default_factory=list)


@dataclass(slots=True)
class Reading:
    """The virtual servers that were read, and the last one."""

    source: Source
    drafts: dict[Name, Draft] = field(default_factory=dict)
    last: Draft | None = None

    def begin(self, draft: Draft) -> None:
        """A virtual server begins."""
        if draft.name in self.drafts:
            raise ValueError(f"this virtual server stands in line {self.drafts[draft.name].at.line} already")
        self.last = self.drafts[draft.name] = draft


def read(source: Source) -> Iterator[Fact | Gap]:
    """Virtual servers in the order of the text; a line that is not understood is a gap."""
    reading = Reading(source)
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith(("#", *HEADINGS)):
            continue
        try:
            reader_of(line)(reading, line, Span(source.path, number))
        except UNREADABLE as problem:
            if not line.startswith(("-a", "--add-server", "->")):
                reading.last = None
            yield gap(source, number, reason(problem))
    yield from (finished(source, draft) for draft in reading.drafts.values())


def family_of(draft: Draft) -> int:
    """The IP version; /proc says it of no mark, but of its real servers, which only a tunnel gives another one."""
    own = {server.address.family for server in draft.servers if not server.forwarding.tunnels}
    return own.pop() if draft.name.mark and len(own) == 1 else draft.name.family


def finished(source: Source, draft: Draft) -> VirtualServerFact:
    """The fact of a virtual server with all its real servers."""
    return VirtualServerFact(
        at=draft.at,
        scope=source.scope,
        family=family_of(draft),
        protocol=draft.name.protocol,
        address=draft.name.address,
        port=draft.name.port,
        mark=draft.name.mark,
        scheduler=draft.scheduler,
        persistent=draft.persistent,
        one_packet=draft.one_packet,
        flags=draft.flags,
        servers=tuple(draft.servers),
    )


def reader_of(line: str) -> Callable[[Reading, str, Span], None]:
    """What reads a line, by its first word."""
    first = line.split(None, 1)[0]
    match LONG.get(first, first):
        case "-A":
            return saved_service
        case "-a":
            return saved_server
        case "->":
            return listed_server
        case "TCP" | "UDP" | "SCTP" | "FWM":
            return listed_service
        case _:
            refuse_errors(line)
            raise ValueError(f"expected '-A' or '-a' of ipvsadm-save, or a line of ipvsadm -Ln, not {line[:60]!r}")


def options(words: Sequence[str]) -> dict[str, str]:
    """The options of a saved line, each with its value. ``-p`` may stand without one."""
    found: dict[str, str] = {}
    position = 0
    while position < len(words):
        name = LONG.get(words[position], words[position])
        position += 1
        follows = words[position] if position < len(words) and not words[position].startswith("-") else ""
        takes = name in UNUSED or name in ("-s", "-p", "-b", "-r", "-w", "-x", "-f") or name in PROTOCOLS
        if name not in METHODS and name not in BARE and not takes:
            raise ValueError(f"the option {name!r} is not understood")
        if takes and not follows and name != "-p":
            raise ValueError(f"the option {name} wants a value")
        found[name] = follows if takes else ""
        position += 1 if takes and follows else 0
    return found


def saved_service(reading: Reading, line: str, at: Span) -> None:
    """``-A -t 10.96.0.1:443 -s rr``."""
    given = options(line.split()[1:])
    flags = frozenset(of_table(SCHEDULER_FLAGS, word, "flag of a scheduler") for word in given.get("-b", "").split(",") if word)
    persistent = number(given["-p"] or PERSISTENCE) if "-p" in given else 0
    reading.begin(Draft(named(given), at, given.get("-s", "wlc"), persistent, "-o" in given, flags))


def named(given: Mapping[str, str]) -> Name:
    """The virtual server that a saved line is about."""
    if "-f" in given:
        return Name(6 if "-6" in given else 4, mark=mark_of(number(given["-f"], (1 << 32) - 1)))
    for option, value in given.items():
        if option in PROTOCOLS:
            found, port = ends(value)
            return Name(found.family, PROTOCOLS[option], found, port)
    raise ValueError("expected -t, -u, --sctp-service or -f and the virtual server")


def mark_of(value: int) -> int:
    """A firewall mark; 0 is none (ip_vs_ctl.c ``ip_vs_genl_parse_service``)."""
    if not 0 < value < 1 << 32:
        raise ValueError(f"{value} is no firewall mark")
    return value


def saved_server(reading: Reading, line: str, at: Span) -> None:
    """``-a -t 10.96.0.1:443 -r 10.244.1.2:6443 -m -w 1``."""
    given = options(line.split()[1:])
    draft = reading.drafts.get(named(given))
    if draft is None:
        raise ValueError("a real server of a virtual server that no line before adds")
    if "-r" not in given:
        raise ValueError("expected -r and the real server")
    found, port = ends(given["-r"]) if ":" in given["-r"] else (address(given["-r"]), 0)
    method = next((METHODS[option] for option in given if option in METHODS), Forwarding.DIRECT)
    if method is Forwarding.TUNNEL and (kind := given.get("--tun-type", "ipip")) not in TUNNELS:
        raise ValueError(f"expected ipip, gue or gre as the type of a tunnel, not {kind!r}")
    method = of_table(TUNNELS, given.get("--tun-type", "ipip"), "kind of tunnel") if method is Forwarding.TUNNEL else method
    weight, most = number(given.get("-w", "1")), number(given.get("-x", "0"))
    draft.servers.append(RealServer(found, port, method, weight, most, at=at))


def listed_service(reading: Reading, line: str, at: Span) -> None:
    """``TCP  10.96.0.1:443 rr persistent 10800`` and ``FWM  1 IPv6 rr``."""
    kind, name, *rest = line.split()
    family_named = kind == "FWM" and rest[:1] == ["IPv6"]
    scheduler, *words = rest[1:] if family_named else rest
    if kind == "FWM":
        wanted = Name(6 if family_named else 4, mark=mark_of(int(name, mark_base(reading.source))))
    else:
        found, port = ends(name)
        wanted = Name(found.family, PROTOCOLS[kind], found, port)
    reading.begin(Draft(wanted, at, scheduler, *listed_flags(words)))


def mark_base(source: Source) -> int:
    """Marks are hexadecimal in /proc (``%08X``), decimal in ipvsadm's listing."""
    return 16 if re.search(r"^FWM  [0-9A-F]{8} ", source.text, re.MULTILINE) else 10


def listed_flags(words: Sequence[str]) -> tuple[int, bool, frozenset[int]]:
    """``persistent 10800 mask 255.255.255.0 ops (flag-1,flag-2)``: persistence, one-packet scheduling, the scheduler's flags."""
    persistent, one_packet, flags = 0, False, frozenset[int]()
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "persistent":
            persistent = int(words[position])
            position += 1
            position += 1 if position < len(words) and re.fullmatch(r"[0-9A-F]{8}", words[position]) else 0
        elif word in ("mask", "pe"):
            position += 1
        elif word == "ops":
            one_packet = True
        elif word.startswith("(") and word.endswith(")"):
            flags = frozenset(of_table(SCHEDULER_FLAGS, one, "flag of a scheduler") for one in word[1:-1].split(",") if one)
        else:
            raise ValueError(f"the flag {word!r} is not understood")
    return persistent, one_packet, flags


def listed_server(reading: Reading, line: str, at: Span) -> None:
    """``-> 10.244.1.2:6443  Masq  1  0  0``."""
    if reading.last is None:
        raise ValueError("a real server of no virtual server that was read")
    _, name, method, *rest = line.split()
    found, port = ends(name)
    if method not in METHODS or method.startswith("-"):
        raise ValueError(f"the forwarding {method!r} is not understood")
    kind = rest.pop(0).partition(":")[0] if rest and not rest[0].isdecimal() else ""
    way = METHODS[method]
    if way is Forwarding.TUNNEL or kind not in ("", "n/a"):
        way = listed_tunnel(kind)
    if not rest:
        raise ValueError("expected the weight of the real server")
    reading.last.servers.append(RealServer(found, port, way, number(rest[0]), at=at))


def listed_tunnel(kind: str) -> Forwarding:
    """The tunnel of a column of ``--tun-info`` (``gue:5555:-c``); other listings leave its kind open."""
    if kind and kind not in TUNNELS:
        raise ValueError(f"the tunnel {kind!r} is not understood")
    return TUNNELS[kind] if kind else Forwarding.UNTOLD


def ends(text: str) -> tuple[Address, int]:
    """An address and a port: ``10.0.0.1:80``, ``[fd00::1]:80``, and hexadecimal as in /proc."""
    if found := HEXADECIMAL.fullmatch(text):
        place, port = found.groups()
        return (Address(4, int(place, 16)) if len(place) == 8 else address(place[1:-1])), int(port, 16)
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an address and a port in numbers (ipvsadm prints names without -n)")
    six, four, port = found.groups()
    return address(six or four), number(port, 65535)


def number(text: str, highest: int = (1 << 31) - 1) -> int:
    """A number from 0; ValueError for what is none, or too high."""
    if not text.isdecimal() or len(text) > 10 or int(text) > highest:
        raise ValueError(f"{text!r} is not a number from 0 to {highest}")
    return int(text)


PARSER = Parser(
    kind="ipvs",
    read=read,
    names=(r"ipvsadm(-save|[_-](-\S+_)*(save|list|-S\w*|-L\w*))?(_-\S+)*", r"ip_vs", r"proc/net/ip_vs"),
    content=re.compile(
        r"^IP Virtual Server version |^-A (-t|-u|-f|--sctp-service) \S+ -s |^(TCP|UDP|SCTP)  \S+:\S+ (rr|wrr|w?lc|sh|dh|mh|sed|nq)\b",
        re.MULTILINE,
    ),
)
