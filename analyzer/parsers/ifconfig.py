"""``ifconfig``, old and new (net-tools lib/interface.c, ife_print_long): interfaces and their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.addresses import address, hardware_address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors, span_of
from analyzer.source import Gap, Source

HEAD = re.compile(r"^([^\s:]+(?::[^\s:]+)?)(?::\s+flags=\d+<([^>]*)>\s+mtu (\d+)|\s+Link encap:(.*))")
INET = re.compile(r"\s*inet (?:addr:)?([\d.]+)(.*)")
INET6 = re.compile(r"\s*inet6 (?:addr:\s*)?([0-9a-fA-F:.]+)(?:%\S+)?(?:/(\d+)|\s+prefixlen (\d+))(.*)")
MASK = re.compile(r"(?:netmask |Mask:)([\d.]+)")
BROADCAST = re.compile(r"(?:broadcast |Bcast:)([\d.]+)")
PEER = re.compile(r"(?:destination |P-t-P:)([\d.]+)")
MAC = re.compile(r"(?:HWaddr|ether) ((?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2})\b")
SCOPE = re.compile(r"(?:Scope:|scopeid 0x[0-9a-f]+<)(\w+)")
OLD_FLAGS = re.compile(r"\s+([A-Z][A-Z ]*)\s+MTU:(\d+)")
SILENT = re.compile(
    r"\s+(RX|TX|collisions|Interrupt|device|loop |unspec|tunnel|ether|inet6 addr: *$|Memory|Base|UNSPEC|txqueuelen)"
)


@dataclass(slots=True)
class Block:
    """An interface while its lines are read; ``mtu`` 0 while not known."""

    number: int
    line: str
    name: str
    flags: frozenset[str] = frozenset()
    mtu: int = 0
    mac: int | None = None
    addresses: list[AddressFact] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Each interface, then its addresses; an alias such as ``eth0:1`` gives addresses of its device."""
    block: Block | None = None
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ")
        if not line.strip():
            continue
        try:
            if head := HEAD.match(line):
                yield from finished(source, block)
                block = started(number, line, head)
            elif block and line[0] in " \t":
                continued(source, block, number, line)
            else:
                refuse_errors(line)
                raise ValueError(f"expected an interface of ifconfig, not {line.strip()[:60]!r}")
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    yield from finished(source, block)


def started(number: int, line: str, head: re.Match[str]) -> Block:
    """The interface of a head line in either form."""
    name, flags, mtu, _ = head.groups()
    mac = MAC.search(line)
    names = frozenset(flags.split(",")) - {""} if flags else frozenset()
    return Block(number, line, name, names, int(mtu or 0), hardware_address(mac.group(1)) if mac else None)


def continued(source: Source, block: Block, number: int, line: str) -> None:
    """A further line of the interface; ValueError when it is not understood."""
    device = block.name.partition(":")[0]
    if mac := MAC.search(line):
        block.mac = hardware_address(mac.group(1))
    elif found := INET6.match(line):
        scope = SCOPE.search(found.group(4))
        block.addresses.append(
            AddressFact(
                at=span_of(source, number, line, found.group(1)), scope=source.scope, device=device,
                address=address(found.group(1)), length=bits(found.group(2) or found.group(3)),
                scope_name=scope.group(1).lower() if scope else "global",
            )
        )  # fmt: skip
    elif found := INET.match(line):
        block.addresses.append(inet(source, block, device, number, line, found))
    elif found := OLD_FLAGS.match(line):
        block.flags, block.mtu = frozenset(found.group(1).split()), int(found.group(2))
    elif not SILENT.match(line):
        raise ValueError(f"not understood in ifconfig: {line.strip()[:60]!r}")


def bits(text: str) -> int:
    """A prefix length of IPv6."""
    if int(text) > 128:
        raise ValueError(f"{text!r} is no prefix length")
    return int(text)


def inet(source: Source, block: Block, device: str, number: int, line: str, found: re.Match[str]) -> AddressFact:
    """An IPv4 address; without a mask (an old text of a host) its length is 32."""
    mask, broadcast, peer = (pattern.search(found.group(2)) for pattern in (MASK, BROADCAST, PEER))
    length = prefix(f"0.0.0.0/{mask.group(1)}").length if mask else 32
    return AddressFact(
        at=span_of(source, number, line, found.group(1)),
        scope=source.scope,
        device=device,
        address=address(found.group(1)),
        length=length,
        peer=address(peer.group(1)) if peer else None,
        peer_length=length if peer else None,
        broadcast=address(broadcast.group(1)) if broadcast else None,
        scope_name="host" if device == "lo" else "global",
        label=block.name if ":" in block.name else None,
    )


def finished(source: Source, block: Block | None) -> Iterator[Fact]:
    """The link, unless it is an alias, and its addresses. RUNNING is the carrier (IFF_RUNNING)."""
    if block is None:
        return
    if ":" not in block.name:
        up, running = "UP" in block.flags, "RUNNING" in block.flags
        yield LinkFact(
            at=span_of(source, block.number, block.line, block.name), scope=source.scope, name=block.name, group=None,
            flags=block.flags | ({"NO-CARRIER"} if up and not running else set()), mtu=block.mtu or None, mac=block.mac,
            link_type="loopback" if "LOOPBACK" in block.flags else "ether", state="UP" if running else "DOWN" if not up else "UNKNOWN",
        )  # fmt: skip
    yield from block.addresses


PARSER = Parser(
    kind="ifconfig",
    read=read,
    names=(r"ifconfig(_-a)?(_\S+)?",),
    content=re.compile(r"^\S+: flags=\d+<[A-Z,]*>\s+mtu \d+|^\S+\s+Link encap:", re.MULTILINE),
)
