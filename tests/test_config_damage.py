"""Objects and configurations whose values are of any type: the rules about them run to their end, and say the same twice."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzer.plugins import load_file
from analyzer.query.rules import INTERNAL, check
from analyzer.rule import Rule
from tests.captures import files_of, network_of

ROOT = Path(__file__).parent.parent
FOLDERS = ("cni", "systems", "ipam", "addresses", "overlay")
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "10.0.0.0/8",
    "fd00::/8",
    "::",
    "a,b;c",
    "%",
    [],
    ["x", 1],
    {},
    {"a": {}},
    "1" * 400,
)


def rules() -> tuple[Rule, ...]:
    """The rules of the folders that look at configuration."""
    return tuple(
        load_file(path, ROOT / "rules").RULE for name in FOLDERS for path in sorted((ROOT / "rules" / name).glob("*.py"))
    )


def samples() -> list[Path]:
    """Samples that are objects."""
    own = [
        ROOT / "samples" / "rules" / f"{path.stem}.bad.txt"
        for name in ("cni", "systems", "ipam")
        for path in sorted((ROOT / "rules" / name).glob("*.py"))
    ]
    return [path for path in [*own, *sorted((ROOT / "samples" / "ipam").glob("*.txt"))] if "-- k8s/" in path.read_text()]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at a path."""
    if not path:
        return new
    result = copy.copy(value)
    result[path[0]] = changed(value[path[0]], path[1:], new)
    return result


def odd_inside(text: str, dice: random.Random) -> str:
    """A JSON text with one value changed."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return json.dumps(changed(value, dice.choice(places(value)), dice.choice(ODD)))


def damaged(document: Any, dice: random.Random) -> Any:
    """A document with one value changed; of a JSON text, a value inside."""
    path = dice.choice([item for item in places(document) if item and item[0] not in ("apiVersion", "kind")] or [()])
    old = document
    for key in path:
        old = old[key]
    new = odd_inside(old, dice) if isinstance(old, str) and old.lstrip().startswith("{") else dice.choice(ODD)
    return changed(document, path, new)


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_no_rule_fails_on_values_of_another_type(path: Path, tmp_path: Path) -> None:
    dice = random.Random(path.stem)
    files = files_of(path.read_text())
    known = rules()
    for number in range(8):
        made = {}
        for name, text in files.items():
            if name.startswith("k8s/") and name.endswith((".yaml", ".json")):
                documents = [item for item in yaml.safe_load_all(text) if item is not None]
                chosen = dice.randrange(len(documents))
                made[name] = yaml.safe_dump_all(
                    [damaged(item, dice) if index == chosen else item for index, item in enumerate(documents)]
                )
            elif name != "want":
                made[name] = odd_inside(text, dice)
        network = network_of(made, tmp_path / str(number))
        found = check(network, rules=known)
        assert [one.message for one in found if one.rule == INTERNAL] == [], made
        assert found == check(network, rules=known)
