"""The parsers of all commands: how their help looks, for calls, shell completion and the manual page."""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser, HelpFormatter, _ArgumentGroup
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import NoReturn

from analyzer.cli.commands import COMMANDS, EPILOG

LOOK = partial(HelpFormatter, max_help_position=30)


CHOICE = re.compile(r"invalid choice: '?([^'\s]+)'? \(choose from (.*)\)")


class Parser(ArgumentParser):
    """A parser that says which word is probably meant."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with the usage and a message."""
        if found := CHOICE.search(message):
            from difflib import get_close_matches

            near = get_close_matches(found[1], re.findall(r"[\w.-]+", found[2]), 1)
            message += f"; did you mean {near[0]}?" if near else ""
        super().error(message)


def parser_of(name: str) -> ArgumentParser:
    """The parser of a command."""
    summary = COMMANDS[name]
    description = f"{summary[:1].upper()}{summary[1:]}."
    parser = Parser(prog=f"analyze {name}", description=description, epilog=EPILOG, formatter_class=LOOK)
    parser._positionals.title = "arguments"
    import_module(f"analyzer.cli.{name}").options(parser)
    if parser.usage is None:
        parser.usage = " ".join((parser.prog, *map(wanted, arguments(parser)), "[options]"))
    return parser


def wanted(argument: Action) -> str:
    """An argument in the line of usage: one that may be left out in brackets, several with dots."""
    word = placeholder(argument) or argument.dest
    return f"[{word}]" if argument.nargs == "?" else word + "…" if argument.nargs in ("+", "*") else word


def section(parser: ArgumentParser, title: str) -> _ArgumentGroup:
    """The part of a command's help with a title, for options that belong together."""
    return next((group for group in parser._action_groups if group.title == title), None) or parser.add_argument_group(title)


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
