"""What a call of ``check`` counts: its rules, its settings, the team's intents, and what is left out of the report."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.capture.limits import FILE_BYTES
from analyzer.cli.parsers import section
from analyzer.cli.progress import Progress
from analyzer.cli.settings import settings_for
from analyzer.cli.shared import elsewhere, load, paths_from, style_for
from analyzer.cli.telling import tell
from analyzer.cli.texts import text_now, text_of
from analyzer.findings import Report
from analyzer.pipeline import Input, analyze
from analyzer.query.ignoring.about import UNEXPLAINED, UNUSED
from analyzer.query.ignoring.apart import Ignoring, without_ignored
from analyzer.query.ignoring.baseline import Baseline, baseline
from analyzer.query.needed import needed_rules
from analyzer.query.rules import INTERNAL, Tuning, unheard, untold, with_own
from analyzer.report.json import write as as_json
from analyzer.report.rebasing import renamed
from analyzer.rule import Rule
from analyzer.settings import Settings
from analyzer.source import Source

if TYPE_CHECKING:
    from analyzer.query.guarantees import Spread

LARGEST = 16 << 20
OF_INTENTS = ("intent-broken", "intent-undecided")


@dataclass(frozen=True, slots=True)
class Judging:
    """What counts: the settings, what is left out, and the files of intents, as they are to be shown."""

    settings: Settings
    ignoring: Ignoring
    intents: tuple[Source, ...] = ()

    @property
    def not_in_input(self) -> frozenset[str]:
        """Paths in the report that are none of the input."""
        return frozenset({self.settings.path, *self.settings.elsewhere_paths, *(source.path for source in self.intents)})


def judging_options(parser: ArgumentParser) -> None:
    """Adds the options that say what counts."""
    counting_options(parser)
    group = section(parser, "what counts")
    group.add_argument("--baseline", metavar="FILE", help="a report in JSON: what it has is known, and does not count")
    group.add_argument("--since", metavar="REF", help="only what came since this commit counts; both sides are analysed whole")


def counting_options(parser: ArgumentParser) -> None:
    """Adds the options that say what counts, whatever was before."""
    group = section(parser, "what counts")
    group.add_argument(
        "--fail-on", choices=("error", "warning", "note", "never"), help="what gives exit status 1 (default error)"
    )
    group.add_argument("--strict", action="store_true", help="gaps give exit status 3 where nothing is worse")
    group.add_argument(
        "--select", action="append", default=[], metavar="RULE", help="only these rules (repeatable, commas, prefixes with *)"
    )
    group.add_argument("--ignore", action="append", default=[], metavar="RULE", help="not these rules")
    group.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="FOLDER",
        help="rules of your own; they are Python, and are run (repeatable)",
    )
    group.add_argument(
        "--intents",
        action="append",
        default=[],
        metavar="FILE",
        help="what must and must not talk, each proved or refuted (repeatable)",
    )
    group.add_argument("--no-ignores", action="store_true", help="comments, annotations and settings leave out nothing")


def judging(options: Namespace) -> Judging:
    """What counts, by the options and the settings. ValueError, in words, where they say what cannot be."""
    settings = settings_for(options)
    return Judging(settings, ignoring(options, settings), tuple(intent_files(options, settings)))


def judged(given: Input, call: Judging, progress: Progress, jobs: int, decided: Spread | None = None) -> Report:
    """The report with the intents, without what does not count; ``decided``: what is known of the flows already. ValueError, in words, where an intent
    cannot be understood."""
    what = call.ignoring
    report = analyze(given, what.select, what.ignore, progress, jobs, rules=what.rules, tuning=what.tuning, decided=decided)
    report = with_intents(without_elsewhere(report, call.settings), given, call)
    return without_ignored(report, given.network, what)


def with_intents(report: Report, given: Input, call: Judging) -> Report:
    """The report with the verdicts on the team's intents."""
    if not call.intents:
        return report
    from analyzer.query.intents import held
    from analyzer.query.policies import Identity, known
    from analyzer.reading import profile
    from analyzer.settings.intents import intents_in

    switches = dict(text.split("=", 1) for text in call.settings.policy_switches if "=" in text)
    policies = known(Identity(given.network.cluster), profile(given, call.settings.cni, switches))
    found = held(policies, [intent for source in call.intents for intent in intents_in(source.path, source.text)])
    sources = (*report.sources, *call.intents)
    return replace(report, findings=(*report.findings, *found.findings), intents=found.verdicts, sources=sources)


def intent_files(options: Namespace, settings: Settings) -> Iterator[Source]:
    """The files of intents; each is read once, so that it says the same of both sides of a comparison. ValueError, in words, for what is no file of intents."""
    asked = {os.path.normpath(path): "" for path in options.intents}
    for index, name in enumerate(settings.intents):
        asked.setdefault(os.path.normpath(os.path.join(settings.folder, name)), f"{settings.place('intents', index)}: ")
    for path, by in asked.items():
        from analyzer.settings.intents import intents_in

        try:
            text = text_now(options, path, LARGEST)
        except OSError as problem:
            raise ValueError(f"{by}{path}: the intents cannot be read: {problem.strerror or problem}") from None
        intents_in(path, text)
        yield Source(path, text, "intents")


def since(options: Namespace, call: Judging, progress: Progress) -> Judging:
    """The call with what the input had at an earlier commit as known. ValueError, in words, where that cannot be found out."""
    from analyzer.cli.since import as_of

    there = elsewhere(call.settings)
    with as_of(options.since, options.paths) as called:
        given = load(options, progress, call.settings, there)
        report = judged(given, call, progress, options.jobs)
    base = paths_from(options.paths, ".")
    report = renamed(report, {old.removeprefix(base): new.removeprefix(base) for old, new in called.items()})
    known = baseline(options.since, as_json(report, style_for(options, to_file=True)))
    return replace(call, ignoring=replace(call.ignoring, baseline=known))


def ignoring(options: Namespace, settings: Settings) -> Ignoring:
    """What runs and what does not count, by the options and the settings. ValueError, in words, where they say what cannot be."""
    rules = with_own(own_rules(options, settings), needed_rules())
    tuning = Tuning(settings.severities, settings.options)
    if wrong := "\n".join(f"{settings.place('rules', *path)}: {problem}" for path, problem in untold(tuning, rules)):
        raise ValueError(wrong)
    refuse_unheard(options, settings, rules)
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


def refuse_unheard(options: Namespace, settings: Settings, rules: Sequence[Rule]) -> None:
    """ValueError, in words, where rules are chosen that are not there: a check that is misspelt would pass without a word."""
    known = {*(rule.id for rule in (*rules, UNUSED, UNEXPLAINED)), INTERNAL, *OF_INTENTS}
    told = [("--select", options.select), ("--ignore", options.ignore)]
    for key, texts in (("select", settings.select), ("ignore", settings.ignore)):
        told += [(f"{settings.place(key, index)}: {key}", [text]) for index, text in enumerate(texts)]
    if wrong := "\n".join(f"{where}: {problem}" for where, texts in told for problem in unheard(texts, known)):
        raise ValueError(wrong)


def own_rules(options: Namespace, settings: Settings) -> list[Path]:
    """The folders of the team's own rules. Those that settings name count where the settings were named: nothing that was merely found is run."""
    named = named_folders(settings)
    if named and not options.config:
        listed = " ".join(f"--rules {folder}" for folder in named)
        tell(f"analyze: {settings.path}: rules-from is run with --config {settings.path} or {listed} only")
    if options.config:
        refuse_no_folder(settings, named)
    return [*(Path(folder) for folder in options.rules), *(named if options.config else ())]


def named_folders(settings: Settings) -> list[Path]:
    """The folders of rules that the settings name."""
    return [Path(settings.folder, folder) for folder in settings.rules_from]


def refuse_no_folder(settings: Settings, folders: Sequence[Path]) -> None:
    """ValueError, in words, where a folder of rules that the settings name is none."""
    for index, folder in enumerate(folders):
        if not folder.is_dir():
            raise ValueError(f"{settings.place('rules-from', index)}: {folder}: there is no such folder of rules")


def rule_folders(options: Namespace, settings: Settings) -> list[str]:
    """The folders whose rules are run, which may change while the input is watched."""
    return [*options.rules, *(map(str, named_folders(settings)) if options.config else ())]


def earlier(path: str | None) -> Baseline | None:
    """The baseline in a file. ValueError, in words, where there is none."""
    if path is None:
        return None
    try:
        return baseline(path, text_of(path, FILE_BYTES))
    except OSError as problem:
        raise ValueError(f"{path}: the baseline cannot be read: {problem.strerror or problem}") from None


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
