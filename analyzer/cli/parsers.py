"""The parsers of all commands: for shell completion and the manual page."""

from __future__ import annotations

from argparse import Action, ArgumentParser
from collections.abc import Iterator
from importlib import import_module

from analyzer.cli.commands import COMMANDS


def parser_of(name: str) -> ArgumentParser:
    """The parser of a command."""
    parser = ArgumentParser(prog=f"analyze {name}", description=COMMANDS[name])
    import_module(f"analyzer.cli.{name}").options(parser)
    return parser


def flags(parser: ArgumentParser) -> Iterator[Action]:
    """The options of a parser, each once."""
    return (action for action in parser._actions if action.option_strings)


def arguments(parser: ArgumentParser) -> Iterator[Action]:
    """The arguments of a parser that are no options."""
    return (action for action in parser._actions if not action.option_strings)


def placeholder(action: Action) -> str:
    """What stands for an action's value: empty where it takes none."""
    if action.nargs == 0:
        return ""
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
