"""The pages about rules, made of their files: one page a folder, each rule with its manual page and what it says of its bad sample, and an index."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from inspect import cleandoc
from itertools import groupby
from pathlib import Path

from analyzer.query.rules import all_rules, check
from analyzer.report.style import Style
from analyzer.report.text import finding_lines
from analyzer.rule import Finding, Rule, Severity
from analyzer.source import Source
from tests.captures import files_of, network_of

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "rules"
RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
ABOUT = {
    "addresses": "the address plan: networks of pods, services and nodes",
    "cni": "CNI configuration: files of nodes, NetworkAttachmentDefinitions, and what ConfigMaps install",
    "ipam": "who has which address, and whether there are enough",
    "kernel": "switches and tables of the kernel",
    "manifests": "fields, values and versions of objects",
    "netfilter": "iptables and nftables rules on nodes",
    "overlay": "tunnels and MTU",
    "policies": "policies as they are written, and whether they are enforced",
    "routing": "routes, neighbours and interfaces",
    "services": "services, endpoints, names and routes to them",
    "switches": "Open vSwitch and OVN",
    "systems": "what each network system's own objects and settings state",
    "workloads": "pods and what makes them",
}
HOW = "pytest --update tests/test_rule_pages.py"


def layers() -> dict[str, tuple[Rule, ...]]:
    """The rules by their folder, both in order."""
    folder_of = {path.stem: path.parent.name for path in (ROOT / "rules").glob("*/*.py")}
    rules = sorted(all_rules(), key=lambda rule: (folder_of[rule.id], rule.id))
    return {name: tuple(found) for name, found in groupby(rules, key=lambda rule: folder_of[rule.id])}


def index() -> str:
    """All rules, by folder, each in a line."""
    lines = [
        "# Rules",
        "",
        "`analyze rules ID` prints the page of one in a terminal. These pages are made of the rules' own files.",
    ]
    for name, rules in layers().items():
        lines += [
            "",
            f"## {name}",
            "",
            f"{ABOUT.get(name, name).capitalize()}.",
            "",
            "| rule | severity | what it finds |",
            "|---|---|---|",
        ]
        lines += [f"| [{rule.id}]({name}.md#{rule.id}) | {rule.severity} | {cell(summary(rule))} |" for rule in rules]
    return "\n".join(lines) + "\n"


def page(layer: str, rules: tuple[Rule, ...]) -> str:
    """The rules of a folder."""
    head = [f"# Rules: {layer}", "", f"{ABOUT.get(layer, layer).capitalize()}. All rules: [INDEX.md](INDEX.md)."]
    return "\n".join([*head, *(line for rule in rules for line in section(rule))]) + "\n"


def section(rule: Rule) -> Iterator[str]:
    """A rule: its manual page, its options, and what it says of its bad sample."""
    yield from ("", f"## {rule.id}", "", f"*{rule.severity}* · {summary(rule)}")
    for line in cleandoc(rule.doc).splitlines()[1:]:
        yield f"**{line.removeprefix('## ')}**\n" if line.startswith("## ") else line
    if rule.options:
        yield from ("", "**Options**", "", *(f"- `{name}`: `{value!r}` by default" for name, value in rule.options.items()))
    sample = f"samples/rules/{rule.id}.bad.txt"
    found, sources = findings(rule)
    yield from ("", f"**What it says** of [{sample}](../../{sample}){', among others' if len(found) > 1 else ''}", "", "```text")
    yield from (line.rstrip() for line in finding_lines(found[0], sources, Style()))
    yield "```"


def findings(rule: Rule) -> tuple[tuple[Finding, ...], dict[str, Source]]:
    """What the rule finds in its bad sample, and the sources by path."""
    files = files_of((ROOT / "samples" / "rules" / f"{rule.id}.bad.txt").read_text())
    del files["want"]
    with tempfile.TemporaryDirectory() as folder:
        network = network_of(files, Path(folder))
        return check(network, rules=(rule,)), dict(network.sources)


def summary(rule: Rule) -> str:
    """The first line of the rule's page."""
    return cleandoc(rule.doc).splitlines()[0]


def cell(text: str) -> str:
    """Text as a cell of a table."""
    return text.replace("|", "\\|")
