"""``analyze check PATH…``: the guarantees and the rules that the input permits."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

import analyzer.report
from analyzer.cli.progress import Progress
from analyzer.cli.settings import settings_for, settings_options
from analyzer.cli.shared import elsewhere, fail, input_options, load, output_options, paths_from, style_for, write
from analyzer.findings import Report, Verdict
from analyzer.pipeline import Input, analyze, status
from analyzer.plugins import package_constants
from analyzer.query.ignoring.apart import Ignoring, without_ignored
from analyzer.query.ignoring.baseline import Baseline, baseline
from analyzer.query.rules import Tuning, untold, with_own
from analyzer.report import Format
from analyzer.report.rebasing import rebased
from analyzer.settings import Settings


def formats() -> dict[str, Format]:
    """The report formats by name."""
    return {format.name: format for format in package_constants(analyzer.report, "FORMAT", Format)}


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``check``."""
    input_options(parser)
    output_options(parser, tuple(formats()))
    settings_options(parser)
    parser.add_argument(
        "--fail-on", choices=("error", "warning", "note", "never"), help="what gives exit status 1 (default error)"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that may work at once")
    parser.add_argument("--strict", action="store_true", help="gaps give exit status 3 where nothing is worse")
    parser.add_argument(
        "--select", action="append", default=[], metavar="RULE", help="only these rules (repeatable, commas, prefixes with *)"
    )
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="not these rules")
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="FOLDER",
        help="rules of your own; they are Python, and are run (repeatable)",
    )
    parser.add_argument("--baseline", metavar="FILE", help="a report in JSON: what it has is known, and does not count")
    parser.add_argument("--since", metavar="REF", help="only what came since this commit counts; both sides are analysed whole")
    fixing = parser.add_mutually_exclusive_group()
    fixing.add_argument("--fix", action="store_true", help="make the edits that are safe in the files, and report what is left")
    fixing.add_argument(
        "--diff", action="store_true", help="print these edits as a patch, and nothing else; exit status 1 where there are any"
    )
    parser.add_argument("--no-ignores", action="store_true", help="comments, annotations and settings leave out nothing")


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Checks the input, writes each report that is asked for, and returns the exit status."""
    del parser
    known = formats()
    outputs = outputs_of(options, known)
    if isinstance(outputs, str):
        return fail(outputs)
    try:
        settings = settings_for(options)
        what = ignoring(options, settings)
    except ValueError as problem:
        return fail(str(problem))
    progress = Progress(options.quiet)
    given = load(options, progress, settings)
    if not given.sources:
        for gap in given.unreadable:
            print(f"analyze: {gap.at.path}: {gap.reason}", file=sys.stderr)
        print("analyze: nothing to analyse was found in the input", file=sys.stderr)
        return 3
    try:
        what = replace(what, baseline=since(options, settings, what, progress) if options.since else what.baseline)
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    report = judged(given, settings, what, progress, options.jobs)
    if options.fix and mend(report, options):
        given = load(options, progress, settings)
        report = judged(given, settings, what, progress, options.jobs)
    progress.end()
    if options.diff:
        return patch(report, options)
    for format, path in outputs:
        base, but = paths_from(options.paths, "."), frozenset({settings.path, *settings.elsewhere_paths})
        shown = rebased(report, base, but) if format.follows_paths else report
        write(path, format.write(shown, style_for(options, to_file=path is not None)))
    if not options.quiet:
        print(counts(report, given, settings), file=sys.stderr)
    fail_on = options.fail_on or settings.fail_on or "error"
    return status(report, given, fail_on, options.strict or bool(settings.strict))


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
        print(f"analyze: {done} findings mended", file=sys.stderr)
    return done


def patch(report: Report, options: Namespace) -> int:
    """Prints the edits of the findings as a patch; 1 where there are any."""
    from analyzer.cli import fixing

    found = [item for item in fixing.fixes(report, paths_from(options.paths, "."), options.paths) if not item.problem]
    sys.stdout.write("".join(map(fixing.patch, found)))
    return 1 if found else 0


def judged(given: Input, settings: Settings, what: Ignoring, progress: Progress, jobs: int) -> Report:
    """The report, without what does not count."""
    report = analyze(given, what.select, what.ignore, progress, jobs, rules=what.rules, tuning=what.tuning)
    return without_ignored(without_elsewhere(report, settings), given.network, what)


def since(options: Namespace, settings: Settings, what: Ignoring, progress: Progress) -> Baseline:
    """What the input had at an earlier commit, with what the baseline has. ValueError, in words, where that cannot be known."""
    from analyzer.cli.since import as_of

    there = elsewhere(settings)
    with as_of(options.since, options.paths):
        given = load(options, progress, settings, there)
        report = judged(given, settings, what, progress, options.jobs)
    return baseline(options.since, formats()["json"].write(report, style_for(options, to_file=True)))


def ignoring(options: Namespace, settings: Settings) -> Ignoring:
    """What runs and what does not count, by the options and the settings. ValueError, in words, where they say what cannot be."""
    rules = with_own(own_rules(options, settings))
    tuning = Tuning(settings.severities, settings.options)
    if wrong := "\n".join(f"{settings.path}: {problem}" for problem in untold(tuning, rules)):
        raise ValueError(wrong)
    return Ignoring(
        () if options.no_ignores else settings.ignores,
        earlier(options.baseline),
        not options.no_ignores,
        names(options.select) or settings.select,
        (*names(options.ignore), *settings.ignore),
        rules,
        tuning,
        paths_from(options.paths, settings.folder),
    )


def own_rules(options: Namespace, settings: Settings) -> list[Path]:
    """The folders of the team's own rules. Those that settings name count where the settings were named: nothing that was merely found is run."""
    named = [Path(settings.folder, folder) for folder in settings.rules_from]
    if named and not options.config:
        listed = " ".join(f"--rules {folder}" for folder in named)
        print(f"analyze: {settings.path}: rules-from is run with --config {settings.path} or {listed} only", file=sys.stderr)
    return [*(Path(folder) for folder in options.rules), *(named if options.config else ())]


def earlier(path: str | None) -> Baseline | None:
    """The baseline in a file. ValueError, in words, where there is none."""
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return baseline(path, file.read())
    except OSError as problem:
        raise ValueError(f"{path}: {problem.strerror or problem}") from None


def without_elsewhere(report: Report, settings: Settings) -> Report:
    """The report without the findings about objects that live elsewhere, and with the text of the settings among its sources."""
    if settings.source is not None:
        others = (source for source in report.sources if source.path != settings.path)
        report = replace(report, sources=(*others, settings.source))
    paths = {source.path for source in settings.elsewhere} | set(settings.elsewhere_paths)
    return replace(report, findings=tuple(item for item in report.findings if item.at.path not in paths)) if paths else report


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


def counts(report: Report, given: Input, settings: Settings) -> str:
    """One line for stderr: what was read, by which settings, and what came of it."""
    refuted = sum(guarantee.fails for guarantee in report.guarantees)
    proved = sum(guarantee.verdict is Verdict.PROVED for guarantee in report.guarantees)
    undecided = sum(guarantee.verdict is Verdict.UNDECIDED for guarantee in report.guarantees)
    ignored = f", {len(report.suppressed)} ignored" if report.suppressed else ""
    by = f" (settings: {settings.path})" if settings.path else ""
    return (
        f"{len(given.sources)} files; guarantees: {proved} proved, {refuted} refuted, {undecided} undecided; "
        f"{len(report.findings)} findings{ignored}, {len(report.gaps)} gaps{by}"
    )
