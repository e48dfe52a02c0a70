"""``ip rule show``, text and JSON (iproute2 ip/iprule.c, print_rule)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import Prefix, prefix
from analyzer.copies import altered
from analyzer.facts.base import Fact
from analyzer.facts.routes import RoutingRuleFact
from analyzer.parsers import UNREADABLE, Parser, by_known_line, gap, reason, remembered
from analyzer.parsers._route_tables import table_number
from analyzer.parsers._words import is_json, json_items, of_table, refuse_errors
from analyzer.source import Gap, Scope, Source, Span

PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "ipip": 4,
    "tcp": 6,
    "udp": 17,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "sctp": 132,
}
LINE = re.compile(r"^(\d+):\s*(.*)$")
TABLE = re.compile(r"[\w.+-]+")
SILENT = frozenset({"proto", "protocol"})
CHOSEN = re.compile(r"ip_(?:-\S+_)*(?:ru|rul|rules?)_(?:show|list|ls|lst|s|l)_(?!\.)\w")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Rules by line or item. A rule without an address belongs to the family of the file's name; in a file of both families the
    second of two equal rules is IPv6's. None of those that a selector chose, as the others decide too (ip-rule(8), ``ip rule list SELECTOR``)."""
    if CHOSEN.match(source.name):
        yield gap(source, source.extent()[0], "only the rules that a selector chose are listed: what the others say is not known")
        return
    seen: set[RoutingRuleFact] = set()
    for found in items(source) if is_json(source.text) else lines(source):
        if isinstance(found, RoutingRuleFact):
            if found in seen and found.family == 4 and found.source is None and found.destination is None:
                found = altered(found, family=6)
            seen.add(found)
        yield found


def items(source: Source) -> Iterator[RoutingRuleFact | Gap]:
    """The rules of a JSON array."""
    for item, at in json_items(source):
        try:
            yield rule_from(source, item, at)
        except UNREADABLE as problem:
            yield Gap(at, reason(problem), source.kind, source.scope)


def lines(source: Source) -> Iterator[Fact | Gap]:
    """The rules of the text form."""
    return by_known_line(source, rules_of_6 if family_of(source) == 6 else rules_of_4)


@remembered
def rules_of_4(line: str, subject: str) -> tuple[RoutingRuleFact, ...]:
    """The rule of a line of a listing whose name does not speak of IPv6."""
    del subject
    return (rule_of(line.rstrip("\r "), 4),)


@remembered
def rules_of_6(line: str, subject: str) -> tuple[RoutingRuleFact, ...]:
    """The rule of a line of one of IPv6."""
    del subject
    return (rule_of(line.rstrip("\r "), 6),)


def family_of(source: Source) -> int:
    """6 where the file's name says so; a rule that names an address tells its family itself."""
    return 6 if re.search(r"(^|[_-])-?6[_-]|ip6|v6", source.name) else 4


def rule_of(line: str, family: int) -> RoutingRuleFact:
    """``1000: not from 10.0.0.0/8 fwmark 0x1/0xff iif eth0 lookup 100 suppress_prefixlength 0``."""
    refuse_errors(line)
    found = LINE.match(line)
    if not found:
        raise ValueError(f"expected a rule such as '32766: from all lookup main', not {line[:60]!r}")
    values, flags, unknown = values_of(found.group(2).split())
    return make(None, Span("", 1, 1, 1, len(line) + 1), int(found.group(1)), values, flags, unknown, family)


FLAGS = frozenset({"not", "l3mdev", "nop", "blackhole", "unreachable", "prohibit", "[detached]", "unresolved"})
KEYS = frozenset(
    {
        "from",
        "to",
        "fwmark",
        "iif",
        "oif",
        "lookup",
        "table",
        "goto",
        "suppress_prefixlength",
        "suppress_prefixlen",
        "suppress_ifgroup",
        "ipproto",
        "sport",
        "dport",
        "uidrange",
        "tos",
        "dsfield",
        "realms",
        "tun_id",
    }
)


SYNONYMS = {"table": "lookup", "dsfield": "tos", "suppress_prefixlen": "suppress_prefixlength"}


def values_of(words: list[str]) -> tuple[dict[str, str], set[str], list[str]]:
    """Keys with their values, flags, and selectors that are not known."""
    values: dict[str, str] = {}
    flags: set[str] = set()
    unknown: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "lookup" and words[position + 1 : position + 2] == ["[l3mdev-table]"]:
            flags.add("l3mdev")
            position += 2
        elif word in FLAGS:
            flags.add(word)
            position += 1
        elif word in KEYS and SYNONYMS.get(word, word) in values:
            raise ValueError(f"{word!r} is said twice")
        elif word in KEYS:
            values[SYNONYMS.get(word, word)] = words[position + 1]
            position += 2
        elif word in SILENT:
            position += 2
        else:
            unknown.append(word)
            position += 1
    return values, flags, unknown + [key for key in ("realms", "tun_id") if key in values]


def rule_from(source: Source, item: Mapping[str, Any], at: Span) -> RoutingRuleFact:
    """One rule of JSON, through the same words."""
    flags = {key for key in ("not", "l3mdev", "nop") if item.get(key, 0) is None or item.get(key)}
    if item.get("action") in FLAGS:
        flags.add(str(item["action"]))
    unknown = [key for key in item if JSON_NAMES.get(key, key) not in KEYS and key not in JSON_KNOWN]
    return make(source.scope, at, int(item["priority"]), json_values(item), flags, unknown, family_of(source))


JSON_NAMES = {"src": "from", "dst": "to", "table": "lookup", "suppress_prefixlen": "suppress_prefixlength"}
JSON_RANGES = {
    "uidrange": ("uid_start", "uid_end"),
    "sport": ("sport_start", "sport_end"),
    "dport": ("dport_start", "dport_end"),
}
JSON_KNOWN = frozenset(
    (
        *(key for ends in JSON_RANGES.values() for key in ends),
        *("priority", "srclen", "dstlen", "fwmask", "action", "protocol", "not", "l3mdev", "nop"),
        *("iif_detached", "oif_detached", "unresolved", "flow"),
    )
)


def json_values(item: Mapping[str, Any]) -> dict[str, str]:
    """The values of a rule of JSON under the words that its line would have: prefixes, masks and ranges put together."""
    values = {JSON_NAMES.get(key, key): str(value) for key, value in item.items() if JSON_NAMES.get(key, key) in KEYS}
    for side, length in (("from", "srclen"), ("to", "dstlen")):
        if length in item and values.get(side) not in (None, "all"):
            values[side] += f"/{item[length]}"
    if "fwmask" in item:
        values["fwmark"] += f"/{item['fwmask']}"
    for key, (low, high) in JSON_RANGES.items():
        if low in item:
            values[key] = f"{item[low]}-{item[high]}"
    return values


def make(
    scope: Scope | None,
    at: Span,
    priority: int,
    values: Mapping[str, str],
    flags: set[str],
    unknown: list[str],
    family: int,
) -> RoutingRuleFact:
    """The rule from its parts; ``family`` is that of one that names no address."""
    origin, target = network(values.get("from")), network(values.get("to"))
    told = next((item.family for item in (origin, target) if item), None)
    mark, mask = marked(values.get("fwmark"))
    action = next(
        (flag for flag in ("nop", "blackhole", "unreachable", "prohibit") if flag in flags),
        "goto" if "goto" in values else "lookup",
    )
    table: int | str | None = table_number(values["lookup"]) if "lookup" in values else None
    if isinstance(table, str) and not TABLE.fullmatch(table):
        raise ValueError(f"expected a routing table, not {table[:60]!r}")
    if action == "lookup" and table is None and "l3mdev" not in flags:
        raise ValueError("the rule has no action: expected lookup, goto, blackhole, unreachable, prohibit or nop")
    return RoutingRuleFact(
        at=at,
        scope=scope,
        family=told or family,
        priority=priority,
        inverted="not" in flags,
        source=origin,
        destination=target,
        mark=mark,
        mask=mask,
        in_interface=values.get("iif"),
        out_interface=values.get("oif"),
        protocol=protocol(values.get("ipproto")),
        source_ports=span(values.get("sport")),
        destination_ports=span(values.get("dport")),
        tos=int(values["tos"], 0) if "tos" in values else None,
        user_ids=span(values.get("uidrange")),
        l3mdev="l3mdev" in flags,
        action=action,
        table=table,
        target=int(values["goto"]) if values.get("goto", "none").isdecimal() else None,
        suppress_prefix_length=int(values["suppress_prefixlength"]) if "suppress_prefixlength" in values else None,
        suppress_group=values.get("suppress_ifgroup"),
        unknown=tuple(unknown),
    )


def network(text: str | None) -> Prefix | None:
    """A selector's network; ``all`` is none."""
    return None if text in (None, "all", "any", "default") else prefix(text)


def marked(text: str | None) -> tuple[int | None, int]:
    """``0x1/0xff``."""
    if text is None:
        return None, 0xFFFFFFFF
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF


def span(text: str | None) -> tuple[int, int] | None:
    """``80`` or ``80-90``."""
    if text is None:
        return None
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def protocol(text: str | None) -> int | None:
    """A protocol's number."""
    if text is None:
        return None
    return (
        int(text.removeprefix("ipproto-"))
        if text.removeprefix("ipproto-").isdecimal()
        else of_table(PROTOCOLS, text.lower(), "protocol")
    )


PARSER = Parser(
    kind="ip-rule",
    read=read,
    names=(
        r"ip_(-\S+_)*(ru|rul|rule|rules)(_(show|list|ls|s))?(\.json)?",
        r"(ip)?6?(rules?|iprule|ip6rule|ipv6rule|ip-rules?)(\.json)?",
    ),
    content=re.compile(r"^\d+:\s+(not )?from |^\s*\[\s*\{\s*\"priority\"", re.MULTILINE),
)
