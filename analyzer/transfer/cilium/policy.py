"""The policy maps of Cilium's endpoints in the language (bpf/lib/policy.h ``__policy_can_access``).

A map is looked up twice, for the peer's identity and for any: of each the entry that fixes most of protocol and port. A denial of either denies; else the more
specific one allows, the one with the identity before the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from analyzer.facts.cilium import PolicyEntry, PolicyMapFact
from analyzer.ranges import Ranges, normalised, union
from analyzer.transfer.cilium.maps import View
from analyzer.transfer.ir import KEEP, Drop, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.space import by_value, dispatch, seq

ICMP = (1, 58)
PORTS = (0, 65535)


class Chosen(NamedTuple):
    """What a map says: allowed or not, and the entry (None: none matches)."""

    allowed: bool
    entry: PolicyEntry | None


def to(view: View, endpoint: int) -> Transfer:
    """Egress policy of an endpoint, by the identity of the packet's destination. What is admitted goes on."""
    assumed(view)
    fact = view.state.policies.get(endpoint)
    if fact is None:
        return uncaptured(view, endpoint, "egress")
    entries = [entry for entry in fact.entries if not entry.ingress]
    groups: dict[tuple[object, ...], tuple[int, Ranges]] = {}
    for identity in dict.fromkeys(entry.identity for entry in entries):
        ranges = view.identities.get(identity, ()) if identity else ()
        if identity and ranges:
            key = alike(entry for entry in entries if entry.identity == identity)
            first, before = groups.get(key, (identity, ()))
            groups[key] = first, union(before, ranges)
    found = admitted(view, endpoint, False, entries, -1)
    for identity, ranges in groups.values():
        found = If(In(Field.DESTINATION, ranges), admitted(view, endpoint, False, entries, identity), found)
    return seq(*doubts(fact, entries), found)


def assumed(view: View) -> None:
    """What endpoints send to the tunnel's port Cilium drops (``is_encap``): that is by design, and left out."""
    if view.state.setup.tunnel:
        view.context.assume(f"no pod of {view.scope} sends to the tunnel's port {view.state.port}, which Cilium forbids")


def alike(entries: Iterable[PolicyEntry]) -> tuple[object, ...]:
    """What tells the entries of one identity from those of another; denials by where they stand, since that is told."""
    return tuple(
        sorted(
            (one.deny, one.protocol, one.low, one.high, one.proxy, one.authenticated, str(one.at) if one.deny else "")
            for one in entries
        )
    )


def of(view: View, endpoint: int, identity: int) -> Transfer:
    """Ingress policy of an endpoint for a peer."""
    fact = view.state.policies.get(endpoint)
    if fact is None:
        return uncaptured(view, endpoint, "ingress")
    entries = [entry for entry in fact.entries if entry.ingress]
    return seq(*doubts(fact, entries), admitted(view, endpoint, True, entries, identity))


def doubts(fact: PolicyMapFact, entries: Iterable[PolicyEntry]) -> Iterator[Transfer]:
    """The first line that was not understood, or whose labels no known identity has."""
    named = [one.at for one in entries if one.identity is None]
    line = next(iter((*named, *fact.lost)), None)
    if line is not None:
        text = f"the entry at {line} is not understood, and not about the packet"
        yield If(Opaque(text, line), KEEP, End(Unknown(f"it is not known whether {text}"), line), line)


def uncaptured(view: View, endpoint: int, way: str) -> Transfer:
    """A policy map that was not captured: the agent's list may say that nothing is enforced."""
    state, scope = view.state, view.scope
    fact = state.endpoints.get(endpoint)
    enforced = None if fact is None else fact.ingress if way == "ingress" else fact.egress
    if enforced is False or state.setup.audit:
        view.context.assume(
            f"the policy map of endpoint {endpoint} of {scope} lets everything pass ({way}), as its agent says that no policy is enforced"
        )
        return KEEP
    missing = state.missing.get("cilium-policy", f"{state.settles}/cilium_bpf_policy_get_--all has none of endpoint {endpoint}")
    text = f"the policy map of endpoint {endpoint} of {scope} lets the packet pass ({way}; {missing})"
    return If(Opaque(text), KEEP, End(Unknown(f"it is not known whether {text}")))


def admitted(view: View, endpoint: int, ingress: bool, entries: Sequence[PolicyEntry], identity: int) -> Transfer:
    """The verdict on packets of one peer, by protocol and port; -1: of a peer that no entry names."""
    near = [entry for entry in entries if entry.identity == identity]
    every = [entry for entry in entries if entry.identity == 0]
    protocols = sorted({entry.protocol for entry in (*near, *every) if entry.protocol})
    rest = effect(view, endpoint, ingress, identity, chosen(near, every, -1, 0))
    rows: dict[int, Transfer] = {}
    for protocol in protocols:
        field = Field.ICMP_TYPE if protocol in ICMP else Field.DESTINATION_PORT
        parts: dict[Transfer, list[tuple[int, int]]] = {}
        for pair in cut(near, every, protocol):
            then = effect(view, endpoint, ingress, identity, chosen(near, every, protocol, pair[0]))
            parts.setdefault(then, []).append(pair)
        pieces = sorted((pair, then) for then, pairs in parts.items() for pair in normalised(pairs)) if len(parts) > 1 else []
        rows[protocol] = dispatch(field, pieces, KEEP) if pieces else next(iter(parts))
    return by_value(Field.PROTOCOL, {protocol: then for protocol, then in rows.items() if then != rest}, rest)


def cut(near: Iterable[PolicyEntry], every: Iterable[PolicyEntry], protocol: int) -> Iterator[tuple[int, int]]:
    """The ports in pieces that no entry of a protocol tells apart."""
    mine = [entry for entry in (*near, *every) if entry.protocol in (0, protocol)]
    starts = sorted({PORTS[0], *(entry.low for entry in mine), *(entry.high + 1 for entry in mine)} - {PORTS[1] + 1})
    yield from zip(starts, [start - 1 for start in starts[1:]] + [PORTS[1]], strict=True)


def chosen(near: Iterable[PolicyEntry], every: Iterable[PolicyEntry], protocol: int, port: int) -> Chosen:
    """The entry that decides about a packet; protocol -1 is one that no entry names."""
    exact, wide = best(near, protocol, port), best(every, protocol, port)
    if exact is not None and exact.deny:
        return Chosen(False, exact)
    if wide is not None and (wide.deny or exact is None or fixed(wide) > fixed(exact)):
        return Chosen(not wide.deny, wide)
    return Chosen(exact is not None, exact)


def best(entries: Iterable[PolicyEntry], protocol: int, port: int) -> PolicyEntry | None:
    """The matching entry that fixes most."""
    mine = (one for one in entries if not one.protocol or (one.protocol == protocol and one.low <= port <= one.high))
    return max(mine, key=fixed, default=None)


def fixed(entry: PolicyEntry) -> int:
    """How many bits of protocol and port an entry fixes."""
    return 24 - (entry.high - entry.low).bit_length() if entry.protocol else 0


def effect(view: View, endpoint: int, ingress: bool, identity: int, found: Chosen) -> Transfer:
    """What follows from the entry that decides."""
    scope, entry = view.scope, found.entry
    if not found.allowed and not view.state.setup.audit:
        way, said = ("ingress", "from") if ingress else ("egress", "to")
        kind = "Policy denied by denylist" if entry is not None else "Policy denied"
        peer = f"identity {identity}" if identity >= 0 else "an identity without an entry"
        at = entry.at if entry is not None else view.state.policies[endpoint].at
        return End(Drop(f"{scope}: Cilium drops the packet ({kind}): {way} of endpoint {endpoint} {said} {peer}"), at)
    return seq(*passed(view, entry)) if entry is not None and found.allowed else KEEP


def passed(view: View, entry: PolicyEntry) -> Iterator[Transfer]:
    """An entry that sends packets to the node's proxy, or wants peers to have authenticated themselves, is an open question."""
    for needed, text in (
        (entry.proxy, f"the proxy of {view.scope} at port {entry.proxy} passes the packet on unchanged"),
        (entry.authenticated, f"the peers have authenticated themselves to Cilium of {view.scope}"),
    ):
        if needed:
            yield If(Opaque(text, entry.at), KEEP, End(Unknown(f"it is not known whether {text}"), entry.at), entry.at)
