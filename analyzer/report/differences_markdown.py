"""The answer of ``analyze diff`` as Markdown, for a merge request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analyzer.query.differences.changes import Changed
from analyzer.query.differences.comparison import Comparison, word
from analyzer.report.differences import flow_text, head
from analyzer.report.flows import ends_text, flows_text
from analyzer.report.markdown_text import escaped, table
from analyzer.report.style import Style


def write(found: Comparison, style: Style) -> str:
    """Tables, with the lines that decide folded away below."""
    plain = Style(verbose=style.verbose)
    parts = [f"**{escaped(head(found, plain))}**"]
    changes = found.policies.changes
    parts += [table(("", "from", "to", "before", "after"), map(row, changes))] if changes else []
    parts += [folded(changes)] if changes else []
    names = (("Appears", found.policies.appeared), ("Disappears", found.policies.disappeared))
    parts += [f"{what}: {escaped(ends_text(items, 50))}" for what, items in names if items]
    parts += [f"Scaled: {escaped(item.name)} {item.old} → {item.new}" for item in found.policies.scaled]
    if found.ways:
        ways = ((f"way {item.change}", str(item.way), str(item.shown.at)) for item in found.ways)
        parts.append(table(("", "through", "at"), ways))
    if found.verdicts:
        rows = ((item.id, word(item.old), word(item.new)) for item in found.verdicts)
        parts.append(table(("guarantee", "before", "after"), rows))
    if found.appeared or found.disappeared:
        parts.append(table(("finding", "rule", "message", "at"), findings(found)))
    parts += [f"Incomplete: {escaped(text)}" for text in found.incomplete]
    return "\n\n".join(parts) + "\n"


def row(item: Changed) -> tuple[str, ...]:
    """A change as a row."""
    what = item.change.value + (f" ({item.because})" if item.because else "") + ("" if item.certain else " (perhaps)")
    old, new = flows_text(item.old, item.new.unknown), flows_text(item.new, item.old.unknown)
    return what, ends_text(item.sources, 6), ends_text(item.destinations, 6), old, new


def findings(found: Comparison) -> Iterator[tuple[str, ...]]:
    """The findings that appear and disappear, as rows."""
    for items, what in ((found.appeared, "new"), (found.disappeared, "gone")):
        for item in items:
            yield what, item.rule, item.message, str(item.at)


def folded(changes: Iterable[Changed]) -> str:
    """The flow of each change and the lines that decide it."""
    lines = ["<details><summary>Flows and lines</summary>", ""]
    for item in changes:
        found = item.witness
        lines.append(f"- {escaped(flow_text(found))}: {found.old.word} → {found.new.word}")
        for name, side in (("before", found.old), ("after", found.new)):
            lines += [f"  - {name}: {escaped(f'{line.at} {line.text}')}" for line in side.lines[:6]]
    return "\n".join([*lines, "", "</details>"])
