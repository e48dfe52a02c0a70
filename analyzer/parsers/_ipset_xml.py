"""``ipset -o xml``: the sets as elements (ipset lib/session.c: ``<ipset name>``, ``<type>``, ``<header>``, ``<member><elem>`` with options beside it)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

COUNTED = frozenset({"memsize", "references", "numentries", "initval"})


class Listed(NamedTuple):
    """A set as it is listed."""

    name: str
    type: str
    line: int
    options: list[str]
    members: list[str]


@dataclass(slots=True)
class State:
    """What has been read: the open elements with the text in the last, and the sets so far."""

    path: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    name: str = ""
    type: str = ""
    line: int = 0
    options: list[str] = field(default_factory=list)
    members: list[list[str]] = field(default_factory=list)
    found: list[Listed] = field(default_factory=list)


def listed_sets(text: str) -> Iterator[Listed]:
    """The sets, in order. ValueError where the text is no such XML, or declares anything: entities can grow without end."""
    if "<!" in text:
        raise ValueError("the XML of ipset declares nothing, this text does")
    state, parser = State(), expat.ParserCreate()

    def begin(tag: str, attributes: dict[str, str]) -> None:
        state.path.append(tag)
        state.text.clear()
        if tag == "ipset":
            state.name, state.line = attributes.get("name", ""), parser.CurrentLineNumber
            state.options, state.members = [], []
        if tag == "member":
            state.members.append([])

    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda tag: ended(state, tag)
    parser.CharacterDataHandler = state.text.append
    try:
        parser.Parse(text.strip(), True)
    except expat.ExpatError as problem:
        raise ValueError(f"the XML of ipset is broken: {problem}") from None
    yield from state.found


def ended(state: State, tag: str) -> None:
    """An element ends: it is a part of a set, or the set."""
    state.path.pop()
    inside, value = state.path[-1] if state.path else "", "".join(state.text).strip()
    state.text.clear()
    if tag == "type" and inside == "ipset":
        state.type = value
    elif inside == "header" and tag not in COUNTED:
        state.options += [tag, value] if value else [tag]
    elif inside == "member" and state.members:
        state.members[-1] += ([value] if tag == "elem" else [tag, value]) if value else [tag]
    elif tag == "ipset":
        state.found.append(Listed(state.name, state.type, state.line, state.options, [" ".join(item) for item in state.members]))
