"""What ``check`` keeps on the disk: the facts of texts, and whole reports, each under the hash of all that it rests on."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import replace

from analyzer.capture import Loaded
from analyzer.capture.store import Store, name_of, name_of_texts, opened
from analyzer.cli.judging import Judging, judged
from analyzer.cli.progress import Progress
from analyzer.findings import Report
from analyzer.pipeline import Input, built
from analyzer.report import format_named
from analyzer.source import Source

SMALLEST = 1 << 18
"""Characters of input from which on something is kept: what is smaller is checked in about the time that it takes to look."""
# Options that say how a report is shown, and not what is in it.
SHOWING = frozenset(
    {
        "color",
        "fail_on",
        "format",
        "jobs",
        "looked",
        "again",
        "output",
        "quiet",
        "streamed",
        "strict",
        "verbose",
        "settings",
        "watch",
    }
)


def store_for(options: Namespace, loaded: Loaded) -> Store | None:
    """The store for a call; None where it is switched off, or the input is small."""
    if options.no_cache or os.environ.get("ANALYZE_CACHE", "").lower() in ("off", "no", "0", "false"):
        return None
    return opened() if sum(source.length for source in loaded.sources) >= SMALLEST else None


def checked(
    options: Namespace, call: Judging, progress: Progress, loaded: Loaded, more: tuple[Source, ...], formats: list[str]
) -> tuple[Input, Report]:
    """The input and its report, as they were kept where nothing that they rest on has changed; the network is then empty, as no format asks for it."""
    store = store_for(options, loaded)
    settings = call.settings
    assumed = options.assume_defaults or bool(settings.assume_defaults)
    known = (*loaded.sources, *more, *call.intents, *([settings.source] if settings.source else []))
    name = report_name(options, call, loaded, known) if store and whole(options, call, formats) else ""
    if store and name and isinstance(report := store.get(name, known), Report):
        empty = built(Loaded((), ()))
        return replace(empty, sources=(*loaded.sources, *more), gaps=report.gaps, unreadable=loaded.gaps), report
    again = getattr(options, "again", None)
    given = built(loaded, more, assume_defaults=assumed, progress=progress, store=store, jobs=options.jobs, again=again)
    report = judged(given, call, progress, options.jobs)
    if store and name:
        store.put(name, report, known)
    if store:
        store.trim()
    return given, report


def whole(options: Namespace, call: Judging, formats: list[str]) -> bool:
    """Whether a report rests on nothing but what its name says, and needs no network to be shown: not with rules of the team's own, or an earlier report."""
    drawn = any(format_named(name).draw for name in formats)
    other = options.rules or call.settings.rules_from or options.since or options.baseline or call.ignoring.baseline
    return not (drawn or other)


def report_name(options: Namespace, call: Judging, loaded: Loaded, known: tuple[Source, ...]) -> str:
    """The name of a report: the options that decide over it, the settings, the folder that it was called in, the texts, and what of them could not be read."""
    asked = sorted((key, value) for key, value in vars(options).items() if key not in SHOWING)
    return name_of("report", asked, call.settings, os.getcwd(), loaded.gaps, loaded.notes, name_of_texts(known))
