"""What shows that something is so: lines of the input, what would mend them, and packets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from analyzer.findings import Counterexample, Fix, Label
from analyzer.report.excerpt import window
from analyzer.report.page.path import ladder
from analyzer.report.page.text import count, shown, table, tag
from analyzer.solve.packet import Hop
from analyzer.source import Source, Span

Sources = Mapping[str, Source]


def places(at: Span, related: Iterable[Label], sources: Sources, *, named: bool = True) -> str:
    """A place with its line, and the related ones; ``named`` False where the first place is named above."""
    lines = [line(at, "", sources, named=named)] + [line(label.at, label.text, sources) for label in related if label.at != at]
    return tag("div", "".join(lines), kind="places")


def line(at: Span, text: str, sources: Sources, *, named: bool = True) -> str:
    """A line of the input with the part that matters marked, under its place where that is to be named."""
    source = sources.get(at.path)
    words = source.shown(at) if source else ""
    head = (tag("span", shown(str(at)), kind="dim") if named else "") + (f" {shown(text)}" if text else "")
    if not words.strip():
        return tag("div", head)
    part, start, length = window(words, at)
    marked = shown(part[:start]) + tag("mark", shown(part[start : start + length])) + shown(part[start + length :])
    return tag("div", head + tag("pre", tag("span", str(at.line), kind="number", aria_hidden="true") + marked, tabindex="0"))


def remedy(fix: Fix | None) -> str:
    """What would mend it."""
    return tag("p", tag("b", "help") + " " + shown(fix.text), kind="help") if fix else ""


def shown_packet(item: Counterexample | None) -> str:
    """A packet, where there is one."""
    return packet(item) if item else ""


def packet(item: Counterexample) -> str:
    """A packet, its path as a picture, and its hops as a table."""
    text = tag("p", f"{tag('b', 'packet')} {shown(str(item.packet))}: {shown(item.reason)}")
    return tag("div", text + ladder(item.hops) + hop_table(item.hops), kind="packet")


def hop_table(hops: Sequence[Hop]) -> str:
    """The hops as a table that can be unfolded; nothing where there are none."""
    rows = [
        (
            str(number),
            shown(hop.place),
            shown(hop.stage),
            shown(hop.what),
            shown(f"{hop.at.path}:{hop.at.line}") if hop.at else "",
            "back" if hop.reply else "",
        )
        for number, hop in enumerate(hops, 1)
    ]
    whole = table(("", "where", "stage", "what", "decided by", "way"), rows, "The hops of the packet")
    return tag("details", tag("summary", count(len(rows), "hop")) + whole) if rows else ""
