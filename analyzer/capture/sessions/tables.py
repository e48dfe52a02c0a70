"""The tables of ``kubectl get pods -o wide`` and ``kubectl get nodes -o wide``: where pods run, and the nodes' own addresses.

A table says too little of an object to stand for it (no labels, no ports, no hostNetwork): only a session's places are taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

TITLE = re.compile(r"[A-Z][A-Z0-9 ()/-]{0,60}")
OPTION = re.compile(r"(?:^| )(?:-n|--namespace)[ =]?(?P<namespace>[\w-]+)")
NOTHING = frozenset({"", "<none>", "<unknown>"})


@dataclass(frozen=True, slots=True)
class PodRow:
    """A pod: its namespace (empty where neither a column nor the command says it), its name, its address and its node."""

    namespace: str
    name: str
    address: str
    node: str


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node and its internal address."""

    name: str
    address: str


def is_table(text: str) -> bool:
    """Whether a text is a table of ``kubectl get``: its first line has titles in capitals, two spaces or more apart."""
    titles = re.split(r" {2,}", text.lstrip("\n").partition("\n")[0].strip())
    return titles[0] in ("NAME", "NAMESPACE") and len(titles) > 1 and all(map(TITLE.fullmatch, titles))


def rows(text: str, command: str) -> Iterator[PodRow | NodeRow]:
    """The rows that tell where a pod runs, or a node's address."""
    head, _, rest = text.lstrip("\n").partition("\n")
    starts = [(found.group(0), found.start()) for found in re.finditer(r"[A-Z](?:\S| (?=[A-Z]))*", head)]
    option = OPTION.search(command)
    for line in rest.split("\n"):
        cells = dict(cells_of(line, starts))
        name, node, address = cells.get("NAME", ""), cells.get("NODE", ""), cells.get("IP", "")
        if name in NOTHING:
            continue
        if node not in NOTHING and address not in NOTHING:
            yield PodRow(cells.get("NAMESPACE") or (option["namespace"] if option else ""), name, address, node)
        elif cells.get("INTERNAL-IP", "") not in NOTHING:
            yield NodeRow(name, cells["INTERNAL-IP"])


def cells_of(line: str, starts: list[tuple[str, int]]) -> Mapping[str, str]:
    """The cells of a row by the columns' titles: kubectl pads them to one width (tabwriter)."""
    ends = [start for _, start in starts[1:]] + [len(line)]
    return {title: line[start:end].strip() for (title, start), end in zip(starts, ends, strict=True)}
