"""``analyze fleet INPUT…``: many clusters, each checked by itself, and one report of all."""

from __future__ import annotations

import os
import pickle
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module

from analyzer.capture.archives import ENDINGS
from analyzer.capture.choices import Rendering
from analyzer.cli.fleet_task import Call, Task, locally, packed
from analyzer.cli.judging import counting_options, judging, own_rules
from analyzer.cli.outputs import outputs_of
from analyzer.cli.progress import Progress
from analyzer.cli.shared import elsewhere, fail, output_options, reading_options, style_for
from analyzer.cli.telling import tell
from analyzer.cli.writing import write
from analyzer.fleet import local
from analyzer.fleet.limits import Limits, Lost
from analyzer.query.fleet.answers import Answer, missing
from analyzer.query.fleet.merging import Fleet, merged
from analyzer.query.parts import Found, Part
from analyzer.report.style import Style

OWN = {"text": "fleet", "json": "fleet_json", "markdown": "fleet_markdown"}
FORMATS = (*OWN, "concise", "github", "gitlab", "html", "junit", "sarif")
WORK = "analyzer.cli.fleet_task:unpacked"
INTERRUPTED = "interrupted before it had an answer"


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``fleet``."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="a cluster: a file, a directory, an archive")
    parser.add_argument("--each", action="store_true", help="each folder and archive inside an INPUT is a cluster")
    parser.add_argument(
        "--engine",
        choices=("local", "dask"),
        default="local",
        help="processes of this machine, or a Dask cluster (default local)",
    )
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="the scheduler of Dask, such as tcp://host:8786 (default: workers of its own)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="clusters that are checked at once on this machine",
    )
    parser.add_argument(
        "--parts",
        type=positive,
        default=1,
        metavar="N",
        help="the questions about each cluster in N parts, for as many workers (default 1)",
    )
    parser.add_argument(
        "--time-limit",
        type=positive,
        default=900,
        metavar="SECONDS",
        help="for one cluster, or part of one; beyond it is undecided (default 900)",
    )
    parser.add_argument("--memory-limit", type=positive, default=0, metavar="MIB", help="for one cluster (default none)")
    reading_options(parser)
    counting_options(parser)
    parser.set_defaults(baseline=None)
    output_options(parser, FORMATS)


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise ArgumentTypeError(f"a whole number above 0 is wanted, not {text!r}")
    return int(text)


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Checks the clusters and writes the report; the exit status is the worst of all."""
    del parser
    progress = Progress(options.quiet)
    try:
        outputs = outputs_of(options, FORMATS)
        tasks = tasks_of(options)
        if not tasks:
            return fail("no cluster was found in the input")
        found = merged(answers(tasks, options, progress))
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    progress.end()
    for name, path in outputs:
        style = style_for(options, to_file=path is not None)
        write(path, in_format(name, found, style))
    if not options.quiet:
        tell(counts(found))
    return found.status


def in_format(name: str, found: Fleet, style: Style) -> str:
    """The answer in a format: one of its own, or as other answers have it (``report/told_fleet.py``)."""
    if name in OWN:
        text: str = import_module(f"analyzer.report.{OWN[name]}").write(found, style)
        return text
    from analyzer.report import told_fleet

    return told_fleet.write(name, found, style)


def tasks_of(options: Namespace) -> list[Task]:
    """The clusters. ValueError, in words, where the call or the settings say what cannot be."""
    found = dict(clusters(options))
    if "-" in found.values():
        raise ValueError("a cluster of a fleet is a file, a directory or an archive; stdin is none")
    options.paths = list(found.values())
    call = call_of(options)
    return [Task(name, path, call) for name, path in found.items()]


def clusters(options: Namespace) -> Iterator[tuple[str, str]]:
    """The name and the path of each cluster. With --each, files beside folders and archives are named on stderr."""
    for given in options.inputs:
        path = os.path.normpath(given) if given != "-" else given
        if not options.each or not os.path.isdir(path):
            yield path, path
            continue
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        chosen = [name for name in names if os.path.isdir(os.path.join(path, name)) or name.lower().endswith(ENDINGS)]
        if others := [name for name in names if name not in chosen]:
            listed = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
            tell(f"analyze: {path}: no clusters, and not looked at: {listed}")
        for name in chosen:
            whole = os.path.join(path, name)
            yield name if len(options.inputs) == 1 else whole, whole


def call_of(options: Namespace) -> Call:
    """What counts for all clusters."""
    found = judging(options)
    rules = tuple(path.resolve() for path in own_rules(options, found.settings))
    if rules and options.engine == "dask":
        raise ValueError("rules of your own are run on this machine only: leave out --rules, or --engine dask")
    return Call(
        replace(found, ignoring=replace(found.ignoring, rules=())),
        rules,
        Rendering(tuple(options.values), options.render == "auto"),
        options.assume_defaults or bool(found.settings.assume_defaults),
        options.fail_on or found.settings.fail_on or "error",
        options.strict or bool(found.settings.strict),
        elsewhere(found.settings),
    )


def answers(tasks: Sequence[Task], options: Namespace, progress: Progress) -> Iterator[Answer]:
    """An answer for each task: what an engine found, or why there is none. An interrupt ends the work, not the report."""
    left = dict(enumerate(tasks))
    try:
        for place, found in results(tasks, options):
            task = left.pop(place)
            progress(
                f"{task.name}: {'undecided' if isinstance(found, Lost) else 'checked'}, {len(tasks) - len(left)} of {len(tasks)}"
            )
            yield missing(task.name, found.reason) if isinstance(found, Lost) else found
    except KeyboardInterrupt:
        tell(f"analyze: interrupted: {len(left)} of {len(tasks)} clusters have no answer")
    yield from (missing(task.name, INTERRUPTED) for task in left.values())


def results(tasks: Sequence[Task], options: Namespace) -> Iterator[tuple[int, Answer | Lost]]:
    """What the engine says of each task, with the task's place, as it comes; of each of its parts first, where there are several."""
    if options.parts > 1:
        tasks = with_parts(tasks, options)
    for place, found in by_engine(tasks, options):
        if not isinstance(found, Found):
            yield place, found


def with_parts(tasks: Sequence[Task], options: Namespace) -> list[Task]:
    """The tasks with what the parts of each found; what has no answer says why."""
    many = options.parts
    parts = [replace(task, part=Part(number, many)) for task in tasks for number in range(many)]
    found = {place: one for place, one in by_engine(parts, options) if not isinstance(one, Answer)}
    told = [found.get(place, Lost(INTERRUPTED)) for place in range(len(parts))]
    known = [Found(missing=one.reason) if isinstance(one, Lost) else one for one in told]
    return [replace(task, found=tuple(known[place * many : (place + 1) * many])) for place, task in enumerate(tasks)]


def by_engine(tasks: Sequence[Task], options: Namespace) -> Iterator[tuple[int, Answer | Found | Lost]]:
    """What the engine says of each task, with the task's place, as it comes."""
    limits = Limits(options.time_limit, options.memory_limit)
    if options.engine == "local":
        yield from local.run(tasks, locally, options.workers, limits)
        return
    from analyzer.fleet import on_dask

    for place, found in on_dask.run(tasks, packed, WORK, options.workers, limits, options.scheduler):
        yield place, found if isinstance(found, Lost) else pickle.loads(found)


def counts(found: Fleet) -> str:
    """One line for stderr."""
    total, missing = len(found.answers), len(found.missing)
    return f"{total} clusters: {found.with_status(1)} with something wrong, {found.with_status(3)} undecided, of which {missing} without an answer"
