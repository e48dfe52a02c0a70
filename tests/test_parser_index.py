"""``analyzer/parsers/_index.py`` says what the parsers say; ``pytest --update`` writes it."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import analyzer.parsers
from analyzer.capture.recognise import told

INDEX = Path(analyzer.parsers.__file__).with_name("_index.py")
HEAD = '''"""The parsers by the names of their modules: the kind, the patterns of file names, and that of the text with its flags. Made from the parsers by ``pytest --update``.

So that a file is recognised, and read, without importing the parsers of all other kinds. A module that is not here yet is imported to see.
"""

from __future__ import annotations

INDEX: dict[str, tuple[str, tuple[str, ...], str, int]] = {
'''


def made() -> str:
    """The text of the index."""
    names = sorted(info.name for info in pkgutil.iter_modules(analyzer.parsers.__path__) if not info.name.startswith("_"))
    rows = (f"    {name!r}: {told(name)!r},\n" for name in names)
    return HEAD + "".join(rows) + "}  # fmt: skip\n"


def test_the_index_says_what_the_parsers_say(update: bool) -> None:
    if update:
        INDEX.write_text(made())
    wrong = [line for line in INDEX.read_text().splitlines()[len(HEAD.splitlines()) : -1] if line not in made().splitlines()]
    assert wrong == [], "pytest --update tests/test_parser_index.py writes it anew"
