"""Every command has its page in ``docs/commands``, with its options as its own help has them."""

from __future__ import annotations

import re
from argparse import Action
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.cli.commands import COMMANDS
from analyzer.cli.parsers import arguments, flags, parser_of, placeholder

FOLDER = Path(__file__).parent.parent / "docs" / "commands"
OPTIONS = re.compile(r"(?<=<!-- options -->\n).*?(?=<!-- end -->)", re.DOTALL)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_page_has_the_options_of_its_command(name: str, update: bool) -> None:
    path = FOLDER / f"{name}.md"
    assert path.exists(), (
        f"docs/commands/{name}.md is missing: what the command is for, an example, <!-- options -->, <!-- end -->"
    )
    text = path.read_text()
    assert OPTIONS.search(text), f"{path.name} has no <!-- options --> with <!-- end --> after it"
    found = OPTIONS.sub(lambda _: "\n".join(table(name)) + "\n", text)
    if update:
        path.write_text(found)
    assert found == path.read_text(), f"options of {name} are others: pytest --update tests/test_command_pages.py"


def test_every_page_is_of_a_command() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == set(COMMANDS)


def table(name: str) -> Iterator[str]:
    """The arguments and options of a command, a line for each."""
    parser = parser_of(name)
    yield "| option | what it does |"
    yield "|---|---|"
    yield from (row(f"`{action.metavar or placeholder(action) or action.dest}`", action) for action in arguments(parser))
    for action in flags(parser):
        value = f" {placeholder(action)}" if placeholder(action) else ""
        yield row(", ".join(f"`{text}{value}`" for text in action.option_strings), action)


def row(name: str, action: Action) -> str:
    """A line of the table."""
    cells = (name, (action.help or "").replace("%%", "%"))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
