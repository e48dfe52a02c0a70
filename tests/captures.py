"""Captures in one text, ``-- path --`` before each file, and the network that they give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.facts.base import Fact
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.parsers import kubernetes, read
from analyzer.source import Gap, Source

HEAD = re.compile(r"^-- (\S+) --$", re.MULTILINE)


def files_of(text: str) -> dict[str, str]:
    """The files of a text, by path."""
    parts = HEAD.split(text)[1:]
    return dict(zip(parts[::2], (part.removeprefix("\n") for part in parts[1::2]), strict=True))


def network_of(files: dict[str, str], folder: Path, assume_defaults: bool = False) -> Network:
    """The network of files, which are written below the folder and read from there."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    loaded = load((str(folder),), None)
    known, gaps = facts(loaded.sources)
    return build(loaded.sources, known, (*loaded.gaps, *gaps), assume_defaults)


def facts_of(text: str, parser: Any = kubernetes, path: str = "k8s/x.yaml") -> tuple[list[Any], list[Gap]]:
    """The facts and the gaps of a text."""
    items = list(read(parser.PARSER, Source(path, text, parser.PARSER.kind)))
    return [item for item in items if isinstance(item, Fact)], [item for item in items if isinstance(item, Gap)]
