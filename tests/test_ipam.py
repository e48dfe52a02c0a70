"""Whether all pods that manifests ask for can have an address: each sample of ``samples/ipam`` says the conflicts, or that there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.query.ipam.questions import asked, conflicts
from tests.captures import files_of, network_of

SAMPLES = sorted((Path(__file__).parent.parent / "samples" / "ipam").glob("*.txt"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_conflicts_are_those_of_the_sample(path: Path, tmp_path: Path, update: bool) -> None:
    files = files_of(path.read_text())
    wanted = files.pop("want")
    network = network_of(files, tmp_path)
    found = []
    for one in conflicts(network):
        demands = " ".join(f"{item.title}({item.count})" for item in one.demands)
        found.append(f"Impossible {demands} | " + ", ".join(f"{item.capacity} of {item.title}" for item in one.resources))
    lines = sorted(found) or sorted({type(item.answer).__name__ for item in asked(network)})
    if update:
        path.write_text(path.read_text().partition("-- want --\n")[0] + "-- want --\n" + "".join(f"{line}\n" for line in lines))
        return
    assert lines == wanted.splitlines()
