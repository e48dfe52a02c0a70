"""``ip addr`` and ``ip link``, text and JSON, with and without ``-d``, ``-s`` and ``-o``.

The text form follows print_linkinfo and print_addrinfo of iproute2 (ip/ipaddress.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import repeat

from analyzer.addresses import WIDTH, Address, address, hardware_address
from analyzer.copies import altered
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact, group_of
from analyzer.facts.neighbours import BridgePortFact
from analyzer.parsers import KNOWN, UNREADABLE, Parser, below, gap, reason
from analyzer.parsers._link_flags import flags_of, operational
from analyzer.parsers._link_json import read_json
from analyzer.parsers._link_kinds import kind_of, port_of
from analyzer.parsers._link_words import ALONE, ANY_DEVICE, PORTS, own
from analyzer.parsers._words import is_json, refuse_errors, refuse_others, span_of
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r"^(\d+): ([^\s:@]+)(?:@(\S+?))?:\s+<([^>]*)>\s*(.*)$")
HEADS = re.compile(r"^\d+: ", re.MULTILINE)
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
LIFETIMES = re.compile(r"valid_lft (forever|-?\d+sec) preferred_lft (forever|-?\d+sec)\\?")
SCOPES = frozenset({"global", "universe", "link", "host", "site", "nowhere"})
HEAD_WORDS = frozenset({"mtu", "qdisc", "master", "state", "mode", "group", "qlen", "event", "vrf"})
TYPES = (
    "generic netrom ether eether ax25 pronet chaos ieee802 arcnet atalk dlci atm metricom ieee1394 infiniband slip cslip slip6 cslip6 rsrvd adapt rose x25"
    " hwx25 can ppp hdlc lapb ddcmp rawhdlc ipip tunnel6 frad skip loopback ltalk fddi bif sit ip/ddp gre pimreg hippi ash econet irda fcpp fcal fcpl tr"
    " ieee802.11 ieee802.11/prism ieee802.11/radiotap ieee802.15.4 ieee802.15.4/monitor phonet phonet_pipe caif gre6 netlink 6lowpan vsockmon mctp none void"
)
LINK_TYPES = frozenset(TYPES.split())
"""iproute2 lib/ll_types.c; others are numbers in brackets."""
AT_LINK = frozenset({"brd", "peer", "link-netnsid", "link-netns", "permaddr", "new-netnsid", "new-netns"})
ADDRESS_WORDS = frozenset({"peer", "brd", "any", "scope", "metric", "flags", "proto"})
ADDRESS_FLAGS = frozenset(
    [
        "secondary",
        "temporary",
        "dynamic",
        "permanent",
        "mngtmpaddr",
        "noprefixroute",
        "tentative",
        "dadfailed",
        "deprecated",
        "home",
        "nodad",
        "optimistic",
        "autojoin",
        "stable-privacy",
        "managetempaddr",
        "homeaddress",
    ]
)
BLOCK = 1 << 11
"""Characters of an interface up to which it is looked up among the others."""
STATISTICS = re.compile(r"\d[\d.KMGTP]*(\s+\d[\d.KMGTP]*){3,}")


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
    lost = False
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ").replace("\\    ", "\n    ")
        for part in line.split("\n"):
            if not part.strip():
                continue
            head = HEAD.match(part)
            if head:
                if block:
                    yield from of_block(source, block)
                block, lost = Block(number, part, head), False
            elif one := ONE_LINE.match(part):
                yield from guarded_address(source, number, one.group(2).rstrip(":"), f"{one.group(3)} {one.group(4)}", part)
            elif lost and part[:1] in (" ", "\t"):
                continue
            elif part.lstrip().startswith("valid_lft"):
                yield from lifetimes(source, number, part)
            elif block and part[:1] in (" ", "\t"):
                block.rest.append((number, part))
            elif brief := BRIEF.match(part):
                yield from brief_facts(source, number, part, brief)
            else:
                if block:
                    yield from of_block(source, block)
                block, lost = None, True
                yield from refused(source, number, part)
    if block:
        yield from map(open_ended, of_block(source, block), repeat(max([block.number, *(number for number, _ in block.rest)])))
    if broken_off(source):
        yield gap(
            source, source.text.count("\n") + 1, "the text breaks off here: addresses and interfaces may be missing", cut=True
        )


def broken_off(source: Source) -> bool:
    """Whether the text ends within what it says of an interface, and within a line: an address whose lifetime is not told, details that are not all there, or a
    loopback device that is up without an address. Parts of pasted texts end within a line too, where what they say is whole."""
    end = source.text.rpartition("\n")[2]
    last, lasting = end.strip(), source.says("valid_lft")
    if not last or last.startswith("valid_lft") or ONE_LINE.match(last) or BRIEF.match(last):
        return not last and end != ""
    if HEAD.match(last) or last.startswith("inet"):
        return lasting or not last.startswith("inet")
    block = source.text[max((head.start() for head in HEADS.finditer(source.text)), default=0) :]
    silent = "LOOPBACK,UP" in block and "inet" not in block and "addr" in source.name
    return silent or (source.says("numtxqueues") and "numtxqueues" not in block)


def open_ended(item: Fact | Gap, last: int) -> Fact | Gap:
    """A gap at the last line of the text is about any interface: the text may break off there."""
    return replace(item, device="") if isinstance(item, Gap) and item.at.line == last else item


def lifetimes(source: Source, number: int, line: str) -> Iterator[Gap]:
    """How long an address is used says nothing here, but a line that breaks off may be the last of more."""
    if not LIFETIMES.fullmatch(line.strip()):
        yield gap(source, number, f"expected 'valid_lft forever preferred_lft forever', not {line.strip()[:60]!r}")


def refused(source: Source, number: int, line: str) -> Iterator[Gap]:
    """A line that belongs to no interface."""
    try:
        refuse_errors(line)
        yield gap(source, number, f"expected an interface such as '2: eth0: <UP> mtu 1500', not {line.strip()[:60]!r}")
    except ValueError as problem:
        yield gap(source, number, reason(problem))


def brief_facts(source: Source, number: int, line: str, found: re.Match[str]) -> Iterator[Fact | Gap]:
    """``ip -br addr`` and ``ip -br link``: name, state, then addresses, or the MAC and flags."""
    name, other, state, rest = found.groups()
    words = (rest or "").split()
    flags = next((word.strip("<>").split(",") for word in words if word.startswith("<")), ["UP"] if state != "DOWN" else [])
    mac = next((hardware_address(word) for word in words if word.count(":") == 5 and "/" not in word), None)
    yield LinkFact(
        at=span_of(source, number, line, name), scope=source.scope, name=name, state=state, mac=mac, flags=frozenset(flags), group=None,
        parent=other if other and not other.startswith("if") and other != "NONE" else None,
    )  # fmt: skip
    for word in words:
        if "/" in word:
            yield from guarded_address(source, number, name, f"inet {word} scope global", line)


def of_block(source: Source, block: Block) -> Iterator[Fact | Gap]:
    """The facts of one interface; those of a block that reads as an earlier one, as the loopback of most pods does, are made once."""
    lines = tuple((number - block.number, text) for number, text in block.rest)
    found = known_block(block.line, lines) if sum(map(len, (block.line, *(text for _, text in lines)))) <= BLOCK else None
    if found is None:
        yield from finish(source, block)
        return
    for fact in found:
        yield altered(fact, at=below(fact.at, source.path, block.number - 1), scope=source.scope)


@lru_cache(maxsize=KNOWN)
def known_block(line: str, rest: tuple[tuple[int, str], ...]) -> tuple[Fact, ...] | None:
    """The facts of an interface as if its head were the first line; None where something in it is not understood."""
    head = HEAD.match(line)
    if head is None:
        return None
    found = tuple(finish(Source("", ""), Block(1, line, head, [(number + 1, text) for number, text in rest])))
    facts = tuple(item for item in found if not isinstance(item, Gap))
    return facts if len(facts) == len(found) else None


def finish(source: Source, block: Block) -> Iterator[Fact | Gap]:
    """The facts of one interface."""
    try:
        link = link_of(source, block)
    except UNREADABLE as problem:
        yield gap(source, block.number, reason(problem))
        return
    detail: list[tuple[int, list[str]]] = []
    addresses: list[Fact | Gap] = []
    for number, raw in block.rest:
        text = raw.strip()
        if text.startswith("link/"):
            try:
                link = with_hardware(link, text)
                link = altered(link, at=span_of(source, number, raw, text.split()[1]) if len(text.split()) > 1 else link.at)
                detail.append((number, text.split()))
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem), link.name)
        elif text.startswith(("inet ", "inet6 ")):
            addresses += guarded_address(source, number, link.name, text, raw)
        elif text.startswith("altname "):
            link = altered(link, alternative_names=(*link.alternative_names, text.split()[1]))
        elif text.startswith("alias "):
            link = altered(link, alias=text[6:])
        elif not text.startswith(IGNORED) and not STATISTICS.fullmatch(text):
            detail.append((number, text.split()))
    yield from detailed(source, block, link, detail)
    yield from addresses


def detailed(source: Source, block: Block, link: LinkFact, lines: list[tuple[int, list[str]]]) -> Iterator[Fact | Gap]:
    """The link with its kind, and the bridge port that it is, as ``-d`` prints them."""
    port: BridgePortFact | None = None
    every = [word for _, line in lines for word in line]
    if any(word in ANY_DEVICE for word in every) or any(line[0][:5] != "link/" for _, line in lines):
        link = altered(link, detailed=True)
    said = [(number, line) for number, line in lines if line[0][:5] != "link/"]
    try:
        kind, master_kind = kind_of([line for _, line in said])
        link = altered(link, kind=kind, master_kind=master_kind, promiscuity=promiscuity(every))
        port = port_of(every, link, Span(source.path, block.number), source.scope)
    except UNREADABLE as problem:
        alone = all(line[0] in PORTS or line[0] in ALONE for _, line in said)
        yield gap(source, said[0][0] if said else block.number, f"{link.name}: {reason(problem)}", link.name if alone else "")
    yield link
    if port:
        yield port


def promiscuity(words: list[str]) -> int:
    """How often promiscuous mode was asked for."""
    return int(words[words.index("promiscuity") + 1]) if "promiscuity" in words else 0


def link_of(source: Source, block: Block) -> LinkFact:
    """The link from the head line."""
    index, name, other, flags, rest = block.head.groups()
    values = head_values(rest.split())
    peer = re.fullmatch(r"if(\d+)", other or "")
    return LinkFact(
        at=span_of(source, block.number, block.line, name),
        scope=source.scope,
        name=name,
        index=int(index),
        flags=flags_of([flag for flag in flags.split(",") if flag]),
        mtu=int(values["mtu"]) if "mtu" in values else None,
        state=values.get("state", "UNKNOWN"),
        master=values.get("master"),
        group=group_of(values.get("group", "")),
        peer_index=int(peer.group(1)) if peer else None,
        parent=other if other and not peer and other != "NONE" else None,
    )


def head_values(words: Sequence[str]) -> dict[str, str]:
    """``mtu 1500 xdp/id:5 qdisc noqueue master cni0 state UP mode DEFAULT group default qlen 1000``. ValueError for a word that is not known."""
    values: dict[str, str] = {}
    position = 0
    while position < len(words):
        word = words[position]
        if word in HEAD_WORDS:
            values[word] = words[position + 1]
        elif not word.startswith(("xdp", "prog/", "[")):
            raise ValueError(f"the word {word!r} is not known")
        position += 2 if word in HEAD_WORDS else 1
    operational(values.get("state", "UNKNOWN"))
    return values


def after(words: list[str], key: str) -> str | None:
    """The word behind a key."""
    return words[words.index(key) + 1] if key in words[:-1] else None


def with_hardware(link: LinkFact, text: str) -> LinkFact:
    """The link with what its ``link/…`` line says. ValueError for a word that is not known before those about any device, which are not looked at."""
    words = text.split()
    kind = words[0].removeprefix("link/")
    rest = words[1:]
    mac = None
    if kind not in LINK_TYPES and not re.fullmatch(r"\[\d+\]", kind):
        raise ValueError(
            f"expected hardware addresses such as 'link/ether 0a:58:0a:f4:02:05 brd ff:ff:ff:ff:ff:ff', not {text[:60]!r}"
        )
    if kind in ("ether", "loopback") and rest and rest[0] not in AT_LINK and rest[0] not in ANY_DEVICE:
        mac = hardware_address(rest[0])
    said = own(rest)
    refuse_others(said[1:] if said and said[0] not in AT_LINK else said, AT_LINK, frozenset())
    if mac is not None and (broadcast := after(rest, "brd")) is not None:
        hardware_address(broadcast)
    netnsid, name = after(rest, "link-netnsid"), after(rest, "link-netns")
    known = netnsid is not None and netnsid != "unknown"
    return altered(link, link_type=kind, mac=mac, netnsid=int(netnsid or "") if known else None, netns_name=name)


def guarded_address(source: Source, number: int, device: str, text: str, raw: str) -> list[Fact | Gap]:
    """An address line, or the gap in its place."""
    try:
        return [address_of(source, number, device, text, raw)]
    except UNREADABLE as problem:
        return [gap(source, number, reason(problem))]


def address_of(source: Source, number: int, device: str, text: str, raw: str) -> AddressFact:
    """``inet 10.0.0.1/24 brd 10.0.0.255 scope global dynamic eth0``; the last word of an IPv4 address is its label."""
    words = text.split()[: text.split().index("valid_lft")] if "valid_lft" in text.split() else text.split()
    local, options = words[1], [word.rstrip("\\") for word in words[2:]]
    if words[0] == "inet" and options and options[-1].partition(":")[0] == device:
        options = options[:-1]
    values, flags = options_of(options)
    peer, broadcast, scope = values.get("peer"), values.get("brd"), values.get("scope", "")
    value, length = split_address(local)
    other = split_address(peer) if peer else None
    if other is None and "/" not in local:
        raise ValueError(f"{local!r} has no prefix length")
    if scope not in SCOPES and not re.fullmatch(r"(0x)?[0-9a-f]+", scope):
        raise ValueError(f"the scope {scope!r} is not known" if scope else f"{local!r} has no scope")
    return AddressFact(
        at=span_of(source, number, raw, local),
        scope=source.scope,
        device=device,
        address=value,
        length=other[1] if other and "/" not in local else length,
        peer=other[0] if other else None,
        peer_length=other[1] if other else None,
        broadcast=address(broadcast) if broadcast else None,
        scope_name=scope,
        flags=frozenset(flags),
    )


def options_of(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What stands behind an address: values and flags. ValueError for a word that is not known; a label that is not the device's name is the last."""
    values: dict[str, str] = {}
    flags: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word in ADDRESS_WORDS:
            values[word] = words[position + 1]
        elif word in ADDRESS_FLAGS or position == len(words) - 1 or re.fullmatch(r"[0-9a-f]{2,}", word):
            flags.append(word)
        else:
            raise ValueError(f"the word {word!r} is not known")
        position += 2 if word in ADDRESS_WORDS else 1
    return values, flags


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
        r"(ip)?(addr|address|link|addrshow|linkshow|ipaddrshow|ipv6addrshow|iplinkshow|ipv[46]_addr|ip-addr|ip-link|ip-a|ip--d--s-l|ip--d-a)(\.json)?",
    ),
    content=re.compile(
        r'^\d+: [^\s:]+:\s+<[A-Z0-9_,-]*>(?![^\n]* state [a-z])|^\s*\[\s*\{\s*"(?:ifindex|link_index)"|^\d+: \S+\s+inet6? '
        r"|^[^\s:@]{1,15}(?:@\S+)?\s+(?:UP|DOWN|UNKNOWN|LOWERLAYERDOWN)\s+(?:[0-9a-f:.]+/\d+ |(?:[0-9a-f]{2}:){5}[0-9a-f]{2} <)",
        re.MULTILINE,
    ),
)
