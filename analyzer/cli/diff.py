"""``analyze diff OLD NEW``: what changes in meaning, with a flow for each change and the lines that decide it."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from importlib import import_module

from analyzer.cli.outputs import TOLD, outputs_of
from analyzer.cli.policy_options import policy_options, profile_for, with_names
from analyzer.cli.progress import Progress
from analyzer.cli.shared import (
    fail,
    load,
    nothing,
    output_options,
    paths_from,
    reading_options,
    status_of,
    status_options,
    style_for,
)
from analyzer.cli.writing import write
from analyzer.comparing import compare
from analyzer.pipeline import Input
from analyzer.query.differences.comparison import Comparison
from analyzer.report.style import Style

OWN = {"text": "differences", "json": "differences_json", "markdown": "differences_markdown"}
FORMATS = (*OWN, *(name for name in TOLD if name not in OWN))


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
    status_options(parser)
    output_options(parser, FORMATS)


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Compares the two inputs; the exit status is 1 when they differ, 3 when that is not known."""
    del parser
    progress = Progress(options.quiet)
    inputs = []
    for path in (options.old, options.new):
        options.paths = [path]
        given = load(options, progress)
        if not given.sources:
            progress.end()
            return nothing(given.unreadable, path)
        inputs.append(given)
    return answer(options, inputs[0], inputs[1], (options.old, options.new), progress)


def answer(options: Namespace, old: Input, new: Input, names: tuple[str, str], progress: Progress) -> int:
    """Compares, writes and counts; what ``diff`` and ``whatif`` have in common."""
    try:
        outputs = outputs_of(options, FORMATS)
        old, new = with_names(options, old), with_names(options, new)
        profiles = profile_for(options, old), profile_for(options, new)
    except ValueError as problem:
        return fail(str(problem))
    found = compare(old, new, profiles, names, progress, options.jobs, policies_only=options.policies_only)
    progress.end()
    for name, path in outputs:
        write(path, written(name, options, found, (old, new), style_for(options, to_file=path is not None)))
    return status_of(options, found.status, new)


def written(name: str, options: Namespace, found: Comparison, inputs: tuple[Input, Input], style: Style) -> str:
    """The answer in a format."""
    if name in OWN:
        text: str = import_module(f"analyzer.report.{OWN[name]}").write(found, style)
        return text
    from analyzer.report import told
    from analyzer.report.told_differences import told as parts

    old, new = ([options.old], [options.new]) if "old" in options else (options.paths, options.paths)
    bases = paths_from(old, "."), paths_from(new, ".")
    return told.write(name, parts(found, (inputs[0].sources, inputs[1].sources), bases), style)
