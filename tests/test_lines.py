"""The lines of a text, looked up one by one, are those that cutting it gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from analyzer import source
from analyzer.source import PIECE, Source


@given(st.lists(st.sampled_from(["\n", "\n\n", "a", "b\r\n", "x" * 100, "y" * (PIECE - 1), "z" * PIECE]), max_size=60))  # type: ignore[untyped-decorator]
def test_lines_are_found_at_their_numbers(parts: list[str]) -> None:
    text = "".join(parts)
    lines = text.split("\n")
    found = [Source("f", text).line(number) for number in range(-1, len(lines) + 3)]
    assert found == ["", "", *(line.rstrip("\r") for line in lines), "", ""]


def test_a_line_far_down_is_found() -> None:
    text = "".join(f"line {number}\n" for number in range(1, 200_001))
    assert [source.Source("f", text).line(number) for number in (1, 150_000, 200_000, 200_001)] == [
        "line 1",
        "line 150000",
        "line 200000",
        "",
    ]
