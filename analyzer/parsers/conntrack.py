"""``conntrack -L`` in its forms (``-o extended,id,timestamp``, ``-o xml``), ``/proc/net/nf_conntrack`` and older kernels' ``/proc/net/ip_conntrack``;
and the count that ``conntrack -C`` prints.

After nf_conntrack_standalone.c ``ct_seq_show`` and libnetfilter_conntrack's snprintf_default.c. Events (``-E``), expectations (``-L expect``) and
``-o save`` are no table of connections, or another form of it: a gap says so, once for each text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.system import ConnectionFact, SysctlFact
from analyzer.parsers import Parser, by_line, gap
from analyzer.parsers._conntrack_values import Tuple, bounded, one, state_of
from analyzer.source import Gap, Source, Span

STATISTICS = re.compile(r"cpu=\d+\s+(found|searched)=")
FLAGS = re.compile(r"\[(\w+)\]")
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "sctp": 132, "dccp": 33, "udplite": 136, "gre": 47}
OTHERS = {
    re.compile(
        r"^\s*(\[\d+\.\d+\]\s+)?\[(NEW|UPDATE|DESTROY)\]"
    ): "events (conntrack -E) tell what happened, not what is tracked",
    re.compile(r"^\s*\d+ proto=\d+ src="): "expectations (conntrack -L expect) are not followed",
    re.compile(r"^-[AID] .*(-s|--src|--orig-src) "): "what conntrack -o save writes is not read",
}
USUAL = frozenset({"tcp", "udp", "icm", "ipv", "sct", "unk", "gre", "dcc"})
"""How lines begin that are none of those."""
XML = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!|<conntrack\b)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Entries by line; the tool's own count line, and the statistics of ``conntrack -S`` that EKS's collector puts before them, are passed over."""
    if XML.match(source.text):
        from analyzer.parsers import _conntrack_xml  # few write it

        return _conntrack_xml.read(source)
    return lines(source)


def lines(source: Source) -> Iterator[Fact | Gap]:
    """Entries by line; lines of another kind are one gap for each kind."""
    told: set[str] = set()
    unended = 0 if source.text.endswith("\n") else source.text.count("\n") + 1

    def line_of(line: str, at: Span) -> Iterator[Fact | Gap]:
        known = line[:3] in USUAL
        words = "" if known else next((words for form, words in OTHERS.items() if form.match(line)), "")
        if not words and at.line == unended and "src=" in line and " use=" not in line:
            raise ValueError("the text ends within this line")
        if not words:
            yield from entry(source, line, at)
        elif words not in told:
            told.add(words)
            yield gap(source, at.line, f"{words}: conntrack -L lists the connections (this line, and others like it)")

    return by_line(source, line_of)


def entry(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``tcp 6 115 TIME_WAIT src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] mark=0 use=1``."""
    if "flow entries have been shown" in line or line.startswith(("#", "***")) or STATISTICS.match(line):
        return
    words = line.split()
    if len(words) == 1 and line.strip().isdecimal():  # conntrack -C reads nf_conntrack_count
        yield SysctlFact(at=at, scope=source.scope, key="net.netfilter.nf_conntrack_count", value=line.strip())
        return
    family = words[0] if words[0] in ("ipv4", "ipv6") else ""
    if family:
        words = words[2:]
    pairs = [(key, value) for key, equals, value in (word.partition("=") for word in words) if equals]
    protocol = number(words[0], words[1])
    original, reply = split(protocol, pairs)
    if {side.family for side in (*original[:2], *reply[:2])} != {4 if family == "ipv4" else 6 if family else original[0].family}:
        raise ValueError("expected addresses of one family")
    values = dict(pairs)
    zone = values.get("zone", "0")
    yield ConnectionFact(
        at=at,
        scope=source.scope,
        protocol=protocol,
        original=original,
        reply=reply,
        state=state_of(protocol, words[2:4]),
        status=frozenset(FLAGS.findall(line)),
        mark=bounded("mark", values.get("mark", "0"), 32),
        zone=bounded("zone", values.get("zone-orig", zone), 16),
        reply_zone=bounded("zone", values.get("zone-reply", zone), 16),
        code=int(values.get("code", "0")),
        seconds=next((int(word) for word in words[2:3] if word.isdecimal()), None),
    )


def number(name: str, text: str) -> int:
    """The protocol; its name and its number say the same."""
    if not text.isdecimal() or not 0 <= int(text) <= 255 or NUMBERS.get(name, int(text)) != int(text):
        raise ValueError(f"expected a protocol's name and number, such as tcp 6, not {name} {text}")
    return int(text)


def split(protocol: int, pairs: list[tuple[str, str]]) -> tuple[Tuple, Tuple]:
    """The original and the reply tuple: each begins with ``src``."""
    starts = [position for position, (key, _) in enumerate(pairs) if key == "src"]
    if len(starts) != 2:
        raise ValueError("expected two tuples of src=… dst=…")
    return one(protocol, dict(pairs[starts[0] : starts[1]])), one(protocol, dict(pairs[starts[1] :]))


PARSER = Parser(
    kind="conntrack",
    read=read,
    names=(r"conntrack(_-\S+)*(_extended)?", r"(conntrack-list|nf_conntrack|ip_conntrack)"),
    content=re.compile(
        r"^(ipv[46]\s+\d+\s+)?(tcp|udp|icmp|icmpv6|sctp|unknown|gre|udplite|dccp)\s+\d+ \d+ .*src=\S+ dst=\S+"
        r"|^\s*(\[\d+\.\d+\]\s+)?\[(NEW|UPDATE|DESTROY)\] (ipv[46]\s+\d+ )?(tcp|udp|icmp|icmpv6|sctp|unknown|gre|udplite|dccp)\s+\d+ "
        r"|^(<\?xml[^>]*>\s*)?<conntrack>",
        re.MULTILINE,
    ),
)
