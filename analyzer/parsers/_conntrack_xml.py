"""``conntrack -L -o xml`` (libnetfilter_conntrack's snprintf_xml.c): a ``flow`` for each connection, with a ``meta`` for each direction and one for the rest.

Read by expat as a stream. A text with a document type is refused, so that there are no entities; the depth and the length of what is kept are bounded by the
elements that are known. The identifiers of ICMP are not in this form.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.system import ConnectionFact
from analyzer.parsers import gap, reason
from analyzer.parsers._conntrack_values import WITH_PORTS, WITH_TYPES, Tuple, bounded, one, state_of
from analyzer.source import Gap, Source, Span

LEAVES = frozenset({"src", "dst", "sport", "dport", "state", "timeout", "mark", "zone"})
FLAGS = {"assured": "ASSURED", "unreplied": "UNREPLIED"}
LONGEST = 64
HIDDEN = "this form does not show ICMP's identifiers: pings are left out (conntrack -L without -o xml shows them)"
Values = dict[tuple[str, str], str]
"""Texts by direction and element."""


class Reading:
    """What was read so far, and the flow that is being read: its values by direction and element."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[Fact | Gap] = []
        self.values: Values = {}
        self.direction = self.leaf = ""
        self.line = 1
        self.hidden = False
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartDoctypeDeclHandler = self.refused
        self.parser.StartElementHandler = self.begin
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text

    def refused(self, *_: object) -> None:
        """A document type may define entities."""
        raise ValueError("a document type is refused: conntrack writes none")

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.leaf = name if name in LEAVES else ""
        match name:
            case "flow":
                self.values, self.line = {("", "event"): attributes.get("type", "")}, self.parser.CurrentLineNumber
            case "meta":
                self.direction = attributes.get("direction", "")
            case "layer4":
                self.values[self.direction, "protocol"] = attributes.get("protonum", "")
            case "assured" | "unreplied":
                self.values["", name] = FLAGS[name]
            case _:
                pass

    def text(self, text: str) -> None:
        """Text of an element that is kept."""
        if self.leaf:
            key = self.direction, self.leaf
            self.values[key] = (self.values.get(key, "") + text.strip())[:LONGEST]

    def end(self, name: str) -> None:
        """An element ends; a flow is a connection."""
        self.leaf = ""
        if name == "flow":
            try:
                self.found += self.flow()
            except (ValueError, LookupError) as problem:
                self.found.append(gap(self.source, self.line, reason(problem)))

    def flow(self) -> Iterator[Fact | Gap]:
        """The connection of a flow."""
        values = self.values
        if values["", "event"]:
            raise ValueError("events (conntrack -E) tell what happened, not what is tracked: conntrack -L lists the connections")
        protocol = int(values["original", "protocol"])
        if protocol in WITH_TYPES:
            yield from () if self.hidden else (gap(self.source, self.line, HIDDEN),)
            self.hidden = True
            return
        zone = values.get(("independent", "zone"), "0")
        yield ConnectionFact(
            at=Span(self.source.path, self.line),
            scope=self.source.scope,
            protocol=protocol,
            original=side(values, protocol, "original"),
            reply=side(values, protocol, "reply"),
            state=state_of(protocol, [values.get(("independent", "state"), "")] if protocol == 6 else []),
            status=frozenset(values["", name] for name in FLAGS if ("", name) in values),
            mark=bounded("mark", values.get(("independent", "mark"), "0"), 32),
            zone=bounded("zone", values.get(("original", "zone"), zone), 16),
            reply_zone=bounded("zone", values.get(("reply", "zone"), zone), 16),
            seconds=int(values["independent", "timeout"]) if ("independent", "timeout") in values else None,
        )


def side(values: Values, protocol: int, direction: str) -> Tuple:
    """One direction's tuple."""
    if protocol not in WITH_PORTS:
        return address(values[direction, "src"]), address(values[direction, "dst"]), 0, 0
    return one(protocol, {name: values[direction, name] for name in ("src", "dst", "sport", "dport")})


def read(source: Source) -> Iterator[Fact | Gap]:
    """The connections, up to where the text is damaged."""
    reading = Reading(source)
    try:
        reading.parser.Parse(source.text.encode("utf-8", "replace"), True)
    except expat.ExpatError as problem:
        reading.found.append(gap(source, problem.lineno, f"the XML ends or breaks here: {expat.ErrorString(problem.code)}"))
    except ValueError as problem:
        reading.found.append(gap(source, reading.parser.CurrentLineNumber, reason(problem)))
    yield from reading.found
