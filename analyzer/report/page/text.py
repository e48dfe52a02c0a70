"""Text on the page: everything that comes from the input is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable

from analyzer.report.style import safe_lines


def shown(text: object) -> str:
    """Text as HTML, on one line."""
    return html.escape(safe_lines(str(text)).replace("\n", " "))


def tag(name: str, content: str = "", **attributes: object) -> str:
    """An element; ``kind`` is its class, underscores in names of attributes are dashes. Attributes that are None or False are left out."""
    words = []
    for key, value in attributes.items():
        if value is not None and value is not False:
            label = "class" if key == "kind" else key.rstrip("_").replace("_", "-")
            words.append(f" {label}" if value is True else f' {label}="{shown(value)}"')
    return f"<{name}{''.join(words)}>{content}</{name}>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]], caption: str, kind: str = "") -> str:
    """A table of cells that are HTML already; the first of each row is its header."""
    top = "".join(tag("th", shown(text), scope="col") for text in head)
    lines = []
    for row in rows:
        first, *rest = row
        lines.append(tag("tr", tag("th", first, scope="row") + "".join(tag("td", cell) for cell in rest)))
    body = tag("caption", shown(caption), kind="hidden") + tag("thead", tag("tr", top)) + tag("tbody", "".join(lines))
    return tag("div", tag("table", body, kind=kind or None), kind="wide", tabindex="0", role="group", aria_label=caption)


def section(identifier: str, title: str, content: str) -> str:
    """A section with its heading."""
    return tag(
        "section",
        tag("h2", shown(title), id=f"{identifier}-title") + content,
        id=identifier,
        aria_labelledby=f"{identifier}-title",
    )


def pill(text: str, kind: str) -> str:
    """A word that stands out: a severity, a verdict. ``kind`` is its class, such as ``error`` or ``proved``."""
    return tag("b", shown(text), kind=f"pill {kind}")


def banner(word: str, kind: str, *more: str) -> str:
    """The answer of a page in a line: the word that counts, of the class ``kind``, and what else is to be said at once."""
    head = tag("strong", shown(word[:1].upper() + word[1:]))
    return tag("p", head + (tag("span", shown(" · ".join(more))) if more else ""), kind=f"outcome {kind}")


def count(number: int, word: str) -> str:
    """A number with its word."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
