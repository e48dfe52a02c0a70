"""``weave status ipam``, ``connections`` and ``peers``: parts of a peer's state as text (weaveworks/weave prog/weaver/http.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.weave import ConnectionStateFact, RingEntryFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

PEER = r"(?P<peer>[0-9a-f]{2}(?::[0-9a-f]{2}){5})(?:\((?P<nickname>[^)]*)\))?"
SHARE = re.compile(PEER + r"\s+(?P<size>\d+) IPs \([\d.]+% of total\)\s*(?:\(\d+ active\))?\s*(?P<lost>- unreachable!)?")
CONNECTION = re.compile(
    r"(?P<way>->|<-) (?P<address>\S+)\s+(?P<state>established|failed|pending|connecting|retrying)\b\s*(?P<info>.*)"
)
INFO = re.compile(r"(?P<way>encrypted\s+\w+|unencrypted\s+\w+|fastdp|sleeve|\S+)\s+" + PEER + r"(?:\s+mtu=(?P<mtu>\d+))?.*")
OF_PEER = re.compile(PEER)
LINK = re.compile(r"(?P<way>->|<-) (?P<address>\S+)\s+" + PEER + r"\s+(?P<state>established|pending)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Parts of the ring and connections, by line. What other peers say of their own connections (``status peers``) is passed over."""
    return by_line(source, lambda line, at: row(source, line.strip(), at))


def row(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``3a:5e:0b:00:00:01(n1)   524288 IPs (50.0% of total) - unreachable!`` or ``-> 10.40.0.12:6783  established fastdp 3a:…(n2) mtu=1376``."""
    refuse_errors(line)
    if found := SHARE.fullmatch(line):
        yield RingEntryFact(
            at=at,
            scope=source.scope,
            peer=found["peer"],
            nickname=found["nickname"] or "",
            size=int(found["size"]),
            known=found["lost"] is None,
        )
    elif found := CONNECTION.fullmatch(line):
        way, other, nickname, mtu = info(found["info"])
        yield ConnectionStateFact(
            at=at,
            scope=source.scope,
            address=found["address"],
            state=found["state"],
            outbound=found["way"] == "->",
            other=other,
            nickname=nickname,
            way=way,
            mtu=mtu,
            problem="" if way else found["info"],
        )
    elif not (OF_PEER.fullmatch(line) or LINK.fullmatch(line)):
        raise ValueError(f"expected a line of weave status, not {line[:60]!r}")


def info(text: str) -> tuple[str, str, str, int | None]:
    """How a connection goes, with whom, and its MTU: ``encrypted   fastdp 3a:5e:0b:00:00:02(n2) mtu=1376``; nothing of it in an error."""
    found = INFO.fullmatch(text.strip())
    if found is None:
        return "", "", "", None
    return found["way"].split()[-1], found["peer"], found["nickname"] or "", int(found["mtu"]) if found["mtu"] else None


PARSER = Parser(
    kind="weave-status",
    read=read,
    names=(r"weave(_--local)?_status_(ipam|connections|peers)",),
    content=re.compile(
        r"^[0-9a-f:]{17}(\([^)\n]*\))?\s+\d+ IPs \([\d.]+% of total\)|^(->|<-) \S+:\d+\s+(established|failed|retrying)\s",
        re.MULTILINE,
    ),
)
