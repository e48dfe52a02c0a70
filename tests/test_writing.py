"""What a command writes is whole or not there: killed, on a full disk, in a folder that is not there; tried by doing it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.__main__ import main
from analyzer.cli.writing import Unwritable, write, write_pieces

ROOT = Path(__file__).parent.parent
SHOP = ROOT / "samples" / "lint" / "shop"
SLOW = """
import sys, time
from analyzer.cli.writing import write_pieces
def pieces():
    yield "x" * 100_000
    print("begun", flush=True)
    time.sleep(60)
write_pieces(sys.argv[1], pieces())
"""


def test_a_file_is_replaced_at_once_and_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("old")
    target.chmod(0o640)
    seen: list[str] = []

    def pieces() -> Iterator[str]:
        yield "new"
        seen.append(target.read_text())

    write_pieces(str(target), pieces())
    assert (seen, target.read_text(), stat.S_IMODE(target.stat().st_mode)) == (["old"], "new", 0o640)
    assert os.listdir(tmp_path) == ["report"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write(str(tmp_path / "link"), "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_process_that_is_killed_leaves_the_old_report(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("old")
    with subprocess.Popen([sys.executable, "-c", SLOW, str(target)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
    assert target.read_text() == "old"


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def pieces() -> Iterator[str]:
        yield "half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_pieces(str(tmp_path / "report"), pieces())
    assert os.listdir(tmp_path) == []


def test_a_device_is_written_as_it_is() -> None:
    write("/dev/null", "gone")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_is_told() -> None:
    with pytest.raises(Unwritable, match="/dev/full: cannot be written: No space left"):
        write("/dev/full", "x" * 100_000)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["check", str(SHOP), "-q"], ["rules"], ["connectivity", str(SHOP), "-q"], ["man"]])
def test_a_full_disk_behind_stdout_is_a_message(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "analyzer", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_short_write_to_an_unbuffered_stdout_is_a_message(tmp_path: Path) -> None:
    """A disk that has room for the beginning takes the first write in part: the rest must not be lost in silence."""
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); "
    code = limited + f"from analyzer.__main__ import main; raise SystemExit(main(['check', {str(SHOP)!r}, '-q', '-f', 'json']))"
    with open(tmp_path / "report", "w") as file:
        done = subprocess.run([sys.executable, "-u", "-B", "-c", code], stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (2, "analyze: stdout cannot be written: File too large\n")


@pytest.mark.parametrize("command", ["check", "connectivity"])
def test_a_folder_that_is_not_there_is_a_message(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(SHOP), "-q", "-o", str(tmp_path / "nowhere" / "report")]) == 2
    assert "nowhere/report: cannot be written: No such file" in capsys.readouterr().err


def test_a_limit_on_files_is_a_message_and_leaves_no_half_report(tmp_path: Path) -> None:
    target = tmp_path / "report"
    limited = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); "
    code = (
        limited
        + f"from analyzer.__main__ import main; raise SystemExit(main(['check', {str(SHOP)!r}, '-q', '-o', {str(target)!r}]))"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, "File too large" in done.stderr, os.listdir(tmp_path)) == (2, True, [])


def test_two_writers_at_once_leave_one_of_both(tmp_path: Path) -> None:
    target = tmp_path / "report"
    code = "import sys; from analyzer.cli.writing import write; [write(sys.argv[1], sys.argv[2] * 100_000) for _ in range(20)]"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(target), letter], cwd=ROOT) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        if target.exists():
            text = target.read_text()
            assert text in ("a" * 100_000, "b" * 100_000)
        time.sleep(0.01)
    assert os.listdir(tmp_path) == ["report"]
