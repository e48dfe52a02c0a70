"""A capture with damage in many places costs little more than a whole one: nothing grows with the ways in which what is unknown may come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.model.network import Network
from analyzer.model.unread import doubts
from analyzer.query import reach
from analyzer.query.guarantees import Decided, decide
from analyzer.solve.packet import Trace
from analyzer.solve.sets.diagrams import Sets
from analyzer.solve.walk.concrete import Flow, walk
from tests.captures import files_of

HEALTHY = Path(__file__).parent.parent / "samples" / "healthy"
NONSENSE = "what is this\nand that\n"
EVERY = {"iptables-save": 3, "ip_route_show_table_all": 2, "ip_-d_addr": 4}
"""Of which lines of a file one has a word that is none."""


def damaged(folder: Path) -> Capture:
    """A healthy capture with such a word in every few lines, and with lines that are nothing."""
    for path, text in files_of((HEALTHY / "flannel-docker-nodelocaldns.txt").read_text()).items():
        name = path.rpartition("/")[2]
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(garbled(text, EVERY[name]) if name in EVERY else text + NONSENSE * 20 * (name == "sysctl_net"))
    return load(folder)


def garbled(text: str, every: int) -> str:
    """The text with a word more in some lines of several words."""
    lines = text.split("\n")
    return "\n".join(
        line.replace(" ", " q7% ", 1) if place % every == 2 and len(line.split()) > 3 else line
        for place, line in enumerate(lines)
    )


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return damaged(tmp_path_factory.mktemp("damaged"))


def test_lines_that_were_not_understood_are_one_doubt_of_each_device(capture: Capture) -> None:
    """Of many lines the first stands for all: what any of them could do is not known."""
    for space in capture.given.network.namespaces.values():
        gaps = [gap for gaps in space.gaps.values() for gap in gaps]
        found = list(doubts(gaps, space.links, {}, {}))
        assert len({(fact.device, fact.hook) for fact in found}) == len(found)


def test_a_packet_is_walked_once_and_few_sets_are_told_apart(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    flows: list[Flow] = []
    tests: list[int] = []
    explore = Sets.explore

    def counted(network: Network, flow: Flow) -> Trace:
        flows.append(flow)
        return walk(network, flow)

    def measured(self: Sets, starts: object) -> object:
        found = explore(self, starts)  # type: ignore[arg-type]
        tests.append(self.count.states)
        return found

    monkeypatch.setattr(reach, "walk", counted)
    monkeypatch.setattr(Sets, "explore", measured)
    decided: Decided = decide(capture.given.network)
    assert {one.verdict for one in decided.guarantees if one.id == "pod-to-pod"} == {Verdict.UNDECIDED}
    assert len(flows) < 100
    assert max(tests) < 2_000
