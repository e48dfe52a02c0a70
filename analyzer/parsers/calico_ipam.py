"""``calicoctl ipam show``, also ``--show-blocks`` and ``--show-borrowed``, and ``calicoctl ipam check`` (projectcalico/calico calicoctl/calicoctl/commands/ipam/show.go, check.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.calico import BorrowedFact, IpamProblemFact, PoolUseFact, StatedBlockFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors, word_at
from analyzer.source import Gap, Source, Span

TITLES = re.compile(r"\| +(GROUPING|IP|STRICT ?AFFINITY|PROPERTY) +\|")
USE = re.compile(r"(?P<used>\d+(?:\.\d+e\+\d+)?)(?: \(\d+%\))?")
BLOCK = re.compile(r"IPAM block (?P<net>\S+/\d+) affinity=(?P<owner>\S*?):?$")
FOUND = re.compile(r"Found (?P<count>\d+) (?P<what>.+?)\.?$")
PROBLEMS = (
    (re.compile(r"IPs that are allocated in IPAM but not actually in use"), "leaked"),
    (re.compile(r"in-use IPs that are not in active IP pools"), "outside"),
    (re.compile(r"in-use IPs that are in active IP pools but have no corresponding IPAM allocation"), "unrecorded"),
    (re.compile(r"handles with no matching IPs"), "handle-unused"),
    (re.compile(r"handles mentioned in blocks with no matching handle resource"), "handle-missing"),
)
SINGLE = re.compile(r"(?P<ip>[0-9a-fA-F.:]+) (?P<how>leaked|in use|not in|allocated|has|is).*")
AROUND = re.compile(
    r"\+[-+]+\+$|Checking IPAM|Loading all|IPAM blocks record|Workloads and nodes|Looking for top|Node with most|Scanning for|Check complete|[\w.-]+ has \d+ allocations"
    r"|[0-9a-fA-F.:]+/\d+$|Report written|IP \S+ is|Attributes:|No attributes|(pod|namespace|node|type|timestamp): |Flagging|\* |Warning"
)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Pools, blocks and borrowed addresses of the tables; blocks and problems of the check; by line."""
    return by_line(source, lambda line, at: row(line.strip(), at))


def row(line: str, at: Span) -> Iterator[Fact]:
    """One line."""
    refuse_errors(line)
    if line.startswith("|"):
        yield from cells([cell.strip() for cell in line.strip("|").split("|")], line, at)
    elif found := BLOCK.match(line):
        owner = found["owner"].removeprefix("host:")
        yield StatedBlockFact(
            at=word_at(at, line, found["net"]), prefix=prefix(found["net"]), owner="" if owner == "<none>" else owner
        )
    elif found := FOUND.match(line):
        kind = next((kind for pattern, kind in PROBLEMS if pattern.search(found["what"])), "")
        if kind and int(found["count"]):
            yield IpamProblemFact(at=at, kind=kind, count=int(found["count"]))
    elif found := SINGLE.match(line):
        address(found["ip"])
    elif not AROUND.match(line):
        raise ValueError(f"expected a line of calicoctl ipam, not {line[:60]!r}")


def cells(found: list[str], line: str, at: Span) -> Iterator[Fact]:
    """A row of a table: of pools and blocks, of borrowed addresses, or of the configuration, which its object says."""
    match found:
        case ["IP Pool" | "Block" as what, net, total, used, *_]:
            taken = USE.match(used)
            if taken is None:
                raise ValueError(f"{used!r} is no number of addresses")
            yield PoolUseFact(
                at=word_at(at, line, net),
                prefix=prefix(net),
                block=what == "Block",
                total=int(float(total)),
                used=int(float(taken["used"])),
            )
        case [ip, borrower, block, owner, *rest] if "/" in block:
            pod = rest[1] if len(rest) > 1 and rest[0] == "pod" else ""
            yield BorrowedFact(
                at=word_at(at, line, ip), address=address(ip), node=borrower, block=prefix(block), owner=owner, pod=pod
            )
        case _ if not TITLES.match(line) and not re.search(r"AFFINITY|true|false|\d", line):
            raise ValueError(f"expected a row of calicoctl ipam show, not {line[:60]!r}")
        case _:
            return


PARSER = Parser(
    kind="calico-ipam",
    read=read,
    names=(r"(sudo_)?calicoctl(_-\S+)?_ipam_(show|check)(_--?\S+)*",),
    content=re.compile(
        r"^\| GROUPING \|\s+CIDR\s+\||^\|\s+IP\s+\| BORROWING[- ]NODE\s+\||^Checking IPAM for inconsistencies", re.MULTILINE
    ),
    per="cluster",
)
