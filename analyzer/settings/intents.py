"""Reads a team's intents: ``intents.yaml``; ``intents-schema.json`` beside this file describes it."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.findings import Severity
from analyzer.parsers._view import View
from analyzer.query.ask.syntax import QuestionError, parse
from analyzer.query.intents import Intent
from analyzer.settings.reading import Wrong, one_of, only, severities_known, table
from analyzer.source import Span

FIELDS = ("name", "holds", "fails", "severity", "why")
EXPECTED = "expected a question, or an entry with `holds: QUESTION` or `fails: QUESTION`"


def intents_in(path: str, text: str) -> tuple[Intent, ...]:
    """The intents of a file. Wrong where it cannot be read, or holds what is no intent; every question is read."""
    view = View(*table(path, text), "intents", [])
    only(view, ("intents",))
    found = tuple(intents(view))
    if not found and not view.gaps:
        view.wrong("there are no intents: " + EXPECTED)
    if view.gaps:
        raise Wrong("\n".join(f"{gap.at}: {gap.reason}" for gap in sorted(view.gaps)))
    return found


def intents(view: View) -> Iterator[Intent]:
    """Each entry of the list."""
    entries = view.typed("intents", list, "a list") or ()
    for number, item in enumerate(entries):
        at = view.at("intents", number)
        if isinstance(item, str):
            yield from checked(view, Intent(shortly(item), item, True, at), "intents", number)
        elif isinstance(item, dict):
            yield from entry(View(item, view.places, view.kind, view.gaps, ("intents", number)), at)
        else:
            view.wrong(EXPECTED, "intents", number)


def entry(view: View, at: Span) -> Iterator[Intent]:
    """An entry with a name, or that must be refuted."""
    only(view, FIELDS)
    keys = [key for key in ("holds", "fails") if view.text(key)]
    if len(keys) != 1:
        view.wrong(EXPECTED if not keys else "an intent either holds or fails")
        return
    question = view.text(keys[0])
    level = one_of(view, "severity", severities_known())
    severity = Severity(level) if level in severities_known() else Severity.ERROR
    name = view.text("name") or shortly(question)
    intent = Intent(name, question, keys[0] == "holds", at, severity, view.text("why"))
    yield from checked(view, intent, keys[0])


def checked(view: View, intent: Intent, *path: str | int) -> Iterator[Intent]:
    """The intent, where its question can be read."""
    try:
        parse(intent.question)
    except QuestionError as problem:
        view.wrong(str(problem), *path)
        return
    yield intent


def shortly(question: str) -> str:
    """A question as a name."""
    return " ".join(question.split())
