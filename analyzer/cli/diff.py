"""``analyze diff OLD NEW``: what changes in meaning, with a flow for each change and the lines that decide it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module

from analyzer.cli.policy_options import policy_options, profile_for, with_names
from analyzer.cli.progress import Progress
from analyzer.cli.shared import fail, load, output_options, reading_options, style_for
from analyzer.cli.writing import write
from analyzer.comparing import compare
from analyzer.pipeline import Input
from analyzer.query.differences.comparison import Comparison

FORMATS = {"text": "differences", "json": "differences_json", "markdown": "differences_markdown"}


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``diff``."""
    parser.add_argument("old", metavar="OLD", help="the input before: a file, a directory, an archive")
    parser.add_argument("new", metavar="NEW", help="the input after")
    reading_options(parser)
    difference_options(parser)


def difference_options(parser: ArgumentParser) -> None:
    """The options of whatever answers with a difference."""
    policy_options(parser)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that may work at once")
    parser.add_argument(
        "--policies-only", action="store_true", help="of captures too, only who may talk to whom: no guarantees, no findings"
    )
    output_options(parser, tuple(FORMATS))


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Compares the two inputs; the exit status is 1 when they differ, 3 when that is not known."""
    del parser
    progress = Progress(options.quiet)
    inputs = []
    for path in (options.old, options.new):
        options.paths = [path]
        given = load(options, progress)
        if not given.sources:
            return nothing(path, given)
        inputs.append(given)
    return answer(options, inputs[0], inputs[1], (options.old, options.new), progress)


def nothing(path: str, given: Input) -> int:
    """Says that an input has nothing in it; a path that is not there is wrong usage."""
    for gap in given.unreadable:
        print(f"analyze: {gap.at.path}: {gap.reason}", file=sys.stderr)
    print(f"analyze: nothing to analyse was found in {path}", file=sys.stderr)
    return 3


def answer(options: Namespace, old: Input, new: Input, names: tuple[str, str], progress: Progress) -> int:
    """Compares, writes and counts; what ``diff`` and ``whatif`` have in common."""
    if any(":" in text and text.partition(":")[0] not in FORMATS for text in options.output):
        return fail(f"-o wants FILE or FORMAT:FILE with a format of {', '.join(FORMATS)}")
    try:
        old, new = with_names(options, old), with_names(options, new)
        profiles = profile_for(options, old), profile_for(options, new)
    except ValueError as problem:
        return fail(str(problem))
    found = compare(old, new, profiles, names, progress, options.jobs, policies_only=options.policies_only)
    progress.end()
    return written(options, found)


def written(options: Namespace, found: Comparison) -> int:
    """Writes the answer to wherever it is asked for."""
    outputs = [text.partition(":")[::2] if ":" in text else (options.format or "text", text) for text in options.output]
    plain = [text for text in options.output if ":" not in text]
    for name, path in [*([] if plain else [(options.format or "text", None)]), *outputs]:
        style = style_for(options, to_file=path is not None)
        write(path, import_module(f"analyzer.report.{FORMATS[name]}").write(found, style))
    return found.status
