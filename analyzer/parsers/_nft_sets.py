"""Sets and maps of nft, with thousands of elements: read straight from the text, without the detour over tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from analyzer.facts.nftables import Act, Element, NftSet, Value
from analyzer.parsers._nft_commands import Block
from analyzer.parsers._nft_keys import UNREADABLE, filled, key, said
from analyzer.parsers._nft_keys import act as act_of
from analyzer.parsers._nft_types import constant, datatype
from analyzer.parsers._nft_words import TOKEN, Words, expression

PART = re.compile(r'"[^"]*"|,')
EXTRA = re.compile(r"\s+(?:timeout|expires|counter|comment|quota|limit|last|ct count)\b")
COMMENT = re.compile(r'\s+comment "[^"]*"')
BRACES = re.compile(r'"[^"]*"|[{}]')
JOINED = re.compile(r"(.+?)\s*:\s+(.+)$", re.DOTALL)
FLEETING = frozenset({"dynamic", "timeout"})


def set_of(block: Block) -> NftSet:
    """A set or map from its block."""
    types: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    fleeting = False
    bodies: list[str] = []
    unread: list[str] = []
    for line in block.lines:
        word, _, rest = line.text.partition(" ")
        match word:
            case "type" | "typeof":
                first, colon, last = rest.rpartition(" : ") if " : " in rest else (rest, "", "")
                types = types_of(word, first)
                data = types_of(word, last) if colon else ()
            case "flags":
                fleeting = bool(FLEETING & set(re.split(r"[,\s]+", rest)))
            case "timeout":
                fleeting = True
            case "elements":
                bodies.append(listed(rest.removeprefix("=").strip()))
            case "unread":
                unread.append(rest)
            case _:
                pass
    elements, missed = read_all(types, data, bodies)
    return NftSet(block.name, types, data, elements, (*missed, *unread), fleeting)


def listed(text: str) -> str:
    """What the braces of a list hold; the lists of variables within it are part of it."""
    inner = text[1:].removesuffix("}") if text.startswith("{") else text
    return BRACES.sub(lambda found: found.group() if found.group()[0] == '"' else " ", inner) if "{" in inner else inner


def types_of(word: str, text: str) -> tuple[str, ...]:
    """The types of a declaration; those of expressions where it is ``typeof``."""
    if word == "type":
        return tuple(part.strip() for part in text.split(" . "))
    if text.strip() == "verdict":
        return ("verdict",)
    try:
        return typeof(text)
    except UNREADABLE:
        return (text.strip(),)


def typeof(text: str) -> tuple[str, ...]:
    """The types of expressions that are written out."""
    return tuple(datatype(part) for part in key(expression(Words(TOKEN.findall(text)))))


def pieces(body: str) -> Iterator[str]:
    """The elements of a list, cut at the commas that are not within quotes."""
    if '"' not in body:
        yield from body.split(",")
        return
    last = 0
    for found in PART.finditer(body):
        if found.group() == ",":
            yield body[last : found.start()]
            last = found.end()
    yield body[last:]


def read_all(types: tuple[str, ...], data: tuple[str, ...], bodies: Sequence[str]) -> tuple[tuple[Element, ...], tuple[str, ...]]:
    """The elements of all lists, and those that are not understood."""
    found: list[Element] = []
    missed: list[str] = []
    for body in bodies:
        for piece in pieces(body):
            text = piece.strip()
            if text:
                try:
                    found.append(element(types, data, text))
                except UNREADABLE:
                    missed.append(text)
    return tuple(found), tuple(missed)


def element(types: tuple[str, ...], data: tuple[str, ...], text: str) -> Element:
    """``10.0.0.1 . tcp . 80 comment "x" : goto chain``."""
    if '"' in text:
        text = COMMENT.sub("", text)
    looked, what = text, ""
    if data and " : " in text:
        looked, _, what = text.rpartition(" : ")
    elif data and (found := JOINED.match(text)) is not None:
        looked, what = found.groups()
    elif data:
        raise ValueError("a map's element without data")
    if " " in looked:
        looked = bare(looked)
    return Element(values(types, looked), verdict_or(data, what.strip()) if data else None)


def bare(text: str) -> str:
    """An element's key without its comment, timeout and counter."""
    found = EXTRA.search(text)
    return text[: found.start()] if found else text


def values(types: tuple[str, ...], text: str) -> tuple[Value, ...]:
    """The parts of a key."""
    if text.strip() == "*" and not types[0].startswith("if"):
        return ()
    parts = text.split(" . ")
    if len(parts) != len(types):
        raise ValueError(f"{len(types)} parts are expected")
    return tuple(constant(kind, part.strip()) for kind, part in zip(types, parts, strict=True))


def verdict_or(data: tuple[str, ...], text: str) -> Act | tuple[Value, ...]:
    """The data of a map's element."""
    if data != ("verdict",):
        return values(data, bare(text))
    word, _, chain = text.partition(" ")
    return act_of({word: {"target": chain.strip().strip('"')} if chain else None})


def from_json(inner: Mapping[str, object], fleeting: bool) -> NftSet:
    """A set or map of the JSON form."""
    kinds = declared(inner["type"])
    data = declared(inner["map"]) if "map" in inner else ()
    parts = inner.get("elem", [])
    flags = inner.get("flags", [])
    given = {flags} if isinstance(flags, str) else set(flags if isinstance(flags, list) else ())
    held = bool(FLEETING & given) or "timeout" in inner or fleeting
    made = filled(str(inner["name"]), kinds, data, parts if isinstance(parts, list) else [])
    return NftSet(made.name, made.types, made.data, made.elements, made.unread, held)


def declared(value: object) -> tuple[str, ...]:
    """The types of a set: a name, a list, names joined by dots, or expressions."""
    match value:
        case str():
            return tuple(part.strip() for part in value.split(" . "))
        case [*parts]:
            return tuple(str(part) for part in parts)
        case {"typeof": node}:
            try:
                return tuple(datatype(part) for part in key(node))
            except UNREADABLE:
                return (said(node),)
        case _:
            raise ValueError("a set without a type")
