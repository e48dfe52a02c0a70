"""A difference in the formats that tools read: each change is a finding at the line that makes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.findings import Certainty, Finding, Label, Report, Severity
from analyzer.query.differences.changes import Change, Changed
from analyzer.query.differences.comparison import Comparison, word
from analyzer.query.differences.ways import ChangedWay, WayChange
from analyzer.report.differences import ROLES, WAY_ROLES, flow_text, head
from analyzer.report.differences_markdown import write as as_markdown
from analyzer.report.flows import ends_text, flows_text
from analyzer.report.graphs import Edge, Graph, Node, Tone
from analyzer.report.page.text import banner, section, shown, table, tag
from analyzer.report.rebasing import moved
from analyzer.report.style import Style
from analyzer.report.told import Told
from analyzer.source import Gap, Source, Span

RULES = {
    Change.ADDED: "connection-added",
    Change.REMOVED: "connection-removed",
    Change.CHANGED: "connection-changed",
    Change.UNDECIDED: "connection-undecided",
}
WAY_RULES = {WayChange.APPEARS: "way-added", WayChange.DISAPPEARS: "way-removed", WayChange.UNDECIDED: "way-undecided"}
TONES = {Change.ADDED: Tone.GOOD, Change.REMOVED: Tone.BAD, Change.CHANGED: Tone.PLAIN, Change.UNDECIDED: Tone.UNSURE}
FEW = 6
NOBODY = frozenset[str]()


def told(found: Comparison, sources: tuple[Iterable[Source], Iterable[Source]], bases: tuple[str, str]) -> Told:
    """The parts. ``sources`` are the texts before and after, ``bases`` what stands before their paths to reach them from here."""
    plain = Style()
    title = f"{found.old} to {found.new}"
    strip = banner(head(found, plain), "dim")
    report = Report(
        tuple(item.new for item in found.verdicts if item.new is not None),
        (),
        tuple(findings(found, bases)),
        tuple(Gap(Span(found.new, 1), text) for text in found.incomplete),
        tuple(moved(source, base, NOBODY) for side, base in zip(sources, bases, strict=True) for source in side),
    )
    return Told("diff", f"diff: {title}", report, strip, tuple(sections(found)), graph(found), as_markdown(found, plain))


def findings(found: Comparison, bases: tuple[str, str]) -> Iterator[Finding]:
    """The changes of who may talk to whom, of ways through services, and the findings that are new."""
    yield from (of_change(item, bases, found.new) for item in found.policies.changes if not item.because)
    yield from (of_way(item, bases) for item in found.ways)
    yield from (moved(item, bases[1], NOBODY) for item in found.appeared)


def of_change(item: Changed, bases: tuple[str, str], name: str) -> Finding:
    """A change at the line that decides after it, else before it, with the other lines."""
    shown_by = item.witness
    lines = [
        Label(moved(line.at, base, NOBODY), f"{when}: {line.text}")
        for when, side, base in (("after", shown_by.new, bases[1]), ("before", shown_by.old, bases[0]))
        for line in side.lines
    ]
    old, new = flows_text(item.old, item.new.unknown), flows_text(item.new, item.old.unknown)
    text = f"{ends_text(item.sources, FEW)} -> {ends_text(item.destinations, FEW)}: {old} -> {new}"
    at = lines[0].at if lines else Span(name, 1)
    sure = item.certain and item.change is not Change.UNDECIDED
    note = f"{flow_text(shown_by)}: {shown_by.old.word} -> {shown_by.new.word}"
    return Finding(RULES[item.change], Severity.WARNING, text, at, certainty(sure), tuple(lines[1:]), note)


def of_way(item: ChangedWay, bases: tuple[str, str]) -> Finding:
    """A way through a service or a route that is there on one side only."""
    base = bases[1] if item.shown is item.new else bases[0]
    at = moved(item.shown.at, base, NOBODY)
    return Finding(WAY_RULES[item.change], Severity.WARNING, f"way {item.change}: {item.way}", at, certainty(item.certain))


def certainty(sure: bool) -> Certainty:
    """Whether a change is sure."""
    return Certainty.VIOLATED if sure else Certainty.POSSIBLE


def sections(found: Comparison) -> Iterator[str]:
    """Tables of what changes."""
    changes = [change_row(item) for item in found.policies.changes]
    if changes:
        heads = ("change", "from", "to", "before", "after", "shown by", "lines that decide")
        yield section("changes", "Who may talk to whom", table(heads, changes, "Changes of who may talk to whom"))
    ends = [("appears", shown(name)) for name in found.policies.appeared]
    ends += [("disappears", shown(name)) for name in found.policies.disappeared]
    ends += [("scaled", shown(f"{item.name}: {item.old} to {item.new} pods")) for item in found.policies.scaled]
    if ends:
        yield section("endpoints", "Endpoints", table(("change", "endpoint"), ends, "Endpoints that appear, disappear or scale"))
    if found.ways:
        rows = [
            (tag("b", shown(item.change), kind=WAY_ROLES[item.change]), shown(str(item.way)), shown(str(item.shown.at)))
            for item in found.ways
        ]
        yield section("ways", "Through services and routes", table(("change", "way", "where"), rows, "Ways that change"))
    if found.verdicts:
        verdicts = [(shown(item.id), shown(word(item.old)), shown(word(item.new))) for item in found.verdicts]
        yield section("verdicts", "Guarantees", table(("guarantee", "before", "after"), verdicts, "Verdicts that change"))
    told_of = [("new", item) for item in found.appeared] + [("gone", item) for item in found.disappeared]
    if told_of:
        names = ("", "severity", "rule", "finding", "where")
        listed = [
            (state, shown(item.severity), shown(item.rule), shown(item.message), shown(str(item.at))) for state, item in told_of
        ]
        yield section("findings", "Findings", table(names, listed, "Findings that appear and disappear"))
    if found.incomplete:
        items = "".join(tag("li", shown(text)) for text in found.incomplete)
        yield section("incomplete", "What could not be known", tag("ul", items))


def change_row(item: Changed) -> tuple[str, ...]:
    """A change as cells."""
    what = item.change.value + (f" ({item.because})" if item.because else "") + ("" if item.certain else " (perhaps)")
    old, new = flows_text(item.old, item.new.unknown), flows_text(item.new, item.old.unknown)
    lines = [
        tag("div", shown(f"{when}: {line.at} {line.text}"))
        for when, side in (("before", item.witness.old), ("after", item.witness.new))
        for line in side.lines[:FEW]
    ]
    flow = f"{flow_text(item.witness)}: {item.witness.old.word} → {item.witness.new.word}"
    ends = (ends_text(item.sources, FEW), ends_text(item.destinations, FEW), old, new, flow)
    return tag("b", shown(what), kind=ROLES[item.change]), *map(shown, ends), "".join(lines)


def graph(found: Comparison) -> Graph:
    """The ends of changes, and the changes between them."""
    nodes: dict[str, Node] = {}
    edges = []
    for item in found.policies.changes:
        ends = ends_text(item.sources, FEW), ends_text(item.destinations, FEW)
        for name in ends:
            nodes.setdefault(name, Node(name, name, ""))
        old, new = flows_text(item.old, item.new.unknown), flows_text(item.new, item.old.unknown)
        edges.append(Edge(*ends, f"{item.change.value}: {old} to {new}", TONES[item.change]))
    return Graph(tuple(nodes.values()), tuple(edges))
