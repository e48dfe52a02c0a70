"""``analyze check PATH…``: the guarantees and the rules that the input permits."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

import analyzer.report
from analyzer.cli.progress import Progress
from analyzer.cli.shared import fail, input_options, load, output_options, style_for, write
from analyzer.findings import Report, Verdict
from analyzer.pipeline import Input, analyze, status
from analyzer.plugins import package_constants
from analyzer.report import Format


def formats() -> dict[str, Format]:
    """The report formats by name."""
    return {format.name: format for format in package_constants(analyzer.report, "FORMAT", Format)}


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``check``."""
    input_options(parser)
    output_options(parser, tuple(formats()))
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "note", "never"), default="error", help="what gives exit status 1"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that may work at once")
    parser.add_argument("--strict", action="store_true", help="gaps give exit status 3 where nothing is worse")
    parser.add_argument(
        "--select", action="append", default=[], metavar="RULE", help="only these rules (repeatable, commas, prefixes with *)"
    )
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="not these rules")


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Checks the input, writes each report that is asked for, and returns the exit status."""
    del parser
    known = formats()
    outputs = outputs_of(options, known)
    if isinstance(outputs, str):
        return fail(outputs)
    progress = Progress(options.quiet)
    given = load(options, progress)
    if not given.sources:
        for gap in given.unreadable:
            print(f"analyze: {gap.at.path}: {gap.reason}", file=sys.stderr)
        print("analyze: nothing to analyse was found in the input", file=sys.stderr)
        return 3
    report = analyze(given, names(options.select), names(options.ignore), progress, options.jobs)
    progress.end()
    for format, path in outputs:
        write(path, format.write(report, style_for(options, to_file=path is not None)))
    if not options.quiet:
        print(counts(report, given), file=sys.stderr)
    return status(report, given, options.fail_on, options.strict)


def names(given: list[str]) -> tuple[str, ...]:
    """Rule names, given one by one or with commas."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())


def outputs_of(options: Namespace, known: dict[str, Format]) -> list[tuple[Format, str | None]] | str:
    """The formats to write and where to; a message where an option makes no sense."""
    first = known[options.format or "text"]
    outputs: list[tuple[Format, str | None]] = []
    for text in options.output:
        name, colon, path = text.partition(":")
        if colon and name in known:
            outputs.append((known[name], path))
        else:
            outputs.append((first, text))
    if any(path == "" for _, path in outputs):
        return "-o wants a file name"
    plain = any(not text.partition(":")[1] or text.partition(":")[0] not in known for text in options.output)
    return outputs if plain else [(first, None), *outputs]


def counts(report: Report, given: Input) -> str:
    """One line for stderr: what was read and what came of it."""
    refuted = sum(guarantee.verdict is Verdict.REFUTED for guarantee in report.guarantees)
    proved = sum(guarantee.verdict is Verdict.PROVED for guarantee in report.guarantees)
    undecided = sum(guarantee.verdict is Verdict.UNDECIDED for guarantee in report.guarantees)
    return (
        f"{len(given.sources)} files; guarantees: {proved} proved, {refuted} refuted, {undecided} undecided; "
        f"{len(report.findings)} findings, {len(report.gaps)} gaps"
    )
