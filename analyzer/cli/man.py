"""``analyze man``: the manual page, in roff, made of the commands' own help."""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Iterator

from analyzer import __version__
from analyzer.cli.commands import COMMANDS, EPILOG
from analyzer.cli.parsers import arguments, flags, parser_of, placeholder

ABOUT = """\
.B analyze
proves the Kubernetes network guarantees on captured node state, or shows the packet that breaks them, and checks manifests before a merge. It reads files and never contacts a cluster.
.PP
A
.I PATH
is a file, a directory, an archive, or
.B \\-
for stdin; manifests, CNI configuration and captured node state, in any mixture. Without a command,
.B check
is meant.
"""
FILES = """\
.TP
.I analyzer.yaml
settings, in the current folder or the nearest above it, up to the repository's top; also .analyzer.yaml, and [tool.analyzer] in pyproject.toml
"""


def options(parser: ArgumentParser) -> None:
    """There are none."""
    del parser


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Prints the page."""
    del options, parser
    sys.stdout.write(page())
    return 0


def page() -> str:
    """The page."""
    lines = [
        f'.TH ANALYZE 1 "" "analyze {__version__}" "User Commands"',
        ".SH NAME",
        "analyze \\- analysis of Kubernetes networking",
    ]
    lines += [
        ".SH SYNOPSIS",
        ".B analyze",
        "[\\fICOMMAND\\fR] \\fIPATH\\fR... [\\fIoptions\\fR]",
        ".SH DESCRIPTION",
        ABOUT.rstrip(),
    ]
    lines.append(".SH COMMANDS")
    for name, summary in COMMANDS.items():
        lines += command(name, summary)
    lines += [".SH EXIT STATUS", escaped(EPILOG.removeprefix("exit status: ").capitalize()) + ".", ".SH FILES", FILES.rstrip()]
    return "\n".join(lines) + "\n"


def command(name: str, summary: str) -> Iterator[str]:
    """The section of a command."""
    parser = parser_of(name)
    words = " ".join(f"\\fI{escaped(placeholder(action) or action.dest)}\\fR" for action in arguments(parser))
    yield f".SS analyze {escaped(name)} {words}".rstrip()
    yield escaped(summary[:1].upper() + summary[1:]) + "."
    for action in flags(parser):
        yield from option(action)


def option(action: Action) -> Iterator[str]:
    """An option with its help."""
    value = f" \\fI{escaped(placeholder(action))}\\fR" if placeholder(action) else ""
    yield ".TP"
    yield ", ".join(f"\\fB{escaped(text)}\\fR{value}" for text in action.option_strings)
    yield escaped((action.help or "").replace("%%", "%"))


def escaped(text: str) -> str:
    """Text as roff takes it: no escapes, no requests, dashes that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\\&" + text if text.startswith((".", "'")) else text
