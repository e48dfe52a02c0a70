"""``analyze check PATH…``: the guarantees and the rules that the input permits."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace

from analyzer.cli.caching import checked
from analyzer.cli.judging import OF_INTENTS, Judging, judged, judging, judging_options, rule_folders, since
from analyzer.cli.outputs import outputs_of
from analyzer.cli.parsers import section
from analyzer.cli.progress import Progress
from analyzer.cli.shared import elsewhere, fail, input_options, load, nothing, output_options, paths_from, sources, style_for
from analyzer.cli.telling import tell
from analyzer.cli.writing import write
from analyzer.display import counted
from analyzer.findings import Report, Severity, Verdict
from analyzer.pipeline import Input, status
from analyzer.query.rules import INTERNAL
from analyzer.report import Format, format_named, formats
from analyzer.report.rebasing import rebased
from analyzer.source import Gap

Outputs = list[tuple[Format, str | None]]
FOR_PEOPLE = ("text", "concise")
ROUNDS = 10  # Of edits, each of which may show what lies deeper.


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``check``."""
    input_options(parser)
    output_options(parser, tuple(formats()))
    judging_options(parser)
    work = section(parser, "work")
    work.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that may work at once")
    work.add_argument("--no-cache", action="store_true", help="keep nothing on the disk, and take nothing from there")
    work.add_argument(
        "--watch",
        action="store_true",
        help="check again when a file changes, or another tar archive comes on stdin, and say what appeared and disappeared",
    )
    fixing = section(parser, "mending").add_mutually_exclusive_group()
    fixing.add_argument("--fix", action="store_true", help="make the edits that are safe in the files, and report what is left")
    fixing.add_argument(
        "--diff", action="store_true", help="print these edits as a patch, and nothing else; exit status 1 where there are any"
    )


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Checks the input, writes each report that is asked for, and returns the exit status."""
    del parser
    try:
        outputs: Outputs = [(format_named(name), path) for name, path in outputs_of(options, formats())]
    except ValueError as problem:
        return fail(str(problem))
    if options.watch:
        return watching(options, outputs)
    progress = Progress(options.quiet)
    try:
        answer = answered(options, outputs, progress)
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    progress.end()
    if not isinstance(answer, Answer):
        return empty(options, outputs, answer)
    if options.diff:
        return patch(answer, options, progress)
    return shown(options, outputs, answer)


def watching(options: Namespace, outputs: Outputs) -> int:
    """``--watch``: looks again and again, at files as they change or at what comes on stdin."""
    from analyzer.capture.again import Again
    from analyzer.cli.streaming import stream
    from analyzer.cli.watching import watch

    if options.fix or options.diff or options.since:
        return fail("--watch is without --fix, --diff and --since")
    if "-" in options.paths:
        return stream(options, lambda: looked(options, outputs))
    options.again = Again()
    try:
        call = judging(options)
        others = (*call.not_in_input, *rule_folders(options, call.settings))
    except ValueError as problem:
        return fail(str(problem))
    return watch(options, lambda: looked(options, outputs), others)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, what came of it, and what counted."""

    given: Input
    report: Report
    call: Judging


def answered(options: Namespace, outputs: Outputs, progress: Progress) -> Answer | tuple[Gap, ...]:
    """Reads and checks the input; what of it could not be read, where there is nothing. ValueError, in words, for settings that cannot be taken."""
    call = judging(options)
    loaded, there = sources(options, progress, call.settings), elsewhere(call.settings)
    if not loaded.sources and not there:
        return loaded.gaps
    call = since(options, call, progress) if options.since else call
    if getattr(options, "edited", None):
        given = load(options, progress, call.settings)
        report = judged(given, call, progress, options.jobs)
    else:
        given, report = checked(options, call, progress, loaded, there, [format.name for format, _ in outputs])
    if options.fix:
        given, report = mended(given, report, options, call, progress)
    return Answer(given, report, call)


def mended(given: Input, report: Report, options: Namespace, call: Judging, progress: Progress) -> tuple[Input, Report]:
    """The input and its report after all edits that are safe: what stands inside of something misspelt is found, and mended, once that is right."""
    done = 0
    problems: dict[str, None] = {}
    for _ in range(ROUNDS):
        count = mend(report, options, problems)
        if not count:
            break
        done += count
        given = load(options, progress, call.settings)
        report = judged(given, call, progress, options.jobs)
    for problem in problems:
        tell(f"analyze: {problem}")
    if not options.quiet:
        tell(f"analyze: {counted(done, 'finding')} mended")
    return given, report


def shown(options: Namespace, outputs: Outputs, answer: Answer) -> int:
    """Writes the report in each format that is asked for; the exit status."""
    given, report, call = answer.given, answer.report, answer.call
    for format, path in outputs:
        ours = rebased(report, paths_from(options.paths, "."), call.not_in_input) if format.follows_paths else report
        style = style_for(options, to_file=path is not None)
        write(path, format.draw(ours, given.network, style) if format.draw else format.write(ours, style))
    if not options.quiet:
        tell(counts(report, given, call.settings.path))
        if (more := explained(report, call)) and not options.rules:
            tell(more)
        if not options.fix and (safe := safe_edits(report, options)):
            tell(f"`--fix` mends {counted(safe, 'finding')}, `--diff` shows how")
    return status(
        report, given, options.fail_on or call.settings.fail_on or "error", options.strict or bool(call.settings.strict)
    )


def empty(options: Namespace, outputs: Outputs, unreadable: tuple[Gap, ...]) -> int:
    """Where there is nothing to analyse, programs get a report with what could not be read; people are told on stderr."""
    for format, path in outputs if not options.diff else ():
        if path is not None or format.name not in FOR_PEOPLE:
            write(path, format.write(Report((), (), (), unreadable, ()), style_for(options, to_file=path is not None)))
    return nothing(unreadable)


def looked(options: Namespace, outputs: Outputs) -> Report | None:
    """One look of ``--watch``: the first writes the whole report, later ones files only. None, and a message, where the input cannot be checked."""
    wanted = [item for item in outputs if item[1] is not None or not getattr(options, "looked", False)]
    try:
        answer = answered(options, outputs, Progress(quiet=True))
    except ValueError as problem:
        options.status = fail(str(problem))
        return None
    if not isinstance(answer, Answer):
        options.status = nothing(answer)
        return Report((), (), (), answer, ())
    options.status = shown(options, wanted, answer)
    options.looked = True
    return rebased(answer.report, paths_from(options.paths, "."), answer.call.not_in_input)


def mend(report: Report, options: Namespace, problems: dict[str, None]) -> int:
    """Makes the edits of the findings; how many findings are mended. Adds what could not be done to ``problems``."""
    from analyzer.cli.fixing import fixes, write

    done = 0
    for item in fixes(report, paths_from(options.paths, "."), options.paths):
        if problem := item.problem or write(item):
            problems[f"{item.path}: not mended: {problem}"] = None
        else:
            done += item.count
    return done


def safe_edits(report: Report, options: Namespace) -> int:
    """How many findings ``--fix`` would mend in the files as they are; what came from an archive or from stdin is not mended."""
    if not any(item.fix and item.fix.edits for item in report.findings):
        return 0
    from analyzer.cli.fixing import fixes

    return sum(item.count for item in fixes(report, paths_from(options.paths, "."), options.paths) if not item.problem)


def patch(answer: Answer, options: Namespace, progress: Progress) -> int:
    """Prints the edits of the findings as a patch, those too that come to light once others are made; 1 where there are any."""
    from analyzer.cli import fixing

    base, report = paths_from(options.paths, "."), answer.report
    found: dict[str, fixing.Fixed] = {}
    for _ in range(ROUNDS):
        now = {path: item.mark + item.after for path, item in found.items()}
        more = [item for item in fixing.fixes(report, base, options.paths, now) if not item.problem]
        if not more:
            break
        found |= {item.path: replace(item, before=found.get(item.path, item).before) for item in more}
        options.texts = {path.removeprefix(base): (item.mark + item.after).encode() for path, item in found.items()}
        report = judged(load(options, progress, answer.call.settings), answer.call, progress, options.jobs)
    progress.end()
    sys.stdout.write("".join(fixing.patch(item) for _, item in sorted(found.items())))
    return 1 if found else 0


def counts(report: Report, given: Input, settings: str) -> str:
    """What was read, by which settings, and what came of it: a line for stderr."""
    parts = [counted(len(given.sources), "file"), *verdicts(report), findings(report)]
    parts += [f"{len(report.suppressed)} ignored"] if report.suppressed else []
    parts += [counted(len(report.gaps), "gap")]
    by = f" (settings: {settings})" if settings else ""
    return "; ".join(parts) + by


def explained(report: Report, call: Judging) -> str:
    """How the first finding is explained, as a line of its own; empty where there is none with a page that is ours."""
    if call.settings.rules_from:
        return ""
    first = next((item.rule for item in report.findings if item.rule not in (INTERNAL, *OF_INTENTS)), "")
    return f"`analyze rules {first}` explains the first finding" if first else ""


def verdicts(report: Report) -> list[str]:
    """How many guarantees are proved, refuted and undecided; nothing where none applies."""
    found = [item.verdict for item in report.guarantees if item.verdict is not Verdict.NOT_APPLICABLE]
    refuted = sum(item.fails for item in report.guarantees)
    proved, undecided = found.count(Verdict.PROVED), found.count(Verdict.UNDECIDED)
    return [f"guarantees: {proved} proved, {refuted} refuted, {undecided} undecided"] if found else []


def findings(report: Report) -> str:
    """How many findings of each severity there are."""
    found = [item.severity for item in report.findings]
    return ", ".join(counted(found.count(one), one.value) for one in Severity if one in found) or "no findings"
