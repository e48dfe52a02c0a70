"""What people have done where YAML is broken, in words that help more than the parser's."""

from __future__ import annotations

import re

TEMPLATE = re.compile(r"^[ \t]*(?:-[ \t]+)*(?:[\w./-]+:[ \t]+)?(\{\{[^\n]{0,60}|\{%[^\n]{0,60})", re.MULTILINE)
IN_FLOW = re.compile(r"[:,\[{][ \t]*(\{\{[^\n}]{0,60}(?:\}\})?)")
TAB = re.compile(r"[ ]*\t")
MESSAGE = re.compile(r"(?:error|fatal|panic)(?:\[\w+\])?:", re.IGNORECASE)
HINTS = (
    ("expected ',' or ']'", "a [ before this place is not closed, or a comma is missing"),
    ("expected ',' or '}'", "a { before this place is not closed, or a comma is missing"),
    ("expected node content while parsing a flow node", "a value is missing, or a [ or { before this place is not closed"),
    ("mapping values are not allowed", "a second colon stands in one line: put the value in quotes, or begin a new line"),
    ("expected key while parsing a block mapping", "the indentation fits no line above"),
    ("expected '-' indicator", "a `-` is missing, or the indentation fits no line above"),
    ("cannot start any token", "a value begins with a character that means something to YAML: put it in quotes"),
    ("unexpected end of stream while scanning a quoted", "a quotation mark is not closed"),
    (
        "expected ':' while scanning a simple key",
        "a key has no colon, or the line belongs to the value above and is not indented",
    ),
)
"""By what the parser (libyaml) says, what people have done."""


def cause(text: str, row: int, words: str) -> str:
    """Why a document is broken at a row (from 0): a template that was not rendered, a tab, a program's message in place of its output; else the parser's own
    words, behind what they usually come of."""
    lines = text.split("\n")
    line = lines[row] if row < len(lines) else ""
    if MESSAGE.match(line):
        return f"this is the message of a program that failed, no YAML: {line[:120]}"
    if TAB.match(line):
        return "a tab stands where the line is indented; YAML takes blanks only"
    if found := TEMPLATE.search(text) or IN_FLOW.search(line):
        return f"it is a template that was not rendered ({found[1].strip()}); give what `helm template` or `kubectl kustomize` prints"
    hint = next((hint for sign, hint in HINTS if sign in words), "")
    return f"{hint} ({words})" if hint else words
