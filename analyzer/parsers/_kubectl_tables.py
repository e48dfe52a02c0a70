"""The tables of ``kubectl get`` (pkg/printers/internalversion/printers.go): titles in capitals, cells padded to one width, several tables one below the other.

A cell of endpoints shows three at most (``formatEndpoints``), and ``+ N more...`` behind them; addresses are the first of their object; a resource's name has
its type before it where several types were asked for (``pod/web``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address, address
from analyzer.facts.base import Fact
from analyzer.facts.listings import EndpointsListing, ListedPort, NodeListing, PodListing, ServiceListing
from analyzer.parsers import UNREADABLE, gap, reason
from analyzer.parsers._kubectl_policies import network_policy
from analyzer.source import Gap, Source, Span

TITLE = re.compile(r"[A-Z][A-Z0-9 ()/-]{0,60}")
NOTHING = frozenset({"", "<none>", "<unknown>", "None"})
PORT = re.compile(r"(?P<port>\d{1,5})(?::\d{1,5})?/(?P<protocol>TCP|UDP|SCTP)")
MORE = re.compile(r"\+ \d+ more\.\.\.$")
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
# What pods are said to be whose containers have ended, or may have: their addresses may be others' by now.
OVER = re.compile(r"(Completed|Succeeded|Failed|Error|Evicted|OOMKilled|DeadlineExceeded|Shutdown|NodeShutdown|Terminated)$")
LACKS: Mapping[str, str] = {
    "pods": "labels, ports and hostNetwork of pods",
    "nodes": "labels, podCIDRs and further addresses of nodes",
    "services": "names of ports, targets, traffic policies and further addresses of services",
    "endpoints": "names of ports and endpoints that are not ready",
    "endpointslices": "of which services slices are, and which endpoints are ready",
    "networkpolicies": "what policies admit",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its cells by their titles, and its place. ``home``: the namespace that the command says, where no column does."""

    cells: Mapping[str, str]
    at: Span
    home: str

    @property
    def name(self) -> str:
        """The name, without a type before it."""
        return self.cells.get("NAME", "").rpartition("/")[2]

    @property
    def namespace(self) -> str:
        """The namespace; empty where nothing says it."""
        return self.cells.get("NAMESPACE", "") or self.home

    def known(self, title: str) -> str:
        """A cell that says something; else empty."""
        cell = self.cells.get(title, "")
        return "" if cell in NOTHING else cell


def is_table(text: str) -> bool:
    """Whether a text is a table of ``kubectl get``: its first line has titles in capitals, two spaces or more apart."""
    return heading(text.lstrip("\n").partition("\n")[0])


def heading(line: str) -> bool:
    """Whether a line is the titles of a table."""
    titles = re.split(r" {2,}", line.strip())
    return titles[0] in ("NAME", "NAMESPACE") and len(titles) > 1 and all(map(TITLE.fullmatch, titles))


def kind_of(titles: frozenset[str]) -> str:
    """Of which kind the rows are; empty where it is none of those that are read."""
    forms = (
        ("nodes", {"STATUS", "ROLES", "VERSION"}),
        ("pods", {"READY", "STATUS", "RESTARTS"}),
        ("services", {"TYPE", "CLUSTER-IP", "PORT(S)"}),
        ("networkpolicies", {"POD-SELECTOR", "AGE"}),
        ("endpointslices", {"ADDRESSTYPE", "PORTS", "ENDPOINTS"}),
    )
    found = next((kind for kind, has in forms if has <= titles), "")
    return found or ("endpoints" if titles - {"NAMESPACE"} == {"NAME", "ENDPOINTS", "AGE"} else "")


def tables(source: Source, home: str) -> Iterator[Fact | Gap]:
    """What the tables of a text say, row by row; of those that somebody asked for with a command, what their kind of table does not show."""
    starts: list[tuple[str, int]] = []
    kind = ""
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip()
        if heading(line):
            starts = [(found.group(0), found.start()) for found in re.finditer(r"[A-Z](?:\S| (?=[A-Z]))*", line)]
            kind = kind_of(frozenset(title for title, _ in starts))
            if " " in source.subject:
                yield gap(source, number, unsaid(kind))
        elif line.strip() and kind:
            try:
                yield from READERS[kind](Row(cells_of(line, starts), Span(source.path, number), home))
            except UNREADABLE as problem:
                yield gap(source, number, reason(problem))


def unsaid(kind: str) -> str:
    """What a table does not show."""
    if not kind:
        return "this table of kubectl get is not read: -o yaml gives the objects"
    return f"a table of kubectl get does not show {LACKS[kind]}: kubectl get {kind} -A -o yaml does"


def cells_of(line: str, starts: list[tuple[str, int]]) -> Mapping[str, str]:
    """The cells of a row by the columns' titles: kubectl pads them to one width (tabwriter)."""
    ends = [start for _, start in starts[1:]] + [len(line)]
    return {title: line[start:end].strip() for (title, start), end in zip(starts, ends, strict=True)}


def slices(_: Row) -> Iterator[Fact]:
    """Nothing: a slice's name has its service's name before a part that was picked, which may be cut off, and all its endpoints stand there, also those
    that are not ready (``printEndpointSlice``)."""
    yield from ()


def pods(row: Row) -> Iterator[Fact]:
    """A pod with an address and a node, while its containers run (``printPod``); with ``--show-labels`` its labels."""
    if not (row.known("IP") and row.known("NODE")) or OVER.search(row.cells.get("STATUS", "")):
        return
    shown = dict(pair.split("=", 1) for pair in row.known("LABELS").split(",") if pair) if "LABELS" in row.cells else None
    yield PodListing(
        at=row.at,
        name=row.name,
        namespace=row.namespace,
        node=row.cells["NODE"],
        addresses=(address(row.cells["IP"]),),
        labels=shown,
    )


def nodes(row: Row) -> Iterator[Fact]:
    """A node with its first internal address (``printNode``)."""
    if own := row.known("INTERNAL-IP"):
        yield NodeListing(at=row.at, name=row.name, addresses=(address(own),))


def services(row: Row) -> Iterator[Fact]:
    """A service with its first cluster address and its ports (``printService``, ``makePortString``); none for headless ones, and for names."""
    own = row.known("CLUSTER-IP")
    if not own or row.cells.get("TYPE") == "ExternalName":
        return
    found = tuple(listed_port(text) for text in row.known("PORT(S)").split(",") if text)
    yield ServiceListing(at=row.at, name=row.name, namespace=row.namespace, cluster_addresses=(address(own),), ports=found)


def listed_port(text: str) -> ListedPort:
    """``443/TCP``, or ``443:30443/TCP`` with a port of nodes."""
    found = PORT.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a port such as 443/TCP, not {text[:40]!r}")
    return ListedPort(PROTOCOLS[found["protocol"]], int(found["port"]))


def endpoints(row: Row) -> Iterator[Fact]:
    """All ready endpoints of an object; nothing where some are not shown."""
    cell = row.cells.get("ENDPOINTS", "")
    if cell and not MORE.search(cell):
        found = tuple((*pair, None, None) for pair in pairs(cell))
        yield EndpointsListing(at=row.at, name=row.name, namespace=row.namespace, endpoints=found)


def pairs(cell: str) -> Iterator[tuple[Address, int]]:
    """``10.244.1.5:8080,[fd00::5]:8080``; addresses without a port, as services without ports have them, are left out."""
    for text in cell.split(",") if cell not in NOTHING else ():
        host, colon, port = text.strip().rpartition(":")
        if colon and port.isdecimal() and ("]" in host or ":" not in host):
            yield address(host.strip("[]")), int(port)


def policies(row: Row) -> Iterator[Fact]:
    """A NetworkPolicy of which nothing but whom it selects is known (``printNetworkPolicy``), and without a namespace not even that."""
    yield network_policy(row.at, row.namespace, row.name, row.cells["POD-SELECTOR"] if row.namespace else "")


READERS = {
    "pods": pods,
    "nodes": nodes,
    "services": services,
    "endpoints": endpoints,
    "endpointslices": slices,
    "networkpolicies": policies,
}
