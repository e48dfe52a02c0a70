"""The command line: arguments, files, printing, exit status. One file per command, imported when it is called."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from importlib import import_module

from analyzer import __version__
from analyzer.cli.commands import COMMANDS, EPILOG
from analyzer.cli.parsers import flags, parser_of
from analyzer.cli.telling import tell, tell_lines

DESCRIPTION = """\
Says what packets do in a Kubernetes cluster, from files alone: proves its network guarantees, or shows the packet that breaks them.

  analyze k8s/                     manifests, charts, kustomizations: what is wrong before anything runs
  analyze dump/                    a capture of a cluster: directories, archives, files, - for stdin
  analyze trace dump/ --from NS/POD --to NS/POD --port 80/TCP
  analyze collect > collect.sh     the script to run as root on each node
"""


def run(arguments: list[str]) -> int:
    """Parses the arguments and runs the command; returns the exit status of CONTRACT: 0, 1, 2 or 3."""
    name, rest = command_of(arguments)
    if name is None:
        overview().print_help(sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    parser = parser_of(name)
    if name == "whatif" and "--" in rest:
        place = rest.index("--")
        parser.set_defaults(then=rest[place + 1 :])
        rest = rest[:place]
    return guarded(import_module(f"analyzer.cli.{name}").run, parser, rest)


def command_of(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The command's name and its arguments; ``check`` where a path stands in its place."""
    if not arguments or arguments[0] in ("-h", "--help"):
        return None, []
    if arguments[0] == "--version":
        print(f"analyze {__version__}")
        raise SystemExit(0)
    if arguments[0] in COMMANDS:
        return arguments[0], arguments[1:]
    if near := misspelt(arguments[0]):
        tell(f"analyze: there is no file or command {arguments[0]!r}; did you mean {near}?")
        raise SystemExit(2)
    return "check", arguments


def misspelt(word: str) -> str:
    """The command that a word is nearly, where it is no option and nothing of that name is there; else empty."""
    if word.startswith("-") or os.path.exists(word):
        return ""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, COMMANDS, 1, 0.75)), "")


def overview() -> ArgumentParser:
    """The parser behind ``analyze --help``."""
    parser = ArgumentParser(
        prog="analyze",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        usage="analyze [COMMAND] PATH… [options]",
    )
    group = parser.add_argument_group("commands (analyze COMMAND --help says more)")
    for name, summary in COMMANDS.items():
        group.add_argument(name, nargs="?", help=summary)
    return parser


def no_option(parser: ArgumentParser, text: str) -> str:
    """That a word is no option of the command, with the one that it is nearly."""
    from difflib import get_close_matches

    known = [name for action in flags(parser) for name in action.option_strings]
    near = get_close_matches(text.partition("=")[0], known, 1)
    meant = f"did you mean {near[0]}?" if near else f"`{parser.prog} --help` lists the options"
    return f"{parser.prog}: there is no option {text}; {meant}"


def guarded(command: object, parser: ArgumentParser, arguments: list[str]) -> int:
    """Runs a command; a reader that went away and an interrupt end it without a traceback."""
    from analyzer.cli.shared import Unusable
    from analyzer.cli.writing import Unwritable, forget_output, is_full

    assert callable(command)
    options: Namespace
    options, strange = parser.parse_known_intermixed_args(arguments)
    if strange:
        tell(no_option(parser, strange[0]))
        return 2
    try:
        status = command(options, parser)
        if not sys.stdout.closed:  # A language server's library closes it.
            sys.stdout.flush()
    except BrokenPipeError:
        forget_output()
        return 2
    except OSError as problem:
        if not is_full(problem):
            raise
        forget_output()
        tell(f"analyze: not all was written: {problem.strerror}")
        return 2
    except (Unusable, Unwritable) as problem:
        tell_lines(f"analyze: {problem}")
        return 2
    except KeyboardInterrupt:
        tell("analyze: interrupted")
        return 2
    assert isinstance(status, int)
    return status
