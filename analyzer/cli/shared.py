"""Options, input and output that the commands have in common."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from analyzer.capture import Loaded
from analyzer.capture import load as read_sources
from analyzer.capture.choices import Rendering
from analyzer.cli.parsers import section
from analyzer.cli.progress import Progress
from analyzer.cli.settings import settings_for, settings_options
from analyzer.cli.telling import tell, tell_lines
from analyzer.pipeline import Input, built
from analyzer.query.ignoring.ignore import glob
from analyzer.report.style import Style
from analyzer.settings import Settings
from analyzer.source import Gap, Source


class Unusable(Exception):
    """Something in the call or the settings that cannot be taken, in words for the person who made them."""


def input_options(parser: ArgumentParser) -> None:
    """Adds PATH… and how the input is read."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, a directory, an archive, or - for stdin")
    reading_options(parser)


def reading_options(parser: ArgumentParser) -> None:
    """Adds how the input is read, and where the settings are."""
    group = section(parser, "input")
    group.add_argument(
        "--assume-defaults",
        action="store_true",
        help="what was not captured is as the kernel has it by default (no netfilter rules, no forwarding); verdicts say so",
    )
    group.add_argument(
        "--render",
        choices=("auto", "off"),
        default="auto",
        help="charts and kustomizations by your own helm and kubectl (default auto)",
    )
    group.add_argument(
        "--values", action="append", default=[], metavar="FILE", help="values for charts, as helm takes them (repeatable)"
    )
    settings_options(parser)


def output_options(parser: ArgumentParser, formats: tuple[str, ...]) -> None:
    """Adds the format, the output file, colour and verbosity."""
    group = section(parser, "output")
    others = ", ".join(name for name in formats if name != "text")
    group.add_argument("-f", "--format", choices=formats, metavar="FORMAT", help=f"text (default), {others}")
    group.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="[FORMAT:]FILE",
        help="write to a file, whose ending says the format where none is named (repeatable)",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour: auto (default) on a terminal only, without NO_COLOR",
    )
    group.add_argument("-q", "--quiet", action="store_true", help="no progress and no counts on stderr")
    group.add_argument("-v", "--verbose", action="store_true", help="every hop, gap and assumption")


def status_options(parser: ArgumentParser) -> None:
    """Adds what decides over the exit status of commands whose answer is one for all: see ``status_of``."""
    group = section(parser, "what counts")
    group.add_argument(
        "--fail-on",
        choices=("error", "warning", "note", "never"),
        help="never: what is wrong, or differs, does not give exit status 1",
    )
    group.add_argument("--strict", action="store_true", help="gaps give exit status 3 where nothing is worse")


def status_of(options: Namespace, status: int, given: Input) -> int:
    """The exit status, as the options have it."""
    if status == 1 and options.fail_on == "never":
        status = 0
    return 3 if status == 0 and options.strict and given.gaps else status


def load(
    options: Namespace, progress: Progress, settings: Settings | None = None, more: tuple[Source, ...] | None = None
) -> Input:
    """Reads the input of the command: what its paths hold and the settings do not exclude, and the objects that live elsewhere (``more``, where
    they have been read). Without ``settings`` they are found here, and stay in ``options.settings``. Unusable where they cannot be taken."""
    settings = options.settings = settings or found_settings(options)
    loaded = sources(options, progress, settings)
    assumed = options.assume_defaults or bool(settings.assume_defaults)
    given = built(loaded, elsewhere(settings) if more is None else more, assume_defaults=assumed, progress=progress)
    return with_edits(given, options) if getattr(options, "edited", None) else given


def sources(options: Namespace, progress: Progress, settings: Settings) -> Loaded:
    """The texts of the command's input."""
    return read_sources(
        tuple(options.paths),
        getattr(options, "streamed", sys.stdin.buffer) if "-" in options.paths else None,
        lambda done, total: progress("reading files", done, total),
        excluded(settings, paths_from(options.paths, settings.folder)),
        Rendering(tuple(options.values), options.render == "auto"),
        getattr(options, "texts", None),
        getattr(options, "again", None),
    )


def found_settings(options: Namespace) -> Settings:
    """The settings of the call."""
    try:
        return settings_for(options)
    except ValueError as problem:
        raise Unusable(str(problem)) from None


def elsewhere(settings: Settings) -> tuple[Source, ...]:
    """The objects that live elsewhere, those in files too; what of these cannot be read is said on stderr. Unusable where nothing of a path can:
    what it has would count as missing."""
    found = list(settings.elsewhere)
    for index, name in enumerate(settings.elsewhere_paths):
        loaded = read_sources((os.path.join(settings.folder, name),))
        if not loaded.sources:
            why = "; ".join(dict.fromkeys(gap.reason for gap in loaded.gaps)) or "there is nothing in it that is read"
            raise Unusable(f"{settings.place('assume', 'paths', index)}: {name}: {why}")
        found += [replace(source, path=name) for source in loaded.sources]
        for gap in loaded.gaps:
            tell(f"analyze: {settings.place('assume', 'paths', index)}: {name}: {gap.reason}")
    return tuple(found)


def excluded(settings: Settings, prefix: str) -> Callable[[str], bool] | None:
    """Whether the settings exclude a path of the input; None where they exclude nothing."""
    if not settings.exclude:
        return None
    patterns = [glob(pattern) for pattern in settings.exclude]
    return lambda path: any(pattern.fullmatch(prefix + path) for pattern in patterns)


def paths_from(paths: Sequence[str], folder: str) -> str:
    """What stands before a path of the input to make it one that is relative to the settings' folder: sources of one directory are named from inside it."""
    inside = os.path.relpath(paths[0], folder) if len(paths) == 1 and os.path.isdir(paths[0]) else "."
    if len(paths) != 1 and folder != ".":
        inside = os.path.relpath(".", folder)
    return "" if inside == "." else inside + "/"


def with_edits(given: Input, options: Namespace) -> Input:
    """The input as it would be after the edits of ``whatif … -- COMMAND``."""
    from analyzer.comparing import after

    return after(given, options.edited)


def style_for(options: Namespace, *, to_file: bool) -> Style:
    """Colour on a terminal only, unless it is asked for; NO_COLOR is honoured."""
    terminal = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    color = options.color == "always" or (options.color == "auto" and terminal and not to_file)
    return Style(color=color, verbose=options.verbose, width=terminal_width())


def terminal_width() -> int:
    """The width to write for: the terminal's, else 120."""
    try:
        return max(60, min(os.get_terminal_size(sys.stdout.fileno()).columns, 160))
    except (OSError, ValueError):
        return 120


def tell_unread(unreadable: Iterable[Gap]) -> None:
    """Says on stderr what of the input could not be read."""
    for gap in unreadable:
        tell(f"analyze: {gap.at.path}: {gap.reason}")


def nothing(unreadable: Iterable[Gap], where: str = "the input") -> int:
    """Says on stderr that there is nothing to analyse, and what could not be read; the exit status for it."""
    tell_unread(unreadable)
    tell(f"analyze: nothing to analyse was found in {where}")
    return 3


def fail(message: str) -> int:
    """Says on stderr what is wrong with the call; the exit status for it."""
    tell_lines(f"analyze: {message}")
    return 2
