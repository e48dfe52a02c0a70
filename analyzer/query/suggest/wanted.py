"""Wanted connectivity as policies of its own, which name pods: so that what is wanted and what is suggested are compared as two sets of policies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from analyzer.addresses import Prefix, host_prefix
from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.ports import ports
from analyzer.policy.terms import All, AnyOf, Box, InBlocks, Is, Kind, Named, Of, Peer, Traffic
from analyzer.policy.tiers import Action, Plane, Policy, Rule, Rules, Tier
from analyzer.query.policies import Policies
from analyzer.query.policy_parties import EXPECTED, entities_named, split
from analyzer.query.policy_services import reached
from analyzer.source import Source, Span

PODS: Peer = Is(frozenset({Kind.POD}))
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}
EVERYTHING = Box(((6, 6), (17, 17), (132, 132)))
KEYS = {"from", "to", "port", "protocol"}
LONGEST = 10_000


class Want(NamedTuple):
    """Each of the sources is to reach each of the destinations by some flows."""

    sources: tuple[Entity, ...]
    destinations: tuple[Entity, ...]
    traffic: Traffic
    at: Span


def wanting(known: Policies, wants: Iterable[Want]) -> Policies:
    """Policies that admit what is wanted between pods, and between pods and others, and nothing else."""
    nobody = Span("what is wanted", 1)
    found = [Policy("Wanted", "", "0", nobody, PODS, Rules(()), Rules((Rule(Action.ALLOW, PODS, nobody),)))]
    for number, want in enumerate(wants, 1):
        for subjects, others, into in ((want.destinations, want.sources, True), (want.sources, want.destinations, False)):
            pods = tuple(item for item in subjects if item.kind is Kind.POD)
            peers = others if into else tuple(item for item in others if item.kind is not Kind.POD)
            if pods and peers:
                rules = Rules((Rule(Action.ALLOW, peer_of(peers), want.at, want.traffic),))
                ingress, egress = (rules, None) if into else (None, rules)
                found.append(Policy("Wanted", "", str(number), want.at, peer_of(pods), ingress, egress))
    planes = (Plane("cluster", (Tier("default", tuple(found)),)),)
    return Policies(known.world, PolicySet(known.world, planes))


def peer_of(entities: Iterable[Entity]) -> Peer:
    """These entities: pods by name, nodes by their addresses, others by their blocks."""
    names: dict[str, set[str]] = {}
    nodes: list[Prefix] = []
    outside: list[Prefix] = []
    for item in entities:
        match item.kind:
            case Kind.POD:
                names.setdefault(item.namespace, set()).add(item.pod_name)
            case Kind.HOST:
                nodes += map(host_prefix, item.addresses)
            case Kind.OUTSIDE:
                outside += item.blocks
    terms: list[Peer] = [
        All((Named(Of.NAMESPACE, frozenset({space})), Named(Of.POD, frozenset(found)))) for space, found in sorted(names.items())
    ]
    terms += [InBlocks(tuple(dict.fromkeys(nodes)), pods=False)] if nodes else []
    terms += [InBlocks(tuple(dict.fromkeys(outside)), pods=False, hosts=False)] if outside else []
    return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))


def intended(known: Policies, source: Source) -> list[Want]:
    """The lines of a file of wanted connectivity. ValueError, with the line and what was expected, where one cannot be understood."""
    found: list[Want] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        at = Span(source.path, number)
        try:
            found += of_line(known, line, at)
        except ValueError as problem:
            raise ValueError(f"{source.path}:{number}: {problem}") from None
    if not found:
        raise ValueError(f"{source.path}: no line says what is wanted: expected {form()}")
    return found


def form() -> str:
    """How a line is written."""
    return '{"from": E, "to": E, "port": 80, "protocol": "TCP"} on each line, where E is ' + EXPECTED


def of_line(known: Policies, line: str, at: Span) -> Iterator[Want]:
    """What one line wants."""
    if len(line) > LONGEST:
        raise ValueError(f"the line has more than {LONGEST} characters")
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"no JSON: expected {form()}") from None
    if not isinstance(item, dict) or not isinstance(item.get("from"), str) or not isinstance(item.get("to"), str):
        raise ValueError(f"expected {form()}")
    if further := sorted(set(item) - KEYS):
        raise ValueError(f"unknown key {further[0]!r}: expected {', '.join(sorted(KEYS))}")
    sources, protocol, ranges = entities_named(known, item["from"]), protocol_of(item), range_of(item)
    for destination, traffic in targets(known, item["to"], protocol, ranges):
        check(sources, destination)
        yield Want(sources, destination, traffic, at)


def targets(
    known: Policies, text: str, protocol: int, ranges: tuple[int, int] | None
) -> Iterator[tuple[tuple[Entity, ...], Traffic]]:
    """Who is meant, and by which flows; a port of a service is the one of its pods that it leads to."""
    kind, colon, rest = text.strip().partition(":")
    found = entities_named(known, text)
    if not (colon and kind in ("svc", "service")) or ranges is None:
        yield found, flows(protocol, ranges)
        return
    behind = [item for item in reached(known.world, *split(rest)) if item.protocol == protocol and item.port == ranges[0]]
    if not behind or ranges[0] != ranges[1]:
        raise ValueError(f"service {rest} has no port {ranges[0]} of this protocol that leads to a pod of the input")
    for item in behind:
        yield (item.entity,), flows(protocol, (item.target, item.target))


def flows(protocol: int, ranges: tuple[int, int] | None) -> Traffic:
    """The flows of a protocol (0: of all that have ports) to some ports."""
    if not protocol:
        return EVERYTHING
    return ports(protocol, *ranges) if ranges is not None else ports(protocol)


def protocol_of(item: dict[str, object]) -> int:
    """The protocol's number; TCP where only a port is given, 0 for all where neither is."""
    name = item.get("protocol", "TCP" if "port" in item else None)
    if name is None:
        return 0
    if not isinstance(name, str) or name.upper() not in NUMBERS:
        raise ValueError(f"protocol is {name!r}: expected TCP, UDP or SCTP, which is what a NetworkPolicy can say")
    return NUMBERS[name.upper()]


def range_of(item: dict[str, object]) -> tuple[int, int] | None:
    """The ports: a number, or a text such as ``8000-8010``."""
    value = item.get("port")
    if value is None:
        return None
    low, dash, high = str(value).partition("-")
    good = isinstance(value, int | str) and not isinstance(value, bool) and low.isdecimal() and (high.isdecimal() or not dash)
    found = (int(low), int(high or low)) if good and len(low) < 6 and len(high) < 6 else (0, 0)
    if not 1 <= found[0] <= found[1] <= 65535:
        raise ValueError(f"port is {value!r}: expected a number from 1 to 65535, or a range such as 8000-8010")
    return found


def check(sources: tuple[Entity, ...], destinations: tuple[Entity, ...]) -> None:
    """ValueError where no NetworkPolicy could say it: neither end is a pod, or a node's addresses are not known."""
    if not any(item.kind is Kind.POD for item in (*sources, *destinations)):
        raise ValueError("neither end is a pod: NetworkPolicies say nothing of it")
    for item in (*sources, *destinations):
        if item.kind is Kind.HOST and not item.addresses:
            raise ValueError(f"{item.name} is in its node's network and its address is not known: no block can be written for it")
