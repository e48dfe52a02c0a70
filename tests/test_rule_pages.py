"""``docs/rules`` is what the rules' own files and samples say."""

from __future__ import annotations

import pytest

from tests.rule_pages import ABOUT, FOLDER, HOW, index, layers, page

LAYERS = layers()


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_a_page_says_what_its_rules_say(name: str, update: bool) -> None:
    held(f"{name}.md", page(name, LAYERS[name]), update)


def test_the_index_lists_every_rule(update: bool) -> None:
    held("INDEX.md", index(), update)


def test_every_folder_of_rules_is_introduced() -> None:
    assert sorted(ABOUT) == sorted(LAYERS)
    assert {path.stem for path in FOLDER.glob("*.md")} == {"INDEX", *LAYERS}


def held(name: str, text: str, update: bool) -> None:
    """The page is this text; with ``--update`` it becomes so."""
    path = FOLDER / name
    if update:
        path.write_text(text)
    assert path.read_text() == text, f"docs/rules/{name} is not what the rules say: {HOW}"
