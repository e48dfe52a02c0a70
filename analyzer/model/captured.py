"""Which parts of a namespace were captured, and the words for those that were not."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, Bridge, LinkFact, Vxlan
from analyzer.facts.neighbours import BridgePortFact
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.routes import MAIN, RouteFact, RoutingRuleFact
from analyzer.facts.system import QdiscFact
from analyzer.parsers._iptables_origin import backend_of
from analyzer.parsers._iptables_origin import families_of as ruleset_families
from analyzer.parsers._route_tables import table_told
from analyzer.parsers.ip_route import family_of
from analyzer.source import Gap, Scope, Source, Span

FILES: Mapping[str, str] = {
    "ip-addr": "ip_-d_addr",
    "ip-route/4": "ip_route_show_table_all",
    "ip-route/6": "ip_-6_route_show_table_all",
    "ip-rule/4": "ip_rule",
    "ip-rule/6": "ip_-6_rule",
    "ip-neigh": "ip_neigh",
    "bridge-fdb": "bridge_fdb",
    "bridge-link": "bridge_link",
    "bridge-vlan": "bridge_vlan",
    "netfilter/4": "iptables-save",
    "netfilter/6": "ip6tables-save",
    "netfilter-legacy": "iptables-legacy-save",
    "nft": "nft_list_ruleset",
    "ipset": "ipset_save",
    "ipvs": "ipvsadm-save",
    "tc-filter": "tc_filter",
    "sysctl": "sysctl_net",
    "ss": "ss_-tunlp",
}
NAMESPACE_KINDS = frozenset(
    {key.split("/")[0] for key in FILES if "netfilter" not in key}
    | {
        "iptables-save",
        "tc-qdisc",
        "conntrack",
        "ip-route-get",
        "ovs-show",
        "ovs-flows",
        "ip-nexthop",
        "ifconfig",
        "route-n",
        "brctl",
        "wg",
        "nfnetlink-queue",
        "device-managers",
    }
)
NEVER_EMPTY = frozenset({"ip-addr", "ip-rule", "sysctl"})
OF_DEVICE = re.compile(r"_(?:dev|br|brport)_(?P<device>[^_\s]+?)(?:_|\.(?:txt|json|log)$|$)")
OF_SOME_TABLES = re.compile(r"nft_(?:-\S+_)*list_(?:ruleset_(?!-)\w|(?!ruleset)\w)")
"""The listing of one table, chain or set, or of one family's tables (nft(8), ``list``)."""
OF_ONE_SERVICE = re.compile(r"^ipvsadm_\S*-(?:t|u|f|-tcp-service|-udp-service|-fwmark-service)_[\w\[]")
OF_ONE_TABLE = re.compile(r"_-\w*t_?(?:raw|mangle|nat|filter|security)(?![a-z])|_--table[_=]")
CHOSEN_ROUTES = re.compile(
    r"ip_(?:-\S+_)*(?:r|ro|rou|rout|route)_(?:show|list|ls|lst|s|l)_(?:(?!-|t(?:ab?l?e?)?_)[\w:]|t(?:ab?l?e?)?_[^_]+_(?!-)\w)"
)
TABLE_ALL = re.compile(r"table[_ -](all|0)\b|route-table-all")


@dataclass(frozen=True, slots=True)
class Captured:
    """The texts of one namespace that say something: sources by kind, and the first gap of each kind that has none."""

    scope: Scope
    by_kind: Mapping[str, tuple[Source, ...]]
    failed: Mapping[str, Gap]
    unread: tuple[Gap, ...] = ()

    def has(self, kind: str) -> bool:
        """Whether a text of the kind was captured."""
        return bool(self.by_kind.get(kind))


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines with gaps of each path, and of these paths those that gave facts. Several parts of a pasted text have one path."""

    told: Mapping[str, Sequence[int]]
    gaps: Mapping[str, Sequence[int]]

    def failed(self, source: Source) -> bool:
        """Whether a source gave no fact and has a gap: what stands there is an error, not a state."""
        if source.path not in self.gaps:
            return False
        first, last = source.extent()
        return within(self.gaps.get(source.path, ()), first, last) and not within(self.told.get(source.path, ()), first, last)


def within(lines: Sequence[int], first: int, last: int) -> bool:
    """Whether one of the sorted lines lies between two."""
    position = bisect_left(lines, first)
    return position < len(lines) and lines[position] <= last


def lines_of(facts: Iterable[Fact], gaps: Iterable[Gap]) -> Lines:
    """Where gaps stand, and facts in the same texts. A ruleset stands where its chains do (one of each table will do); one without tables says nothing. Gaps
    without a subject are about files, and not about what stands there."""
    missed: dict[str, set[int]] = {}
    for gap in gaps:
        if gap.subject:
            missed.setdefault(gap.at.path, set()).add(gap.at.line)
    told: dict[str, set[int]] = {}
    for fact in facts:
        if fact.at.path not in missed:
            continue
        match fact:
            case RulesetFact(tables=tables):
                found = {chain.at.line for chains in tables.values() for chain in islice(chains.values(), 1)}
            case _:
                found = {fact.at.line}
        told.setdefault(fact.at.path, set()).update(found)
    return Lines({path: sorted(found) for path, found in told.items()}, {path: sorted(found) for path, found in missed.items()})


def captured(scope: Scope, sources: Sequence[Source], lines: Lines, gaps: Sequence[Gap]) -> Captured:
    """Sorts a namespace's sources: one that failed, or is empty where that cannot be (``ip -j`` and ``bridge -j`` print the brackets of no items), does not
    count. ``gaps`` are the namespace's."""
    by_kind: dict[str, list[Source]] = {}
    for source in sources:
        never = source.kind in NEVER_EMPTY or source.name.endswith(".json")
        empty = never and not any(part.strip() for part in source.pieces())
        if not empty and not lines.failed(source):
            by_kind.setdefault(source.kind, []).append(source)
    failed = {gap.subject: gap for gap in reversed(gaps) if gap.subject not in by_kind}
    return Captured(scope, {kind: tuple(found) for kind, found in by_kind.items()}, failed, tuple(gaps))


def folder(scope: Scope) -> str:
    """The folder of the capture layout that holds a namespace's files."""
    return f"nodes/{scope.node}/netns/{scope.namespace}" if scope.namespace else f"nodes/{scope.node}"


def missing(given: Captured, facts: Sequence[Fact]) -> dict[str, str]:
    """What was not captured, in words that name the file to capture."""
    known = found_keys(given, facts)
    result = {key: f"{folder(given.scope)}/{name} was not captured" for key, name in FILES.items() if key not in known}
    for key in result:
        kind = key.split("/")[0]
        failure = given.failed.get("iptables-save" if kind.startswith("netfilter") else kind)
        if failure is not None:
            result[key] = f"{failure.at.path} cannot be used: {failure.reason}"
        elif kind == "ip-route" and given.has(kind):
            result[key] = (
                f"{folder(given.scope)}/{FILES[key]} is to be captured: what was has no route, not even the kernel's own of the addresses"
            )
    if "bridge-link" in result and given.has("bridge-link"):
        result["bridge-link"] = f"{folder(given.scope)}/{FILES['bridge-link']} has no options of ports (bridge -d link show)"
    return result


def found_keys(given: Captured, facts: Sequence[Fact]) -> set[str]:
    """The keys of ``FILES`` that the texts answer. Listings of interfaces and routes with a subject are of some of them: of one device, of one type."""
    keys = {kind for kind in given.by_kind if kind in FILES}
    qdiscs: set[str] = set()
    partial = tuple(filter(of_another, given.by_kind.get("ip-route", ())))
    for fact in facts:
        match fact:
            case LinkFact():
                keys.add("ip-addr")
            case RouteFact() if not any(stands_in(source, fact) for source in partial):
                keys.add(f"ip-route/{fact.destination.family}")
            case RoutingRuleFact():
                keys.add(f"ip-rule/{fact.family}")
            case QdiscFact():
                qdiscs.add(fact.kind)
            case _:
                pass
    for source in given.by_kind.get("ip-route", ()):
        keys.update(f"ip-route/{family}" for family in (() if source in partial else route_families(source)))
    for source in given.by_kind.get("iptables-save", ()):
        if not whole_ruleset(source):
            continue
        if "legacy" in source.name or source.subject == "legacy":
            keys.add("netfilter-legacy")
        else:
            keys.update(f"netfilter/{family}" for family in ruleset_families(source))
    if any(map(whole_native, given.by_kind.get("nft", ()))):
        keys |= {"netfilter/4", "netfilter/6"}
    keys |= needless(facts)
    if not any(isinstance(fact, AddressFact) for fact in facts) and not any(
        map(with_addresses, given.by_kind.get("ip-addr", ()))
    ):
        keys.discard("ip-addr")
    if not all(OF_DEVICE.search(source.name) for source in given.by_kind.get("tc-qdisc", ())) and not qdiscs & {
        "ingress",
        "clsact",
    }:
        keys.add("tc-filter")
    if not all(port_options(facts).values()):
        keys.discard("bridge-link")
    return keys - set(in_part(given)) - set(of_devices(given, facts)) - set(emptied(given, facts))


def emptied(given: Captured, facts: Sequence[Fact]) -> Iterator[str]:
    """The families of which listings of all tables have no route, while an interface that leads somewhere has an address: the kernel keeps a local route for each
    (``fib_add_ifaddr`` in net/ipv4/fib_frontend.c, ``addrconf_dad_completed`` in net/ipv6/addrconf.c), so that the text is of something else."""
    up = {fact.name for fact in facts if isinstance(fact, LinkFact) and fact.up and fact.carrier and "LOOPBACK" not in fact.flags}
    held = [fact for fact in facts if isinstance(fact, AddressFact) and fact.device in up]
    listed = {fact.destination.family for fact in facts if isinstance(fact, RouteFact)}
    whole = [
        source for source in given.by_kind.get("ip-route", ()) if TABLE_ALL.search(source.name) or source.name.endswith(".json")
    ]
    for family in sorted({family for source in whole for family in route_families(source)} - listed):
        if any(fact.address.family == family and fact.flags.isdisjoint(("tentative", "dadfailed")) for fact in held):
            yield f"ip-route/{family}"


def port_options(facts: Sequence[Fact]) -> dict[str, bool]:
    """Of each port of a bridge, whether a text shows its options, as ``bridge -d link`` and ``ip -d link`` do and the same without ``-d`` do not."""
    found: dict[str, bool] = {}
    for fact in facts:
        if isinstance(fact, BridgePortFact):
            found[fact.device] = found.get(fact.device, False) or fact.hairpin is not None
    return found


def broken_off(given: Captured) -> dict[str, str]:
    """The rulesets of which tables may be missing, since a text breaks off. What ``iptables-save`` lost of its nft back end a whole listing of nft tells."""
    whole = any(map(whole_native, given.by_kind.get("nft", ()))) and not any(
        gap.cut and gap.subject == "nft" for gap in given.unread
    )
    found: dict[str, str] = {}
    for gap in given.unread:
        if not gap.cut or gap.subject not in ("iptables-save", "nft"):
            continue
        source = next((one for one in given.by_kind.get("iptables-save", ()) if one.path == gap.at.path), None)
        if source is None or not whole or backend_of(source) == "legacy":
            families = (4, 6) if source is None else sorted(ruleset_families(source))
            found.update((f"netfilter/{family}", f"tables may be missing: {gap.at}: {gap.reason}") for family in families)
    return found


def in_part(given: Captured) -> Iterator[str]:
    """The keys of which all listings are of one device, of one type, or of the addresses that are answered for only."""
    listed = given.by_kind.get("ip-route", ())
    if listed and not given.has("route-n") and all(source.subject or of_another(source) for source in listed):
        yield from ("ip-route/4", "ip-route/6")
    if given.has("ip-addr") and not given.has("ifconfig") and all(source.subject for source in given.by_kind["ip-addr"]):
        yield "ip-addr"
    if given.has("nft") and all(OF_SOME_TABLES.match(source.name) for source in given.by_kind["nft"]):
        yield "nft"
    if given.has("ipvs") and all(OF_ONE_SERVICE.search(source.name) for source in given.by_kind["ipvs"]):
        yield "ipvs"
    if given.has("ip-neigh") and all("proxy" in source.name for source in given.by_kind["ip-neigh"]):
        yield "ip-neigh"


def of_devices(given: Captured, facts: Sequence[Fact]) -> Iterator[str]:
    """The keys of which all listings are of one device or bridge each (``ip neigh show dev DEVICE``): of ports, and of entries where a tunnel that lives by
    them is not among the devices."""
    tunnels = {fact.name for fact in facts if isinstance(fact, LinkFact) and isinstance(fact.kind, Vxlan)}
    for kind in ("ip-neigh", "bridge-fdb"):
        listed = [OF_DEVICE.search(source.name) for source in given.by_kind.get(kind, ())]
        told = {found["device"] for found in listed if found is not None}
        if listed and all(listed) and tunnels - told:
            yield kind
    for kind in {"bridge-link", "bridge-vlan"} & set(given.by_kind) - needless(facts):
        if all(OF_DEVICE.search(source.name) for source in given.by_kind[kind]):
            yield kind


def of_another(source: Source) -> bool:
    """Whether a listing of routes is of one table that is not the main one, or of those that a selector chose (ip-route(8), ``ip route show SELECTOR``)."""
    return table_told(source.name) not in (None, MAIN) or CHOSEN_ROUTES.match(source.name) is not None


def stands_in(source: Source, fact: Fact) -> bool:
    """Whether a fact stands in a text."""
    first, last = source.extent()
    return fact.at.path == source.path and first <= fact.at.line <= last


def whole_native(source: Source) -> bool:
    """Whether a listing of nft has all tables, and some: those of iptables' nft back end are then among them."""
    return "ruleset" in source.name and source.says("table") and OF_SOME_TABLES.match(source.name) is None


def with_addresses(source: Source) -> bool:
    """Whether a listing of interfaces would have shown addresses (``ip addr``, not ``ip link``)."""
    name = source.name
    return "addr" in name or re.match(r"ip_(-\S+_)*a\b", name) is not None or source.says('"addr_info"')


def needless(facts: Sequence[Fact]) -> set[str]:
    """What ``ip -d`` shows to be empty or to decide nothing: without a bridge there are no ports and VLANs, without VLAN filtering they do
    not matter, and ``ip -d link`` prints ports as ``bridge link`` does."""
    links = [fact for fact in facts if isinstance(fact, LinkFact) and fact.name != "lo"]
    if not links or not all(link.detailed for link in links):
        return set()
    bridges = [link.kind for link in links if isinstance(link.kind, Bridge)]
    tunnels = any(isinstance(link.kind, Vxlan) for link in links)
    ports = {link.name for link in links if link.master_kind == "bridge"}
    told = {fact.device for fact in facts if isinstance(fact, BridgePortFact) and fact.state is not None}
    found = {"bridge-link"} if ports <= told else set()
    if all(bridge.vlan_filtering is False for bridge in bridges):
        found.add("bridge-vlan")
    return found if bridges or tunnels else found | {"bridge-fdb"}


def route_families(source: Source) -> tuple[int, ...]:
    """The families that a listing of routes is about, where it has none of a family: ``ip route show table all`` lists both."""
    name = source.name
    if TABLE_ALL.search(name) or name.endswith(".json"):
        return (6,) if re.search(r"(^|_)-?6[_-]|_-6", name) else (4,) if "-4" in name else (4, 6)
    return (family_of(source),)


def whole_ruleset(source: Source) -> bool:
    """Whether a text lists every table (``iptables-save``), not one of them (``iptables -S``, ``iptables-save -t nat``)."""
    if OF_ONE_TABLE.search(source.name):
        return False
    return any(re.search(r"^\*", part, re.MULTILINE) for part in source.pieces()) or not any(
        re.search(r"^-[AP] ", part, re.MULTILINE) for part in source.pieces()
    )


def with_every_table(given: Captured, local: Container[int]) -> dict[int, Span]:
    """The families of which listings have a table ``local`` (``local``), with the first's place; none where a selector chose some of their routes."""
    listed = given.by_kind.get("ip-route", ())
    if any(source.subject or CHOSEN_ROUTES.match(source.name) for source in listed):
        return {}
    found = ((family, source) for source in reversed(listed) for family in route_families(source) if family in local)
    return {family: Span(source.path, source.extent()[0]) for family, source in found}


def every_table(source: Source) -> bool:
    """Whether a listing of routes has all tables: by its name, or since a route names a table."""
    name = source.name
    if CHOSEN_ROUTES.match(name):
        return False
    return bool(TABLE_ALL.search(name)) or re.search(r'\btable (local|\d+)|"table"\s*:', source.text) is not None
