"""Chains without a name, which a rule holds: ``jump { … }`` (nft(8), VERDICT STATEMENTS). Each gets a name by its line, and the rule jumps to that."""

from __future__ import annotations

import re

from analyzer.parsers._nft_commands import Line

CALL = re.compile(r"\b(?:jump|goto)\s*$")
OPENING = re.compile(r'"[^"]*"|\b(?:jump|goto)\s*(\{)')
MARKS = re.compile(r'"[^"]*"|[{};\n]')


def unfolded(lines: list[Line], taken: dict[str, list[Line]]) -> list[Line]:
    """The rules of a chain with names in place of the chains that they hold; those are added to ``taken``."""
    return [named(line, taken) if "{" in line.text else line for line in lines]


def named(line: Line, taken: dict[str, list[Line]]) -> Line:
    """A rule with a name in place of each chain that it holds."""
    start = next((found.start(1) for found in OPENING.finditer(line.text) if found.group(1)), None)
    if start is None:
        return Line(line.text.replace("\n", " "), line.number)
    pieces, end = body(line.text, start + 1)
    name = f"__line{line.number}" + f".{len(taken)}" * (f"__line{line.number}" in taken)
    taken[name] = []
    inner, number = [], line.number + line.text[:start].count("\n")
    for piece in pieces:
        if text := piece.strip("\n ;\t"):
            inner.append(Line(text, number))
        number += piece.count("\n")
    taken[name] = unfolded(inner, taken)
    return named(Line(f"{line.text[:start]}{name} {line.text[end:]}".strip(), line.number), taken)


def body(text: str, start: int) -> tuple[list[str], int]:
    """The rules between a brace and the one that closes it, and the place behind that."""
    pieces: list[str] = []
    depth, begin = 0, start
    for found in MARKS.finditer(text, start):
        match found.group():
            case "{":
                depth += 1
            case "}" if depth == 0:
                return [*pieces, text[begin : found.start()]], found.end()
            case "}":
                depth -= 1
            case ";" | "\n" if depth == 0:
                pieces.append(text[begin : found.end()])
                begin = found.end()
            case _:
                continue
    return [*pieces, text[begin:]], len(text)
