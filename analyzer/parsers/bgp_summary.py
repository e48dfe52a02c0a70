"""FRR's ``show bgp summary`` and ``show ip bgp summary``, text and JSON: its sessions (bgpd/bgp_vty.c ``bgp_show_summary``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ESTABLISHED, SessionFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._columns import Finder, members
from analyzer.parsers._words import is_json, refuse_errors
from analyzer.source import Gap, Source, Span

LOCAL = re.compile(r"BGP router identifier \S+, local AS number (?P<as>[\d.]+)")
SECTION = re.compile(r"(?P<family>(IPv4|IPv6|L2VPN) [\w/ -]+?) Summary\b.*")
AROUND = re.compile(
    r"(BGP (table version|view name|activity)|RIB entries|Peers \d+|Peer groups|Dampening|Total number of neighbors|Displayed neighbors|Neighbor\s+V\s|\d+ dynamic|\* - dynamic"
    r"|Read-only mode|% No BGP neighbors|No IPv[46]|Read only|Dynamic|Unknown afi|vtysh|BGP Route Reflector)"
)
STATE = re.compile(r"(?P<received>\d+)|(?P<state>[A-Za-z]+)(?: \((?P<why>\w+)\))?|\((?P<policy>Policy)\)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Sessions in the order of the listing, one for each family."""
    if is_json(source.text):
        yield from of_json(source, json.loads(source.text))
        return
    own, family, begun = None, "", ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.strip()
        if found := LOCAL.match(line):
            own = as_number(found["as"])
        elif found := SECTION.fullmatch(line):
            family = found["family"]
        elif not line or AROUND.match(line):
            continue
        else:
            words = [*begun.split(), *line.split()]
            begun = line if len(words) == 1 else ""
            if len(words) > 1:
                yield row(source, number, words, own, family)


def row(source: Source, number: int, words: list[str], own: int | None, family: str) -> Fact | Gap:
    """``172.18.0.2  4  64513  3  6  0  0  0  00:00:09  1  4  to b``; ``Idle (Admin)`` is two words."""
    try:
        refuse_errors(" ".join(words))
        peer = neighbour(words[0])
        rest = words[9:]
        two = rest[1:] and rest[1].startswith("(") and not rest[0].startswith("(")
        found = STATE.fullmatch(" ".join(rest[: 2 if two else 1]))
        if found is None:
            raise ValueError(f"expected a session of FRR's, not {' '.join(words)[:60]!r}")
        after = rest[2 if two else 1 :]
        return session(
            source,
            Span(source.path, number),
            family,
            peer,
            state=found["state"] or ESTABLISHED,
            why=found["why"] or found["policy"] or "",
            remote=as_number(words[2]),
            own=own,
            received=int(found["received"]) if found["received"] else None,
            sent=int(after[0]) if after and after[0].isdecimal() else None,
        )
    except UNREADABLE as problem:
        return gap(source, number, reason(problem))


def session(
    source: Source,
    at: Span,
    family: str,
    peer: Address | None,
    *,
    state: str,
    why: str,
    remote: int | None,
    own: int | None,
    received: int | None,
    sent: int | None,
) -> SessionFact:
    """A session of either form. ``(Policy)`` stands in the place of the number of routes of one that is established."""
    policy = why == "Policy"
    return SessionFact(
        at=at,
        scope=source.scope,
        program="frr",
        name=family,
        peer=peer,
        state=ESTABLISHED if policy else state.partition(" ")[0],
        remote_as=remote,
        local_as=own,
        disabled=why == "Admin",
        problem="" if why in ("", "Admin", "Policy") else why,
        received=received,
        sent=sent,
        policy=policy,
    )


def neighbour(word: str) -> Address | None:
    """A peer: an address (``*`` before one that was not configured by itself), or the name of an interface (its peer is not told)."""
    text = word.lstrip("*").partition("(")[0]
    return address(text.partition("%")[0]) if text[:1].isdigit() or ":" in text else None


def as_number(text: str) -> int:
    """``64512``, or ``1.10`` (RFC 5396, asdot)."""
    high, dot, low = text.partition(".")
    return (int(high) << 16) + int(low) if dot else int(text)


def of_json(source: Source, document: Any) -> Iterator[Fact | Gap]:
    """``{"ipv4Unicast": {"as": 64512, "peers": {"172.18.0.2": {…}}}}``; with one family its members stand at the top."""
    finder = Finder(source)
    sections = [("", document)] if isinstance(document, Mapping) and "peers" in document else list(members(document))
    for family, section in sections:
        own = section.get("as")
        for text, peer in members(section.get("peers")):
            at = finder.span(f'"{text}"')
            state = str(peer.get("state") or "")
            word, _, why = state.partition(" ")
            yield session(
                source,
                at,
                family,
                neighbour(text),
                state=word,
                why=str(why.strip("()") or ("Policy" if peer.get("peerState") == "Policy" else "")),
                remote=number(peer.get("remoteAs")),
                own=number(peer.get("localAs")) or number(own),
                received=number(peer.get("pfxRcd")),
                sent=number(peer.get("pfxSnt")),
            )


def number(value: object) -> int | None:
    """A number of JSON."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


PARSER = Parser(
    kind="bgp-summary",
    read=read,
    names=(r"(vtysh_(-\S+?_)?-c_)?show_(ip_|ipv6_)?bgp(_\S+?)?_summary(_json|_failed|_established)*(\.json)?",),
    content=re.compile(
        r"^BGP router identifier \S+, local AS number|^Neighbor\s+V\s+AS\s+MsgRcvd|\A\s*\{\s*\"ipv[46]Unicast\"\s*:\s*\{\s*\"routerId\"",
        re.MULTILINE,
    ),
)
