"""A trace in the formats that tools read: whether the packet arrives is a guarantee, and what stops it its counterexample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from analyzer.findings import Counterexample, Guarantee, Report, Verdict
from analyzer.report.graphs import Edge, Graph, Node, Tone
from analyzer.report.hops import hop_lines
from analyzer.report.markdown_text import escaped, folded, table
from analyzer.report.page.evidence import hop_table
from analyzer.report.page.path import alone, ladder
from analyzer.report.page.text import banner, pill, section, shown, tag
from analyzer.report.rebasing import moved
from analyzer.report.style import Style
from analyzer.report.told import Told
from analyzer.report.traces import ROLES, summary
from analyzer.solve.packet import Fate, Hop, Outcome, Trace
from analyzer.source import Source, Span

VERDICTS = {
    Fate.REACHABLE: Verdict.PROVED,
    Fate.UNREACHABLE: Verdict.REFUTED,
    Fate.DEPENDS: Verdict.REFUTED,
    Fate.UNKNOWN: Verdict.UNDECIDED,
}
TONES = {Fate.REACHABLE: Tone.GOOD, Fate.UNREACHABLE: Tone.BAD, Fate.UNKNOWN: Tone.UNSURE}
GUARANTEE = "reaches"


def told(trace: Trace, ends: tuple[str, str], sources: Sequence[Source], base: str) -> Told:
    """The parts. ``ends`` are who sends and to whom, as it was asked; ``base`` stands before the paths of the input to reach them from here."""
    title = f"{ends[0]} to {ends[1]}"
    report = moved(Report((guarantee(trace, title),), (), (), (), tuple(sources)), base, frozenset())
    strip = banner(trace.fate.value, ROLES[trace.fate], str(trace.sent or title))
    return Told("trace", f"trace: {title}", report, strip, tuple(sections(trace)), graph(trace.outcomes), markdown(trace, title))


def guarantee(trace: Trace, title: str) -> Guarantee:
    """Whether the packet arrives, with the outcome that says why not."""
    wanted = {Fate.UNREACHABLE: Fate.UNREACHABLE, Fate.DEPENDS: Fate.UNREACHABLE}.get(trace.fate, trace.fate)
    chosen = next((item for item in trace.outcomes if item.fate is wanted), None)
    reason = "; ".join(dict.fromkeys(summary(item) for item in trace.outcomes))
    example = None
    if chosen is not None and trace.sent is not None:
        example = Counterexample(trace.sent, chosen.hops, summary(chosen), place_of(chosen), chosen.assumptions)
    scope = f"{title}: {trace.sent}" if trace.sent else title
    return Guarantee(GUARANTEE, VERDICTS[trace.fate], scope, reason, example, trace.assumptions)


def place_of(outcome: Outcome) -> Span | None:
    """Where the outcome is decided: its own place, or that of the last hop that has one."""
    return outcome.at or next((hop.at for hop in reversed(outcome.hops) if hop.at), None)


def sections(trace: Trace) -> Iterator[str]:
    """The outcomes, each with the path as a picture and its hops, and what is taken for granted."""
    parts = []
    for outcome in trace.outcomes:
        head = tag("h3", pill(outcome.fate.value, ROLES[outcome.fate]) + " " + shown(summary(outcome)))
        settle = tag("p", tag("b", "help") + " " + shown(outcome.settle), kind="help") if outcome.settle else ""
        parts.append(tag("article", head + settle + ladder(outcome.hops) + hop_table(outcome.hops)))
    yield section("outcomes", "What becomes of it", "".join(parts))
    if trace.assumptions:
        items = "".join(tag("li", shown(text)) for text in trace.assumptions)
        yield section("assumptions", "Taken for granted", tag("ul", items))


def picture(trace: Trace) -> str:
    """The path of the first outcome that stops it, else of the first, as a picture that stands alone."""
    ordered = sorted(trace.outcomes, key=lambda item: item.fate is Fate.REACHABLE)
    drawn = next((found for item in ordered if (found := ladder(item.hops))), "")
    return alone(drawn or "<svg></svg>") + "\n"


def graph(outcomes: Sequence[Outcome]) -> Graph:
    """The places that the packet comes through, in their order, there and back; of several outcomes each in its box."""
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    for number, outcome in enumerate(outcomes, 1):
        box = f"outcome {number}: {outcome.fate.value}" if len(outcomes) > 1 else ""
        for back, group in groupby(outcome.hops, key=lambda hop: hop.reply):
            edges += way(list(group), back, box, nodes)
        if outcome.hops:
            last = f"{box}/{outcome.hops[-1].place}"
            nodes[last] = Node(last, nodes[last].text, box, TONES[outcome.fate])
    return Graph(tuple(nodes.values()), tuple(edges))


def way(hops: Sequence[Hop], back: bool, box: str, nodes: dict[str, Node]) -> Iterator[Edge]:
    """One way, from place to place; an edge says by what the packet leaves a place."""
    before: tuple[str, Hop] | None = None
    for place, group in groupby(hops, key=lambda hop: hop.place):
        *_, last = group
        name = f"{box}/{place}"
        nodes.setdefault(name, Node(name, place, box))
        if before is not None:
            yield Edge(before[0], name, ("back: " if back else "") + f"{before[1].stage}: {before[1].what}")
        before = name, last


def markdown(trace: Trace, title: str) -> str:
    """The answer for a merge request: a line, the outcomes, the hops folded away."""
    parts = [
        f"### analyze trace: {escaped(title)}",
        trace.fate.value + (f": {escaped(str(trace.sent))}" if trace.sent else ""),
    ]
    rows = [(item.fate.value, summary(item), str(item.at or "")) for item in trace.outcomes]
    parts.append(table(("outcome", "why", "at"), rows))
    plain = Style(verbose=True)
    for number, outcome in enumerate(trace.outcomes, 1):
        parts.append(folded(f"hops of outcome {number}", hop_lines(outcome.hops, plain)))
    parts.append(folded("taken for granted", trace.assumptions))
    return "\n\n".join(filter(None, parts)) + "\n"
