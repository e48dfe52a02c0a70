"""``--dns FILE``: the addresses of names that policies mention."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.__main__ import main

OBJECTS = str(Path(__file__).parent.parent / "samples" / "policies" / "cnp-names" / "objects.yaml")
ASKED = ("--from", "app/web", "--to", "203.0.113.9", "--port", "81")


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_an_address_of_a_name_settles_what_is_open(tmp_path: Path) -> None:
    told = tmp_path / "names"
    told.write_text("203.0.113.9 some.example.com\n")
    assert run("trace", OBJECTS, *ASKED) == 3
    assert run("trace", OBJECTS, *ASKED, "--dns", str(told)) == 0
    told.write_text("203.0.113.9 some.example.org\n")
    assert run("trace", OBJECTS, *ASKED, "--dns", str(told)) == 1


def test_what_is_no_name_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = tmp_path / "names"
    told.write_text("203.0.113.9 some.example.com\n203.0.113.999 other.example.com\n")
    assert run("ask", OBJECTS, "can app/web reach 203.0.113.9 on TCP/81?", "--dns", str(told)) == 3
    assert f"{told}: '203.0.113.999'" in capsys.readouterr().err
    assert run("connectivity", OBJECTS, "--dns", str(tmp_path / "absent")) == 2
