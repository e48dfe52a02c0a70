"""A file that is there twice: in an archive, or by two paths that are given. It counts once, whoever says otherwise is told, and no verdict leans on it."""

from __future__ import annotations

import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from analyzer.api import Capture, load
from analyzer.findings import Verdict
from analyzer.query.guarantees import decide
from tests.lab.record import unpack

SAMPLE = Path(__file__).parent.parent / "samples" / "truth" / "flannel-vxlan.txt"
ROUTES = "nodes/node-a/ip_route.json"
OTHER = b'[{"dst": "10.0.0.0/8", "gateway": "192.168.66.1", "dev": "eth0"}]'
Members = Sequence[tuple[str, bytes]]


def tar(members: Members) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def zipped(members: Members) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    unpack(SAMPLE.read_text(), folder)
    return folder


def members(dump: Path) -> list[tuple[str, bytes]]:
    return [(str(path.relative_to(dump)), path.read_bytes()) for path in sorted(dump.rglob("*")) if path.is_file()]


def verdicts(capture: Capture) -> dict[str, Verdict]:
    return {one.id: one.verdict for one in decide(capture.given.network).guarantees}


def told(capture: Capture) -> list[tuple[str, str]]:
    return [(gap.at.path, gap.reason) for gap in capture.check().gaps if "twice" in gap.reason]


@pytest.mark.parametrize(("pack", "name"), [(tar, ROUTES), (tar, f"./{ROUTES}"), (zipped, ROUTES.replace("/", "//"))])
@pytest.mark.parametrize("first", [True, False])
def test_a_member_that_says_otherwise_leaves_verdicts_open(
    pack: Callable[[Members], bytes], name: str, first: bool, dump: Path, tmp_path: Path
) -> None:
    assert verdicts(load(dump))["pod-to-pod"] is Verdict.PROVED
    other = [(name, OTHER)]
    packed = tmp_path / "packed"
    packed.write_bytes(pack([*other, *members(dump)] if first else [*members(dump), *other]))
    found = load(packed)
    assert verdicts(found)["pod-to-pod"] is Verdict.UNDECIDED
    assert [(path, reason.split(":")[0]) for path, reason in told(found)] == [(ROUTES, "it is there twice, with other content")]


@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_member_that_says_the_same_counts_once(pack: Callable[[Members], bytes], dump: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(pack([*members(dump), *((f"./{name}", data) for name, data in members(dump))]))
    found = load(packed)
    assert verdicts(found) == verdicts(load(dump))
    assert {path for path, _ in told(found)} == {name for name, _ in members(dump)}
    assert len({source.path for source in found.given.sources}) == len(found.given.sources)


def test_a_path_that_is_given_twice_is_read_once(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = verdicts(load("dump"))
    (tmp_path / "link").symlink_to("dump")
    for other, reason in [
        (str(dump), "given twice: it is dump, and read once"),
        ("link", "given twice: it is dump, and read once"),
        (f"dump/{ROUTES}", "given twice: 1 file in it, of another path that is given, read once"),
        ("dump/nodes/../nodes/node-a", "given twice: "),
    ]:
        found = load("dump", other)
        assert verdicts(found) == wanted
        assert [path for path, said in told(found) if said.startswith(reason)] == [other]
    assert told(load("dump", "dump")) == []


@pytest.mark.parametrize("name", ["iptables-save", "nft_list_ruleset", "sysctl_net", "netns/default_a1/sysctl_net"])
def test_another_capture_of_a_node_that_says_otherwise_leaves_verdicts_open(name: str, dump: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "nodes" / "node-a" / name
    other.parent.mkdir(parents=True)
    other.write_text("net.ipv4.ip_forward = 0\n" if "sysctl" in name else "# Completed\n")
    found = load(dump, tmp_path / "other")
    assert verdicts(found)["pod-to-pod"] is Verdict.UNDECIDED
    assert any("which says otherwise" in reason for _, reason in told(found))


def test_another_capture_that_counted_more_packets_is_a_copy(dump: Path, tmp_path: Path) -> None:
    rules = (dump / "nodes" / "node-a" / "iptables-save").read_text()
    assert "[0:0]" in rules
    other = tmp_path / "other" / "nodes" / "node-a" / "iptables-save"
    other.parent.mkdir(parents=True)
    other.write_text("# Generated later\n" + rules.replace("[0:0]", "[7:420]"))
    found = load(dump, tmp_path / "other")
    assert verdicts(found)["pod-to-pod"] is Verdict.PROVED
    assert any("this copy" in reason for _, reason in told(found))
