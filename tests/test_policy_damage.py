"""Policies of every kind with values that nobody would write: something is said of each, nothing fails, and no rest is lost."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from analyzer.policy.factors import factors
from analyzer.policy.profiles import PROFILES, UNKNOWN_SYSTEM
from tests.policies import policies_of

SAMPLES = Path(__file__).parent.parent / "samples" / "policies"
FOLDERS = sorted(path for path in SAMPLES.iterdir() if (path / "objects.yaml").is_file())
JUNK: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "x",
    "10.0.0.0/8",
    0,
    -1,
    70000,
    True,
    1.5,
    [None],
    [[]],
    [{}],
    ["x"],
    {"x": "y"},
    {"key": []},
    "*",
)


def documents(folder: Path) -> list[Any]:
    """The objects of a sample."""
    return [item for item in yaml.safe_load_all((folder / "objects.yaml").read_text()) if item]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in an object, but for those that say what it is."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if (*path, key) not in (("apiVersion",), ("kind",)):
            yield (*path, key)
        yield from places(item, (*path, key))


def damaged(objects: list[Any], random: Random) -> list[Any]:
    """The objects with one to three values replaced."""
    found = copy.deepcopy(objects)
    for _ in range(random.randint(1, 3)):
        item = random.choice(found)
        if paths := list(places(item)):
            *way, last = random.choice(paths)
            for key in way:
                item = item[key]
            item[last] = copy.deepcopy(random.choice(JUNK))
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_damaged_objects_never_fail(folder: Path) -> None:
    random = Random(folder.name)
    usual = next((item for name, item in sorted(PROFILES.items()) if folder.name.startswith(f"{name}-")), UNKNOWN_SYSTEM)
    others = [PROFILES[path.suffixes[0][1:]] for path in sorted(folder.glob("verdicts.*.txt"))]
    objects = documents(folder)
    for number in range(25):
        system = (usual, *others)[number % (len(others) + 1)]
        found = damaged(objects, random)
        try:
            policies = policies_of(found, system)
            factors(policies)
        except Exception as problem:
            changed = [item for item, before in zip(found, objects, strict=True) if item != before]
            raise AssertionError(f"{type(problem).__name__} of {changed}") from problem
        assert all(item.message and item.at.line > 0 for item in policies.complaints)
