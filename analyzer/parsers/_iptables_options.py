"""The options of the match modules and targets of iptables rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzer.facts.matches import Match


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a module: its name without dashes, its values, and whether ``!`` stood before it (or before its value)."""

    name: str
    values: tuple[str, ...]
    negated: bool

    @property
    def value(self) -> str:
        """The only value."""
        return self.values[0]

    @property
    def text(self) -> str:
        """The option as it is written."""
        return " ".join(("!",) * self.negated + (f"--{self.name}", *self.values))


Options = Sequence[Option]
Maker = Callable[[Options, int], list[Match]]


def only(options: Options, name: str) -> Option:
    """The single option of this name; ValueError where there is another."""
    if len(options) != 1 or options[0].name != name:
        raise ValueError(f"expected only --{name}, not {' '.join(option.text for option in options)!r}")
    return options[0]


def named(options: Options, *names: str) -> Option:
    """The first option of these names; ValueError where there is none."""
    if found := [option for option in options if option.name in names]:
        return found[0]
    raise ValueError(f"expected --{' or --'.join(names)}")
