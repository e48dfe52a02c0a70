"""What a rule id means: the manual page of a rule, and a sentence for each guarantee, for formats that carry help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import cleandoc

from analyzer.findings import Severity
from analyzer.query.rules import all_rules
from analyzer.report.problems import CAUSE

GUARANTEES = {
    "pod-to-pod": "Every pod reaches every pod, where policies allow it.",
    "pod-to-pod-without-nat": "Pods reach pods without translation of addresses.",
    "node-to-pod": "Every node reaches every pod.",
    "node-to-pod-without-nat": "Nodes reach pods without translation of addresses.",
    "pod-to-node-without-nat": "Pods reach nodes without translation of addresses.",
    "pod-sees-its-own-address": "The address that a pod has is the address that its peers see.",
    "unique-pod-addresses": "No two pods have the same address.",
    "unique-pod-cidrs": "The networks of pods, services and nodes and other local networks do not overlap.",
    "pod-to-service": "Every pod reaches the endpoints of every service.",
    "outside-to-service": "What a service publishes is reached from outside.",
    "container-to-container": "The containers of a pod do not claim the same port.",
    "policy-enforced": "The state of the nodes admits exactly what the policies admit.",
}
CAUSES = "A line of captured state explains pairs that cannot talk. The packet is one that meets it; the related places say what it contradicts."
SECTION = re.compile(r"^## What it finds\n(.+?)(?:\n## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """What an id means: in a line, in a paragraph, the whole page (Markdown), and how bad it is by default. Texts are empty where nothing is known."""

    summary: str = ""
    description: str = ""
    text: str = ""
    severity: Severity = Severity.ERROR


def page(identifier: str) -> Page:
    """The page of a rule, a guarantee, or of causes."""
    if identifier == CAUSE:
        return Page("A line of state breaks what should work.", CAUSES, CAUSES)
    if identifier in GUARANTEES:
        sentence = GUARANTEES[identifier]
        more = "It is proved over all packets, or refuted by one, which is shown hop by hop with the line that decides each hop."
        return Page(sentence, f"{sentence} {more}", f"{sentence}\n\n{more}")
    rule = next((rule for rule in all_rules() if rule.id == identifier), None)
    if rule is None:
        return Page()
    text = cleandoc(rule.doc)
    found = SECTION.search(text)
    summary = text.partition("\n")[0]
    return Page(summary, " ".join(found.group(1).split()) if found else summary, text, rule.severity)
