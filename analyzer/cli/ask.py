"""``analyze ask PATH… "QUESTION"``: questions about policies; a proof, or a flow that refutes it."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from analyzer.cli.outputs import TOLD, outputs_of
from analyzer.cli.policy_options import policy_options, profile_for, with_names
from analyzer.cli.progress import Progress
from analyzer.cli.shared import (
    fail,
    input_options,
    load,
    nothing,
    output_options,
    paths_from,
    status_options,
    style_for,
    tell_unread,
)
from analyzer.cli.shared import status_of as as_wanted
from analyzer.cli.writing import write
from analyzer.findings import Verdict
from analyzer.pipeline import Input
from analyzer.query.ask import Answer, QuestionError, ask
from analyzer.query.ask.answers import Disagreement
from analyzer.query.policies import Identity, Policies, known
from analyzer.report.asks import answer_object, answer_text, error_object, error_text
from analyzer.report.style import Style
from analyzer.source import Span

Asked = list[tuple[str, Answer | QuestionError | Disagreement]]
Questions = list[tuple[str, Span | None]]
"""Questions, each with its line where it stands in a file."""
STATUS = {Verdict.PROVED: 0, Verdict.REFUTED: 1, Verdict.UNDECIDED: 3, Verdict.NOT_APPLICABLE: 3}
WORST = (2, 1, 3, 0)
MOST = 10_000
FORMATS = ("text", "json", *TOLD)
WANTED = 'ask wants a question: analyze ask PATH… "can NS/POD reach NS/POD on 80/TCP"'


def options(parser: ArgumentParser) -> None:
    """Adds the options of ``ask``."""
    parser.description = "Answers questions about policies. Exit status: 0 proved, 1 refuted, 2 not understood, 3 undecided."
    parser.usage = 'analyze ask PATH… "QUESTION"… [options]'
    input_options(parser)
    parser.add_argument("--file", metavar="FILE", help="questions, one a line; # begins a comment; - for stdin")
    policy_options(parser)
    status_options(parser)
    output_options(parser, FORMATS)


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Answers each question; the exit status is that of the worst answer."""
    del parser
    options.paths, words = apart(options.paths)
    questions: Questions = [(text, None) for text in words]
    try:
        questions += list(from_file(options.file)) if options.file else []
    except OSError as problem:
        return fail(f"{options.file}: {problem.strerror}")
    if not questions or not options.paths:
        return fail(WANTED if not questions else "ask wants a PATH before the question")
    if options.file == "-" and "-" in options.paths:
        return fail("stdin cannot be both the input and the questions")
    progress = Progress(options.quiet)
    given = load(options, progress)
    progress("deciding")
    if not given.sources:
        progress.end()
        return nothing(given.unreadable)
    try:
        given = with_names(options, given)
        policies = known(Identity(given.network.cluster), profile_for(options, given))
    except ValueError as problem:
        progress.end()
        return fail(str(problem))
    answers = [(question, answered(policies, given, question)) for question, _ in questions]
    progress.end()
    try:
        written(options, policies, given, answers, questions)
    except ValueError as problem:
        return fail(str(problem))
    tell_unread(given.unreadable)
    statuses = {status_of(item) for _, item in answers} | ({3} if given.unreadable else set())
    return as_wanted(options, next(status for status in WORST if status in statuses), given)


def apart(words: list[str]) -> tuple[list[str], list[str]]:
    """Paths and questions: a question has a blank in it and is no file."""
    questions = [word for word in words if " " in word.strip() and not os.path.exists(word)]
    return [word for word in words if word not in questions], questions


def from_file(path: str) -> Iterator[tuple[str, Span | None]]:
    """The questions of a file with their lines; blank lines and comments are none."""
    if path == "-":
        lines = sys.stdin.read(1 << 24).splitlines()
    else:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 24).splitlines()
    found = ((line.strip(), number) for number, line in enumerate(lines, 1))
    wanted = [(line, number) for line, number in found if line and not line.startswith("#")][:MOST]
    yield from ((line, Span(path, number) if path != "-" else None) for line, number in wanted)


def answered(policies: Policies, given: Input, question: str) -> Answer | QuestionError | Disagreement:
    """The answer; with what the captured state does with its packet, where there is some."""
    try:
        found = ask(policies, question)
    except (QuestionError, Disagreement) as problem:
        return problem
    if not given.network.namespaces:
        return found
    from analyzer.query.ask.state import with_state

    return with_state(given.network, found)


def status_of(item: Answer | QuestionError | Disagreement) -> int:
    """The exit status of an answer; what the engines do not agree on is an internal error."""
    return STATUS[item.verdict] if isinstance(item, Answer) else 2


def written(options: Namespace, policies: Policies, given: Input, asked: Asked, questions: Questions) -> None:
    """Writes the answers in each format that is asked for. ValueError, in words, where the call cannot be understood."""
    for name, path in outputs_of(options, FORMATS):
        style = style_for(options, to_file=path is not None)
        write(path, in_format(name, policies, given, asked, questions, paths_from(options.paths, "."), style))


def in_format(name: str, policies: Policies, given: Input, asked: Asked, places: Questions, base: str, style: Style) -> str:
    """The answers in a format."""
    if name == "json":
        return as_json(policies, asked)
    if name == "text":
        return as_text(policies, given, asked, style)
    from analyzer.report import told
    from analyzer.report.told_asks import told as parts

    lines = {text: at for text, at in places if at is not None}
    return told.write(name, parts(asked, policies, given.sources, base, lines), style)


def as_text(policies: Policies, given: Input, answers: Asked, style: Style) -> str:
    """The answers for people."""
    captured = bool(given.network.namespaces)
    sources = given.network.sources
    parts = []
    for _, item in answers:
        match item:
            case Answer():
                parts.append(answer_text(item, policies.all, sources, style, captured=captured))
            case QuestionError():
                parts.append(error_text(item, style))
            case Disagreement():
                parts.append(f"internal error: {item}\n")
    return "\n".join(parts)


def as_json(policies: Policies, answers: Asked) -> str:
    """The answers as ``analyzer.ask/1``."""
    found: list[dict[str, Any]] = []
    for question, item in answers:
        match item:
            case Answer():
                found.append(answer_object(item, policies.all))
            case QuestionError():
                found.append(error_object(question, item))
            case Disagreement():
                found.append(error_object(question, QuestionError(question, 1, f"internal error: {item}")))
    return json.dumps({"schema": "analyzer.ask/1", "about": "policies", "answers": found}, indent=1) + "\n"
