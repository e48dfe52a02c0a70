"""Answers to questions in the formats that tools read: a question is an intent that has to be proved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analyzer.findings import IntentVerdict, Report, Verdict
from analyzer.policy.entities import Entity
from analyzer.query.ask import Answer, QuestionError
from analyzer.query.ask.answers import Disagreement, described, flow_text
from analyzer.query.ask.reasons import reasons_of
from analyzer.query.intents import Intent, finding, verdict_on
from analyzer.query.policies import Policies
from analyzer.report.asks import ROLES, answer_text
from analyzer.report.graphs import Edge, Graph, Node, Tone
from analyzer.report.markdown_text import escaped, folded, in_html, table
from analyzer.report.page import evidence as page
from analyzer.report.page.text import banner, pill, section, shown, tag
from analyzer.report.rebasing import moved
from analyzer.report.style import Style
from analyzer.report.told import Told
from analyzer.source import Gap, Source, Span

Asked = Sequence[tuple[str, Answer | QuestionError | Disagreement]]
TONES = {True: Tone.GOOD, False: Tone.BAD, None: Tone.UNSURE}


def told(asked: Asked, policies: Policies, sources: Sequence[Source], base: str, places: Mapping[str, Span]) -> Told:
    """The parts. ``places`` are the lines of questions that stand in a file, as that is reached from here; ``base`` stands before the paths of the input."""
    every = {source.path: source for source in sources}
    found = report(asked, policies, sources, places)
    verdicts = [item.verdict for item in found.intents]
    counts = ", ".join(f"{verdicts.count(word)} {word.value}" for word in (Verdict.PROVED, Verdict.REFUTED, Verdict.UNDECIDED))
    worst = next((word for word in (Verdict.REFUTED, Verdict.UNDECIDED) if word in verdicts), Verdict.PROVED)
    strip = banner(counts, ROLES[worst])
    sections = (section("answers", "Answers", "".join(article(text, item, policies, every) for text, item in asked)),)
    files = frozenset(at.path for at in places.values())
    return Told(
        "ask",
        "ask",
        moved(found, base, files),
        strip,
        sections,
        graph(asked),
        "\n\n".join(markdown(asked, policies, every)) + "\n",
    )


def report(asked: Asked, policies: Policies, sources: Sequence[Source], places: Mapping[str, Span]) -> Report:
    """The answers as verdicts on intents and findings; a question that was not understood is a gap."""
    verdicts, findings, gaps = [], [], []
    for text, item in asked:
        if not isinstance(item, Answer):
            gaps.append(Gap(places.get(text) or Span(text, 1), f"the question was not understood: {item}"))
            continue
        intent = Intent(text, text, True, places.get(text) or place_of(item, policies, sources))
        verdict = verdict_on(intent, item)
        verdicts.append(IntentVerdict(text, verdict, item.statement, intent.at))
        if verdict is not Verdict.PROVED:
            findings.append(finding(policies, intent, item, verdict))
    return Report((), (), tuple(findings), tuple(gaps), tuple(sources), intents=tuple(verdicts))


def place_of(answer: Answer, policies: Policies, sources: Sequence[Source]) -> Span:
    """The line that decides; else where the input begins."""
    lines = reasons_of(answer.witness, policies.all)[1] if answer.witness else []
    at = lines[0].at if lines else answer.policies[0].at if answer.policies else None
    return at or Span(sources[0].path if sources else "", 1)


def article(question: str, item: Answer | QuestionError | Disagreement, policies: Policies, sources: Mapping[str, Source]) -> str:
    """An answer: the verdict, the flow that shows it, the lines that decide."""
    if not isinstance(item, Answer):
        return tag("article", tag("h3", pill("error", "bad") + " " + shown(question)) + tag("p", shown(str(item))))
    head = tag("h3", pill(item.verdict.value, ROLES[item.verdict]) + " " + shown(question))
    inside = tag("p", shown(item.statement)) if item.statement != question else ""
    inside += tag("p", shown(f"over {item.scope}"), kind="dim")
    for witness in item.path:
        reasons, lines = reasons_of(witness, policies.all)
        inside += tag("p", shown(described(witness))) + "".join(tag("p", shown(text), kind="dim") for text in reasons)
        inside += tag("div", "".join(page.line(line.at, line.text, sources) for line in lines), kind="places")
    inside += "".join(page.line(policy.at, str(policy), sources) for policy in item.policies)
    inside += "".join(tag("p", shown(text), kind="help") for text in (*item.notes, *item.settle))
    return tag("article", head + inside)


def graph(asked: Asked) -> Graph:
    """The flows that show the answers, between their ends."""
    nodes: dict[str, Node] = {}
    edges = []
    for _, item in asked:
        for witness in item.path if isinstance(item, Answer) else ():
            for entity in (witness.source, witness.destination):
                nodes.setdefault(entity.name, Node(entity.name, words(entity), entity.namespace))
            edges.append(
                Edge(witness.source.name, witness.destination.name, flow_text(witness.flow), TONES[witness.decision.admitted])
            )
    return Graph(tuple(nodes.values()), tuple(dict.fromkeys(edges)))


def words(entity: Entity) -> str:
    """An end without its namespace."""
    return entity.name.removeprefix(f"{entity.namespace}/") if entity.namespace else entity.name


def markdown(asked: Asked, policies: Policies, sources: Mapping[str, Source]) -> Iterator[str]:
    """A table of the answers, and each with what shows it folded away."""
    yield "### analyze ask"
    yield table(("answer", "question", "what was found"), (row(text, item) for text, item in asked))
    for text, item in asked:
        if isinstance(item, Answer):
            lines = answer_text(item, policies.all, sources, Style()).splitlines()
            yield folded(in_html(text), lines)
        else:
            yield f"{escaped(text)}: {escaped(str(item))}"


def row(question: str, item: Answer | QuestionError | Disagreement) -> tuple[str, str, str]:
    """An answer as cells."""
    return (item.verdict.value, question, item.statement) if isinstance(item, Answer) else ("error", question, str(item))
