"""``analyze check PATH…``: the guarantees and the rules that the input permits."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection

from analyzer.cli.caching import checked
from analyzer.cli.judging import judged, judging, judging_options, since
from analyzer.cli.progress import Progress
from analyzer.cli.shared import elsewhere, fail, input_options, load, output_options, paths_from, sources, style_for
from analyzer.cli.writing import write
from analyzer.display import counted
from analyzer.findings import Report, Verdict
from analyzer.pipeline import Input, status
from analyzer.report import Format, format_named, formats
from analyzer.report.rebasing import rebased
from analyzer.source import Gap

ENDINGS = {".html": "html", ".json": "json", ".md": "markdown", ".sarif": "sarif"}


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``check``."""
    input_options(parser)
    output_options(parser, tuple(formats()))
    judging_options(parser)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that may work at once")
    parser.add_argument("--no-cache", action="store_true", help="keep nothing on the disk, and take nothing from there")
    fixing = parser.add_mutually_exclusive_group()
    fixing.add_argument("--fix", action="store_true", help="make the edits that are safe in the files, and report what is left")
    fixing.add_argument(
        "--diff", action="store_true", help="print these edits as a patch, and nothing else; exit status 1 where there are any"
    )


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Checks the input, writes each report that is asked for, and returns the exit status."""
    del parser
    outputs = outputs_of(options, formats())
    if isinstance(outputs, str):
        return fail(outputs)
    progress = Progress(options.quiet)
    try:
        call = judging(options)
        loaded, there = sources(options, progress, call.settings), elsewhere(call.settings)
        if not loaded.sources and not there:
            return nothing(loaded.gaps)
        call = since(options, call, progress) if options.since else call
        if getattr(options, "edited", None):
            given = load(options, progress, call.settings)
            report = judged(given, call, progress, options.jobs)
        else:
            given, report = checked(options, call, progress, loaded, there, [format.name for format, _ in outputs])
        if options.fix and mend(report, options):
            given = load(options, progress, call.settings)
            report = judged(given, call, progress, options.jobs)
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    progress.end()
    if options.diff:
        return patch(report, options)
    for format, path in outputs:
        shown = rebased(report, paths_from(options.paths, "."), call.not_in_input) if format.follows_paths else report
        style = style_for(options, to_file=path is not None)
        write(path, format.draw(shown, given.network, style) if format.draw else format.write(shown, style))
    if not options.quiet:
        print(counts(report, given, call.settings.path), file=sys.stderr)
    return status(
        report, given, options.fail_on or call.settings.fail_on or "error", options.strict or bool(call.settings.strict)
    )


def nothing(unreadable: tuple[Gap, ...]) -> int:
    """There is nothing to analyse."""
    for gap in unreadable:
        print(f"analyze: {gap.at.path}: {gap.reason}", file=sys.stderr)
    print("analyze: nothing to analyse was found in the input", file=sys.stderr)
    return 3


def mend(report: Report, options: Namespace) -> int:
    """Makes the edits of the findings; how many findings are mended."""
    from analyzer.cli.fixing import fixes, write

    done = 0
    for item in fixes(report, paths_from(options.paths, "."), options.paths):
        problem = item.problem or write(item)
        if problem:
            print(f"analyze: {item.path}: not mended: {problem}", file=sys.stderr)
        done += 0 if problem else item.count
    if not options.quiet:
        print(f"analyze: {counted(done, 'finding')} mended", file=sys.stderr)
    return done


def patch(report: Report, options: Namespace) -> int:
    """Prints the edits of the findings as a patch; 1 where there are any."""
    from analyzer.cli import fixing

    found = [item for item in fixing.fixes(report, paths_from(options.paths, "."), options.paths) if not item.problem]
    sys.stdout.write("".join(map(fixing.patch, found)))
    return 1 if found else 0


def outputs_of(options: Namespace, known: Collection[str]) -> list[tuple[Format, str | None]] | str:
    """The formats to write and where to; a message where an option makes no sense."""
    first = format_named(options.format or "text")
    outputs: list[tuple[Format, str | None]] = []
    for text in options.output:
        name, colon, path = text.partition(":")
        if colon and name in known:
            outputs.append((format_named(name), path))
        else:
            outputs.append((first if options.format else format_named(ENDINGS.get(os.path.splitext(text)[1], "text")), text))
    if any(path == "" for _, path in outputs):
        return "-o wants a file name"
    plain = any(not text.partition(":")[1] or text.partition(":")[0] not in known for text in options.output)
    return outputs if plain else [(first, None), *outputs]


def counts(report: Report, given: Input, settings: str) -> str:
    """One line for stderr: what was read, by which settings, and what came of it."""
    refuted = sum(guarantee.fails for guarantee in report.guarantees)
    proved = sum(guarantee.verdict is Verdict.PROVED for guarantee in report.guarantees)
    undecided = sum(guarantee.verdict is Verdict.UNDECIDED for guarantee in report.guarantees)
    ignored = f", {len(report.suppressed)} ignored" if report.suppressed else ""
    by = f" (settings: {settings})" if settings else ""
    return (
        f"{counted(len(given.sources), 'file')}; guarantees: {proved} proved, {refuted} refuted, {undecided} undecided; "
        f"{counted(len(report.findings), 'finding')}{ignored}, {counted(len(report.gaps), 'gap')}{by}"
    )
