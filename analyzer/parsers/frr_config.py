"""``frr.conf``, ``bgpd.conf`` and ``show running-config``: FRR's configuration, as MetalLB and people write it (FRR's user guide, chapter BGP). A line for each statement,
those of a router indented below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from analyzer.addresses import Prefix, address, prefix
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ConfiguredPeer, DaemonConfigFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.parsers.bgp_summary import as_number
from analyzer.source import Gap, Source, Span

TOP = frozenset(
    [
        "frr",
        "hostname",
        "log",
        "service",
        "router",
        "exit",
        "end",
        "interface",
        "vrf",
        "ip",
        "ipv6",
        "route-map",
        "access-list",
        "line",
        "password",
        "enable",
        "debug",
        "no",
        "bfd",
        "key",
        "segment-routing",
        "bgp",
        "agentx",
        "Building",
        "Current",
        "configuration",
        "nht",
        "vni",
        "exit-address-family",
        "exit-vrf",
        "mpls",
        "pbr-map",
        "zebra",
        "domainname",
        "banner",
        "username",
        "allow-reserved-ranges",
        "rpki",
        "nexthop-group",
        "match",
        "set",
        "on-match",
        "call",
        "description",
        "continue",
        "profile",
        "peer",
        "neighbor",
        "network",
        "redistribute",
        "address-family",
        "timers",
        "aggregate-address",
        "import",
        "maximum-paths",
    ]
)


@dataclass(slots=True)
class Reading:
    """A file while it is read: ``router`` is whether the lines belong to the router of the default VRF."""

    path: str
    own: int | None = None
    identity: str = ""
    port: int | None = None
    inside: str = ""
    peers: dict[str, tuple[dict[str, str], int]] = field(default_factory=dict)
    networks: list[tuple[Prefix, Span]] = field(default_factory=list)


def read(source: Source) -> Iterator[Fact | Gap]:
    """One fact for the file, after the gaps."""
    state = Reading(source.path)
    first = 0
    for number, raw in enumerate(source.text.split("\n"), 1):
        words = raw.split()
        if not words or words[0].startswith(("!", "#")):
            continue
        first = first or number
        try:
            refuse_errors(raw)
            taken(state, words, number)
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))
    if first:
        yield DaemonConfigFact(
            at=Span(source.path, first),
            scope=source.scope,
            program="frr",
            local_as=state.own,
            router=address(state.identity) if state.identity else None,
            port=state.port,
            peers=tuple(peers(state)),
            networks=tuple(state.networks),
        )


def taken(state: Reading, words: list[str], number: int) -> None:
    """One line. Routers of other VRFs are left out: their sessions are no part of the nodes' own tables."""
    match words:
        case ["router", "bgp", own, *rest]:
            state.inside = "" if "vrf" in rest or "view" in rest else "bgp"
            if state.inside:
                state.own = as_number(own)
        case ["router" | "vrf" | "interface" | "route-map" | "bfd" | "line", *_]:
            state.inside = ""
        case ["bgp", "router-id", value] if state.inside:
            state.identity = value
        case ["neighbor", who, *rest] if state.inside:
            neighbour(state, who, rest, number)
        case ["no", "neighbor", who, "activate"] if state.inside:
            state.peers.setdefault(who, ({}, number))
        case ["network", net, *_] if state.inside:
            state.networks.append((prefix(net), Span(state.path, number)))
        case [word, *_] if word.rstrip(":.") not in TOP and not state.inside:
            raise ValueError(f"{word[:40]!r} begins no statement of FRR's that is known")
        case _:
            return


def neighbour(state: Reading, who: str, rest: list[str], number: int) -> None:
    """``neighbor 172.18.0.2 remote-as 64513``; a group's settings are its members'."""
    values, _ = state.peers.setdefault(who, ({}, number))
    match rest:
        case ["interface", "remote-as", value] | ["remote-as", value]:
            values["as"] = value
        case ["local-as", value, *_]:
            values["local"] = value
        case ["port", value]:
            values["port"] = value
        case ["peer-group"]:
            values["is-group"] = "yes"
        case ["peer-group", group] | ["interface", "peer-group", group]:
            values["group"] = group
        case ["passive" | "shutdown" as word, *_]:
            values[word] = "yes"
        case _:
            return


def peers(state: Reading) -> Iterator[ConfiguredPeer]:
    """The peers with what their groups say."""
    for who, (own, line) in state.peers.items():
        if "is-group" in own:
            continue
        values = {**(state.peers[own["group"]][0] if own.get("group") in state.peers else {}), **own}
        remote = values.get("as", "")
        yield ConfiguredPeer(
            "",
            address(who.partition("%")[0]) if who[:1].isdigit() or ":" in who else None,
            state.own if remote == "internal" else as_number(remote) if remote[:1].isdigit() else None,
            as_number(values["local"]) if "local" in values else None,
            int(values["port"]) if "port" in values else None,
            "passive" in values,
            "shutdown" in values,
            at=Span(state.path, line),
        )


PARSER = Parser(
    kind="frr-config",
    read=read,
    names=(r"(.*/)?etc/frr/(frr|bgpd|zebra|staticd)\.conf", r"(frr|bgpd)\.conf", r"(vtysh_(-\S+?_)?-c_)?show_running-config"),
    content=re.compile(r"^frr version \S+$|^frr defaults (traditional|datacenter)$", re.MULTILINE),
)
