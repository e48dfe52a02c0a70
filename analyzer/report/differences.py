"""The answer of ``analyze diff`` for people."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from analyzer.addresses import Address
from analyzer.query.differences.changes import Change, Changed
from analyzer.query.differences.comparison import Comparison, word
from analyzer.query.differences.ways import Standing, WayChange
from analyzer.query.witness import Line, Side, Witness, port_text
from analyzer.report.flows import ends_text, flows_text
from analyzer.report.style import Style, safe

ROLES = {Change.ADDED: "good", Change.REMOVED: "bad", Change.CHANGED: "unsure", Change.UNDECIDED: "unsure"}
WAY_ROLES = {WayChange.APPEARS: "good", WayChange.DISAPPEARS: "bad", WayChange.UNDECIDED: "unsure"}
HEADS = {"": "", "appears": "with what appears", "disappears": "with what disappears"}
SHOWN = 4
MOST = 100


def write(found: Comparison, style: Style) -> str:
    """The whole answer."""
    changes = found.policies.changes if style.verbose else found.policies.changes[:MOST]
    parts = [[head(found, style)], *ends(found, style), *(change_lines(item, style) for item in changes)]
    if left := len(found.policies.changes) - len(changes):
        parts.append([style.paint(f"and {left} more changes (-v shows all of them, and so does -f json)", "dim")])
    parts += [
        list(way_lines(found, style)),
        list(verdict_lines(found, style)),
        list(finding_lines(found, style)),
        list(incomplete_lines(found, style)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def head(found: Comparison, style: Style) -> str:
    """The answer in a line."""
    if not found.policies and not found.ways and not found.differs:
        return (
            style.paint("nothing changes", "good")
            if not found.incomplete
            else style.paint("nothing is known to change", "unsure")
        )
    between = [item for item in found.policies.changes if not item.because]
    counts = [
        f"{sum(item.change is kind for item in between)} {kind}" for kind in Change if any(i.change is kind for i in between)
    ]
    told = f"who may talk to whom: {', '.join(counts)}" if counts else "who may talk to whom: no change between those that stay"
    sums = (
        (found.policies.appeared, "endpoint", "appear"),
        (found.policies.disappeared, "endpoint", "disappear"),
        (found.policies.scaled, "workload", "scale"),
        (tuple(way for way in found.ways if way.change is WayChange.APPEARS), "way through a service or route", "appear"),
        (tuple(way for way in found.ways if way.change is WayChange.DISAPPEARS), "way through a service or route", "disappear"),
        (found.verdicts, "verdict", "change"),
        (found.appeared, "finding", "appear"),
        (found.disappeared, "finding", "disappear"),
    )
    return style.paint("; ".join([told, *(counted(items, what, does) for items, what, does in sums if items)]), "strong")


def counted(items: Sized, what: str, does: str) -> str:
    """How many of something do something."""
    first, space, rest = what.partition(" ")
    return f"1 {what} {does}s" if len(items) == 1 else f"{len(items)} {first}s{space}{rest} {does}"


def ends(found: Comparison, style: Style) -> Iterator[list[str]]:
    """The endpoints that are there on one side only, and workloads of another size."""
    for names, what in ((found.policies.appeared, "appears"), (found.policies.disappeared, "disappears")):
        if names:
            yield [f"{style.paint(what, 'strong')}  {safe(ends_text(names, len(names) if style.verbose else 12))}"]
    if found.policies.scaled:
        yield [
            f"{style.paint('scaled', 'strong')}  {safe(item.name)}: {item.old} -> {item.new} pods"
            for item in found.policies.scaled
        ]


def change_lines(item: Changed, style: Style) -> list[str]:
    """One change: its ends, what passes before and after, and the flow that shows it."""
    limit = 1000 if style.verbose else SHOWN
    families = f" ({' and '.join(f'IPv{family}' for family in item.families)})" if item.families != (4,) else ""
    doubt = "" if item.certain or item.change is Change.UNDECIDED else "perhaps "
    note = f", {HEADS[item.because]}" if item.because else ""
    lines = [
        f"{style.paint(doubt + item.change.value, ROLES[item.change])}  {safe(ends_text(item.sources, limit))} -> "
        f"{safe(ends_text(item.destinations, limit))}{families}{note}"
    ]
    if item.change is Change.UNDECIDED:
        lines.append("  rests on conditions that are not known, and that are not the same on both sides")
    old, new = flows_text(item.old, item.new.unknown), flows_text(item.new, item.old.unknown)
    lines.append(f"  {old} -> {new}" if old != new else f"  {old} (it is another part of it)")
    return lines + witness_lines(item.witness, style)


def witness_lines(item: Witness, style: Style) -> list[str]:
    """The flow, and on each side why it is so."""
    lines = [style.paint("  shown by", "dim") + f" {safe(flow_text(item))}: {item.old.word} -> {item.new.word}"]
    for name, side in (("before", item.old), ("after", item.new)):
        if side.present:
            lines.append(f"    {name}: {safe(side.reason)}")
            lines += [place(line, style) for line in shown(side, style)]
    return lines


def flow_text(item: Witness) -> str:
    """A flow with the addresses that it has."""

    source, destination = end(item.source, item.source_address), end(item.destination, item.destination_address)
    return f"{source} -> {destination}, {port_text(item.protocol, item.flow)}"


def end(name: str, address: Address | None) -> str:
    """An end of a flow with its address."""
    plain = name.removesuffix("[Pod]")
    return plain if address is None else f"{plain} ({address})"


def shown(side: Side, style: Style) -> tuple[Line, ...]:
    """The lines to show: all of them, or the first few."""
    return side.lines if style.verbose else side.lines[:SHOWN]


def place(line: Line, style: Style) -> str:
    """A line that decides."""
    return style.paint(f"      --> {safe(str(line.at))}", "place") + f"  {safe(line.text)}"


def way_lines(found: Comparison, style: Style) -> Iterator[str]:
    """The ways through services and routes that are there on one side only."""
    shown = found.ways if style.verbose else found.ways[:MOST]
    for item in shown:
        yield f"{style.paint(f'way {item.change}', WAY_ROLES[item.change])}  {safe(str(item.way))}"
        if item.change is WayChange.UNDECIDED:
            yield f"  {way_word(item.old)} -> {way_word(item.new)}"
        elif refused := next((side for side in (item.old, item.new) if side is not None and side.admitted is False), None):
            yield f"  policies keep it out {'before' if refused is item.old else 'after'}"
        yield style.paint(f"  --> {safe(str(item.shown.at))}", "place")
    if left := len(found.ways) - len(shown):
        yield style.paint(f"and {left} more ways (-v shows all of them, and so does -f json)", "dim")


def way_word(side: Standing | None) -> str:
    """Whether there is a way, and whether it is let in."""
    if side is None:
        return "no such way"
    return {True: "let in", False: "kept out", None: f"not certain ({safe(side.why)})"}[side.admitted]


def verdict_lines(found: Comparison, style: Style) -> Iterator[str]:
    """The guarantees that are answered otherwise."""
    for item in found.verdicts:
        role = "bad" if item.worse else "good"
        yield f"{style.paint('guarantee', role)}  {item.id}: {word(item.old)} -> {word(item.new)}"
        if item.worse and item.new is not None and item.new.counterexample is not None:
            yield f"  {safe(item.new.counterexample.reason)}"


def finding_lines(found: Comparison, style: Style) -> Iterator[str]:
    """The findings that appear and disappear."""
    for items, sign, role in ((found.appeared, "new finding", "bad"), (found.disappeared, "finding gone", "good")):
        for item in items:
            yield f"{style.paint(sign, role)}  {item.severity} [{item.rule}] {safe(item.message)}"
            yield style.paint(f"  --> {safe(str(item.at))}", "place")


def incomplete_lines(found: Comparison, style: Style) -> Iterator[str]:
    """What could not be read or decided."""
    for text in found.incomplete:
        yield f"{style.paint('incomplete', 'unsure')}  {safe(text)}"
