"""What a real kernel did, recorded: the same comparison as in the lab, where there is no root."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.transfer.graph import NetworkProgram
from tests.lab import compare, engines, record

TRUTH = sorted((Path(__file__).parent.parent / "samples" / "truth").glob("*.txt"))


@pytest.mark.parametrize("path", TRUTH, ids=lambda path: path.stem)
def test_what_the_kernel_did_is_predicted(path: Path, tmp_path: Path) -> None:
    _, results = record.unpack(path.read_text(), tmp_path)
    capture = load(tmp_path)
    wrong, unknown = [], 0
    programs: dict[int, NetworkProgram] = {}
    for probe, result in results:
        told = compare.predict(capture, probe)
        verdict = compare.judge(told, probe, result)
        unknown += verdict == "unknown"
        if verdict == "wrong":
            wrong.append(compare.explain(told, probe, result))
        elif (
            verdict == "agree" and engines.judge(ends := engines.lowered(capture, programs, probe, told), told, result) == "wrong"
        ):
            wrong.append(f"{probe}\n  kernel: {result}\n  language: {sorted(ends)}")
    assert not wrong, "\n".join(wrong)
    assert unknown <= len(results) / 2, f"{unknown} of {len(results)} unknown"


@pytest.mark.parametrize(
    "name",
    [
        "ptp-hostport-answers-in-one-direction",
        "host-gw-arp-ignored",
        "kube-router-policies-set-lost",
        "locked-ports",
        "tunnel-sit-any-masqueraded",
    ],
)
def test_sets_and_walk_do_not_contradict_each_other(name: str, tmp_path: Path) -> None:
    record.unpack(next(path for path in TRUTH if path.stem == name).read_text(), tmp_path)
    assert not [one.reason for one in load(tmp_path).check().guarantees if "internal error" in one.reason]


def test_there_are_recordings() -> None:
    assert TRUTH
