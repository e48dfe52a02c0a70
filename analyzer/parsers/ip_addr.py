"""``ip addr`` and ``ip link``, text and JSON, with and without ``-d``, ``-s`` and ``-o``.

The text form follows print_linkinfo and print_addrinfo of iproute2 (ip/ipaddress.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from analyzer.addresses import WIDTH, Address, address, hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._link_json import read_json
from analyzer.parsers._link_kinds import kind_of, port_of
from analyzer.parsers._words import is_json, refuse_errors, span_of
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"^(\d+): ([^\s:@]+)(?:@(\S+?))?:\s+<([^>]*)>\s*(.*)$")
ONE_LINE = re.compile(r"^(\d+): (\S+)\s+(inet6?)\s+(.*)$")
BRIEF = re.compile(r"^([^\s:@]+)(?:@(\S+))?\s+(UP|DOWN|UNKNOWN|LOWERLAYERDOWN|DORMANT|NOTPRESENT)(\s.*)?$")
IGNORED = (
    "valid_lft",
    "RX:",
    "TX:",
    "RX errors:",
    "TX errors:",
    "altname",
    "alias",
    "vf ",
    "prog/",
    "EPRT",
    "RX overrun",
    "bytes",
)
STATISTICS = re.compile(r"^[\d\s.KMGTP]+$")


@dataclass(slots=True)
class Block:
    """The lines of one interface: its head, and the (number, text) of the rest."""

    number: int
    line: str
    head: re.Match[str]
    rest: list[tuple[int, str]] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Interfaces, their addresses, and what ``-d`` says of bridge ports."""
    if is_json(source.text):
        yield from read_json(source)
        return
    block: Block | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ").replace("\\    ", "\n    ")
        for part in line.split("\n"):
            if not part.strip():
                continue
            head = HEAD.match(part)
            if head:
                if block:
                    yield from finish(source, block)
                block = Block(number, part, head)
            elif one := ONE_LINE.match(part):
                yield from guarded_address(source, number, one.group(2).rstrip(":"), f"{one.group(3)} {one.group(4)}", part)
            elif block and part[:1] in (" ", "\t"):
                block.rest.append((number, part))
            elif part.lstrip().startswith("valid_lft"):
                continue
            elif brief := BRIEF.match(part):
                yield from brief_facts(source, number, part, brief)
            else:
                yield from refused(source, number, part)
    if block:
        yield from finish(source, block)


def refused(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line that belongs to no interface."""
    try:
        refuse_errors(line)
        yield gap(source, number, f"expected an interface such as '2: eth0: <UP> mtu 1500', not {line.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, str(problem))


def brief_facts(source: Source, number: int, line: str, found: re.Match[str]) -> Iterator[Fact | Gap]:
    """``ip -br addr`` and ``ip -br link``: name, state, then addresses, or the MAC and flags."""
    name, other, state, rest = found.groups()
    words = (rest or "").split()
    flags = next((word.strip("<>").split(",") for word in words if word.startswith("<")), ["UP"] if state != "DOWN" else [])
    mac = next((hardware_address(word) for word in words if word.count(":") == 5 and "/" not in word), None)
    yield LinkFact(
        at=span_of(source, number, line, name), scope=source.scope, name=name, state=state, mac=mac, flags=frozenset(flags),
        parent=other if other and not other.startswith("if") and other != "NONE" else None,
    )  # fmt: skip
    for word in words:
        if "/" in word:
            yield from guarded_address(source, number, name, f"inet {word}", line)


def finish(source: Source, block: Block) -> Iterator[Fact | Gap]:
    """The facts of one interface."""
    try:
        link = link_of(source, block)
    except UNREADABLE as problem:
        yield gap(source, block.number, reason(problem))
        return
    detail: list[str] = []
    addresses: list[Fact | Gap] = []
    for number, raw in block.rest:
        text = raw.strip()
        if text.startswith("link/"):
            try:
                link, tail = with_hardware(link, text)
                link = replace(link, at=span_of(source, number, raw, text.split()[1]) if len(text.split()) > 1 else link.at)
                detail += tail
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem))
        elif text.startswith(("inet ", "inet6 ")):
            addresses += guarded_address(source, number, link.name, text, raw)
        elif text.startswith("altname "):
            link = replace(link, alternative_names=(*link.alternative_names, text.split()[1]))
        elif text.startswith("alias "):
            link = replace(link, alias=text[6:])
        elif not text.startswith(IGNORED) and not STATISTICS.match(text):
            detail += text.split()
    yield from detailed(source, block, link, detail)
    yield from addresses


def detailed(source: Source, block: Block, link: LinkFact, words: list[str]) -> Iterator[Fact | Gap]:
    """The link with its kind, and the bridge port that it is, as ``-d`` prints them."""
    port: BridgePortFact | None = None
    if words:
        try:
            kind, master_kind = kind_of(words)
            link = replace(link, kind=kind, master_kind=master_kind, detailed=True, promiscuity=promiscuity(words))
            port = port_of(words, link, Span(source.path, block.number), source.scope)
        except UNREADABLE as problem:
            yield gap(source, block.number, f"{link.name}: {reason(problem)}")
    yield link
    if port:
        yield port


def promiscuity(words: list[str]) -> int:
    """How often promiscuous mode was asked for."""
    return int(words[words.index("promiscuity") + 1]) if "promiscuity" in words else 0


def link_of(source: Source, block: Block) -> LinkFact:
    """The link from the head line."""
    index, name, other, flags, rest = block.head.groups()
    words = rest.split()
    values = dict(zip(words[::2], words[1::2], strict=False))
    peer = re.fullmatch(r"if(\d+)", other or "")
    return LinkFact(
        at=span_of(source, block.number, block.line, name),
        scope=source.scope,
        name=name,
        index=int(index),
        flags=frozenset(flag for flag in flags.split(",") if flag),
        mtu=int(values["mtu"]) if "mtu" in values else None,
        state=values.get("state", "UNKNOWN"),
        master=after(words, "master"),
        peer_index=int(peer.group(1)) if peer else None,
        parent=other if other and not peer and other != "NONE" else None,
    )


def after(words: list[str], key: str) -> str | None:
    """The word behind a key."""
    return words[words.index(key) + 1] if key in words[:-1] else None


def with_hardware(link: LinkFact, text: str) -> tuple[LinkFact, list[str]]:
    """The link with what its ``link/…`` line says; the words of ``-d`` behind it."""
    words = text.split()
    kind = words[0].removeprefix("link/")
    rest = words[1:]
    mac = hardware_address(rest[0]) if kind in ("ether", "loopback") and rest and rest[0].count(":") == 5 else None
    netnsid, name = after(rest, "link-netnsid"), after(rest, "link-netns")
    link = replace(link, link_type=kind, mac=mac, netnsid=int(netnsid) if netnsid else None, netns_name=name)
    known = {"brd", "peer", "link-netnsid", "link-netns", "permaddr", "new-netnsid", "new-netns"}
    skip, tail = True, []
    for position, word in enumerate(rest):
        if skip and (position == 0 or word in known or rest[position - 1] in known):
            continue
        skip = False
        tail.append(word)
    return link, tail


def guarded_address(source: Source, number: int, device: str, text: str, raw: str) -> list[Fact | Gap]:
    """An address line, or the gap in its place."""
    try:
        return [address_of(source, number, device, text, raw)]
    except UNREADABLE as problem:
        return [gap(source, number, reason(problem))]


SCOPES = ("global", "link", "host", "site", "nowhere")


def address_of(source: Source, number: int, device: str, text: str, raw: str) -> AddressFact:
    """``inet 10.0.0.1/24 brd 10.0.0.255 scope global dynamic eth0``."""
    words = text.split()
    local, peer = words[1], after(words, "peer")
    value, length = split_address(local)
    other = split_address(peer) if peer else None
    scope = after(words, "scope") or "global"
    broadcast = after(words, "brd")
    known = {"inet", "inet6", local, "peer", peer, "brd", broadcast, "scope", scope, "metric", after(words, "metric")}
    flags = [word.rstrip("\\") for word in words if word not in known and word != device]
    flags = flags[: flags.index("valid_lft")] if "valid_lft" in flags else flags
    return AddressFact(
        at=span_of(source, number, raw, local),
        scope=source.scope,
        device=device,
        address=value,
        length=other[1] if other and "/" not in local else length,
        peer=other[0] if other else None,
        peer_length=other[1] if other else None,
        broadcast=address(broadcast) if broadcast and broadcast[0].isdigit() else None,
        scope_name=scope,
        flags=frozenset(flags),
    )


def split_address(text: str) -> tuple[Address, int]:
    """``10.0.0.1/24``; without a length, a host."""
    host, _, length = text.partition("/")
    value = address(host)
    bits = int(length) if length else WIDTH[value.family]
    if not 0 <= bits <= WIDTH[value.family]:
        raise ValueError(f"{text!r} has no such prefix length")
    return value, bits


PARSER = Parser(
    kind="ip-addr",
    read=read,
    names=(
        r"ip_(-\S+_)*(a|ad|addr|addre|addres|address)(_(show|list|ls|s))?(\.json)?",
        r"ip_(-\S+_)*(a|ad|addr|addre|addres|address)_(show|list|ls|s|sh)_(?P<subject>\S+?)(\.json)?",
        r"ip_(-\S+_)*(l|li|lin|link)(_(show|list|ls|s|sh))?(\.json)?",
        r"ip_(-\S+_)*(l|li|lin|link)(_(show|list|ls|s|sh))?_(?!(?:show|list|ls|s|sh)(?:\.json)?$)(?P<subject>\S+?)(\.json)?",
        r"(ip)?(addr|address|link|addrshow|linkshow|ipaddrshow|iplinkshow|ipv[46]_addr|ip-addr|ip-link|ip-a|ip--d--s-l|ip--d-a)(\.json)?",
    ),
    content=re.compile(
        r'^\d+: [^\s:]+:\s+<[A-Z0-9_,-]*>(?![^\n]* state [a-z])|^\s*\[\s*\{\s*"(?:ifindex|link_index)"|^\d+: \S+\s+inet6? '
        r"|^[^\s:@]{1,15}(?:@\S+)?\s+(?:UP|DOWN|UNKNOWN|LOWERLAYERDOWN)\s+(?:[0-9a-f:.]+/\d+ |(?:[0-9a-f]{2}:){5}[0-9a-f]{2} <)",
        re.MULTILINE,
    ),
)
