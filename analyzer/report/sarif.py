"""SARIF 2.1.0 for code scanning: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/; section numbers below are its.

Results are the refuted guarantees, the causes and the findings. What kept the answer from being complete (gaps, undecided guarantees, rules that
failed) is a notification of the invocation; every verdict stands in the run's properties.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from analyzer import __version__
from analyzer.findings import Certainty, Edit, Fix, Ignored, Label, Report
from analyzer.report import Format
from analyzer.report.pages import Page, page
from analyzer.report.problems import Problem, failed, left_out, numbered, problems, undecided
from analyzer.report.style import Style, safe, safe_lines
from analyzer.solve.packet import Hop
from analyzer.source import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SPECIAL = str.maketrans({"{": "{{", "}": "}}", "\\": "\\\\", "[": "\\[", "]": "\\]"})
NOTIFICATIONS = {
    "gap": "A part of the input was not understood or not read.",
    "undecided": "A guarantee could not be decided from this input.",
    "rule-failed": "A rule failed; what it would have found is not known.",
}


def write(report: Report, style: Style) -> str:
    """The log: one run."""
    del style
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run(report)]}, indent=1, ensure_ascii=True) + "\n"


def run(report: Report) -> dict[str, Any]:
    """The run; ``results`` is there when it is empty too, which tells consumers to close what they knew (3.14.23)."""
    found = [*problems(report), *left_out(report)]
    named = sorted({item.rule for item in found} | {item.id for item in undecided(report)})
    verdicts = [{"id": item.id, "verdict": item.verdict.value, "scope": safe(item.scope)} for item in report.guarantees]
    return {
        "tool": {"driver": driver(named)},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation(report, named)],
        "results": [result(item, number, named) | standing(item, report) for item, number in numbered(found)],
        "properties": {"guarantees": verdicts},
    }


def driver(named: Sequence[str]) -> dict[str, Any]:
    """The tool with the rules that the run refers to."""
    notifications = [{"id": name, "shortDescription": {"text": text}} for name, text in NOTIFICATIONS.items()]
    about = {"name": "analyze", "version": __version__, "semanticVersion": __version__}
    return about | {"rules": [descriptor(name, page(name)) for name in named], "notifications": notifications}


def descriptor(name: str, about: Page) -> dict[str, Any]:
    """A rule with its page as help (3.49); only its id where there is no page."""
    if not about.text:
        return {"id": safe(name)}
    return {
        "id": safe(name),
        "shortDescription": {"text": about.summary},
        "fullDescription": {"text": about.description},
        "help": {"text": about.text, "markdown": about.text},
        "defaultConfiguration": {"level": about.severity.value},
    }


def invocation(report: Report, named: Sequence[str]) -> dict[str, Any]:
    """How the run went (3.20): it succeeded unless a rule failed."""
    told = [notification("rule-failed", "error", item.message) for item in failed(report)]
    for item in undecided(report):
        about = {"associatedRule": {"id": item.id, "index": named.index(item.id)}}
        told.append(notification("undecided", "warning", f"{item.id} is undecided: {item.reason}") | about)
    told += [notification("gap", "warning", gap.reason) | {"locations": [location(gap.at)]} for gap in report.gaps]
    return {"executionSuccessful": not failed(report), "toolExecutionNotifications": told}


def notification(kind: str, level: str, text: str) -> dict[str, Any]:
    """A notification (3.58)."""
    descriptor = {"id": kind, "index": list(NOTIFICATIONS).index(kind)}
    return {"descriptor": descriptor, "level": level, "message": {"text": plain(text)}}


def result(item: Problem, number: int, named: Sequence[str]) -> dict[str, Any]:
    """A result (3.27). ``primaryLocationLineHash`` is what code scanning on GitHub compares, with the rule and the path."""
    marks = {"primaryLocationLineHash": f"{item.mark[:16]}:{number}", "problem/v1": item.mark}
    about: dict[str, Any] = {"ruleId": safe(item.rule), "ruleIndex": named.index(item.rule), "level": item.severity.value}
    about |= {"message": {"text": message(item)}, "locations": [location(item.at)] if item.at else []}
    about |= {"partialFingerprints": marks}
    if item.related:
        about["relatedLocations"] = [related(label, identifier) for identifier, label in enumerate(item.related, 1)]
    flow = steps(item.counterexample.hops) if item.counterexample else []
    if item.counterexample and flow:
        packet = f"{item.counterexample.packet}: {item.counterexample.reason}"
        about["codeFlows"] = [{"message": {"text": plain(packet)}, "threadFlows": [{"locations": flow}]}]
    if item.fix and item.fix.edits:
        about["fixes"] = [fixed(item.fix)]
    if item.certainty is not Certainty.VIOLATED:
        about["properties"] = {"certainty": item.certainty.value}
    return about


def standing(item: Problem, report: Report) -> dict[str, Any]:
    """Who says that a result does not count (3.27.23), and whether the baseline has it (3.27.24). They stay in the log: what is left out would be
    taken for mended, and opened again later."""
    about: dict[str, Any] = {}
    if report.baseline:
        known = item.suppressed is not None and item.suppressed.by is Ignored.BASELINE
        about["baselineState"] = "unchanged" if known else "new"
    if item.suppressed is not None:
        kind = "inSource" if item.suppressed.by is Ignored.IN_SOURCE else "external"
        reason = {"justification": safe(item.suppressed.reason)} if item.suppressed.reason else {}
        about["suppressions"] = [{"kind": kind, "status": "accepted"} | reason]
    return about


def message(item: Problem) -> str:
    """What is wrong, the related places as links (3.11.6), the note, the packet and the remedy."""
    lines = [plain(item.message)]
    lines += [f"- [{plain(label.text or str(label.at))}]({identifier})" for identifier, label in enumerate(item.related, 1)]
    lines += [f"Note: {plain(item.note)}"] if item.note else []
    lines += [f"Packet: {plain(str(item.counterexample.packet))}"] if item.counterexample else []
    lines += [f"Help: {plain(item.fix.text)}"] if item.fix else []
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text that means itself in a message: no placeholder (3.11.5), no link (3.11.6), no line of its own."""
    return safe_lines(text).replace("\n", " ").translate(SPECIAL)


def related(label: Label, identifier: int) -> dict[str, Any]:
    """A place that is linked from the message by its id (3.28.2)."""
    return {"id": identifier, **location(label.at), "message": {"text": plain(label.text or str(label.at))}}


def location(at: Span) -> dict[str, Any]:
    """A place (3.28)."""
    return {"physicalLocation": {"artifactLocation": artifact(at.path), "region": region(at)}}


def artifact(path: str) -> dict[str, str]:
    """A file as a relative reference (3.4.3, RFC 3986): everything but unreserved characters and slashes is written out."""
    return {"uri": quote(path.encode("utf-8", "surrogatepass"), safe="/")}


def region(at: Span) -> dict[str, int]:
    """A region (3.30); the end of the line where no end is known (3.30.8)."""
    start = {"startLine": max(1, at.line), "startColumn": max(1, at.column)}
    if (at.end_line, at.end_column) <= (at.line, at.column):
        return start
    return start | {"endLine": at.end_line} | ({"endColumn": at.end_column} if at.end_column else {})


def steps(hops: Iterable[Hop]) -> list[dict[str, Any]]:
    """The hops with a place (3.38). What happens at no line is told with the next that has one, or with the last: consumers refuse steps without a file."""
    placed: list[tuple[Span, list[str]]] = []
    waiting: list[str] = []
    for hop in hops:
        waiting.append(f"{'back: ' if hop.reply else ''}{hop.place}: {hop.stage}: {hop.what}")
        if hop.at is not None:
            placed.append((hop.at, waiting))
            waiting = []
    if placed:
        placed[-1][1].extend(waiting)
    return [{"location": {**location(at), "message": {"text": plain("; ".join(texts))}}} for at, texts in placed]


def fixed(fix: Fix) -> dict[str, Any]:
    """The edits by file (3.55)."""
    ordered = sorted(fix.edits, key=lambda edit: edit.at)
    changes = [
        {"artifactLocation": artifact(path), "replacements": [replacement(edit) for edit in edits]}
        for path, edits in groupby(ordered, key=lambda edit: edit.at.path)
    ]
    return {"description": {"text": plain(fix.text)}, "artifactChanges": changes}


def replacement(edit: Edit) -> dict[str, Any]:
    """An edit (3.57): where no text is removed, its region is empty."""
    at = edit.at
    end = {"endLine": at.end_line or at.line, "endColumn": at.end_column} if at.end_column else {}
    start = {"startLine": at.line, "startColumn": at.column}
    return {"deletedRegion": start | end, "insertedContent": {"text": inserted(edit.text)}}


def inserted(text: str) -> str:
    """Inserted text as it is, but for what JSON texts may not hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


FORMAT = Format("sarif", write, follows_paths=True)
