"""What people have done where YAML is broken, in words that help more than the parser's."""

from __future__ import annotations

import re

TEMPLATE = re.compile(r"^[ \t]*(?:-[ \t]+)*(?:[\w./-]+:[ \t]+)?(\{\{[^\n]{0,60}|\{%[^\n]{0,60})", re.MULTILINE)
TAB = re.compile(r"[ ]*\t")
MESSAGE = re.compile(r"(?:error|fatal|panic)(?:\[\w+\])?:", re.IGNORECASE)


def cause(text: str, row: int, words: str) -> str:
    """Why a document is broken at a row (from 0): a template that was not rendered, a tab, a program's message in place of its output; else the parser's own words."""
    lines = text.split("\n")
    line = lines[row] if row < len(lines) else ""
    if MESSAGE.match(line):
        return f"this is the message of a program that failed, no YAML: {line[:120]}"
    if TAB.match(line):
        return "a tab stands where the line is indented; YAML takes blanks only"
    if found := TEMPLATE.search(text):
        return f"it is a template that was not rendered ({found[1].strip()}); give what `helm template` or `kubectl kustomize` prints"
    return words
