"""The answer of ``analyze fleet`` for people: what is missing, the guarantees by cluster, common causes, findings by rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from analyzer.query.fleet.merging import Fleet, SharedCause, SharedRule, SharedVerdict, Where
from analyzer.report.style import Style, safe

FEW, REASON = 8, 300
WORDS = {0: "clean", 1: "with something wrong", 3: "undecided"}


def write(found: Fleet, style: Style) -> str:
    """The whole report as text."""
    parts = [[head(found, style)], missing_lines(found, style), verdict_lines(found, style)]
    parts += [cause_lines(item, style) for item in found.causes]
    parts += [rule_lines(found, style), unread_lines(found, style), cluster_lines(found, style)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def counted(number: int, word: str) -> str:
    """A number with its word."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def head(found: Fleet, style: Style) -> str:
    """How many clusters there are, and how they are."""
    parts = ", ".join(f"{number} {word}" for status, word in WORDS.items() if (number := found.with_status(status)))
    return f"{style.paint(counted(len(found.answers), 'cluster'), 'strong')}: {parts}"


def missing_lines(found: Fleet, style: Style) -> list[str]:
    """The clusters without an answer, with the reasons."""
    if not found.missing:
        return []
    lines = [
        f"  {style.paint('undecided', 'unsure')}  {safe(item.name)}: {safe(item.missing[:REASON])}" for item in found.missing
    ]
    return [f"{style.paint('without an answer', 'strong')}, and in none of what follows", *lines]


def verdict_lines(found: Fleet, style: Style) -> list[str]:
    """A line for each guarantee and verdict on it, the failing ones first; what cannot be asked of any cluster is left out."""
    width = max((len(item.id) for item in found.guarantees), default=0)
    lines = [line for place in range(4) for item in found.guarantees for line in verdict_line(item, place, width, style)]
    return [style.paint("guarantees", "strong"), *lines] if lines else ["guarantees: none can be decided from this input"]


def verdict_line(item: SharedVerdict, place: int, width: int, style: Style) -> Iterator[str]:
    """The clusters with one verdict: 0 fails, 1 undecided, 2 refuted and excused, 3 proved."""
    clusters = (item.fails, item.undecided, item.excused, item.proved)[place]
    verdict, role = (("refuted", "bad"), ("undecided", "unsure"), ("excused", "dim"), ("proved", "good"))[place]
    if clusters:
        total = len(item.fails) + len(item.undecided) + len(item.excused) + len(item.proved)
        shown = f": {listed(clusters, style)}" if place != 3 or style.verbose else ""
        yield f"  {style.paint(f'{verdict:9}', role)}  {item.id:{width}}  {len(clusters)} of {counted(total, 'cluster')}{shown}"


def listed(names: Sequence[str], style: Style) -> str:
    """Names; the first few, unless all are asked for."""
    shown = names if style.verbose else names[:FEW]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return safe(", ".join(shown)) + more


def cause_lines(item: SharedCause, style: Style) -> list[str]:
    """A cause with the clusters that have it."""
    told = f"{counted(len(item.clusters), 'cluster')}, {counted(item.pairs, 'broken pair')}: {', '.join(item.guarantees)}"
    lines = [f"{style.paint('cause', 'error')}: {style.paint(safe(item.shape), 'strong')} ({told})"]
    shown = item.clusters if style.verbose else item.clusters[:FEW]
    lines += [f"  {where_text(where)}" for where in shown]
    lines += (
        [f"  … and {len(item.clusters) - len(shown)} more clusters (-v shows them)"] if len(shown) < len(item.clusters) else []
    )
    return lines + [f"  {style.paint('= help:', 'place')} {safe(line)}" for line in item.fix.splitlines()]


def where_text(where: Where) -> str:
    """A cause in one cluster."""
    places = f" at {where.places} places, the worst" if where.places > 1 else ""
    message = f"{where.worst.at}: {where.worst.message[:REASON]}"
    return safe(f"{where.cluster}: {counted(where.pairs, 'pair')}{places} {message}")


def rule_lines(found: Fleet, style: Style) -> list[str]:
    """A line for each rule that finds something."""
    width = max((len(item.rule) for item in found.rules), default=0)
    lines = [rule_line(item, width, style) for item in found.rules]
    return [style.paint("findings", "strong"), *lines] if lines else []


def rule_line(item: SharedRule, width: int, style: Style) -> str:
    """How much a rule finds, by cluster."""
    clusters = [f"{name} {count.count}" for name, count in item.clusters]
    severity = style.paint(f"{item.severity.value:9}", item.severity.value)
    return f"  {severity}  {item.rule:{width}}  {item.count:,} in {counted(len(clusters), 'cluster')}: {listed(clusters, style)}"


def unread_lines(found: Fleet, style: Style) -> list[str]:
    """Inputs that could not be read, in clusters that have an answer."""
    lines = [f"  {safe(f'{item.name}: {text[:REASON]}')}" for item in found.answers for text in item.unread]
    return [style.paint("not read", "strong"), *lines] if lines else []


def cluster_lines(found: Fleet, style: Style) -> list[str]:
    """A line for each cluster, where more is asked for."""
    return [style.paint("clusters", "strong"), *clusters(found)] if style.verbose else []


def clusters(found: Fleet) -> Iterable[str]:
    """A line for each cluster."""
    for item in found.answers:
        findings = counted(sum(rule.count for rule in item.rules), "finding")
        told = f"{WORDS[item.status]}; {counted(item.inputs, 'file')}, {findings}, {item.ignored} ignored, {counted(item.gaps, 'gap')}"
        yield f"  {safe(item.name)}: {told}"
