"""WireGuard: peers by their keys, addresses and endpoints, on a recorded network of which single lines are changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.solve.packet import Fate
from analyzer.transfer.graph import NetworkProgram
from tests.lab import record
from tests.lab.probes import Probe
from tests.lowered import outcomes
from tests.test_lowering import flow_of

RECORDED = Path(__file__).parent.parent / "samples" / "truth" / "wireguard.txt"
OTHER = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
CASES = [
    ("as it was", [], Fate.REACHABLE, ""),
    ("nothing is allowed", [("node-a", "allowed-ips", "10.244.1.0/24", "(none)")], Fate.UNREACHABLE, "is allowed 10.244.1"),
    ("the source is not allowed", [("node-b", "allowed-ips", "10.244.0.0/24", "10.244.7.0/24")], Fate.UNREACHABLE, "does not allow"),
    ("the far end has another key", [("node-b", "public-key", "{key}", OTHER)], Fate.UNREACHABLE, "has the key"),
    ("the far end does not know the key", [("node-a", "public-key", "{key}", OTHER)], Fate.UNREACHABLE, "has no peer with the key"),
    ("the far end listens elsewhere", [("node-b", "listen-port", "51820", "51821")], Fate.UNREACHABLE, ""),
    ("where the far end is was not heard", [("node-a", "endpoints", "192.168.66.11:51820", "(none)")], Fate.UNKNOWN, "had not been heard"),
    ("answers go where the sender was heard", [("node-b", "endpoints", "192.168.66.10:51820", "(none)")], Fate.REACHABLE, ""),
    ("what is allowed was not captured", [("node-a", "allowed-ips", "", "")], Fate.UNKNOWN, "was not captured"),
    ("keys were not captured", [("node-a", "public-key", "", ""), ("node-b", "public-key", "", "")], Fate.REACHABLE, ""),
]  # fmt: skip


def changed(folder: Path, edits: list[tuple[str, str, str, str]]) -> Capture:
    """The recorded capture with other words in some files; without a file where no words are given."""
    record.unpack(RECORDED.read_text(), folder)
    for node, column, old, new in edits:
        path = folder / "nodes" / node / f"wg_show_all_{column}"
        text = path.read_text()
        if not old:
            path.unlink()
            continue
        old = text.split("\t")[1].strip() if old == "{key}" else old
        assert old in text
        path.write_text(text.replace(old, new))
    return load(folder)


@pytest.mark.parametrize(("words", "edits", "wanted", "reason"), CASES, ids=[case[0] for case in CASES])
def test_peers(words: str, edits: list[tuple[str, str, str, str]], wanted: Fate, reason: str, tmp_path: Path) -> None:
    capture = changed(tmp_path, edits)
    told = capture.trace("default/a1", "default/b1", port=8080)
    assert told.fate is wanted, words
    assert wanted is Fate.REACHABLE or reason in told.outcomes[0].reason


@pytest.mark.parametrize(("words", "edits", "wanted", "reason"), CASES, ids=[case[0] for case in CASES])
def test_the_language_says_the_same(
    words: str, edits: list[tuple[str, str, str, str]], wanted: Fate, reason: str, tmp_path: Path
) -> None:
    del reason
    network = changed(tmp_path, edits).given.network
    flow = flow_of(network, Probe("default/a1", "default/b1", "TCP", 8080, 40000))
    assert flow is not None
    found = {end.fate for end in outcomes(NetworkProgram(network, 4), flow)}
    assert found <= {wanted, Fate.UNKNOWN}, words
    assert edits or found == {Fate.REACHABLE}
