"""A node with few services whose rules ask a large IP set: addresses and networks that may not send, and one that is for a port."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.capture import Shape, put, write

FIRST = IPv4Address("172.20.0.0")
RULES = (
    "-A FORWARD -m set --match-set senders src -j DROP",
    "-A FORWARD -m set --match-set networks src -j DROP",
    "-A FORWARD -m set --match-set ports dst,dst -j DROP",
)


def members(folder: Path, count: int) -> None:
    """Writes the capture of a node with so many members of sets."""
    write(folder, Shape(1, 10, 10, 2))
    node = folder / "nodes" / "n0"
    put(node / "ipset_save", sets(count))
    tables = node / "iptables-save"
    first = "-A FORWARD -m comment"
    tables.write_text(tables.read_text().replace(first, "\n".join((*RULES, first)), 1))


def sets(count: int) -> Iterator[str]:
    """``ipset save``: half of the members are addresses, a quarter networks, a quarter ports of addresses."""
    yield f"create senders hash:ip family inet hashsize 4096 maxelem {count}"
    yield from (f"add senders {FIRST + 3 * number}" for number in range(count // 2))
    yield f"create networks hash:net family inet hashsize 4096 maxelem {count}"
    yield from (f"add networks {FIRST + (1 << 18) + 32 * number}/28" for number in range(count // 4))
    yield f"create ports hash:ip,port family inet hashsize 4096 maxelem {count}"
    yield from (f"add ports {FIRST + number},tcp:{8080 + number % 100}" for number in range(count // 4))
