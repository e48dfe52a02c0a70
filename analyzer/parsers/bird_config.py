"""BIRD's configuration, as confd writes it for Calico (``/etc/calico/confd/config/bird.cfg`` and the files beside it) and as people do
(BIRD's manual, chapter 3; confd/etc/calico/confd/templates/bird.cfg.template, bird_ipam.cfg.template).

A file of the configuration is a list of statements, each ended by ``;`` or a block in braces. Filters are not run: what they say of networks one by one is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ConfiguredPeer, DaemonConfigFact, Permission
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.source import Gap, Source, Span

TOKEN = re.compile(
    r"(?P<skip>\s+|#[^\n]*|/\*.*?\*/)|(?P<text>\"[^\"\n]*\"|'[^'\n]*')|(?P<mark>[{};])|(?P<word>[^\s{};#\"']+)", re.DOTALL
)
TOP = frozenset(
    [
        "router",
        "log",
        "listen",
        "define",
        "debug",
        "timeformat",
        "table",
        "ipv4",
        "ipv6",
        "watchdog",
        "mrtdump",
        "eval",
        "attribute",
        "graceful",
        "include",
        "function",
        "filter",
        "template",
        "protocol",
        "roa",
        "hostname",
        "threads",
        "vrf",
        "if",
        "vpn4",
        "vpn6",
        "flow4",
        "flow6",
        "mpls",
        "aspa",
        "cli",
        "cork",
    ]
)
NETWORK = re.compile(r"[0-9a-fA-F.:]+/\d+")
CONDITION = re.compile(r"net\s*(?P<how>~|=)\s*\[?\s*(?P<net>[0-9a-fA-F.:]+/\d+)(?P<more>[+-]|\{\d+,\d+\})?\s*\]?\s*\)")
DEEP = 64


@dataclass(slots=True)
class Statement:
    """A statement: its words, the statements inside its braces, and its line. ``closed``: it has braces."""

    words: list[str] = field(default_factory=list)
    inside: list[Statement] = field(default_factory=list)
    line: int = 0
    closed: bool = False


@dataclass(slots=True)
class Found:
    """What the file says so far, and what templates say to those that are made from them."""

    path: str
    values: dict[str, int] = field(default_factory=dict)
    router: str = ""
    kernel: str = ""
    peers: list[ConfiguredPeer] = field(default_factory=list)
    networks: list[tuple[Prefix, Span]] = field(default_factory=list)
    filters: list[tuple[str, tuple[Permission, ...]]] = field(default_factory=list)
    templates: dict[str, list[Statement]] = field(default_factory=dict)


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact for the file, after the gaps."""
    found = Found(source.path)
    first = 0
    for statement in statements(source.text):
        first = first or statement.line
        try:
            taken(found, statement)
        except UNREADABLE as problem:
            yield gap(source, statement.line, reason(problem))
    if first:
        yield DaemonConfigFact(
            at=Span(source.path, first),
            scope=source.scope,
            program="bird",
            local_as=found.values.get("as"),
            router=address(found.router) if found.router else None,
            port=found.values.get("port"),
            peers=tuple(found.peers),
            networks=tuple(found.networks),
            filters=tuple(found.filters),
            kernel=found.kernel,
        )


def statements(text: str) -> list[Statement]:
    """The statements of a file; a brace too many, or one that is not closed, ends what it can."""
    stack = [Statement(closed=True)]
    open_one = Statement()
    line, at = 1, 0
    for token in TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at = token.start()
        if token["skip"]:
            continue
        value = token[0]
        if value == ";":
            if open_one.words:
                stack[-1].inside.append(open_one)
            open_one = Statement()
        elif value == "{" and len(stack) < DEEP:
            open_one.line = open_one.line or line
            open_one.closed = True
            stack.append(open_one)
            open_one = Statement()
        elif value == "}":
            if open_one.words:
                stack[-1].inside.append(open_one)
            open_one = Statement()
            if len(stack) > 1:
                done = stack.pop()
                stack[-1].inside.append(done)
        else:
            open_one.line = open_one.line or line
            open_one.words.append(value)
    if open_one.words:
        stack[-1].inside.append(open_one)
    while len(stack) > 1:
        done = stack.pop()
        stack[-1].inside.append(done)
    return stack[0].inside


def taken(found: Found, statement: Statement) -> None:
    """One statement of the file."""
    match statement.words:
        case ["router", "id", value, *_]:
            found.router = value if value[:1].isdigit() else ""
        case ["listen", "bgp", *rest]:
            noted_port(found, rest)
        case ["protocol" | "template" as what, kind, *rest]:
            inherited = templates_of(found, rest)
            name = rest[0] if rest and rest[0] != "from" else kind
            if what == "template":
                found.templates[name] = [*inherited, *statement.inside]
            else:
                protocol(found, kind, name, [*inherited, *statement.inside], statement.line)
        case ["function" | "filter", name, *rest]:
            title = re.split(r"\W", " ".join([name, *rest]).strip("'\""))[0]
            found.filters.append((title, tuple(permissions(found.path, statement.inside))))
        case [] if statement.closed:
            return
        case [word, *_] if word not in TOP and not word.startswith(("bgp_", "(")):
            raise ValueError(f"{word[:40]!r} begins no statement of BIRD's that is known")
        case _:
            return


def noted_port(found: Found, words: Sequence[str]) -> None:
    """``listen bgp [address …] port 150``."""
    if "port" in words:
        found.values["port"] = int(words[words.index("port") + 1])


def templates_of(found: Found, words: Sequence[str]) -> list[Statement]:
    """What ``from NAME`` brings."""
    return found.templates.get(words[words.index("from") + 1], []) if "from" in words[:-1] else []


def protocol(found: Found, kind: str, name: str, inside: list[Statement], line: int) -> None:
    """A protocol: a session, static routes, or the way to the kernel. What a later statement says holds."""
    flat = [*inside, *(item for one in inside if one.closed and one.words[:1] in (["ipv4"], ["ipv6"]) for item in one.inside)]
    if kind == "bgp":
        found.peers.append(peer(found, name, flat, line))
    elif kind == "static":
        found.networks += [
            (prefix(item.words[1]), Span(found.path, item.line))
            for item in flat
            if item.words[:1] == ["route"] and NETWORK.fullmatch(item.words[1])
        ]
    elif kind == "kernel":
        found.kernel = next((export(item) for item in reversed(flat) if item.words[:1] == ["export"]), "none")


def export(statement: Statement) -> str:
    """What ``export`` says: ``none``, ``all``, the name of a filter, or ``filter`` for one without a name."""
    words = statement.words[1:]
    return words[0] if words[:1] in (["none"], ["all"]) else words[1] if words[:1] == ["filter"] and len(words) > 1 else "filter"


def peer(found: Found, name: str, inside: Sequence[Statement], line: int) -> ConfiguredPeer:
    """A session."""
    values: dict[str, str] = {}
    for statement in inside:
        match statement.words:
            case ["neighbor", "range", *_]:
                values["address"] = ""
            case ["neighbor", where, *rest]:
                values["address"] = where.partition("%")[0] if where[:1].isdigit() or ":" in where else ""
                values |= {key: rest[rest.index(key) + 1] for key in ("as", "port") if key in rest[:-1]}
            case ["local", *rest] if "as" in rest[:-1]:
                values["local"] = rest[rest.index("as") + 1]
            case ["passive", *rest]:
                values["passive"] = "" if rest[:1] in (["off"], ["no"]) else "yes"
            case ["disabled", *rest]:
                values["disabled"] = "" if rest[:1] in (["off"], ["no"]) else "yes"
            case ["export", *_]:
                values["export"] = export(statement)
            case _:
                continue
    if values.get("local", "").isdecimal():
        found.values.setdefault("as", int(values["local"]))
    return ConfiguredPeer(
        name,
        address(values["address"]) if values.get("address") else None,
        number(values.get("as")),
        number(values.get("local")),
        number(values.get("port")),
        bool(values.get("passive")),
        bool(values.get("disabled")),
        {"none": False, "all": True, "": False}.get(values.get("export", "")),
        at=Span(found.path, line),
    )


def number(text: str | None) -> int | None:
    """A number; None for a name that is defined elsewhere."""
    return int(text) if text and text.isdecimal() else None


def permissions(path: str, inside: Sequence[Statement]) -> Iterator[Permission]:
    """What a filter says of networks: ``if (net ~ 10.0.0.0/16) then { accept; }``. A condition with more than the network says it of some routes only, and is left out."""
    for statement in inside:
        text = " ".join(statement.words)
        found = CONDITION.search(text)
        plain = (
            found is not None
            and re.fullmatch(r"if \(+ ?" + re.escape(found[0].rstrip(")").strip()) + r" ?\)+ ?then.*", text) is not None
        )
        verdict = next((word for one in (statement, *statement.inside) for word in one.words if word in ("accept", "reject")), "")
        if found is not None and plain and verdict:
            inner = found["how"] == "~" and not found["more"]
            yield Permission(prefix(found["net"]), verdict == "accept", inner, at=Span(path, statement.line))
        elif statement.closed and found is None:
            yield from permissions(path, statement.inside)


PARSER = Parser(
    kind="bird-config",
    read=read,
    names=(
        r"(.*/)?etc/(calico/confd/config|bird)/[^/]*bird[^/]*\.(cfg|conf)",
        r"(.*/)?etc/bird6?\.conf",
        r"bird6?(_aggr|_ipam)?\.(cfg|conf)",
    ),
    content=re.compile(r"^(protocol|template) (bgp|kernel|static|device|direct)\b|^include \"bird\w*\.cfg\";", re.MULTILINE),
)
