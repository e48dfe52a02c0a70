"""Findings that do not count: by a comment or an annotation beside them, by the settings, or because an earlier report has them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from analyzer.findings import Cause, Finding, Guarantee, Ignored, Report, Severity, Suppressed, Verdict, fingerprint
from analyzer.model.network import Network
from analyzer.query.ignoring.about import UNEXPLAINED, UNUSED
from analyzer.query.ignoring.annotations import Objects, of_objects
from analyzer.query.ignoring.baseline import Baseline
from analyzer.query.ignoring.comments import SIGN, of_texts
from analyzer.query.ignoring.ignore import Ignore, Subject, covers
from analyzer.query.needed import needed_rules
from analyzer.query.rules import INTERNAL, Tuning, chosen, ordered
from analyzer.rule import Rule
from analyzer.source import Gap

WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
Used = set[tuple[Ignore, str]]
"""Ignores with those of their names that left something out."""
NOT_IGNORED = frozenset({INTERNAL, UNUSED.id, UNEXPLAINED.id})


@dataclass(frozen=True, slots=True)
class Ignoring:
    """What does not count. ``settings`` are the entries of the settings; ``in_source`` False: comments and annotations say nothing.
    ``select`` and ``ignore`` as the rules were chosen, ``rules`` those that could run: an ignore for a rule that did not run is not unused.
    ``tuning`` gives severities. ``prefix`` stands before a path as it is in the report, to make it one of the settings' folder."""

    settings: tuple[Ignore, ...] = ()
    baseline: Baseline | None = None
    in_source: bool = True
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = field(default_factory=needed_rules)
    tuning: Tuning = field(default_factory=Tuning)
    prefix: str = ""


def without_ignored(report: Report, network: Network, what: Ignoring) -> Report:
    """The report with the findings that do not count apart, and with a finding for each ignore that ignores nothing or says no reason."""
    objects = Objects(network.cluster)
    written = (*of_texts(report.sources), *of_objects(objects)) if what.in_source else ()
    ignores = (*written, *what.settings)
    kept, apart, used = sorted_out(report.findings, ignores, objects, what.prefix)
    accepted = [accepted_by(item, what.settings, used) for item in report.guarantees]
    about = (*unexplained(ignores), *unused(ignores, used, what))
    kept += [what.tuning.severity(item) for item in about if chosen(item.rule, what.select, what.ignore)]
    gaps = tuple(untold(report.gaps, kept))
    result = replace(report, findings=ordered(kept, what.rules), guarantees=tuple(accepted), suppressed=tuple(apart), gaps=gaps)
    return against(what.baseline, result) if what.baseline else result


def untold(gaps: Iterable[Gap], findings: Iterable[Finding]) -> Iterator[Gap]:
    """The gaps but for those about a value that a finding calls wrong: what is told there would be told twice. A document that could not be read stays."""
    told = {
        (item.at.path, item.at.line, item.at.column)
        for item in findings
        if item.severity is Severity.ERROR and item.at.column > 1
    }
    return (gap for gap in gaps if gap.lost or (gap.at.path, gap.at.line, gap.at.column) not in told)


def sorted_out(
    findings: Iterable[Finding], ignores: Sequence[Ignore], objects: Objects, prefix: str
) -> tuple[list[Finding], list[Suppressed], Used]:
    """The findings that count, those that do not, and the ignores that were used."""
    kept: list[Finding] = []
    apart: list[Suppressed] = []
    used: Used = set()
    for finding in findings:
        about = objects.at(finding.at) if ignores else None
        subject = Subject(finding.rule, finding.at, prefix + finding.at.path, about)
        found = [] if finding.rule in NOT_IGNORED else [item for item in ignores if covers(item, subject)]
        used.update((item, name) for item in found for name in item.rules if fnmatchcase(finding.rule, name))
        if found:
            apart.append(Suppressed(finding, found[0].by, found[0].reason, found[0].at))
        else:
            kept.append(finding)
    return kept, apart, used


def accepted_by(guarantee: Guarantee, settings: Iterable[Ignore], used: Used) -> Guarantee:
    """The guarantee, with the reason of the settings' entry that accepts its refutation: one that names it and no place."""
    for item in settings:
        if guarantee.id in item.rules and not item.placed:
            used.add((item, guarantee.id))
            if guarantee.verdict is Verdict.REFUTED:
                return replace(guarantee, accepted=item.reason or "accepted by the settings")
    return guarantee


def unexplained(ignores: Iterable[Ignore]) -> Iterator[Finding]:
    """A finding for each ignore without a reason."""
    for item in ignores:
        if not item.reason:
            help = "say why after the brackets, in the annotation's value, or as reason in the settings"
            yield UNEXPLAINED.finding(item.at, f"{', '.join(item.rules)} is ignored without a reason", help=help)


def unused(ignores: Iterable[Ignore], used: Used, what: Ignoring) -> Iterator[Finding]:
    """A finding for each ignore of which something came to nothing though its rule ran, and for each name that no rule has."""
    names = [rule.id for rule in what.rules]
    for item in ignores:
        if not item.rules:
            named = next((word for word in WORD.findall(item.reason) if word in names), "RULE")
            text = "this comment ignores nothing: it is not written as an ignore"
            yield UNUSED.finding(item.at, text, help=f"write # {SIGN}: ignore[{named}] and the reason")
        left = [name for name in item.rules if (item, name) not in used]
        strange = [name for name in left if "*" not in name and name not in names]
        for name in strange:
            near = get_close_matches(name, names, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield UNUSED.finding(item.at, f"there is no rule {name} to ignore{meant}", help="`analyze rules` lists the rules")
        idle = [name for name in left if name not in strange and chosen(name, what.select, what.ignore)]
        if idle:
            text = f"nothing is found here that ignoring {', '.join(idle)} would leave out"
            whole = len(idle) == len(item.rules)
            help = "remove it, so that it hides nothing later" if whole else "remove the name, so that it hides nothing later"
            yield UNUSED.finding(item.at, text, help=help, edits=item.removal if whole else ())


MOST_GONE = 100
"""Files that are gone under whose names findings of new files are looked for."""


def against(baseline: Baseline, report: Report) -> Report:
    """The report with what the baseline has apart, what it has of a file that has another name now, too. A refuted guarantee is known where it was refuted there and each cause that names it is known."""
    sources = {source.path: source for source in report.sources}
    left = Counter(baseline.fingerprints)
    gone = sorted(baseline.found_in - sources.keys())[:MOST_GONE]
    kept, apart = [], []
    for finding in report.findings:
        mark = fingerprint(finding, sources)
        if not left[mark] and finding.at.path not in baseline.read:
            mark = next((old for path in gone if left[old := fingerprint(finding, sources, path)]), mark)
        if left[mark] and finding.rule != INTERNAL:
            left[mark] -= 1
            apart.append(Suppressed(finding, Ignored.BASELINE, baseline.name))
        else:
            kept.append(finding)
    guarantees = tuple(known(item, report.causes, baseline) for item in report.guarantees)
    accepted = {item.id for item in guarantees if item.accepted}
    causes = tuple(item for item in report.causes if not (baseline.has(item) and accepted.issuperset(item.guarantees)))
    suppressed = (*report.suppressed, *apart)
    return replace(
        report, findings=tuple(kept), guarantees=guarantees, causes=causes, suppressed=suppressed, baseline=baseline.name
    )


def known(guarantee: Guarantee, causes: Iterable[Cause], baseline: Baseline) -> Guarantee:
    """The guarantee, accepted where the baseline has its refutation with all its causes."""
    named = [cause for cause in causes if guarantee.id in cause.guarantees]
    if guarantee.verdict is Verdict.REFUTED and guarantee.id in baseline.refuted and all(map(baseline.has, named)):
        return replace(guarantee, accepted=guarantee.accepted or f"known from {baseline.name}")
    return guarantee
