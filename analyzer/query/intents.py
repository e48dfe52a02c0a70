"""A team's intents: questions about policies that must be proved, or refuted; those that are not are findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzer.findings import Finding, IntentVerdict, Verdict
from analyzer.model.network import Network
from analyzer.query.ask import Answer, QuestionError, ask
from analyzer.query.ask.answers import described
from analyzer.query.ask.reasons import reasons_of
from analyzer.query.policies import Policies
from analyzer.rule import Rule, Severity
from analyzer.source import Span

BROKEN_PAGE = """An intent that does not hold.

## What it finds
An entry of the team's intents whose question is answered otherwise than it must be, with the flow that shows it and the policies that decide over it.

## Why it matters
It is what the team has agreed on: what may talk, and what must never.

## Example
    intents:
    - only payments/api reaches payments/db on 5432

## How to mend
Change the policies at the places that are named, or the intent.

## Sources
The intents themselves; docs/lint.md and docs/ask.md say what a question means.
"""
UNDECIDED_PAGE = """An intent that cannot be decided.

## What it finds
An entry of the team's intents whose answer rests on what the input does not say.

## Why it matters
It is not known to hold.

## Example
    intents:
    - shop/web reaches only shop/api on 9000     # whether ICMP counts depends on the network system

## How to mend
Give what is named: a manifest, the labels of a namespace, the network system (`--cni`).

## Sources
The intents themselves; docs/ask.md says when a question is undecided.
"""
LABELS = 4


def nothing(network: Network) -> Iterator[Finding]:
    """These rules need the intents: see ``held``."""
    del network
    return iter(())


BROKEN = Rule("intent-broken", Severity.ERROR, BROKEN_PAGE, nothing)
UNDECIDED = Rule("intent-undecided", Severity.WARNING, UNDECIDED_PAGE, nothing)


@dataclass(frozen=True, slots=True)
class Intent:
    """A question that must be proved (``wanted`` True) or refuted, at its place; ``severity``: how bad it is when it is not."""

    name: str
    question: str
    wanted: bool
    at: Span
    severity: Severity = Severity.ERROR
    why: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """The verdicts on all intents, and what is to be said of those that do not hold or cannot be understood."""

    verdicts: tuple[IntentVerdict, ...] = ()
    findings: tuple[Finding, ...] = ()


def held(policies: Policies, intents: Iterable[Intent]) -> Held:
    """Asks each intent. ValueError, in words with the place, where one cannot be understood."""
    verdicts, findings = [], []
    for intent in intents:
        try:
            answer = ask(policies, intent.question)
        except QuestionError as problem:
            raise ValueError(f"{intent.at}: {problem}") from None
        verdict = verdict_on(intent, answer)
        verdicts.append(IntentVerdict(intent.name, verdict, answer.statement, intent.at))
        if verdict is not Verdict.PROVED:
            findings.append(finding(policies, intent, answer, verdict))
    return Held(tuple(verdicts), tuple(findings))


def verdict_on(intent: Intent, answer: Answer) -> Verdict:
    """PROVED where the intent holds."""
    if answer.verdict not in (Verdict.PROVED, Verdict.REFUTED):
        return Verdict.UNDECIDED
    return Verdict.PROVED if (answer.verdict is Verdict.PROVED) is intent.wanted else Verdict.REFUTED


def finding(policies: Policies, intent: Intent, answer: Answer, verdict: Verdict) -> Finding:
    """What is to be said of an intent that does not hold."""
    witness = answer.witness
    reasons, lines = reasons_of(witness, policies.all) if witness else ([], [])
    related = [(line.at, line.text) for line in lines[:LABELS]]
    shown = f"{described(witness)}; " if witness else ""
    why = f"; {intent.why}" if intent.why else ""
    if verdict is Verdict.UNDECIDED:
        note = "; ".join((*answer.notes, *reasons))
        settle = "what would settle it: " + "; ".join(answer.settle) if answer.settle else ""
        text = f"{intent.name}: cannot be decided: {answer.statement}"
        return UNDECIDED.finding(intent.at, text, related=related, note=note + why, help=settle, certain=False)
    text = f"{intent.name}: does not hold: {answer.statement}"
    return BROKEN.finding(intent.at, text, related=related, note=shown + "; ".join(reasons) + why, severity=intent.severity)
