"""The hops of a packet as a table: where, what happened, which line decided."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.report.style import Style, safe
from analyzer.solve.packet import Hop


def hop_lines(hops: Sequence[Hop], style: Style) -> list[str]:
    """A line for each hop, numbered; the way back stands under its own heading."""
    shown = [hop for hop in hops if style.verbose or hop.at is not None or hop.stage in ("deliver", "drop", "leave", "send")]
    place_width = min(40, max((len(hop.place) for hop in shown), default=0))
    stage_width = max((len(hop.stage) for hop in shown), default=0)
    lines: list[str] = []
    reply = False
    for number, hop in enumerate(shown, 1):
        if hop.reply and not reply:
            reply = True
            lines.append(f"   {style.paint('and back', 'dim')}")
        lines.append(hop_line(number, hop, place_width, stage_width, style))
    return lines


def hop_line(number: int, hop: Hop, place_width: int, stage_width: int, style: Style) -> str:
    """One hop on one line, its source behind it."""
    at = style.paint(f"  {safe(hop.at.path)}:{hop.at.line}", "place") if hop.at else ""
    stage = style.paint(hop.stage.ljust(stage_width), "bad" if hop.stage == "drop" else "dim")
    return f"{number:>2} {safe(hop.place).ljust(place_width)}  {stage}  {safe(hop.what)}{at}"
