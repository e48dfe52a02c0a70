"""YAML with the place of every value, read as the API server reads it (see ``_scalars``).

Documents are split at ``---`` before they are parsed: a broken one loses only itself. What ``kubectl`` writes is read by its rows
(``_block_yaml``); all else from the parser's events (``_yaml_events``), which is imported when it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.parsers._block_yaml import Shapes
from analyzer.parsers._documents import Document, below, kind_of_items
from analyzer.source import Gap, Source

SEPARATOR = re.compile(r"^---(?=[ \t\n]|$)", re.MULTILINE)
SOMETHING = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
DASH = "- "
LIST = f"\nitems:\n{DASH}"
LIST_END = re.compile(r"\n(?=[^ \-\n])")


def documents(source: Source, shapes: Shapes | None = None) -> Iterator[Document | Gap]:
    """The documents of a text that hold something, in order, and a gap for each that is broken. ``shapes``: those that were met in other texts."""
    line = 1
    begin = 0
    text = source.text
    shapes = Shapes() if shapes is None else shapes
    for end in [*(found.start() for found in SEPARATOR.finditer(text)), len(text)]:
        chunk = text[begin:end]
        if (found := written_by_kubectl(source, chunk, line, shapes)) is not None:
            yield from found
        elif SOMETHING.search(chunk.removeprefix("---")):
            from analyzer.parsers._yaml_events import chunk_documents

            yield from chunk_documents(source, chunk, line)
        line += chunk.count("\n")
        begin = end


def written_by_kubectl(source: Source, chunk: str, line: int, shapes: Shapes) -> list[Document | Gap] | None:
    """The documents of a chunk, those of a list by themselves, where they are written as ``kubectl`` writes them; else None."""
    before, items, behind = chunk.partition(LIST)
    if not items:
        found = shapes.document(source.path, chunk, line)
        return None if found is None else [found]
    end = LIST_END.search(behind)
    envelope = shapes.document(source.path, before + "\n" + behind[end.end() :], line) if end else None
    if end is None or envelope is None or "items" in envelope.value or not str(envelope.value.get("kind", "")).endswith("List"):
        return None
    number = line + before.count("\n") + 2
    kind = kind_of_items(str(envelope.value["kind"]), str(envelope.value.get("apiVersion", "")))
    try:
        return list(items_of(source, behind[: end.start()].split(f"\n{DASH}"), number, kind, shapes))
    except (ValueError, LookupError, RecursionError):
        return None


def items_of(source: Source, items: list[str], number: int, kind: dict[str, str], shapes: Shapes) -> Iterator[Document | Gap]:
    """The items of a list as documents, each read by itself. ValueError and LookupError where that cannot be."""
    for item in items:
        text = f"{DASH}{item}\n"
        found = shapes.document(source.path, text, number, DASH)
        for document in [found] if found else parsed(source, text, number):
            if isinstance(document, Document) and kind and isinstance(document.value, dict):
                document = Document({**kind, **document.value}, document.places)
            yield document
        number += item.count("\n") + 1


def parsed(source: Source, text: str, number: int) -> Iterator[Document | Gap]:
    """An item that is written otherwise."""
    from analyzer.parsers._yaml_events import whole

    return map(only_item, whole(source, text, number))


def only_item(document: Document | Gap) -> Document | Gap:
    """The item of a sequence of one; ValueError where there are others."""
    if isinstance(document, Gap):
        return document
    (value,) = document.value
    return Document(value, below(document.places, (0,)))
