"""The questions about one cluster in parts: the whole is what one process finds, and a part without an answer is told."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from analyzer.query.parts import Found, Part, of_part, whole
from tests.lab.record import unpack

SAMPLES = Path(__file__).parent.parent / "samples" / "truth"
MANY = 3


@pytest.fixture(scope="module", params=["flannel-vxlan-services", "host-gw-services-wrong-gateway"])
def capture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("capture")
    unpack((SAMPLES / f"{request.param}.txt").read_text(), folder)
    return load(folder)


@pytest.fixture(scope="module")
def parts(capture: Capture) -> list[Found]:
    return [pickle.loads(pickle.dumps(of_part(capture.given.network, Part(place, MANY)))) for place in range(MANY)]


def test_the_whole_of_the_parts_is_what_one_process_finds(capture: Capture, parts: list[Found]) -> None:
    assert decide(capture.given.network, spread=whole(parts), least=0) == decide(capture.given.network)


@pytest.mark.parametrize("number", range(MANY))
def test_a_part_without_an_answer_leaves_open_what_it_was_asked(capture: Capture, parts: list[Found], number: int) -> None:
    known = {one.id: one for one in decide(capture.given.network).guarantees}
    some = [Found(missing="it was ended") if place == number else found for place, found in enumerate(parts)]
    told = {one.id: one for one in decide(capture.given.network, spread=whole(some), least=0).guarantees}
    for name, one in told.items():
        assert one.verdict in (known[name].verdict, Verdict.UNDECIDED), f"{name}: {one.reason}"
    open_now = [one for name, one in told.items() if one.verdict is Verdict.UNDECIDED and known[name].verdict is Verdict.PROVED]
    assert all(f"part {number + 1} of {MANY} of the questions has no answer: it was ended" in one.reason for one in open_now)


def test_no_part_is_no_answer(capture: Capture) -> None:
    none = [Found(missing="there was no worker")] * MANY
    found = {one.id: one for one in decide(capture.given.network, spread=whole(none), least=0).guarantees}
    known = {one.id: one.verdict for one in decide(capture.given.network).guarantees}
    for name in ("pod-to-pod", "pod-to-pod-without-nat", "node-to-pod", "pod-to-service"):
        if known[name] is Verdict.NOT_APPLICABLE:
            continue
        assert found[name].verdict is Verdict.UNDECIDED
        assert "there was no worker" in found[name].reason


def test_parts_of_another_network_are_not_taken(capture: Capture, parts: list[Found]) -> None:
    other = [Found(one.reaches, one.total + 1) for one in parts]
    found = {one.id: one for one in decide(capture.given.network, spread=whole(other), least=0).guarantees}
    assert found["pod-to-pod"].verdict is Verdict.UNDECIDED
