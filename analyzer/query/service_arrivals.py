"""Packets that come through a service to an endpoint although policies deny them: ``policy-enforced``, for packets to
services.

A packet is denied for sure where the rules of policies deny it under its sender's own address and under every other
that they may see of it (``seen_sources.py``): also where a node masquerades it and the endpoint's policies let it pass
because it is the endpoint's own node, which no rule admits. What a rule admits under the address of a node that
masquerades it, is admitted: the API does not define which of the two counts
(kubernetes.io/docs/concepts/services-networking/network-policies: whether the source is rewritten "before or after
NetworkPolicy processing"), and the verdict says so where rules deny it under its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.policy.calico.hosts import FORWARDED
from analyzer.policy.entities import Entity
from analyzer.policy.terms import Box, Kind, all_of
from analyzer.policy.tiers import Direction, Policy
from analyzer.query.admission import Parties, narrow
from analyzer.query.failures import ADMITTED, SEEN_DESTINATION, SEEN_SOURCE, UNKNOWN
from analyzer.query.flows import Lost, origin
from analyzer.query.replay import Replay, Word, translation, weighed
from analyzer.query.seen_sources import entities_at, holders_of, seen
from analyzer.query.service_admission import SOURCE_PORTS, Asker, Endpoint, Ruling, asked, at_endpoint, by_rules, is_now, one_way
from analyzer.ranges import difference, intersection, single, size
from analyzer.solve.packet import Hop, Outcome, Trace
from analyzer.solve.sets.regions import Result, State
from analyzer.solve.sets.sifting import combinations
from analyzer.solve.states import DESTINATION, DESTINATION_PORT
from analyzer.transfer.ir import Field

MOST, ACCEPTED = 4_000, "accepted by "
Send = Callable[[Lost], Trace | None]
"""What becomes of a packet of a set; None where none was found."""


class Arrived(NamedTuple):
    """Packets that are at an endpoint though policies deny them under their sender's own address; ``others``: what rules say of the other addresses that they may see."""

    state: State
    sender: Entity
    receiver: Entity
    end: Endpoint
    others: frozenset[bool | None]


class Words(NamedTuple):
    """What speaks for packets that policies deny under their own address, or why it is not known whether policies deny some (``doubt``)."""

    text: str
    doubt: bool


class Told(NamedTuple):
    """Packets that arrive though policies deny them for sure, and the walk's word on one of them."""

    item: Lost
    found: Replay | None


def told(ruling: Ruling, delivered: Iterable[Result], send: Send) -> Iterator[Told | Words]:
    """What arrives though policies deny it, one packet sent for each set of policies that are so passed over; in words, of what that is not known."""
    ends = governed_ends(ruling)
    if not ends and not any(
        asker.entity is not None and selected(ruling, asker.entity, Direction.EGRESS) for asker in ruling.askers
    ):
        return
    sent: dict[tuple[str, frozenset[bool | None]], Told | Words] = {}
    for result in delivered:
        for one in denied(ruling, ends, result.state):
            if isinstance(one, Words):
                yield one
                continue
            key = (", ".join(map(str, isolating(ruling, one))), one.others)
            if key not in sent:
                sent[key] = weigh(ruling, one, key[0], send)
                yield sent[key]
            elif isinstance(known := sent[key], Told):
                yield known._replace(item=known.item._replace(state=one.state))


def governed_ends(ruling: Ruling) -> frozenset[Endpoint]:
    """The endpoints of services that a policy of ingress selects, or may."""
    every = {end for found in (ruling.aim.translated or {}).values() for end in found}
    return frozenset(
        end for end in every if any(selected(ruling, one, Direction.INGRESS) for one in holders_of(ruling.admission, end[0]))
    )


def governed_pairs(ruling: Ruling, sources: Parties, targets: Mapping[int, Sequence[str]]) -> int:
    """How many pairs there are of senders and services of which policies say something."""
    ends, names = governed_ends(ruling), set[str]()
    for (_, address, _), found in (ruling.aim.translated or {}).items():
        names |= set(targets.get(address, ())) if not ends.isdisjoint(found) else set()
    every = {name for found in targets.values() for name in found}
    asking = [ruling.admission.entity(one) for parties in sources.values() for one in parties]
    return sum(len(every if one is not None and selected(ruling, one, Direction.EGRESS) else names) for one in asking)


def selected(ruling: Ruling, entity: Entity, direction: Direction) -> bool:
    """Whether a policy selects somebody in a direction, or may."""
    return any(ruling.admission.policies.all.selecting(entity, ruling.aim.family, direction))


def denied(ruling: Ruling, governed: frozenset[Endpoint], state: State) -> Iterator[Arrived | Words]:
    """The parts of what has arrived that policies deny; words, of what that is not known."""
    left = MOST
    for asker in ruling.askers:
        whole = narrow(state, Field.SOURCE, asker.addresses)
        if whole is None:
            continue
        senders = those(ruling, asker)
        out = any(selected(ruling, one, Direction.EGRESS) for one in senders)
        for protocol, end in endpoints_in(ruling, whole, None if out else governed):
            if asker.addresses == single(end[0]):
                continue
            receivers = holders_of(ruling.admission, end[0])
            said = {own_word(ruling, one, receivers, protocol, end[1]) for one in senders}
            if said == {True}:
                continue
            left -= 1
            if len(senders) != 1 or left <= 0 or None in said:
                yield Words(unknown(ruling, asker, end, left), True)
                if left <= 0:
                    return
                continue
            yield from at_end(ruling, asker, senders[0], protocol, end, whole)


def those(ruling: Ruling, asker: Asker) -> Sequence[Entity]:
    """Who may ask: one where it is known who."""
    if asker.entity is not None:
        return (asker.entity,)
    return holders_of(ruling.admission, asker.addresses[0][0]) if size(asker.addresses) == 1 else ()


def unknown(ruling: Ruling, asker: Asker, end: Endpoint, left: int) -> str:
    """What is not known of packets that arrive, in words."""
    if left <= 0:
        return f"whether policies deny what arrives through services was not decided: more than {MOST} ways were to be told apart"
    who = asker.entity.name if asker.entity is not None else str(Address(ruling.aim.family, asker.addresses[0][0]))
    return f"what {who} sends to {spoken(ruling, end)} through a service arrives, and it is not known whether policies admit it"


def endpoints_in(ruling: Ruling, state: State, governed: frozenset[Endpoint] | None) -> Iterator[tuple[int, Endpoint]]:
    """The endpoints, by protocol, that packets of a set are at: of all, or of those that are governed."""
    known = {
        protocol: [end for end in ruling.ends(protocol) if governed is None or end in governed]
        for protocol in sorted({one for one, *_ in ruling.aim.translated or {}})
    }
    members = {protocol: frozenset(ends) for protocol, ends in known.items()}
    found: dict[tuple[int, Endpoint], None] = {}
    places = (origin(state, Field.PROTOCOL), state.env[DESTINATION], state.env[DESTINATION_PORT])
    for protocols, addresses, ports in combinations(state, places):
        one = (addresses[0][0], ports[0][0])
        alone = addresses == single(one[0]) and ports == single(one[1])
        for protocol in known:
            if not intersection(protocols, single(protocol)):
                continue
            ends = (one,) if alone and one in members[protocol] else () if alone else known[protocol]
            found.update(dict.fromkeys((protocol, end) for end in ends if alone or is_now(state, end)))
    return iter(found)


def own_word(ruling: Ruling, sender: Entity, receivers: Sequence[Entity], protocol: int, port: int) -> bool | None:
    """Whether policies admit what a sender has at an endpoint under its own address, or leave that open; None where it is not known."""
    profile, atoms = ruling.admission.policies.profile, ruling.admission.factors.atoms
    if sender.kind is Kind.POD and profile.egress_sees_service is not False and selected(ruling, sender, Direction.EGRESS):
        return None
    here, found = atoms.of_box(Box(single(protocol), single(port), SOURCE_PORTS)), set[bool | None]()
    forwarded = sender.kind is Kind.OUTSIDE and any(plane.name == FORWARDED for plane in ruling.admission.policies.all.planes)
    for one in receivers:
        flows = ruling.admission.pair(sender, one)
        opened = bool(flows.unknown & here) or (forwarded and bool(one.node))
        found.add(None if opened else True if not here & ~flows.may else None if here & flows.may else False)
    return found.pop() if len(found) == 1 else None


def at_end(ruling: Ruling, asker: Asker, sender: Entity, protocol: int, end: Endpoint, state: State) -> Iterator[Arrived | Words]:
    """The parts of what alike senders have at an endpoint that policies deny under their own addresses; not what it sends to itself ("a pod cannot block access to itself")."""
    receivers = holders_of(ruling.admission, end[0])
    part = narrow(state, Field.SOURCE, difference(asker.addresses, single(end[0])))
    part = narrow(part, Field.PROTOCOL, single(protocol)) if part is not None else None
    part = at_endpoint(part, end) if part is not None else None
    for one, values in seen(ruling.network, ruling.admission, part, receivers, end, arrived=True) if part is not None else ():
        others = {
            masked(ruling, sender, value, who, protocol, end[1]) for value in values if value is not None for who in receivers
        }
        yield Arrived(one, sender, receivers[0], end, frozenset(others))


def masked(ruling: Ruling, sender: Entity, source: int, receiver: Entity, protocol: int, port: int) -> bool | None:
    """Whether rules admit a flow of which the receiver's policies see another source."""
    if source < 0:
        return None
    out = one_way(ruling, Direction.EGRESS, sender, receiver, protocol, port)
    peers = entities_at(ruling.network, ruling.admission, source)
    into = {by_rules(ruling.admission, Direction.INGRESS, peer, receiver, protocol, port) for peer in peers}
    return all_of((out, into.pop() if len(into) == 1 else None))


def isolating(ruling: Ruling, arrived: Arrived) -> list[Policy]:
    """The policies that select the two ends, each in its direction."""
    found: list[Policy] = []
    for entity, direction in ((arrived.sender, Direction.EGRESS), (arrived.receiver, Direction.INGRESS)):
        tiers = ruling.admission.policies.all.selecting(entity, ruling.aim.family, direction)
        found += [item.policy for tier in tiers for item in tier if item.policy not in found]
    return found


def weigh(ruling: Ruling, arrived: Arrived, policies: str, send: Send) -> Told | Words:
    """The walk's word on a packet that arrives in spite of policies, with the rule that brings it there; in words, what speaks for it where another source does."""
    at = isolating(ruling, arrived)
    item = Lost(ADMITTED, f"{ADMITTED} ({policies} isolates)", at[0].at if at else None, arrived.state)
    trace = send(item)
    ways = tuple(one for one in trace.outcomes if ended(one) == arrived.end) if trace is not None else ()
    found = weighed(ruling.network, ruling.aim, item, replace(trace, outcomes=ways)) if trace is not None and ways else None
    through = way(found.shown.hops) if found is not None else ""
    if not arrived.others <= {False}:
        ends = f"{arrived.sender.name} reaches {spoken(ruling, arrived.end)} under another address ({through})"
        if True in arrived.others:
            return Words(f"{ends}, which rules admit; under its own they deny it ({policies})", False)
        return Words(f"{ends}, of which it is not known what policies say; under its own they deny it ({policies})", True)
    if found is not None and found.word is Word.CONFIRMED:
        item = item._replace(reason=f"{item.reason}; {through}" if through else item.reason)
    return Told(item, found)


def way(hops: Sequence[Hop]) -> str:
    """What lets a packet come to its endpoint, in words: what translates it, and the last rule that accepts it."""
    forth = [hop for hop in hops if not hop.reply and hop.what.startswith(ACCEPTED)]
    found = (translation(tuple(hops), SEEN_SOURCE) or translation(tuple(hops), SEEN_DESTINATION), *forth[-1:])
    return "; ".join(f"{hop.place}: {hop.what}" for hop in found if hop is not None)


def spoken(ruling: Ruling, end: Endpoint) -> str:
    """An endpoint in words."""
    held = holders_of(ruling.admission, end[0])
    return f"{held[0].name if held else Address(ruling.aim.family, end[0])} port {end[1]}"


def ended(outcome: Outcome) -> Endpoint | None:
    """The address and the port that a packet came to."""
    for hop in reversed(outcome.hops):
        if hop.packet is not None and not hop.reply:
            return hop.packet.destination, hop.packet.destination_port
    return None


def perhaps(ruling: Ruling, lost: Iterable[Lost]) -> Iterator[str]:
    """Packets that policies deny, and of which it is not known whether they arrive: in words."""
    ends = governed_ends(ruling)
    for item in lost:
        for asker in ruling.askers if item.kind == UNKNOWN else ():
            whole = narrow(item.state, Field.SOURCE, asker.addresses)
            if whole is not None and (words := perhaps_denied(ruling, asker, ends, whole)):
                yield f"{words}: {item.reason}"


def perhaps_denied(ruling: Ruling, asker: Asker, governed: frozenset[Endpoint], state: State) -> str:
    """What of a set, which some may have sent, policies deny; empty: nothing."""
    senders = those(ruling, asker)
    out = any(selected(ruling, one, Direction.EGRESS) for one in senders)
    for protocol in sorted({one for one, *_ in ruling.aim.translated or {}}):
        part = narrow(state, Field.PROTOCOL, single(protocol))
        for _, _, end in sorted(asked(ruling.aim, protocol, part)) if part is not None else ():
            receivers = holders_of(ruling.admission, end[0])
            if (out or end in governed) and any(own_word(ruling, one, receivers, protocol, end[1]) is False for one in senders):
                return f"{senders[0].name} to {spoken(ruling, end)} through a service, which policies deny"
    return ""
