"""Which parts of a namespace were captured, and the words for those that were not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.facts.base import Fact
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.routes import RouteFact, RoutingRuleFact
from analyzer.facts.system import QdiscFact
from analyzer.parsers.ip_route import family_of
from analyzer.parsers.iptables_save import family_of as ruleset_family
from analyzer.source import Gap, Scope, Source

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
    "tc-filter": "tc_filter",
    "sysctl": "sysctl_net",
    "ss": "ss_-tunlp",
}
NAMESPACE_KINDS = frozenset(
    {key.split("/")[0] for key in FILES if "netfilter" not in key}
    | {"iptables-save", "tc-qdisc", "conntrack", "ip-route-get", "ip-nexthop"}
)
NEVER_EMPTY = frozenset({"ip-addr", "ip-rule", "sysctl"})
TABLE_ALL = re.compile(r"table[_ -](all|0)\b|route-table-all")


@dataclass(frozen=True, slots=True)
class Captured:
    """The texts of one namespace that say something: sources by kind, and the paths that failed as a whole."""

    scope: Scope
    by_kind: Mapping[str, tuple[Source, ...]]
    failed: Mapping[str, Gap]

    def has(self, kind: str) -> bool:
        """Whether a text of the kind was captured."""
        return bool(self.by_kind.get(kind))


def captured(scope: Scope, sources: Sequence[Source], told: frozenset[str], gaps: Mapping[str, Gap]) -> Captured:
    """Sorts a namespace's sources: one that gave no fact and has a gap, or is empty where that cannot be, does not count.

    ``told`` are the paths that gave facts, ``gaps`` the first gap of each path.
    """
    by_kind: dict[str, list[Source]] = {}
    failed: dict[str, Gap] = {}
    for source in sources:
        empty = not source.text.strip()
        if source.path not in told and source.path in gaps:
            failed.setdefault(source.kind, gaps[source.path])
        elif not (empty and source.kind in NEVER_EMPTY):
            by_kind.setdefault(source.kind, []).append(source)
    return Captured(scope, {kind: tuple(found) for kind, found in by_kind.items()}, failed)


def folder(scope: Scope) -> str:
    """The folder of the capture layout that holds a namespace's files."""
    return f"nodes/{scope.node}/netns/{scope.namespace}" if scope.namespace else f"nodes/{scope.node}"


def missing(given: Captured, facts: Iterable[Fact]) -> dict[str, str]:
    """What was not captured, in words that name the file to capture."""
    known = found_keys(given, facts)
    result = {key: f"{folder(given.scope)}/{name} was not captured" for key, name in FILES.items() if key not in known}
    for key in result:
        kind = key.split("/")[0]
        failure = given.failed.get("iptables-save" if kind.startswith("netfilter") else kind)
        if failure is not None:
            result[key] = f"{failure.at.path} cannot be used: {failure.reason}"
    return result


def found_keys(given: Captured, facts: Iterable[Fact]) -> set[str]:
    """The keys of ``FILES`` that the texts answer."""
    keys = {kind for kind in given.by_kind if kind in FILES}
    qdiscs: set[str] = set()
    for fact in facts:
        match fact:
            case RouteFact():
                keys.add(f"ip-route/{fact.destination.family}")
            case RoutingRuleFact():
                keys.add(f"ip-rule/{fact.family}")
            case RulesetFact() if fact.backend == "legacy":
                keys.add("netfilter-legacy")
            case QdiscFact():
                qdiscs.add(fact.kind)
            case _:
                pass
    for source in given.by_kind.get("ip-route", ()):
        keys.update(f"ip-route/{family}" for family in route_families(source))
    for source in given.by_kind.get("iptables-save", ()):
        if whole_ruleset(source):
            keys.add(f"netfilter/{ruleset_family(source)}")
        if "legacy" in source.path.rsplit("/", 1)[-1] or source.subject == "legacy":
            keys.add("netfilter-legacy")
    if given.has("tc-qdisc") and not qdiscs & {"ingress", "clsact"}:
        keys.add("tc-filter")
    return keys


def route_families(source: Source) -> tuple[int, ...]:
    """The families that a listing of routes is about, where it has none of a family: ``ip route show table all`` lists both."""
    name = source.path.rsplit("/", 1)[-1]
    if TABLE_ALL.search(name) or name.endswith(".json"):
        return (6,) if re.search(r"(^|_)-?6[_-]|_-6", name) else (4,) if "-4" in name else (4, 6)
    return (family_of(source),)


def whole_ruleset(source: Source) -> bool:
    """Whether a text lists every table (``iptables-save``), not one of them (``iptables -S``)."""
    return not re.search(r"^-[AP] ", source.text, re.MULTILINE) or re.search(r"^\*", source.text, re.MULTILINE) is not None


def every_table(source: Source) -> bool:
    """Whether a listing of routes has all tables: by its name, or since a route names a table."""
    name = source.path.rsplit("/", 1)[-1]
    return bool(TABLE_ALL.search(name)) or re.search(r'\btable (local|\d+)|"table"\s*:', source.text) is not None
