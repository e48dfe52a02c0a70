"""A trace for people: the verdict in one line, then each outcome with its hops."""

from __future__ import annotations

from analyzer.report.hops import hop_lines
from analyzer.report.style import Style, safe
from analyzer.solve.packet import Fate, Outcome, Trace

ROLES = {Fate.REACHABLE: "good", Fate.UNREACHABLE: "bad", Fate.DEPENDS: "unsure", Fate.UNKNOWN: "unsure"}


def trace_text(trace: Trace, style: Style) -> str:
    """The whole answer."""
    packet = trace.sent
    head = f"{style.paint(trace.fate.value, ROLES[trace.fate])}{f': {packet}' if packet else ''}"
    parts = [[head]]
    parts += [outcome_lines(outcome, number, len(trace.outcomes), style) for number, outcome in enumerate(trace.outcomes, 1)]
    if trace.assumptions:
        parts.append([style.paint("taken for granted", "strong"), *(f"  {safe(text)}" for text in trace.assumptions)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def outcome_lines(outcome: Outcome, number: int, count: int, style: Style) -> list[str]:
    """One outcome: what becomes of the packet, and how."""
    which = f"outcome {number} of {count}: " if count > 1 else ""
    lines = [which + style.paint(safe(summary(outcome)), "strong")]
    if outcome.at is not None and outcome.fate is not Fate.REACHABLE:
        lines.append(style.paint(f"  --> {safe(str(outcome.at))}", "place"))
    if outcome.settle:
        lines.append(f"  {style.paint('= help:', 'place')} {safe(outcome.settle)}")
    return lines + hop_lines(outcome.hops, style)


def summary(outcome: Outcome) -> str:
    """The outcome in words."""
    if outcome.fate is not Fate.REACHABLE:
        return outcome.reason
    seen = f", which sees {outcome.source_seen}" if outcome.source_seen else ""
    changed = [
        name for name, is_so in (("source", outcome.source_translated), ("destination", outcome.destination_translated)) if is_so
    ]
    return f"reaches {outcome.delivered_to}{seen}" + (f" ({' and '.join(changed)} translated)" if changed else "")
