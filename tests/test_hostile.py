"""Whole captures, damaged and incomplete: nothing raises, the rest is still answered, and unknown never becomes a verdict."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.solve.packet import Fate
from benchmarks.capture import Shape, write

INCIDENT = Path(__file__).parent.parent / "samples" / "clusters" / "peer-pods"
HEALTHY = Shape(nodes=2, pods=2, services=2, endpoints=2)


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    write(tmp_path / "dump", HEALTHY)
    return tmp_path / "dump"


def ask(capture: Capture) -> Fate:
    """The fate of a packet between pods of two nodes."""
    return capture.trace("default/p0-0", "default/p1-1", port=8080, protocol="TCP").fate


def test_the_capture_is_healthy(healthy: Path) -> None:
    assert ask(load(healthy)) is Fate.REACHABLE


REQUIRED = ["ip_-d_addr", "ip_route_show_table_all", "iptables-save", "sysctl_net"]
ASSUMED = ["ip_rule", "tc_filter", "nft_list_ruleset", "ip_neigh", "bridge_fdb"]


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("node", ["n0", "n1"])
def test_without_a_part_that_decides_the_answer_is_unknown(healthy: Path, name: str, node: str) -> None:
    (healthy / "nodes" / node / name).unlink()
    capture = load(healthy)
    answer = capture.trace("default/p0-0", "default/p1-1", port=8080, protocol="TCP")
    assert answer.fate is Fate.UNKNOWN
    if name != "ip_-d_addr":
        text = " ".join(outcome.reason + outcome.settle for outcome in answer.outcomes)
        assert f"nodes/{node}/" in text
        assert name.split("_")[0] in text


@pytest.mark.parametrize("name", ["ip_rule", "tc_filter", "nft_list_ruleset"])
def test_without_a_part_that_is_as_the_kernel_has_it_the_answer_names_the_assumption(healthy: Path, name: str) -> None:
    (healthy / "nodes" / "n0" / name).unlink()
    answer = load(healthy).trace("default/p0-0", "default/p1-1", port=8080, protocol="TCP")
    assert answer.fate is Fate.REACHABLE
    assert any(name in text for text in answer.assumptions)


def test_a_route_that_is_not_understood_is_not_absent(healthy: Path) -> None:
    path = healthy / "nodes" / "n0" / "ip_route_show_table_all"
    path.write_text(path.read_text() + "10.64.1.0/25 via 192.168.0.1 dev eth0 frobnicate 7\n")
    assert ask(load(healthy)) is Fate.UNKNOWN


def test_a_route_that_is_not_understood_for_another_network_does_not_matter(healthy: Path) -> None:
    path = healthy / "nodes" / "n0" / "ip_route_show_table_all"
    path.write_text(path.read_text() + "203.0.113.0/24 via 192.168.0.1 dev eth0 frobnicate 7\n")
    assert ask(load(healthy)) is Fate.REACHABLE


@pytest.mark.parametrize(
    "line",
    [
        "-A FORWARD -m quantum --spin up -j DROP",
        "-A FORWARD -j FROBNICATE --hard",
        "-A FORWARD --what is this",
        "garbage in the table",
    ],
)
def test_a_rule_that_is_not_understood_is_neither_passed_nor_taken(healthy: Path, line: str) -> None:
    path = healthy / "nodes" / "n0" / "iptables-save"
    first = '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD\n'
    text = path.read_text()
    assert first in text
    path.write_text(text.replace(first, f"{line}\n{first}"))
    assert ask(load(healthy)) is Fate.UNKNOWN


def test_a_ruleset_that_breaks_off_is_not_empty(healthy: Path) -> None:
    path = healthy / "nodes" / "n0" / "iptables-save"
    text = path.read_text()
    path.write_text(text[: text.index("-A FORWARD")])
    assert ask(load(healthy)) is not Fate.REACHABLE


def damaged(data: bytes, seed: int) -> bytes:
    """One of several ways to damage a file."""
    chance = random.Random(seed)
    position = chance.randrange(len(data) + 1)
    match chance.randrange(5):
        case 0:
            return data[:position]
        case 1:
            return data[:position] + bytes([chance.randrange(256)]) + data[position + 1 :]
        case 2:
            return data[:position] + b"\0\xff\x1b[31m" + data[position:]
        case 3:
            return data[position:]
        case _:
            lines = data.splitlines(keepends=True)
            chance.shuffle(lines)
            return b"".join(lines)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")


@pytest.mark.parametrize("seed", range(40))
def test_damage_never_raises(healthy: Path, seed: int) -> None:
    chosen = files(healthy)
    victim = chosen[seed * 7 % len(chosen)]
    victim.write_bytes(damaged(victim.read_bytes(), seed))
    capture = load(healthy)
    ask(capture)
    capture.text()


@pytest.mark.parametrize("seed", range(20))
def test_damage_to_the_incident_never_raises(tmp_path: Path, seed: int) -> None:
    shutil.copytree(INCIDENT, tmp_path / "dump")
    chosen = files(tmp_path / "dump")
    victim = chosen[seed % len(chosen)]
    victim.write_bytes(damaged(victim.read_bytes(), seed))
    load(tmp_path / "dump").text()


def test_two_captures_of_one_node_are_named(healthy: Path, tmp_path: Path) -> None:
    shutil.copytree(healthy / "nodes" / "n0", tmp_path / "again" / "nodes" / "n0")
    capture = load(healthy, tmp_path / "again")
    assert any("n0" in gap.at.path + gap.reason and "again" in gap.at.path + gap.reason for gap in capture.given.gaps)
    assert ask(capture) is Fate.REACHABLE
