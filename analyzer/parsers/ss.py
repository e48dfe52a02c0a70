"""``ss -tunlp`` and ``netstat -tunlp``: listening sockets. Other sockets in the text are passed over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.system import ListenerFact, SocketListFact
from analyzer.parsers import Parser, by_known_line, remembered
from analyzer.parsers._words import refuse_errors, word_at
from analyzer.source import Gap, Source, Span

PROTOCOLS = {"tcp": 6, "tcp6": 6, "udp": 17, "udp6": 17, "sctp": 132, "udplite": 136}
OTHERS = frozenset(
    {
        "Netid",
        "State",
        "Proto",
        "Active",
        "nl",
        "u_str",
        "u_dgr",
        "u_seq",
        "p_raw",
        "p_dgr",
        "icmp6",
        "raw",
        "raw6",
        "???",
        "v_str",
        "v_dgr",
        "tipc",
        "xdp",
        "mptcp",
        "ti_st",
        "dccp",
        "(No",
        "unix",
        "RefCnt",
        "vsock",
        "igmp",
        "packet",
        "Total:",
        "TCP:",
        "Transport",
        "*",
        "RAW",
        "UDP",
        "TCP",
        "INET",
        "FRAG",
    }
)
STATES = frozenset(
    {
        "LISTEN",
        "UNCONN",
        "ESTAB",
        "TIME-WAIT",
        "SYN-SENT",
        "SYN-RECV",
        "FIN-WAIT-1",
        "FIN-WAIT-2",
        "CLOSE-WAIT",
        "LAST-ACK",
        "CLOSING",
        "CLOSED",
    }
)


TYPES = {"t": 6, "u": 17, "tcp": 6, "udp": 17}
# The options that choose a type of socket (ss(8)), and its protocol; None where it has no ports of one.
CHOSEN = {
    **dict.fromkeys(("t", "tcp"), 6),
    **dict.fromkeys(("u", "udp"), 17),
    **dict.fromkeys(("S", "sctp"), 132),
    **dict.fromkeys(("w", "raw", "x", "unix", "d", "dccp", "0", "packet", "vsock", "tipc", "xdp"), None),
}
GLUED = re.compile(r"[46]?[a-z]+[46]?")
CUT = re.compile(r"users:(?!\(.*\)\))")
"""The processes of a socket without their end."""
PEER = re.compile(r"\S*:(\*|[\w-]+)")
LISTED = frozenset(TYPES.values())
SHOWING = frozenset({"l", "a", "listening", "all"})
FEWER = frozenset("46wxdSUM0")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Which protocols are listed, and the listeners by line."""
    listeners = list(by_known_line(source, known))
    yield SocketListFact(at=Span(source.path, 1), scope=source.scope, protocols=listed(source, listeners))
    yield from listeners


def listed(source: Source, found: Iterable[Fact | Gap]) -> frozenset[int]:
    """The protocols of which all listeners are there: by the command's options (ss(8), netstat(8)), else, where ``Netid`` tells several apart, TCP and
    UDP, else those that are seen. Of one family, or of a filter, nothing is all."""
    if source.subject:
        return by_options(options_of(source.subject))
    seen = frozenset(fact.protocol for fact in found if isinstance(fact, ListenerFact))
    return LISTED if seen and re.search(r"^Netid\s", source.text, re.MULTILINE) else seen


def options_of(subject: str) -> list[str]:
    """The options that a file is named for: ``_-tlnp_-4``; ``tunlp4`` as Rancher's collector writes it, ``--t--a`` as cilium-bugtool does."""
    if GLUED.fullmatch(subject):
        return [f"-{subject}"]
    if subject.startswith("-"):
        return [f"-{word}" if "-" not in word else word for word in subject.split("--") if word]
    return [word for word in subject.split("_") if word]


def letters_of(words: list[str]) -> set[str]:
    """The letters of short options, and the long options without their dashes."""
    letters = {letter for word in words if word[:1] == "-" and word[:2] != "--" for letter in word[1:]}
    return letters | {word[2:] for word in words if word[:2] == "--"}


def only_type(subject: str) -> int | None:
    """The protocol of sockets whose lines do not name one, which ss leaves out where a single type was asked for; None where that has no ports.
    TCP and UDP, which their states tell apart, where the command is not known."""
    found = {CHOSEN[letter] for letter in letters_of(options_of(subject)) if letter in CHOSEN} if subject else set()
    return found.pop() if len(found) == 1 else 0


def by_options(words: list[str]) -> frozenset[int]:
    """``-tlnp``, ``--tcp -l``: what listens is shown with l or a; without a type, all types."""
    letters = letters_of(words)
    if not all(word.startswith("-") for word in words) or not letters & SHOWING or letters & FEWER & {"4", "6"}:
        return frozenset()
    chosen = frozenset(TYPES[letter] for letter in letters if letter in TYPES)
    return chosen or (frozenset() if letters & FEWER else LISTED)


@remembered
def known(line: str, subject: str) -> tuple[Fact, ...]:
    """What a line says, remembered."""
    return tuple(listener(Source("", line, subject=subject), line, Span("", 1)))


def listener(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))``; indented lines are a socket's details."""
    refuse_errors(line)
    words = line.split()
    if line[0] in " \t" or words[0] in OTHERS:
        return
    if words[0] in STATES:
        only = only_type(source.subject)
        if only is None:
            return
        words = ["sctp" if only == PROTOCOLS["sctp"] else "udp" if words[0] == "UNCONN" else "tcp", *words]
    if words[0] not in PROTOCOLS:
        raise ValueError(f"expected a socket such as 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*', not {line[:60]!r}")
    protocol = PROTOCOLS[words[0]]
    if words[1].isdecimal():
        local, peer, state = words[3], words[4], words[5] if protocol == 6 else "UNCONN"
    else:
        state, local, peer = words[1], words[4], words[5]
    if not PEER.fullmatch(peer):
        raise ValueError(f"expected the peer of a socket such as '0.0.0.0:*', not {peer[:60]!r}")
    if CUT.search(line):
        raise ValueError("the processes of the socket break off: lines may be missing behind it")
    if state not in ("LISTEN", "UNCONN") or not peer.endswith(":*"):
        return
    host, port = local.rsplit(":", 1)
    where, device = split_device(host)
    found = re.search(r'users:\(\("([^"]*)"', line) or re.search(r"\s\d+/(\S+)\s*$", line)
    yield ListenerFact(
        at=word_at(at, line, local),
        scope=source.scope,
        protocol=protocol,
        address=where,
        port=int(port),
        device=device,
        process=found.group(1) if found else "",
    )


def split_device(host: str) -> tuple[Address | None, str | None]:
    """``*``, ``0.0.0.0``, ``[::]``, ``127.0.0.53%lo`` and ``[fe80::1]%eth0``: the address (None: any of both families) and the device."""
    bare, _, device = host.partition("%")
    bare = bare.strip("[]")
    return (None if bare == "*" else address(bare.removeprefix("::ffff:"))), device.strip("]") or None


PARSER = Parser(
    kind="ss",
    read=read,
    names=(
        r"ss(?P<subject>(_-\S+)*)",
        r"ss(?P<subject>[46]?[itaunlpewxmo]{3,8}[46]?|-\S+)",
        r"(ssanp\S+|netstat(?P<subject>(_-(?![A-Za-z]*[gsri]|-[gsri])[^_\s]+)*)|socket-stats)",
    ),
    content=re.compile(
        r"^(Netid\s+)?State\s+Recv-Q\s+Send-Q|^Proto Recv-Q Send-Q Local Address|^(tcp|udp)\s+(LISTEN|UNCONN)\s", re.MULTILINE
    ),
)
