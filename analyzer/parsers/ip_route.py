"""``ip route show`` in both families and all tables, text and JSON (iproute2 ip/iproute.c, print_route)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from analyzer.addresses import WIDTH, Address, Prefix, address, default_prefix, prefix
from analyzer.copies import altered
from analyzer.facts.base import Fact
from analyzer.facts.routes import MAIN, NextHop, RouteFact
from analyzer.parsers import KNOWN, SHORT, UNREADABLE, Parser, below, gap, reason
from analyzer.parsers._route_keys import FLAGS, HOP_KEYS, JSON_KEYS
from analyzer.parsers._route_tables import table_number, table_told, vrf_told
from analyzer.parsers._words import is_json, json_items, refuse_errors, refuse_keys
from analyzer.source import Gap, Source, Span

KINDS = frozenset(
    {"unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat"}
)
VALUES = frozenset(
    {
        "via",
        "dev",
        "src",
        "table",
        "metric",
        "proto",
        "scope",
        "nhid",
        "mtu",
        "weight",
        "from",
        "realm",
        "realms",
        "advmss",
        "rtt",
        "rttvar",
        "cwnd",
        "window",
        "reordering",
        "hoplimit",
        "initcwnd",
        "initrwnd",
        "features",
        "quickack",
        "congctl",
        "error",
        "pref",
        "expires",
        "uid",
        "users",
        "age",
        "ssthresh",
        "rto_min",
        "fastopen_no_cookie",
        "ttl-propagate",
        "iif",
        "tos",
        "dsfield",
        "asymmetric",
        "timeout",
        "metric-lock",
        "lock",
    }
)
PAIRS = VALUES - {"dsfield"}
SPECIAL = frozenset({"lock", "inet", "inet6"})
SCOPES = frozenset({"global", "universe", "link", "host", "site", "nowhere"})


def read(source: Source) -> Iterator[Fact | Gap]:
    """Routes in listing order. Of one table a listing does not say which: its command does; of a VRF's only the device would."""
    if vrf := vrf_told(source.name):
        yield gap(source, source.extent()[0], f"the table of VRF {vrf} is not named here: ip route show table all would say it")
        return
    table = table_told(source.name)
    for item in read_json(source) if is_json(source.text) else read_text(source):
        of_another = table is not None and isinstance(item, RouteFact) and item.table == MAIN
        yield altered(item, table=table) if of_another else item


def family_of(source: Source) -> int:
    """The family that the file's name or its content tells; it decides what a bare ``default`` means."""
    if re.search(r"(^|[_/-])-?6[_-]|ip6|v6|ipv6", source.name):
        return 6
    sample = source.text[:4096]
    return 6 if ":" in sample and not re.search(r"\b\d+\.\d+\.\d+\.\d+", sample) else 4


def read_text(source: Source) -> Iterator[Fact | Gap]:
    """The text form: a route a line, multipath next hops on lines of their own."""
    family = family_of(source)
    pending: list[tuple[int, str]] = []
    order = -1
    for number, raw in enumerate(source.text.split("\n"), 1):
        line = raw.rstrip("\r ").replace("\\", " ")
        if not line.strip():
            continue
        if line[0] in " \t" and line.split()[0] in ("nexthop", "cache", "nh_info") and pending:
            pending.append((number, line))
            continue
        if pending:
            yield collected(source, pending, family, order)
        order += 1
        pending = [(number, line)]
    if pending:
        yield collected(source, pending, family, order)


def collected(source: Source, pending: list[tuple[int, str]], family: int, order: int) -> Fact | Gap:
    """The route of the lines that were collected."""
    number, first = pending[0]
    try:
        hops = tuple(line for _, line in pending[1:] if line.split()[0] == "nexthop")
        fact = (route_on_line if len(first) <= SHORT and not hops else route_on_line.__wrapped__)(first, hops, family)
        return altered(fact, at=below(fact.at, source.path, number - 1), scope=source.scope, order=order)
    except UNREADABLE as problem:
        return gap(source, number, f"{reason(problem)} (expected a route such as '10.0.0.0/8 via 10.0.0.1 dev eth0')")


@lru_cache(maxsize=KNOWN)
def route_on_line(line: str, hops: tuple[str, ...], family: int) -> RouteFact:
    """A line's route, as if it stood on the first line; nodes have most of their lines in common. ValueError for what is no route."""
    refuse_errors(line)
    fact = route_of(Source("", line), 1, line, hops, family, 0)
    refuse_nowhere(fact.kind, fact.next_hops, fact.next_hop_id)
    if fact.kind == "unicast" and (fact.scope_name, fact.protocol, fact.table) == ("host", "kernel", 255):
        raise ValueError("the kind of the route, local, is missing")
    return fact


def asked(source: Source) -> Iterator[Fact | Gap]:
    """The route that a command names (``ip route add …``): the kernel finds its device where none is said."""
    try:
        yield route_of(source, 1, source.text, (), family_of(source), 0)
    except UNREADABLE as problem:
        yield gap(source, 1, f"{reason(problem)} (expected a route such as '10.0.0.0/8 via 10.0.0.1 dev eth0')")


def route_of(source: Source, number: int, line: str, hops: tuple[str, ...], family: int, order: int) -> RouteFact:
    """A route from its line, and those of its next hops."""
    kind, words = "unicast", line.split(None, 1)
    if words[0] in KINDS:
        kind, words = words[0], words[1].split(None, 1)
    told = tail(words[1] if len(words) > 1 else "", hops)
    if words[0] == "default":
        family = told.family or family
    return RouteFact(
        at=Span(source.path, number, line.find(words[0]) + 1, number, len(line) + 1),
        scope=source.scope,
        destination=destination(words[0], family),
        kind=kind,
        table=told.table,
        next_hops=told.next_hops,
        next_hop_id=told.next_hop_id,
        metric=told.metric,
        source=told.source,
        scope_name=told.scope_name,
        protocol=told.protocol,
        tos=told.tos,
        mtu=told.mtu,
        hop_limit=told.hop_limit,
        source_prefix=told.source_prefix,
        order=order,
    )


WITHOUT_DEVICE = frozenset({"blackhole", "unreachable", "prohibit", "throw"})


def refuse_nowhere(kind: str, hops: Sequence[NextHop], next_hop_id: int | None) -> None:
    """ValueError for a route that leads nowhere: the kernel has a device for every other (iproute2 ip/iproute.c prints it)."""
    if kind not in WITHOUT_DEVICE and next_hop_id is None and not (hops and all(hop.device for hop in hops)):
        raise ValueError("the route has no device")


class Tail(NamedTuple):
    """What stands behind a destination. ``family`` is the one that an address or an option tells; None where none does."""

    family: int | None
    next_hops: tuple[NextHop, ...]
    table: int | str
    next_hop_id: int | None
    metric: int
    source: Address | None
    scope_name: str | None
    protocol: str | None
    tos: int
    mtu: int | None
    hop_limit: int | None
    source_prefix: Prefix | None


@lru_cache(maxsize=1 << 14)
def tail(text: str, hops: tuple[str, ...]) -> Tail:
    """The options of a route, which many have in common, and the lines of its next hops. ValueError for what is not known."""
    words = text.split()
    groups = [line.split()[1:] for line in hops]
    if "nexthop" in words:
        position = words.index("nexthop")
        words, inner = words[:position], " ".join(words[position:]).split("nexthop")[1:]
        groups += [part.split() for part in inner]
    options, flags, encap = options_of(words)
    ways = [next_hop(group) for group in groups]
    if not ways and ("dev" in options or "via" in options):
        ways = [NextHop(way(options.get("via")), options.get("dev"), 1, frozenset(flags), encap)]
    told = options.get
    origin, scope = told("from", "default"), told("scope", "global")
    if scope not in SCOPES and not scope.isdecimal():
        raise ValueError(f"the scope {scope!r} is not known")
    return Tail(
        family_told(options, bool(groups)),
        tuple(ways),
        table_number(told("table", MAIN)),
        int(options["nhid"]) if "nhid" in options else None,
        int(told("metric", 0)),
        way(told("src")),
        told("scope"),
        told("proto"),
        int(told("tos", "0"), 0),
        int(options["mtu"]) if "mtu" in options else None,
        hop_limit(told("hoplimit")),
        None if origin in ("default", "all") else prefix(origin),
    )


def family_told(options: Mapping[str, str], multipath: bool) -> int | None:
    """The family that an address behind the destination tells, None where none does."""
    for text in () if multipath else (options.get("src"), options.get("via")):
        if text and text not in ("inet", "inet6"):
            return 6 if ":" in text else 4
    return 6 if "pref" in options else None


def destination(text: str, family: int) -> Prefix:
    """``default``, an address, a prefix, or the shortened form ``10/8`` and ``10.1/16`` of old tools."""
    if text in ("default", "all", "any"):
        return default_prefix(family)
    host, slash, length = text.partition("/")
    if "." in host or ":" in host or host.isdecimal():
        missing = 3 - host.count(".") if ":" not in host else 0
        if missing and not slash:
            raise ValueError(f"expected a destination, not {text!r}")
        found = prefix(host + ".0" * missing + slash + length if missing else text)
        if slash and length.isdecimal() and int(length) > WIDTH[found.family]:
            raise ValueError(f"{text!r} is no network")
        return found
    raise ValueError(f"expected a destination, not {text!r}")


def options_of(words: list[str]) -> tuple[dict[str, str], set[str], str | None]:
    """The options behind a destination: values by key, flags, and the text of an encapsulation. ValueError for what is not known."""
    keys, values = words[::2], words[1::2]
    if len(keys) == len(values) and PAIRS.issuperset(keys) and SPECIAL.isdisjoint(values):
        found = dict(zip(keys, values, strict=True))
        if len(found) < len(keys):
            raise ValueError("an option of the route is said twice")
        return found, set(), None
    options: dict[str, str] = {}
    flags: set[str] = set()
    encap: str | None = None
    position = 0
    while position < len(words):
        word = words[position]
        if word in FLAGS:
            flags.add(word)
            position += 1
        elif word == "encap":
            end = next((i for i in range(position, len(words)) if words[i] in ("via", "dev", "proto", "scope")), len(words))
            encap = " ".join(words[position + 1 : end])
            position = end
        elif word == "via" and words[position + 1] in ("inet", "inet6"):
            options["via"] = words[position + 2]
            position += 3
        elif word in options:
            raise ValueError(f"the route's option {word!r} is said twice")
        elif word in VALUES:
            value = words[position + 1]
            step = 3 if value == "lock" else 2
            options["tos" if word == "dsfield" else word] = words[position + 2] if value == "lock" else value
            position += step
        elif word == "cache" or re.fullmatch(r"<\S*>|\d+sec|[\d.]+ms", word):
            position += 1
        else:
            raise ValueError(f"the route's option {word!r} is not known")
    return options, flags, encap


def next_hop(words: list[str]) -> NextHop:
    """One ``nexthop via … dev … weight …``."""
    options, flags, encap = options_of(words)
    return NextHop(way(options.get("via")), options.get("dev"), int(options.get("weight", 1)), frozenset(flags), encap)


def hop_limit(text: object) -> int | None:
    """The metric ``hoplimit``; 0 and -1 (as old kernels show IPv6's) are none, and more than 255 is 255 (``ip_metrics_convert``)."""
    value = int(str(text)) if text is not None else 0
    return None if value in (0, -1, 0xFFFFFFFF) else min(value, 255)


def way(text: str | None) -> Address | None:
    """The address of a next hop."""
    return address(text) if text else None


def read_json(source: Source) -> Iterator[Fact | Gap]:
    """The JSON form."""
    family = family_of(source)
    for order, (item, at) in enumerate(json_items(source)):
        try:
            yield route_from(source, item, at, family, order)
        except UNREADABLE as problem:
            yield Gap(at, reason(problem), source.kind, source.scope)


def hop_from(item: Mapping[str, Any]) -> NextHop:
    """A next hop of JSON: ``gateway``, or ``via`` with its own family."""
    via = item.get("gateway") or (item.get("via") or {}).get("host")
    encap = item.get("encap")
    return NextHop(
        way(via), item.get("dev"), int(item.get("weight", 1)), frozenset(item.get("flags") or ()), str(encap) if encap else None
    )


def listed_hop(item: Mapping[str, Any]) -> NextHop:
    """One of several next hops."""
    if "encap" not in item:
        refuse_keys(item, HOP_KEYS)
    return hop_from(item)


def route_from(source: Source, item: Mapping[str, Any], at: Span, family: int, order: int) -> RouteFact:
    """One route of JSON."""
    if "encap" not in item:  # The keys of an encapsulation stand among the route's own.
        refuse_keys(item, JSON_KEYS)
    text = item["dst"]
    if text == "default":
        told = (
            item.get("gateway")
            or item.get("prefsrc")
            or next((hop.get("gateway") for hop in item.get("nexthops") or () if hop.get("gateway")), "")
        )
        family = (6 if ":" in told else 4) if told else 6 if "pref" in item else family
    hops = item.get("nexthops")
    single = (hop_from(item),) if "dev" in item or "gateway" in item or "via" in item else ()
    refuse_nowhere(item.get("type", "unicast"), tuple(map(listed_hop, hops)) if hops else single, item.get("nhid"))
    metrics = (item.get("metrics") or [{}])[0]
    origin = item.get("from")
    return RouteFact(
        at=at,
        scope=source.scope,
        destination=destination(text, family),
        kind=item.get("type", "unicast"),
        table=table_number(item.get("table", MAIN)),
        next_hops=tuple(map(listed_hop, hops)) if hops else single,
        next_hop_id=item.get("nhid"),
        metric=int(item.get("metric", 0)),
        source=address(item["prefsrc"]) if "prefsrc" in item else None,
        scope_name=item.get("scope"),
        protocol=item.get("protocol"),
        tos=int(str(item.get("tos", "0")), 0),
        mtu=metrics.get("mtu"),
        hop_limit=hop_limit(metrics.get("hoplimit")),
        source_prefix=prefix(origin) if origin and origin not in ("default", "all") else None,
        order=order,
    )


PARSER = Parser(
    kind="ip-route",
    read=read,
    names=(
        r"ip_(-\S+_)*(r|ro|rou|rout|route)(_(show|list|ls|s))?(_table_(?!cache)\S+)?(_(main|local|default))?(\.json)?",
        r"ip_(-\S+_)*(r|ro|rou|rout|route)_(show|list|ls|s)_(?P<subject>(to|root|match|exact|via|dev|proto|protocol|type|scope|src|realm|vrf)_\S+?)(\.json)?",
        r"(ipv[46]_route|ip6?route|ipv6route|routes?|route-table-all|ip-route(-v6)?|ip--[46]-r|ip--[46]-route-show-table-\d+|ip-routes(-table\d+)?)(\.json)?",
    ),
    content=re.compile(
        r"^(?!(?:[0-9a-f]{2}:){5}[0-9a-f]{2} )(?![^\n]* (?:lladdr|FAILED|INCOMPLETE|uid|proxy)\b)(?:unicast |local |broadcast |anycast |multicast |unreachable |blackhole |prohibit |throw )?(default|[0-9a-f][0-9a-f.:]*(/\d+)?) (via \S+ )?(dev|proto|scope|nhid) |^\s*\[\s*\{\s*\"(?:type\":\"\w+\",\")?dst\"",
        re.MULTILINE,
    ),
)
