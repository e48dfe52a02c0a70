"""Small tables in HTML, for notebooks: what ``_repr_html_`` of the answers is made of. All text is escaped; nothing in it is markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MOST = 200
HIDDEN = (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
CONTROLS = dict.fromkeys(HIDDEN, "\N{REPLACEMENT CHARACTER}")


def shown(text: object) -> str:
    """Any text as HTML shows it."""
    return escape(str(text).translate(CONTROLS))


def heading(text: object) -> str:
    """The answer in a line."""
    return f"<p><strong>{shown(text)}</strong></p>"


def paragraph(text: object) -> str:
    """A line; nothing where there is nothing to say."""
    return f"<p>{shown(text)}</p>" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Rows under their heads, and a line for those that are too many to show; nothing where there are none."""
    every = list(rows)
    if not every:
        return ""
    heads = "".join(cell("th", name) for name in head)
    body = "".join(f"<tr>{''.join(cell('td', value) for value in row)}</tr>" for row in every[:MOST])
    caption = f'<caption style="text-align:left">{shown(title)}</caption>' if title else ""
    left = f"<p>… and {len(every) - MOST} more</p>" if len(every) > MOST else ""
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{left}"


def cell(kind: str, value: object) -> str:
    """A cell, its text on the left; None is an empty one."""
    return f'<{kind} style="text-align:left">{"" if value is None else shown(value)}</{kind}>'


def counted(number: int, one: str, several: str = "") -> str:
    """A number with its word: ``1 gap``, ``2 gaps``."""
    return f"{number} {one if number == 1 else several or one + 's'}"
