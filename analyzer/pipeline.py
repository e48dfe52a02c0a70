"""From input to answers, stage by stage: the place to start reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from analyzer.capture import Loaded, load
from analyzer.capture.reading import facts
from analyzer.findings import Report, Severity, Verdict
from analyzer.memory import without_cycles
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.source import Gap, Source

if TYPE_CHECKING:
    from analyzer.capture.again import Again
    from analyzer.capture.choices import Rendering
    from analyzer.capture.reading import Spread as ReadSpread
    from analyzer.capture.store import Store
    from analyzer.environments import Environments, Known
    from analyzer.findings import Finding, Guarantee
    from analyzer.query.alike.told import Kept
    from analyzer.query.causes import Breach
    from analyzer.query.guarantees import Spread
    from analyzer.query.rules import Spread as RuleSpread
    from analyzer.query.rules import Tuning
    from analyzer.query.whatif.edits import Edit
    from analyzer.rule import Rule

Progress = Callable[..., None]
Item = TypeVar("Item")
Work = TypeVar("Work")
MANY, MOST = 8 << 20, 128 << 20
"""Characters of manifests from which on, and up to which, their rules run side by side."""
SPACES = 1000
"""Network namespaces from which on the rules run beside the guarantees: of fewer there is little to gain."""


@dataclass(frozen=True, slots=True)
class Input:
    """What was read: the network, the sources, the gaps, and of these the ones that kept input from being read at all. ``assume_defaults``:
    whether what was not captured is as the kernel has it by default; ``before`` is the input before the edits that were made on it; ``read``: the facts of
    manifests that state an object twice, which may be those of several environments; ``alike`` has what an earlier look knew of who is alike."""

    network: Network
    sources: tuple[Source, ...]
    gaps: tuple[Gap, ...]
    unreadable: tuple[Gap, ...]
    assume_defaults: bool = False
    before: tuple[Input, tuple[Edit, ...]] | None = None
    read: Known | None = None
    alike: Kept | None = None


def quiet(*_: object) -> None:
    """Progress that nobody wants to see."""


def read_input(
    paths: tuple[str, ...],
    stdin: BinaryIO | None = None,
    *,
    assume_defaults: bool = False,
    progress: Progress = quiet,
    more: tuple[Source, ...] = (),
    skip: Callable[[str], bool] | None = None,
    rendering: Rendering | None = None,
    texts: Mapping[str, bytes] | None = None,
    store: Store | None = None,
) -> Input:
    """Capture, parse and build: paths -> sources -> facts -> network. Nothing in the input raises.

    ``more`` are sources beside those of the paths; files whose path ``skip`` is true of are not read. Charts and
    kustomizations are rendered as ``rendering`` says. ``texts`` stand in place of the files of their paths. ``store`` has the facts of texts that
    were read before."""
    loaded = load(paths, stdin, lambda done, total: progress("reading files", done, total), skip, rendering, texts)
    return built(loaded, more, assume_defaults=assume_defaults, progress=progress, store=store)


def built(
    loaded: Loaded,
    more: tuple[Source, ...] = (),
    *,
    assume_defaults: bool = False,
    progress: Progress = quiet,
    store: Store | None = None,
    jobs: int = 1,
    again: Again | None = None,
) -> Input:
    """Parse and build what was captured: sources -> facts -> network. ``store`` has the facts of texts that were read before; ``jobs``: how many
    processes may read; ``again`` has what an earlier look at the same input came to."""
    progress("parsing")
    sources = (*loaded.sources, *more)
    known, gaps = facts(sources, store, reading_beside(jobs), again)
    progress("building the network")
    network = build(
        sources, known, (*loaded.gaps, *gaps, *loaded.notes), assume_defaults, again.built if again is not None else None
    )
    unreadable = (*loaded.gaps, *(gap for gap in gaps if gap.lost))
    twice = bool(network.cluster.doubles) and not network.namespaces
    kept = again.alike if again is not None else None
    return Input(network, sources, network.gaps, unreadable, assume_defaults, read=(known, gaps) if twice else None, alike=kept)


def reading_beside(jobs: int) -> ReadSpread | None:
    """What reads many manifests side by side."""
    if jobs < 2:
        return None

    def beside(items: Sequence[Item], work: Callable[[Item], Work]) -> Sequence[Work]:
        from analyzer.jobs import spread

        return spread(jobs)(items, work)

    return beside


def analyze(
    given: Input,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    progress: Progress = quiet,
    jobs: int = 1,
    *,
    rules: tuple[Rule, ...] | None = None,
    tuning: Tuning | None = None,
    decided: Spread | None = None,
) -> Report:
    """The guarantees, what explains those that fail, and the findings of the rules. ``jobs``: how many processes may work.
    ``rules``: others than the shipped ones; ``tuning``: what settings make of them; ``decided``: what is known of the flows already."""
    from analyzer.environments import environments
    from analyzer.query.causes import causes
    from analyzer.query.placeholders import without_unknown
    from analyzer.query.rendered import told_once
    from analyzer.query.rules import check, united
    from analyzer.report.rebasing import as_written

    def checked() -> tuple[Environments | None, list[tuple[Finding, ...]]]:
        with without_cycles():
            several = environments(given.network, given.sources, given.read)
            networks = several.networks if several else (given.network,)
            spread = 1 if select else jobs
            return several, [check(one, select, ignore, rules, tuning, side_by_side(one, spread)) for one in networks]

    progress("deciding the guarantees")
    checking = ahead(given.network, checked, jobs)
    guarantees, broken = verdicts(given.network, jobs, decided, given.alike)
    progress("explaining")
    explained = causes(given.network, broken)
    progress("checking the rules")
    several, found = checking()
    findings, more = without_unknown(told_once(united(found, rules), given.sources), given.sources)
    gaps = {*given.gaps, *more} - (several.beside if several else frozenset())
    report = Report(guarantees, explained, findings, tuple(sorted(gaps)) if more or several else given.gaps, given.sources)
    return as_written(report)


def verdicts(
    network: Network, jobs: int, known: Spread | None = None, kept: Kept | None = None
) -> tuple[tuple[Guarantee, ...], tuple[Breach, ...]]:
    """The verdicts on the guarantees, and the pairs that fail one. What packets need is loaded where there is a node that they could go through. ``kept``: what
    an earlier look knew of who is alike."""
    if not network.namespaces:
        from analyzer.query.static import without_state

        answers = without_state(network)
        return tuple(one for one, _ in answers), tuple(item for _, broken in answers for item in broken)
    from analyzer.jobs import spread
    from analyzer.query.alike.kinds import kinds
    from analyzer.query.guarantees import decide

    with without_cycles():
        if kept is not None:
            kinds(network, kept)
        decided = decide(network, spread=spread(jobs)) if known is None else decide(network, spread=known, least=0)
    return decided.guarantees, decided.breaches


def ahead(network: Network, work: Callable[[], Work], jobs: int) -> Callable[[], Work]:
    """What gives the findings of the rules. Of a capture of many nodes another process looks for them while the guarantees are decided here."""
    if jobs < 2 or len(network.namespaces) < SPACES:
        return work
    from analyzer.jobs import beside

    return beside(work)


def side_by_side(network: Network, jobs: int) -> RuleSpread:
    """What runs the rules: side by side over many manifests, once the policies that most of them ask are compiled. Of little there is nothing to gain, and of
    very much each process would come to hold a copy."""
    from analyzer.query.rules import FAILURES, one_by_one

    size = sum(source.length for source in network.sources.values())
    if jobs < 2 or network.namespaces or not MANY <= size <= MOST:
        return one_by_one
    from analyzer.jobs import spread
    from analyzer.query.policies import of_network

    with suppress(*FAILURES):  # Each rule that asks them tells what fails.
        of_network(network).every_family()
    return spread(jobs)


ORDER = {Severity.ERROR: 3, Severity.WARNING: 2, Severity.NOTE: 1}
THRESHOLDS = {"error": 3, "warning": 2, "note": 1, "never": 99}


def status(report: Report, given: Input, fail_on: str = "error", strict: bool = False) -> int:
    """The exit status: 1 for findings at or above ``fail_on`` and refuted guarantees, 3 for what is incomplete, else 0."""
    worst = max((ORDER[finding.severity] for finding in report.findings), default=0)
    refuted = any(guarantee.fails for guarantee in report.guarantees)
    threshold = THRESHOLDS[fail_on]
    if worst >= threshold or (refuted and threshold <= ORDER[Severity.ERROR]):
        return 1
    verdicts_given = (*(item.verdict for item in report.guarantees), *(item.verdict for item in report.intents))
    undecided = Verdict.UNDECIDED in verdicts_given
    if given.unreadable or undecided or (strict and report.gaps):
        return 3
    return 0
