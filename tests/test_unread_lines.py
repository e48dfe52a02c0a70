"""A line about interfaces that was damaged is told, and no answer that it could change is certain and another: words are garbled, and lines cut, within."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from tests.captures import files_of

HEALTHY = Path(__file__).parent.parent / "samples" / "healthy"
NAMES = ("flannel-docker-nodelocaldns", "kindnet", "cilium-maps", "calico-vxlan")
CAPTURES = {name: files_of((HEALTHY / f"{name}.txt").read_text()) for name in NAMES}
TEXTS = [
    (name, file)
    for name in NAMES
    for file in CAPTURES[name]
    if file.rpartition("/")[2] in ("ip_-d_addr", "bridge_link", "bridge_fdb", "sysctl_net")
]
PAIRS = [("default/web-1", "default/web-2"), ("default/web-2", "default/web-1")]
CERTAIN = ("reachable", "unreachable")


def captured(files: dict[str, str], folder: Path) -> Capture:
    """The capture of files."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return load(folder, assume_defaults=True)


def answers(capture: Capture) -> list[str]:
    """What is told of packets between two pods, either way."""
    return [str(capture.trace(source, target, port=80).fate.value) for source, target in PAIRS]


def garbled(line: str, chance: random.Random) -> str:
    """A line with a word that is none in the place of one which is not the last."""
    words = line.split(" ")
    places = [place for place, word in enumerate(words[:-1]) if word]
    words[chance.choice(places)] = "q7%"
    return " ".join(words)


def lines_of(text: str) -> list[int]:
    """The lines that say something about how frames go, of several words."""
    return [place for place, line in enumerate(text.split("\n")) if len(line.split()) > 2 and "valid_lft" not in line]


@pytest.mark.parametrize(("sample", "name"), TEXTS)
def test_a_garbled_word_is_told_and_changes_no_certain_answer(sample: str, name: str, tmp_path: Path) -> None:
    chance, files = random.Random(name), CAPTURES[sample]
    whole = answers(captured(files, tmp_path / "whole"))
    assert set(whole) <= set(CERTAIN)
    lines = files[name].split("\n")
    for place in lines_of(files[name])[:14]:
        damaged = [*lines[:place], garbled(lines[place], chance), *lines[place + 1 :]]
        capture = captured({**files, name: "\n".join(damaged)}, tmp_path / f"{place}")
        found = answers(capture)
        assert all(one == other or one not in CERTAIN for one, other in zip(found, whole, strict=True)), damaged[place]
        told = [gap for gap in capture.given.network.gaps if gap.at.path.endswith(name)]
        assert told or found == whole, damaged[place]


@pytest.mark.parametrize(("filtering", "certain"), [("0", True), ("1", False)])
def test_lines_about_vlans_say_nothing_where_no_bridge_looks_at_them(filtering: str, certain: bool, tmp_path: Path) -> None:
    """``bridge -j vlan`` writes a bracket alone where the kernel has no VLAN filtering."""
    files = {
        name: text.replace("vlan_filtering 0", f"vlan_filtering {filtering}")
        for name, text in CAPTURES["flannel-docker-nodelocaldns"].items()
    }
    broken = {name.replace("ip_-d_addr", "bridge_vlan.json"): "[\n" for name in files if name.endswith("ip_-d_addr")}
    assert (set(answers(captured(files | broken, tmp_path))) <= set(CERTAIN)) is certain
