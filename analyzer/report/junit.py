"""JUnit XML as Jenkins' xUnit plugin describes it (junit-10.xsd): a suite of the guarantees, one of the intents, and one for each rule that found something.

A refuted guarantee is a failure, an undecided one an error, one that does not apply or is refuted by design is skipped. Errors and warnings of rules
are failures; notes pass, with their text as output. There is no time and no host: the same input gives the same bytes.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.findings import Finding, Guarantee, IntentVerdict, Report, Severity, Verdict
from analyzer.query.rules import INTERNAL
from analyzer.report import Format
from analyzer.report.problems import Problem, causes_of, of_finding, of_guarantee
from analyzer.report.style import Style, safe_lines

NEW_LINE = "\n"
INTENTS = ("intent-broken", "intent-undecided")


@dataclass(frozen=True, slots=True)
class Case:
    """A test case. ``outcome`` is ``failure``, ``error``, ``skipped``, ``system-out`` (it passes, with a text) or empty (it passes)."""

    group: str
    name: str
    outcome: str = ""
    type: str = ""
    message: str = ""
    text: str = ""


def write(report: Report, style: Style) -> str:
    """The document."""
    del style
    cases = [guarantee_case(item, report) for item in report.guarantees]
    gaps = "".join(f"not understood: {gap.at}: {gap.reason}\n" for gap in report.gaps)
    by_rule: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    tested = {rule: rule_cases(rule, found) for rule, found in sorted(by_rule.items()) if rule not in INTENTS}
    agreed = [intent_case(item, by_rule) for item in report.intents]
    suites = [
        suite("guarantees", cases, gaps),
        *([suite("intents", agreed)] if agreed else []),
        *(suite(rule, own) for rule, own in tested.items()),
    ]
    every = [*cases, *agreed, *(case for own in tested.values() for case in own)]
    head = f"<testsuites name={quoted('analyze')} {counts(every)}>"
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"]) + "\n"


def guarantee_case(item: Guarantee, report: Report) -> Case:
    """A guarantee as a test."""
    name = item.id
    if item.verdict is Verdict.PROVED:
        return Case("guarantees", name)
    if item.verdict is Verdict.UNDECIDED:
        return Case("guarantees", name, "error", "undecided", item.reason, item.scope)
    if item.verdict is Verdict.NOT_APPLICABLE or item.excused:
        return Case("guarantees", name, "skipped", item.excused or item.verdict.value, item.reason)
    remedies = [f"help: {cause.fix.text}" for cause in causes_of(item, report) if cause.fix]
    found = of_guarantee(item, report)
    return Case("guarantees", name, "failure", "refuted", found.message, details(found, remedies))


def intent_case(item: IntentVerdict, by_rule: Mapping[str, Iterable[Finding]]) -> Case:
    """An intent of the team as a test."""
    if item.verdict is Verdict.PROVED:
        return Case("intents", item.name)
    outcome = "failure" if item.verdict is Verdict.REFUTED else "error"
    told = [finding for rule in INTENTS for finding in by_rule.get(rule, ()) if finding.at == item.at]
    text = NEW_LINE.join(details(of_finding(finding, {})) for finding in told)
    return Case("intents", item.name, outcome, item.verdict.value, item.statement, text)


def rule_cases(rule: str, found: Iterable[Finding]) -> list[Case]:
    """The findings of a rule as tests. Equal names are numbered, as consumers keep one test of a name."""
    seen: Counter[str] = Counter()
    cases = []
    for finding in found:
        item = of_finding(finding, {})
        name = f"{finding.at.path}: {item.message}"
        seen[name] += 1
        name += f" ({seen[name]})" if seen[name] > 1 else ""
        outcome = "error" if rule == INTERNAL else "system-out" if finding.severity is Severity.NOTE else "failure"
        cases.append(Case(rule, name, outcome, finding.severity.value, item.message, details(item)))
    return cases


def details(item: Problem, more: Iterable[str] = ()) -> str:
    """The place, the related places, the note, the packet with its hops, and the remedy."""
    lines = [f"{item.at}: {item.message}"] if item.at else [item.message]
    lines += [f"{label.at}: {label.text}" for label in item.related]
    lines += [f"note: {item.note}"] if item.note else []
    if item.counterexample:
        lines.append(f"packet: {item.counterexample.packet}")
        for number, hop in enumerate(item.counterexample.hops, 1):
            lines.append(f"{number:>3} {hop.place}: {hop.stage}: {hop.what}{f' ({hop.at})' if hop.at else ''}")
    lines += [f"help: {item.fix.text}"] if item.fix else []
    return "\n".join([*lines, *more])


def suite(name: str, cases: list[Case], problems: str = "") -> str:
    """A suite; ``problems`` is what went wrong beside the tests."""
    lines = [f" <testsuite name={quoted(name)} {counts(cases)} skipped={quoted(str(number(cases, 'skipped')))}>"]
    lines += [line for case in cases for line in case_lines(case)]
    lines += [f"  <system-err>{written(problems)}</system-err>"] if problems else []
    return "\n".join([*lines, " </testsuite>"])


def case_lines(case: Case) -> Iterator[str]:
    """A test case as XML."""
    head = f"  <testcase classname={quoted(case.group)} name={quoted(case.name)}"
    if not case.outcome:
        yield f"{head}/>"
        return
    yield f"{head}>"
    about = "" if case.outcome == "system-out" else f" type={quoted(case.type)} message={quoted(case.message)}"
    yield f"   <{case.outcome}{about}>{written(case.text)}</{case.outcome}>"
    yield "  </testcase>"


def counts(cases: list[Case]) -> str:
    """The attributes that count."""
    return f'tests="{len(cases)}" failures="{number(cases, "failure")}" errors="{number(cases, "error")}"'


def number(cases: list[Case], outcome: str) -> int:
    """How many cases have the outcome."""
    return sum(case.outcome == outcome for case in cases)


def quoted(text: str) -> str:
    """An attribute's value with its quotes; a line end would be read as a space."""
    return f'"{html.escape(safe_lines(text)).replace(NEW_LINE, "&#10;")}"'


def written(text: str) -> str:
    """Character data; escaped ``>`` keeps ``]]>`` out of it."""
    return html.escape(safe_lines(text), quote=False)


FORMAT = Format("junit", write)
