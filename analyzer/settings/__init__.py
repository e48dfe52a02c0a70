"""The team's settings: ``analyzer.yaml``, or ``[tool.analyzer]`` in ``pyproject.toml``. ``schema.json`` beside this file describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.findings import Severity
from analyzer.query.ignoring.ignore import Ignore
from analyzer.source import Source, Span

Option = bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a team has settled. ``path`` is the file, as it is to be shown (empty: there is none), ``folder`` the folder that its paths are relative to.

    ``fail_on`` empty and ``strict``, ``assume_defaults`` None: not said. ``severities`` by patterns of rule ids, the last that fits counts; ``options``
    by rule id. ``exclude`` are patterns of paths that are not read. ``elsewhere`` are texts of objects that live elsewhere, ``elsewhere_paths`` files of
    such objects: they take part, and nothing is reported of them. ``intents`` are files, ``rules_from`` folders
    of the team's own rules, which are run only where ``--rules`` or ``--config`` names them: nothing that is merely found is run. ``source``: the text; ``places``: where its values stand."""

    path: str = ""
    folder: str = "."
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: str = ""
    strict: bool | None = None
    assume_defaults: bool | None = None
    cni: str = ""
    policy_switches: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    severities: tuple[tuple[str, Severity], ...] = ()
    options: Mapping[str, Mapping[str, Option]] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
    elsewhere: tuple[Source, ...] = ()
    elsewhere_paths: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    rules_from: tuple[str, ...] = ()
    source: Source | None = None
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict, compare=False, repr=False)

    def place(self, *path: str | int) -> str:
        """Where a value stands, or the nearest around it that is there; the file, where that is not known."""
        ends = range(len(path), -1, -1)
        return next((str(self.places[path[:end]]) for end in ends if path[:end] in self.places), self.path)
