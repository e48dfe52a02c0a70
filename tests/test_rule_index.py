"""``analyzer/query/_rules.py`` says what the rules say, and which parts of an empty network each looks at; ``pytest --update`` writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer.query
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.query.needed import OF_CLUSTER, PARTS, WHOLE, concerned, needed_rules, there
from analyzer.query.rules import all_rules
from analyzer.rule import Rule
from tests.captures import files_of, network_of

INDEX = Path(analyzer.query.__file__).with_name("_rules.py")
SAMPLES = Path(__file__).parent.parent / "samples" / "rules"
HEAD = '''"""The shipped rules by id: severity, what each follows, its options, the parts of an empty network that it looks at, and whether it says what is not there. Made from the rules by ``pytest --update``.

So that a rule is imported only where something is there that it looks at (``needed.py``).
"""

from __future__ import annotations

from analyzer.rule import Options

INDEX: dict[str, tuple[str, tuple[str, ...], Options, tuple[str, ...], bool]] = {
'''
SEEN: set[str] = set()


class SeenNetwork(Network):
    """A network that remembers which of its parts are looked at."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> object:
        SEEN.add(name)
        return super().__getattribute__(name)


class SeenCluster(Cluster):
    """A cluster that remembers which of its parts are looked at."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> object:
        SEEN.add(f"{WHOLE}.{name}")
        return super().__getattribute__(name)


KEPT: list[Network] = []
"""Networks that live as long as the tests: what is known of one by its identity must not be taken to be known of the next."""


def looked_at(rule: Rule) -> tuple[str, ...]:
    """The parts of an empty network that a rule looks at; it finds nothing there."""
    KEPT.append(SeenNetwork({}, SeenCluster()))
    SEEN.clear()
    assert list(rule.check(KEPT[-1])) == []
    return tuple(sorted(SEEN & {*PARTS, *(f"{WHOLE}.{name}" for name in OF_CLUSTER)}))


def made() -> str:
    """The text of the index."""
    rows = (
        f"    {rule.id!r}: {(str(rule.severity), rule.follows, dict(rule.options), looked_at(rule), rule.absence)!r},\n"
        for rule in all_rules()
    )
    return HEAD + "".join(rows) + "}  # fmt: skip\n"


def test_the_index_says_what_the_rules_say(update: bool) -> None:
    if update:
        INDEX.write_text(made())
    assert INDEX.read_text() == made(), "pytest --update tests/test_rule_index.py writes it anew"


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.bad*.txt"))[::6], ids=lambda path: path.stem)
def test_a_rule_that_is_not_concerned_finds_nothing(path: Path, tmp_path: Path) -> None:
    files = files_of(path.read_text())
    files.pop("want")
    network = network_of(files, tmp_path)
    parts, rules = there(network), {rule.id: rule for rule in all_rules()}
    idle = [one.id for one in needed_rules() if not concerned(one, parts)]
    assert idle
    assert [finding for name in idle for finding in rules[name].check(network)] == []
    assert path.stem.partition(".")[0] not in idle
