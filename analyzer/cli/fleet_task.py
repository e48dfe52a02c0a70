"""One cluster of many as a task: what is read of it, and what is made of that, which depends on nothing else. A task may also be a part of the questions
about a cluster (``query/parts.py``); the cluster's own task has then what all parts found.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

from analyzer.capture import Loaded, load
from analyzer.capture.choices import Rendering
from analyzer.cli.judging import Judging, judged
from analyzer.cli.progress import Progress
from analyzer.cli.shared import excluded, paths_from
from analyzer.memory import without_cycles
from analyzer.pipeline import built, status
from analyzer.query.fleet.answers import Answer, answer, missing, told
from analyzer.query.needed import needed_rules
from analyzer.query.parts import Found, Part, of_part, whole
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
    """A cluster: its name in the report, and where it is. ``part``: only that part of the questions; ``found``: what the parts found."""

    name: str
    path: str
    call: Call
    part: Part | None = None
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """A cluster that was read."""

    name: str
    loaded: Loaded
    call: Call
    part: Part | None = None
    found: tuple[Found, ...] = ()


def content(task: Task) -> Content:
    """Reads a cluster; what cannot be read is a gap."""
    call = task.call
    prefix = paths_from([task.path], call.judging.settings.folder)
    judging = replace(call.judging, ignoring=replace(call.judging.ignoring, prefix=prefix))
    loaded = load((task.path,), skip=excluded(judging.settings, prefix), rendering=call.rendering)
    return Content(task.name, loaded, replace(call, judging=judging), task.part, task.found)


def done(item: Content) -> Answer | Found:
    """What a task is to find: a function of its content."""
    return checked(item) if item.part is None else in_part(item, item.part)


def in_part(item: Content, part: Part) -> Found:
    """What a part of the questions about a cluster comes to."""
    if not item.loaded.sources:
        return Found()
    given = built(item.loaded, item.call.more, assume_defaults=item.call.assume_defaults)
    with without_cycles():
        return of_part(given.network, part)


def checked(item: Content) -> Answer:
    """What is told of a cluster."""
    call = item.call
    if not item.loaded.sources:
        found = "; ".join(told(item.loaded.gaps))
        return missing(item.name, f"nothing to analyse was found{f': {found}' if found else ''}")
    judging = replace(call.judging, ignoring=replace(call.judging.ignoring, rules=with_own(call.rules, needed_rules())))
    given = built(item.loaded, call.more, assume_defaults=call.assume_defaults)
    report = judged(given, judging, Progress(quiet=True), 1, whole(item.found) if item.found else None)
    return answer(item.name, report, given.network, given.unreadable, status(report, given, call.fail_on, call.strict))


def locally(task: Task) -> Answer | Found:
    """Reads a cluster and does what the task is, in the process that does both."""
    return done(content(task))


def packed(task: Task) -> bytes:
    """A cluster's content, to be sent."""
    return pickle.dumps(content(task))


def unpacked(data: bytes) -> bytes:
    """Does what the task is, with content that was sent."""
    return pickle.dumps(done(pickle.loads(data)))
