"""One network namespace from its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from analyzer.copies import altered
from analyzer.facts.base import Fact
from analyzer.facts.ipvs import VirtualServerFact
from analyzer.facts.links import AddressFact, LinkFact, OffloadFact, WireguardFact, WireguardPeerFact
from analyzer.facts.matches import UnknownMatch
from analyzer.facts.neighbours import BridgePortFact, BridgeVlanFact, ForwardingFact, NeighbourFact
from analyzer.facts.netfilter import Chain, IpsetFact, NftChainFact, RulesetFact, UnknownTarget
from analyzer.facts.nftables import NftTableFact
from analyzer.facts.openvswitch import FlowFact, GroupFact, SwitchFact, SwitchPortFact
from analyzer.facts.routes import LOCAL, NextHopFact, RouteAnswerFact, RouteFact, RoutingRuleFact
from analyzer.facts.system import (
    ConnectionFact,
    FilterFact,
    ListenerFact,
    ManagedDeviceFact,
    QdiscFact,
    QueueFact,
    ResolverFact,
    SocketListFact,
    SysctlFact,
)
from analyzer.model.captured import Captured, broken_off, every_table, folder, missing, with_every_table
from analyzer.model.cilium import cilium_state, main_routes
from analyzer.model.merging import (
    grouped,
    merged_addresses,
    merged_links,
    merged_neighbours,
    merged_ports,
    merged_sysctls,
)
from analyzer.model.network import Namespace
from analyzer.model.ordering import Ordered
from analyzer.model.routing import KERNEL, UNMERGED, Routing, default_rules, local_table, routing, searched_as_one
from analyzer.model.switches import Switch, switches
from analyzer.model.unlike import of_no_device, of_others, without_local, without_switches
from analyzer.model.unread import doubts, headless, incomplete, strays, without_device, without_filters
from analyzer.model.unseen import programs
from analyzer.model.wireguard import merged_devices, merged_peers
from analyzer.source import Gap, Scope

T = TypeVar("T")
D = TypeVar("D", BridgeVlanFact, FilterFact)
DEFAULTS: Mapping[str, str] = {
    "net.ipv4.ip_forward": "0",
    "net.ipv4.conf.all.forwarding": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv4.conf.all.proxy_arp": "0",
    "net.ipv6.conf.all.forwarding": "0",
}
ASSUMED: Mapping[str, str] = {
    "ip-rule": "the kernel's own routing rules",
    "ip-neigh-proxy": "no addresses of others that are answered for",
    "ip-neigh": "no permanent or failed neighbours",
    "bridge-fdb": "no fixed forwarding entries",
    "bridge-link": "ports forward, learn and flood",
    "bridge-vlan": "no VLAN filtering",
    "netfilter": "no netfilter rules",
    "netfilter-legacy": "no netfilter rules of the legacy back end",
    "nft": "no nft chains but those of iptables",
    "ipset": "no IP sets",
    "tc-filter": "no tc filters",
    "sysctl": "the kernel's defaults (no forwarding)",
}


def by_default(space: Namespace) -> dict[str, str]:
    """What is taken to be as the kernel has it by default where it was not captured, by key, in words."""
    found = {key: (ASSUMED.get(key) or ASSUMED.get(key.split("/")[0]), words) for key, words in space.missing.items()}
    return {key: f"{space.scope}: {what} ({words})" for key, (what, words) in found.items() if what is not None}


def namespace(scope: Scope, facts: Ordered, given: Captured, names: Mapping[str, int], assume: bool) -> Namespace:
    """The namespace with its tables; ``gaps`` are filled in when all are known."""
    space, gaps = tables(scope, facts, given, names, assume)
    if assume:
        space = with_defaults(space)
    return altered(space, gaps=by_subject(gaps)) if gaps else space


def tables(scope: Scope, facts: Ordered, given: Captured, names: Mapping[str, int], assume: bool) -> tuple[Namespace, list[Gap]]:
    """The namespace as captured, and the gaps that its making found."""
    links, gaps = merged_links(facts.of(LinkFact, scope))
    ports, more = merged_ports(facts.of(BridgePortFact, scope), links)
    neighbours, others = merged_neighbours(facts.of(NeighbourFact, scope))
    sysctls, last = merged_sysctls(facts.of(SysctlFact, scope))
    addresses = merged_addresses(facts.of(AddressFact, scope))
    found = routing(facts.of(RouteFact, scope), facts.of(RoutingRuleFact, scope), facts.of(NextHopFact, scope), names)
    rulesets = merged_rulesets(facts.of(RulesetFact, scope))
    kinds: tuple[type[Fact], ...] = (BridgePortFact, RouteFact, RoutingRuleFact, QdiscFact)
    absent = missing(given, [*rulesets, *links.values(), *addresses, *(fact for kind in kinds for fact in facts.of(kind, scope))])
    filters = facts.of(FilterFact, scope)
    stray = (
        (
            *strays(neighbours, links),
            *of_no_device(facts.of(ForwardingFact, scope), ports, links),
            *without_switches(sysctls, links),
        )
        if "ip-addr" not in absent
        else ()
    )
    if not assume:
        stray = (*stray, *without_filters(facts.of(QdiscFact, scope), given.by_kind.get("tc-filter", ())))
    lost = [*headless(facts.of(RoutingRuleFact, scope))]
    unlike: list[Gap] = []
    of_local = [family for family, by_table in found.routes.items() if LOCAL in by_table]
    if "ip-addr" not in absent:
        lost += without_device(facts.of(RouteFact, scope), links)
        unlike += without_local(found.routes, addresses, links, with_every_table(given, of_local))
        unlike += of_others(found.routes, addresses)
    rules = {family: found.rules.get(family) or default_rules(family, scope) for family in (4, 6)}
    routes = with_local(found, addresses, links, scope)
    as_one = searched_as_one(routes.get(4, {}), rules[4])
    routes = routes if as_one is None else {**routes, 4: dict(as_one)}
    space = Namespace(
        scope=scope,
        links=dict(sorted(links.items())),
        addresses=addresses,
        routes=routes,
        rules=rules,
        route_answers=tuple(facts.of(RouteAnswerFact, scope)),
        next_hops=found.next_hops,
        neighbours=neighbours,
        forwarding=distinct(facts.of(ForwardingFact, scope)),
        ports=ports,
        vlans=by_device(distinct(facts.of(BridgeVlanFact, scope))),
        filters=by_device(
            distinct([*filters, *programs(links, filters, scope), *doubts((*given.unread, *stray), links, ports, given.by_kind)])
        ),
        qdiscs=distinct(facts.of(QdiscFact, scope)),
        rulesets=rulesets,
        nft_chains=distinct(facts.of(NftChainFact, scope)),
        nft_tables=merged_tables(facts.of(NftTableFact, scope)),
        sets={fact.name: fact for fact in reversed(facts.of(IpsetFact, scope))},
        virtual_servers=distinct(facts.of(VirtualServerFact, scope)),
        switches=switched(scope, facts, given),
        sysctls=sysctls,
        listeners=distinct(facts.of(ListenerFact, scope)) if given.has("ss") else None,
        listed=frozenset(protocol for fact in facts.of(SocketListFact, scope) for protocol in fact.protocols),
        queues=distinct(facts.of(QueueFact, scope)) if given.has("nfnetlink-queue") else None,
        managed=distinct(facts.of(ManagedDeviceFact, scope)),
        connections=tuple(facts.of(ConnectionFact, scope)),
        wireguard_peers=merged_peers(facts.of(WireguardPeerFact, scope)),
        wireguard=merged_devices(facts.of(WireguardFact, scope)),
        offloads=tuple(facts.of(OffloadFact, scope)),
        resolver=next(iter(facts.of(ResolverFact, scope)), None),
        missing={
            **partly(given),
            **contradicted(unlike),
            **absent,
            **unlisted_tables(given, rules, routes, scope),
            **unlisted_proxies(given, sysctls),
        },
        assumed={} if as_one is None else {"ip-rule/4": f"{scope}: {UNMERGED}"},
        cilium=cilium_state(scope, facts, links, main_routes(routes), given),
    )
    return space, [*gaps, *more, *others, *last, *found.gaps, *stray, *lost, *unlike]


def partly(given: Captured) -> dict[str, str]:
    """The interfaces, where a line about them was not understood: one, or an address, may not be known; and the tables behind the end of a text that breaks off."""
    found = incomplete(given.unread)
    interfaces = {"ip-addr": f"{found.at} was not understood: {found.reason}"} if found is not None else {}
    return {**broken_off(given), **interfaces}


def contradicted(unlike: Sequence[Gap]) -> dict[str, str]:
    """The addresses, where the routes are not theirs: which of the two listings is of another namespace, or of another time, is not known."""
    return {"ip-addr": f"{unlike[0].at}: {unlike[0].reason}"} if unlike else {}


def switched(scope: Scope, facts: Ordered, given: Captured) -> dict[str, Switch]:
    """The switches of Open vSwitch."""
    return switches(
        facts.of(SwitchFact, scope),
        facts.of(SwitchPortFact, scope),
        facts.of(FlowFact, scope),
        facts.of(GroupFact, scope),
        given.by_kind,
        given.unread,
    )


def distinct(facts: Iterable[T]) -> tuple[T, ...]:
    """Each fact once, in order."""
    return tuple(dict.fromkeys(facts))


def by_device(facts: Iterable[D]) -> dict[str, tuple[D, ...]]:
    """Facts by device, in order."""
    return {str(device): tuple(group) for device, group in sorted(grouped(facts, lambda fact: fact.device).items(), key=str)}


def with_local(
    found: Routing, addresses: Sequence[AddressFact], links: Mapping[str, LinkFact], scope: Scope
) -> dict[int, dict[int, tuple[RouteFact, ...]]]:
    """The routes, with the local table made from the addresses where it was not listed."""
    routes = {family: dict(found.routes.get(family, {})) for family in (4, 6)}
    for family, by_table in routes.items():
        if LOCAL not in by_table and (local := local_table(family, addresses, links, scope)):
            by_table[LOCAL] = local
    return {family: by_table for family, by_table in routes.items() if by_table}


def unlisted_tables(
    given: Captured,
    rules: Mapping[int, Sequence[RoutingRuleFact]],
    routes: Mapping[int, Mapping[int, tuple[RouteFact, ...]]],
    scope: Scope,
) -> dict[str, str]:
    """The tables that rules look up while no listing of all tables was captured."""
    if any(every_table(source) for source in given.by_kind.get("ip-route", ())):
        return {}
    result = {}
    for family, found in rules.items():
        for table in sorted({rule.table for rule in found if isinstance(rule.table, int)} - {253, 254, 255}):
            if table not in routes.get(family, {}):
                file = "ip_route_show_table_all" if family == 4 else "ip_-6_route_show_table_all"
                result[f"ip-route/{family}/{table}"] = (
                    f"{folder(scope)}/{file} was not captured: routing table {table} is not known"
                )
    return result


def unlisted_proxies(given: Captured, sysctls: Mapping[str, SysctlFact]) -> dict[str, str]:
    """That nothing lists for whom a namespace answers, where it is set to answer for those that are listed (``proxy_ndp``, ip-neighbour(8))."""
    on = any(key.endswith(".proxy_ndp") and fact.value.strip() != "0" for key, fact in sysctls.items())
    if not on or any("proxy" in source.name for source in given.by_kind.get("ip-neigh", ())):
        return {}
    return {"ip-neigh-proxy": f"{folder(given.scope)}/ip_neigh_proxy was not captured (ip -6 neigh show proxy)"}


def merged_rulesets(facts: Sequence[RulesetFact]) -> tuple[RulesetFact, ...]:
    """One ruleset for each family and back end; a table that several texts list is taken from the text with the most tables, of those with as many from
    that with the fewest rules that are not understood (``iptables -L`` shows names where ``-S`` has addresses)."""
    result = []
    for group in grouped(facts, lambda fact: (fact.family, fact.backend)).values():
        group.sort(key=lambda fact: (-len(fact.tables), fact.at))
        joined: dict[str, Mapping[str, Chain]] = {}
        most: dict[str, int] = {}
        for fact in group:
            for name, chains in fact.tables.items():
                if name not in joined or (len(fact.tables) == most[name] and unclear(chains) < unclear(joined[name])):
                    joined[name], most[name] = chains, len(fact.tables)
        result.append(group[0] if len(group) == 1 else replace(group[0], tables=joined))
    return tuple(sorted(result, key=lambda fact: (fact.family, fact.backend)))


def unclear(chains: Mapping[str, Chain]) -> int:
    """How many rules of a table have a part that is not understood."""
    rules = (rule for chain in chains.values() for rule in chain.rules)
    return sum(
        isinstance(rule.target, UnknownTarget) or any(isinstance(match, UnknownMatch) for match in rule.matches) for rule in rules
    )


def merged_tables(facts: Sequence[NftTableFact]) -> tuple[NftTableFact, ...]:
    """Each native table once, in listing order; one that several texts list is taken from the text form, whose rules have lines."""
    found: dict[tuple[str, str], NftTableFact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.at.path.endswith("json"), fact.at.path)):
        found.setdefault((fact.family, fact.name), fact)
    return tuple(found.values())


def by_subject(gaps: Iterable[Gap]) -> dict[str, tuple[Gap, ...]]:
    """Gaps by the kind of text that they leave open."""
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.subject, []).append(gap)
    return {subject: tuple(sorted(set(group))) for subject, group in sorted(found.items())}


def with_defaults(space: Namespace) -> Namespace:
    """The namespace with what was not captured as the kernel has it by default; interfaces, routes and sockets cannot be guessed."""
    assumed = {}
    for key, text in space.missing.items():
        kind = key if key == "netfilter-legacy" else key.split("/")[0]
        if kind in ASSUMED:
            assumed[key] = f"{text}; assumed: {ASSUMED[kind]}"
    sysctls = dict(space.sysctls)
    if "sysctl" in assumed:
        for key, value in DEFAULTS.items():
            sysctls.setdefault(key, SysctlFact(at=KERNEL, scope=space.scope, key=key, value=value))
    rest = {key: text for key, text in space.missing.items() if key not in assumed}
    return altered(space, missing=rest, assumed={**space.assumed, **assumed}, sysctls=sysctls)
