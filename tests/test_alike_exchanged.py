"""Two nodes of a kind may change places in the captured texts, each with what the other had, and no verdict is another: by all pairs, without kinds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query import reach
from analyzer.query.alike.kinds import Kinds, kinds
from analyzer.query.guarantees import Decided, decide
from analyzer.source import Scope
from benchmarks.capture import Shape, write
from tests.test_alike import FLOWS, NUMBERS, Harm, dropping, harmed

TO_PODS = tuple(name for name in FLOWS if name != "pod-to-node-without-nat")
TOKEN = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\d+\.\d+\.\d+\.\d+")


def matched(found: Kinds, one: Scope, other: Scope) -> dict[Scope, Scope]:
    """Two nodes and their pods, by kind: who takes whose place, both ways."""
    pairs = {one: other}
    for number in {number for home, number in found.pods if home == one}:
        pairs |= dict(zip(found.pods[one, number], found.pods[other, number], strict=True))
    return pairs | {its: own for own, its in pairs.items()}


def exchange(found: Kinds, pairs: Mapping[Scope, Scope]) -> Iterator[tuple[str, str]]:
    """What is to be written for what, of addresses and MACs: what belongs to whoever takes the place in the same role."""
    addresses = {owned: str(address) for address, owned in found.known.addresses.items()}
    macs = {owned: written(mac) for mac, owned in found.known.macs.items()}
    for held in (addresses, macs):
        for (scope, role), text in held.items():
            if scope in pairs:
                yield text, held[pairs[scope], role]


def written(mac: int) -> str:
    """A MAC as tools print it."""
    return ":".join(f"{byte:02x}" for byte in mac.to_bytes(6, "big"))


def rewritten(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes one for the other in every file."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        path.write_text(TOKEN.sub(lambda word: texts.get(word[0], word[0]), path.read_text()))


def moved(folder: Path, one: str, other: str) -> None:
    """Two folders change their names."""
    (folder / one).rename(folder / "between")
    (folder / other).rename(folder / one)
    (folder / "between").rename(folder / other)


def outcome(found: Decided) -> tuple[object, ...]:
    """Verdicts and counts, and every broken pair with its reason and the file that decides."""
    said = [(item.id, item.verdict, item.scope, item.broken, item.checked, sorted(item.assumptions)) for item in found.guarantees]
    pairs = Counter(
        (item.guarantee, item.source, item.target, NUMBERS.sub("", item.reason), item.at.path if item.at is not None else "")
        for item in found.broken
    )
    return said, pairs


def exchanged(folder: Path, found: Kinds, one: Scope, other: Scope) -> Network:
    """The capture in which two nodes have changed places: each has what the other had, and the rest say of one what they said of the other."""
    pairs = matched(found, one, other)
    rewritten(folder / "nodes", dict(exchange(found, pairs)))
    moved(folder / "nodes", one.node, other.node)
    for node in (one, other):
        others = [(its.namespace, own.namespace) for own, its in pairs.items() if own.node == node.node and own.namespace]
        for old, new in others:
            (folder / "nodes" / node.node / "netns" / old).rename(folder / "nodes" / node.node / "netns" / new)
    return read_input((str(folder),)).network


@pytest.mark.parametrize("seed", range(3))
def test_alike_nodes_may_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """By all pairs, which know nothing of kinds."""
    network = harmed(tmp_path, seed, seed % 2 * 2)
    found = kinds(network)
    assert found is not None
    members = max(found.nodes.values(), key=len)
    assert len(members) > 1
    flows = TO_PODS if seed % 2 else FLOWS
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    before = outcome(decide(network, only=flows))
    assert before == outcome(decide(exchanged(tmp_path, found, members[0], members[-1]), only=flows))


def test_a_node_with_a_fault_may_not_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong between two nodes is then wrong between others."""
    shape = Shape(nodes=6, pods=3, services=3)
    write(tmp_path, shape)
    dropping(Harm(tmp_path / "nodes" / "n2", shape, 2, 5, Random(0)))
    network = read_input((str(tmp_path),)).network
    found = kinds(network)
    assert found is not None
    monkeypatch.setattr(reach, "few_of", lambda *_: None)
    before = outcome(decide(network, only=TO_PODS))
    after = outcome(decide(exchanged(tmp_path, found, Scope("n1"), Scope("n5")), only=TO_PODS))
    assert before != after
