"""Real files of public repositories are read without a failure, each by itself; of their lines no fewer are understood than were before.

A line is understood when it gave no gap; a file that nothing recognises counts with none of its lines. What stays open: rulesets whose publishers hid hardware
addresses (``xx:xx:…``) or listed them without interfaces (``iptables -L`` without ``-v``), which no reader can know, pages of documentation around the outputs, and
texts of other tools beside them. What ran in a pod of which the text does not tell the node is not read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.capture import load
from analyzer.capture.reading import facts
from analyzer.model.build import build

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))


class Share(NamedTuple):
    """What must be recognised and understood at the least: files, and of a thousand lines in them."""

    files: int
    lines: int


AT_LEAST = {
    "bgp": Share(451, 997),
    "clusters": Share(251, 999),
    "iproute": Share(84, 952),
    "iptables": Share(228, 522),
    "ipvs": Share(2, 1000),
    "nft": Share(210, 1000),
    "ovs": Share(13, 954),
    "snippets": Share(139, 962),
}


class Counted(NamedTuple):
    """Of a file: whether it was recognised, its lines, and those that were not understood."""

    known: bool
    lines: int
    missed: int


def counted(path: Path) -> Counted:
    """Reads a file by itself, up to the network."""
    loaded = load((str(path),))
    known, gaps = facts(loaded.sources)
    build(loaded.sources, known, (*loaded.gaps, *gaps))
    read = [source for source in loaded.sources if source.kind != "pasted"]
    if not read:
        return Counted(False, 0, 0)
    lines = sum(1 for source in read for line in source.text.split("\n") if line.strip())
    return Counted(True, lines, len({(gap.at.path, gap.at.line) for gap in (*gaps, *loaded.gaps)}))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA} is no folder (set ANALYZER_DATA)")
@pytest.mark.parametrize("corpus", AT_LEAST)
def test_the_share_of_lines_that_are_understood_only_goes_up(corpus: str) -> None:
    every = [counted(path) for path in sorted((DATA / corpus).rglob("*")) if path.is_file()]
    files, lines = sum(one.known for one in every), sum(one.lines for one in every)
    share = 1000 * (lines - sum(one.missed for one in every)) // lines
    print(f"{corpus}: {files} of {len(every)} files recognised, {share / 10} % of {lines} lines understood")
    assert files >= AT_LEAST[corpus].files
    assert share >= AT_LEAST[corpus].lines
