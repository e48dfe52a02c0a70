"""``docs/systems.md`` out of the files of this folder, the rules, and the verdicts on the samples that they name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import tests.systems
from analyzer.capture.kinds import KINDS
from analyzer.findings import Verdict
from analyzer.plugins import package_constants
from analyzer.query.guarantees import decide
from analyzer.query.rules import all_rules
from tests.captures import files_of, network_of
from tests.systems import System

RECORDED = re.compile(r"^=== (\S+)$", re.MULTILINE)
ROOT = Path(__file__).parent.parent.parent
HEAD = """# Network systems

What is read of each system, which guarantees are decided from it, which rules look at it, and how that is tried. This page is made by
`python -m tests.systems`; a test holds that what it names is there, and the samples and scenarios are tests themselves.

A guarantee is listed where the analyzer decides it, proved or refuted, on a sample of the system. *Lab* are networks that `tests/lab` builds in a real kernel,
where every prediction is held against what the kernel does; *samples* are captures and texts of this repository; *real* are files of public repositories, read
where they are given.
"""
CAPTURES = """
## Captures read as they are

What other tools collect is read under the names that they give their files, archives in it unpacked, nodes told apart and called by their own names. What a capture of a
kind lacks, and nothing else in the same input has, is said in one note with the guarantees that rest on it. Tried on `samples/captures`.

"""


@cache
def systems() -> tuple[System, ...]:
    """The rows in their order."""
    found = package_constants(tests.systems, "SYSTEM", System)
    return tuple(sorted(found, key=lambda item: (item.order, item.title)))


def document() -> str:
    """The page."""
    return HEAD + "".join(section(item) for item in systems()) + captures()


def captures() -> str:
    """The part about captures that other tools make (``analyzer/capture/kinds.py``), each tried on a file of ``samples/captures``."""
    lines = [f"- **{one.name}**: usually lacks {', '.join(part.words for part in one.lacks)}." for one in KINDS]
    return CAPTURES + "\n".join(lines) + "\n"


def section(item: System) -> str:
    """The part of one system."""
    lines = [f"\n## {item.title}\n", *(f"- {name}: {text}." for name, text in rows(item) if text)]
    return "\n".join(lines) + "\n"


def rows(item: System) -> Iterator[tuple[str, str]]:
    """What is said of a system, each with its name."""
    read = [*item.parsers, *(f"plugin `{name}`" for name in item.plugins), *(f"settings of {name}" for name in item.settings)]
    yield "**Read**", ", ".join(read)
    yield "**Policies**", f"as `{item.profile}` reads them" if item.profile else ""
    yield "**Guarantees decided**", code(guarantees(item))
    yield "**Rules**", code(rules(item.rules))
    yield "**Tried in the lab**", code(item.scenarios)
    yield "**Tried on samples**", code(dict.fromkeys((*item.decided, *item.samples)))
    yield "**Tried on real files**", code(item.real)
    yield "**Tried by**", code(f"tests/{name}.py" for name in item.tests)
    yield "**Not covered**", item.limits.rstrip(".")


def code(names: Iterable[str]) -> str:
    """Names as Markdown."""
    return ", ".join(f"`{name}`" for name in names)


def rules(patterns: Iterable[str]) -> list[str]:
    """The rules that the patterns match, by name."""
    wanted = tuple(patterns)
    return [rule.id for rule in all_rules() if any(fnmatchcase(rule.id, pattern) for pattern in wanted)]


def guarantees(item: System) -> list[str]:
    """The guarantees that are proved or refuted on one of the system's captures, in the order of the contract."""
    found: dict[str, bool] = {}
    for path in item.decided:
        for name, known in verdicts(path):
            found[name] = found.get(name, False) or known
    return [name for name, known in found.items() if known]


@cache
def verdicts(path: str) -> tuple[tuple[str, bool], ...]:
    """Each guarantee on a capture, and whether it is decided; what was not captured is as the kernel has it by default."""
    text = (ROOT / "samples" / path).read_text()
    files = RECORDED.sub(r"-- \1 --", text) if text.startswith("#") else text
    with tempfile.TemporaryDirectory() as folder:
        captured = {name: part for name, part in files_of(files).items() if name not in ("want", "probes")}
        network = network_of(captured, Path(folder), assume_defaults=True)
    return tuple((one.id, one.verdict in (Verdict.PROVED, Verdict.REFUTED)) for one in decide(network).guarantees)
