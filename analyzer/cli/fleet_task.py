"""One cluster of many as a task: what is read of it, and what is made of that, which depends on nothing else."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.capture import Loaded, load
from analyzer.capture.choices import Rendering
from analyzer.cli.judging import Judging, judged
from analyzer.cli.progress import Progress
from analyzer.cli.shared import excluded, paths_from
from analyzer.pipeline import built, status
from analyzer.query.fleet.answers import Answer, answer, missing, told
from analyzer.query.rules import with_own
from analyzer.source import Source


@dataclass(frozen=True, slots=True)
class Call:
    """What counts for all clusters. The rules are named by their folders (``rules``), so that the call can be sent elsewhere; ``more`` are objects that live elsewhere."""

    judging: Judging
    rules: tuple[Path, ...]
    rendering: Rendering
    assume_defaults: bool
    fail_on: str
    strict: bool
    more: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A cluster: its name in the report, and where it is."""

    name: str
    path: str
    call: Call


@dataclass(frozen=True, slots=True)
class Content:
    """A cluster that was read."""

    name: str
    loaded: Loaded
    call: Call


def content(task: Task) -> Content:
    """Reads a cluster; what cannot be read is a gap."""
    call = task.call
    prefix = paths_from([task.path], call.judging.settings.folder)
    judging = replace(call.judging, ignoring=replace(call.judging.ignoring, prefix=prefix))
    loaded = load((task.path,), skip=excluded(judging.settings, prefix), rendering=call.rendering)
    return Content(task.name, loaded, replace(call, judging=judging))


def checked(item: Content) -> Answer:
    """What is told of a cluster: a function of its content."""
    call = item.call
    if not item.loaded.sources:
        found = "; ".join(told(item.loaded.gaps))
        return missing(item.name, f"nothing to analyse was found{f': {found}' if found else ''}")
    judging = replace(call.judging, ignoring=replace(call.judging.ignoring, rules=with_own(call.rules)))
    given = built(item.loaded, call.more, assume_defaults=call.assume_defaults)
    report = judged(given, judging, Progress(quiet=True), 1)
    return answer(item.name, report, given.network, given.unreadable, status(report, given, call.fail_on, call.strict))


def locally(task: Task) -> Answer:
    """Reads and checks a cluster, in the process that does both."""
    return checked(content(task))


def packed(task: Task) -> bytes:
    """A cluster's content, to be sent."""
    return pickle.dumps(content(task))


def unpacked(data: bytes) -> bytes:
    """Checks content that was sent."""
    return pickle.dumps(checked(pickle.loads(data)))
