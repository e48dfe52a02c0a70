"""``--watch -``: archives that come on stdin one after another."""

from __future__ import annotations

import sys
import tarfile
from io import BytesIO, TextIOWrapper

import pytest

from analyzer.__main__ import main
from analyzer.cli.streaming import Damaged, Held, archives, whose

NODES = {
    "dump/nodes/n1/ip_addr": b"one",
    "dump/nodes/n1/ip_route": b"two",
    "dump/nodes/n2/ip_addr": b"three",
    "dump/k8s/pods.yaml": b"pods",
}
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\nspec: {containers: [{name: a, image: a}]}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: 80}]\n"


def tar(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive, padded as tar pads it."""
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return file.getvalue()


def contents(held: Held) -> dict[str, bytes]:
    """What is known last, read from the archive that it is packed into."""
    with tarfile.open(fileobj=held.packed()) as archive:
        return {member.name: (archive.extractfile(member) or BytesIO()).read() for member in archive}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_node_that_comes_again_takes_the_place_of_all_that_was_known_of_it(form: int) -> None:
    later = {"./dump/nodes/n1/ip_addr": b"new", "dump/k8s/pods.yaml": b"others", "x" * 90 + "/long": b"\0" * 1024}
    held = Held()
    for members in archives(BytesIO(tar(NODES, form) + tar(later, form))):
        held.take(members)
    assert contents(held) == {"dump/nodes/n2/ip_addr": b"three", **later}


def test_an_archive_is_there_before_the_next_one_begins() -> None:
    class Endless(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            piece = super().read(size)
            assert piece, "waited for more than the archive"
            return piece

    assert [member.name for member, _ in next(archives(Endless(tar(NODES))))] == list(NODES)


@pytest.mark.parametrize("cut", [1, 300, 511, 512, 515, 700, 1024, 4096])
def test_what_is_cut_is_told_and_not_taken(cut: int) -> None:
    stream = archives(BytesIO(tar(NODES) + tar(NODES)[:cut]))
    assert len(next(stream)) == len(NODES)
    with pytest.raises(Damaged, match="archive 2 on stdin is damaged"):
        next(stream)


def test_what_is_captured_as_one() -> None:
    assert [whose(name) for name in ("nodes/n1/ip_addr", "./a/nodes/n1/netns/x/ip_addr", "k8s/pods.yaml", "../x")] == [
        "nodes/n1/", "a/nodes/n1/", "k8s/pods.yaml", "../x",
    ]  # fmt: skip


def given(monkeypatch: pytest.MonkeyPatch, stream: bytes) -> int:
    """The exit status for a stream."""
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stream)))
    return main(["check", "-", "--watch", "-q", "-f", "concise", "--no-config"])


def test_each_archive_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = SERVICE.replace("app: web", "app: wep")
    stream = tar({"pod.yaml": POD.encode(), "service.yaml": SERVICE.encode()}) + tar({"service.yaml": wrong.encode()})
    assert given(monkeypatch, stream) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "changed: service.yaml"
    assert "service-selects-nothing" in told[1]
    assert told[2] == "1 appeared, 0 disappeared; 1 findings"


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"", "stdin has no archive"),
        (b"apiVersion: v1\n" * 99, "archive 1 on stdin is damaged"),
        (b"\0" * 10240, "stdin has no archive"),
    ],
)
def test_what_is_no_archive_is_a_message(
    stream: bytes, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert given(monkeypatch, stream) == 2
    assert said in capsys.readouterr().err
