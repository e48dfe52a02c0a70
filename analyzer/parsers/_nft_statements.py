"""One rule of ``nft list ruleset`` as the statements of libnftables-json(5), so that both forms are read from there on by the same code.

A statement that is not understood becomes ``{"unknown": TEXT}`` with all that follows it in the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from analyzer.parsers._nft_types import INVALID
from analyzer.parsers._nft_words import (
    BARE,
    HEADERS,
    OPERATORS,
    PRIMARIES,
    TOKEN,
    VERDICTS,
    Node,
    Words,
    expression,
    listed,
    values,
)

PLACE = re.compile(r"(?:\[([^\]]*)\]|([0-9a-fA-F.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.\-/]*|[0-9./-]*))?(?::([\d-]+))?")
NUMBERS = re.compile(r"\d+(-\d+)?")
PORT = re.compile(r":\d+(-\d+)?")
LIMITS = frozenset({"limit", "quota", "ct"})
UNITS = ("/second", "/minute", "/hour", "/day", "/week")


def statements(text: str) -> list[Node]:
    """The statements of a rule."""
    if text.count('"') % 2:
        return [{"unknown": text}]
    words = Words(TOKEN.findall(text.replace(INVALID, "")))
    found: list[Node] = []
    while words.at < len(words.tokens):
        start = words.at
        try:
            found.append(statement(words))
        except (ValueError, RecursionError):
            found.append({"unknown": " ".join(words.tokens[start:])})
            break
    return found


def statement(words: Words) -> Node:
    """One statement."""
    known = STATEMENTS.get(words.peek())
    if known is not None and not (words.peek() == "ct" and words.peek(1) != "count"):
        words.take()
        return known(words)
    left = expression(words)
    if isinstance(left, str):
        raise ValueError(f"{left!r} is no statement")
    if words.given("vmap"):
        return {"vmap": {"key": left, "data": values(words)}}
    if words.given("set"):
        value = expression(words)
        return {"mangle": {"key": left, "value": [value, *listed(words)] if words.peek() == "," else value}}
    operator = OPERATORS.get(words.peek(), "in")
    if operator != "in" or words.peek() == "in":
        words.take()
    right = values(words)
    if words.given("/"):
        left, operator, right = {"&": [left, values(words)]}, "!=" if operator == "!=" else "==", right
    return {"match": {"op": operator, "left": left, "right": right}}


def counter(words: Words) -> Node:
    """``counter packets 0 bytes 0``; ``counter name "x"``."""
    if words.given("name"):
        return {"counter": named(words)}
    while words.given("packets", "bytes"):
        words.take()
    return {"counter": None}


def named(words: Words) -> Node:
    """An object by its name, or looked up in a map."""
    found = expression(words)
    return found.strip('"') if isinstance(found, str) else found


def log(words: Words) -> Node:
    """``log prefix "x" level info``."""
    while words.given("prefix", "level", "group", "snaplen", "queue-threshold", "flags"):
        words.take()
        while words.given(","):
            words.take()
        if words.peek(-1) in ("tcp", "ip") and words.peek() in ("sequence", "options"):
            words.take()
            listed(words)
    return {"log": None}


def limit(words: Words) -> Node:
    """``limit rate over 10/second burst 5 packets``."""
    start = words.at
    if not words.given("name"):
        words.need("rate")
        words.given("over")
        if not words.take().endswith(UNITS) and words.peek().endswith(UNITS):
            words.take()
        if words.given("burst"):
            words.take()
            words.take()
        return {"limit": " ".join(words.tokens[start : words.at])}
    return {"limit": {"name": named(words)}}


def quota(words: Words) -> Node:
    """``quota over 10 mbytes used 0 bytes``; ``quota name "x"``."""
    start = words.at
    if words.given("name"):
        return {"quota": {"name": named(words)}}
    words.given("over", "until")
    words.take()
    words.take()
    if words.given("used"):
        words.take()
        words.take()
    return {"quota": " ".join(words.tokens[start : words.at])}


def ct_count(words: Words) -> Node:
    """``ct count over 10``."""
    words.need("count")
    over = "over " if words.given("over") else ""
    return {"ct count": over + words.take()}


def reject(words: Words) -> Node:
    """``reject with icmp port-unreachable``."""
    if not words.given("with"):
        return {"reject": None}
    kind = words.take()
    if kind == "tcp":
        words.need("reset")
        return {"reject": {"type": "tcp reset"}}
    words.given("type")
    return {"reject": {"type": kind, "expr": words.take()}}


def nat(kind: str) -> Callable[[Words], Node]:
    """``dnat [ip] to …``."""

    def read(words: Words) -> Node:
        inner: dict[str, Node] = {}
        if words.peek() in ("ip", "ip6") and words.peek(1) in ("to", "prefix", "addr", "interval"):
            inner["family"] = words.take()
        if words.peek() in ("prefix", "interval"):
            inner["type_flags"] = words.take()
        if words.given("addr"):
            words.need(".")
            words.need("port")
        if words.given("to"):
            target(words, inner)
        found = flags(words)
        return {kind: {**inner, "flags": found} if found else inner or None}

    return read


def flags(words: Words) -> list[str]:
    """``random,persistent``."""
    found = []
    while words.peek() in ("random", "fully-random", "persistent"):
        found.append(words.take())
        words.given(",")
    return found


def target(words: Words, inner: dict[str, Node]) -> None:
    """Where a translation goes: an address, a port, or a map."""
    word = words.peek()
    if word in HEADERS or word in PRIMARIES or word in BARE:
        inner["addr"] = expression(words)
        if PORT.fullmatch(words.peek()):
            inner["port"] = words.take()[1:]
        return
    place = PLACE.fullmatch(words.take())
    if place is None:
        raise ValueError(f"{word!r} is no address with a port")
    if found := place.group(1) or place.group(2):
        inner["addr"] = found
    if place.group(3):
        inner["port"] = place.group(3)
    if words.peek() == ":":
        raise ValueError("a port that is computed")


def tproxy(words: Words) -> Node:
    """``tproxy ip to 127.0.0.1:1234``."""
    inner: dict[str, Node] = {}
    if words.peek() in ("ip", "ip6"):
        inner["family"] = words.take()
    words.need("to")
    target(words, inner)
    return {"tproxy": inner}


def queue(words: Words) -> Node:
    """``queue flags bypass to 1-3``, ``queue num 1-3 bypass,fanout``, ``queue to symhash mod 2``."""
    found: list[Node] = []
    inner: dict[str, Node] = {"flags": found}
    while words.given("num", "to", "flags", "bypass", "fanout", ","):
        if words.peek(-1) in ("bypass", "fanout"):
            found.append(words.peek(-1))
        elif words.peek(-1) in ("num", "to"):
            inner["num"] = words.take() if NUMBERS.fullmatch(words.peek()) else expression(words)
    return {"queue": inner}


def change(operation: str) -> Callable[[Words], Node]:
    """``update @set { ip saddr timeout 1h }``; in a map with data."""

    def read(words: Words) -> Node:
        name = words.take()
        if not name.startswith("@"):
            raise ValueError("expected the name of a set")
        words.need("{")
        inner: dict[str, Node] = {"op": operation, "set": name, "elem": expression(words)}
        extra = []
        while not words.given("}"):
            extra.append(words.take())
        if ":" in extra:
            raise ValueError("a map that is changed")
        if LIMITS & set(extra):
            inner["stmt"] = [{"limit": None}]
        return {"set": inner}

    return read


def meter(words: Words) -> Node:
    """``meter m size 65535 { ip saddr limit rate over 10/second }``: a set of its own, which only its limit looks at."""
    start = words.at
    while not words.given("{"):
        words.take()
    while not words.given("}"):
        words.take()
    return {"meter": " ".join(words.tokens[start : words.at])}


def copied(words: Words) -> Node:
    """``dup to 10.0.0.1 device "eth0"``: a copy goes elsewhere, the packet goes on."""
    words.need("to")
    expression(words)
    if words.given("device"):
        expression(words)
    return {"dup": None}


def flow(words: Words) -> Node:
    """``flow add @ft``, ``flow offload @ft``."""
    words.take()
    return {"flow": {"op": "add", "flowtable": words.take()}}


def xt(words: Words) -> Node:
    """``xt match recent``: a module of iptables that nft does not show."""
    kind = words.take()
    return {"xt": {"type": kind, "name": words.take().strip('"')}}


def comment(words: Words) -> Node:
    """``comment "…"``."""
    words.take()
    return {"comment": None}


def reset(words: Words) -> Node:
    """``reset tcp option timestamp``: the option is taken out of the header."""
    for word in ("tcp", "option"):
        words.need(word)
    return {"reset": {"tcp option": {"name": words.take()}}}


def last(words: Words) -> Node:
    """``last used 3s``."""
    if words.given("used"):
        words.take()
        words.given("ago")
    return {"last": None}


def plain(name: str) -> Callable[[Words], Node]:
    """A statement of one word."""
    return lambda _: {name: None}


def jump(name: str) -> Callable[[Words], Node]:
    """``jump chain``."""
    return lambda words: {name: {"target": words.take().strip('"')}}


STATEMENTS: Mapping[str, Callable[[Words], Node]] = {
    **{name: plain(name) for name in (*VERDICTS, "notrack")},
    "jump": jump("jump"),
    "goto": jump("goto"),
    **{name: nat(name) for name in ("dnat", "snat", "masquerade", "redirect")},
    **{name: change(name) for name in ("add", "update", "delete")},
    "counter": counter,
    "log": log,
    "limit": limit,
    "quota": quota,
    "ct": ct_count,
    "reject": reject,
    "tproxy": tproxy,
    "queue": queue,
    "flow": flow,
    "xt": xt,
    "comment": comment,
    "last": last,
    "meter": meter,
    "dup": copied,
    "reset": reset,
}
