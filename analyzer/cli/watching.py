"""``--watch``: the input is checked again when one of its files changes, and what appeared and disappeared is told.

Files are looked at twice a second, very many less often (name, size, time of the last change), which needs nothing of the system and works on every file system.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from analyzer.cli.settings import NAMES
from analyzer.cli.telling import tell
from analyzer.findings import Finding, Report, fingerprint
from analyzer.report.style import safe
from analyzer.source import Source

SECONDS = 0.5
RESTING = 4  # Of 200,000 files a look takes a second, and is not to be all that a core does.
SETTLING = 0.1
SHOWN = 3
State = Mapping[str, tuple[int, int, int]]


def watch(options: Namespace, look: Callable[[], Report | None], others: Collection[str]) -> int:
    """Reports what each change brings until it is interrupted. ``look`` checks the input; None: it could not be, as was told. ``others`` are files that count beside the input."""
    files = (*options.paths, *NAMES, *others, *options.intents, *filter(None, (options.config, options.baseline)))
    try:
        follow(look, files)
    except KeyboardInterrupt:
        tell("analyze: no longer watching")
    return 0


def follow(look: Callable[[], Report | None], files: Collection[str]) -> None:
    """Looks at the input, and again after each change."""
    state = state_of(files)
    before = look()
    tell("analyze: watching; Ctrl-C ends it")
    while True:
        state = next_change(state, files)
        before = told(before, look())


def told(before: Report | None, now: Report | None) -> Report | None:
    """Tells how an answer differs from the one before; the one that the next is compared with. None: there is no answer."""
    if now is not None:
        sys.stdout.writelines(f"{line}\n" for line in differences(before or Report((), (), (), (), ()), now))
        sys.stdout.flush()
    return now or before


def next_change(state: State, files: Collection[str]) -> State:
    """Waits for a change, and until whoever makes it has finished; what the files are then. Says which files changed."""
    begun = time.monotonic()
    while (now := state_of(files)) == state:
        time.sleep(max(SECONDS, RESTING * (time.monotonic() - begun)))
        begun = time.monotonic()
    while (later := settled(files)) != now:
        now = later
    changed({path for path in {*state, *now} if state.get(path) != now.get(path)})
    return now


def changed(names: Collection[str]) -> None:
    """Says what changed."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    print(f"changed: {safe(', '.join(sorted(names)[:SHOWN]))}{more}", flush=True)


def settled(files: Collection[str]) -> State:
    """The state a moment later."""
    time.sleep(SETTLING)
    return state_of(files)


def state_of(files: Iterable[str]) -> State:
    """Time, size and number of every file of the paths."""
    return {path: status for name in files for path, status in statuses(name)}


def statuses(name: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """The files of a path; nothing where none is there, and of what goes away meanwhile."""
    inside = (
        (os.path.join(folder, file) for folder, _, names in os.walk(name) for file in names) if os.path.isdir(name) else [name]
    )
    for path in inside:
        try:
            found = os.stat(path)
        except OSError:
            continue
        yield os.path.normpath(path), (found.st_mtime_ns, found.st_size, found.st_ino)


def differences(before: Report, after: Report) -> Iterator[str]:
    """What disappeared (``-``), appeared (``+``) and was decided otherwise (``~``), a line each; then how much."""
    gone, new = without(before, after), without(after, before)
    verdicts = {item.id: str(item.verdict) for item in before.guarantees} | {
        item.name: str(item.verdict) for item in before.intents
    }
    decided = [(item.id, item.verdict, item.reason) for item in after.guarantees]
    decided += [(item.name, item.verdict, item.statement) for item in after.intents]
    for name, verdict, reason in decided:
        if verdicts.get(name, "not asked") != verdict:
            yield f"~ {safe(name)}: {verdicts.get(name, 'not asked')} -> {verdict}{': ' if reason else ''}{safe(reason)}"
    yield from (f"- {line(item)}" for item in gone)
    yield from (f"+ {line(item)}" for item in new)
    gaps = {gap: None for gap in after.gaps if gap not in before.gaps}
    yield from (f"+ {safe(str(gap.at))}: gap {safe(gap.reason)}" for gap in gaps)
    yield f"{len(new)} appeared, {len(gone)} disappeared; {len(after.findings)} findings"


def line(item: Finding) -> str:
    """A finding on one line."""
    return f"{safe(str(item.at))}: {item.severity}[{item.rule}] {safe(item.message)}".replace("\n", " ")


def without(report: Report, other: Report) -> list[Finding]:
    """The findings that the other report does not have; those that only moved are the same."""
    left = Counter(marks(other))
    found = []
    for finding, mark in zip(report.findings, marks(report), strict=True):
        if left[mark] > 0:
            left[mark] -= 1
        else:
            found.append(finding)
    return found


def marks(report: Report) -> list[str]:
    """What tells findings apart when lines move."""
    sources: dict[str, Source] = {source.path: source for source in report.sources}
    return [fingerprint(item, sources) for item in report.findings]
