"""What policies admit of packets to services: they are asked about the endpoint that a packet is translated to, and about the source that they see of it (``seen_sources.py``).

Services are translated before policies of ingress and after those of egress in what most systems do (``Profile.egress_sees_service``); where a packet is lost before it has
an endpoint, policies are the reason only if they deny every endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from analyzer.model.network import Network
from analyzer.policy.calico.hosts import FORWARDED
from analyzer.policy.decision import doubt, exemption, walks_of
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.terms import Box, Kind, all_of, any_of
from analyzer.policy.tiers import Direction
from analyzer.query.admission import Admission, Parties, addresses, narrow
from analyzer.query.failures import LOST, UNKNOWN
from analyzer.query.flows import Aim, Lost, origin
from analyzer.query.once import Whole
from analyzer.query.seen_sources import carried, entities_at, holders_of, later_sources, seen
from analyzer.ranges import LAST, Ranges, difference, intersection, normalised, single
from analyzer.solve.sets.regions import State, narrowed, values_of, variables
from analyzer.solve.states import DESTINATION, DESTINATION_PORT
from analyzer.transfer.ir import Field

MOST = 2_000
SOURCE_PORTS: Ranges = ((0, 65_535),)
Endpoint = tuple[int, int]


class Asker(NamedTuple):
    """Those who ask services and are alike to policies: one of them, None where it is not known who they are, and their addresses."""

    entity: Entity | None
    addresses: Ranges


class Ruled(NamedTuple):
    """A part of a set, and whether policies want it to arrive: None where that is not known."""

    state: State
    wanted: bool | None


@dataclass(frozen=True, slots=True)
class Ruling:
    """Who asks services for what, and what policies say of it. ``said`` is what was asked so far of single flows."""

    network: Network
    admission: Admission
    aim: Aim
    askers: tuple[Asker, ...]
    said: dict[tuple[Direction, str, str, int, int], bool | None] = field(default_factory=dict)

    def ends(self, protocol: int) -> list[Endpoint]:
        """The endpoints of all service ports of a protocol, in order."""
        return sorted({end for (one, *_), found in (self.aim.translated or {}).items() if one == protocol for end in found})


def by_pods(network: Network, admission: Admission, aim: Aim, sources: Parties) -> Ruling:
    """What pods ask services for."""
    found = admission.senders(sources, {}).items()
    askers = (one for entity, values in found for one in apart(admission, aim, sources, entity, values))
    return Ruling(network, admission, aim, tuple(askers))


def apart(admission: Admission, aim: Aim, sources: Parties, entity: Entity | None, values: list[int]) -> Iterator[Asker]:
    """Those who are alike to policies; endpoints of services each by itself, where what a pod sends to itself is not asked
    about as what it sends to others."""
    ends = {address for found in (aim.translated or {}).values() for address, _ in found}
    alone = [value for value in values if value in ends]
    profile = admission.policies.profile
    as_others = profile.own_service_admitted is False and not profile.own_service_by_either
    if entity is None or not alone or len(values) == 1 or as_others:
        yield Asker(entity, addresses(values))
        return
    yield from (Asker(admission.entity(sources[value][0]), single(value)) for value in alone)
    if others := [value for value in values if value not in ends]:
        yield Asker(admission.entity(sources[others[0]][0]), addresses(others))


def by_strangers(network: Network, admission: Admission, aim: Aim, strangers: Ranges) -> Ruling:
    """What is asked from outside: addresses that policies do not tell apart are alike; those of nodes that were not captured are theirs."""
    family, found = aim.family, list[Asker]()
    known = {own.value for one in admission.policies.world.entities for own in one.addresses if own.family == family}
    for value in sorted(value for value in known if intersection(strangers, single(value))):
        held = holders_of(admission, value)
        found.append(Asker(held[0] if len(held) == 1 else None, single(value)))
    rest = difference(strangers, normalised((value, value) for value in known))
    for one, *_ in admission.factors.universe.members:
        own = normalised((block.value, block.last) for block in one.blocks if block.family == family)
        if one.kind is Kind.OUTSIDE and (common := intersection(rest, own)):
            found.append(Asker(one, common))
    return Ruling(network, admission, aim, tuple(found))


def ruled(ruling: Ruling, item: Lost) -> Iterator[Ruled]:
    """The parts of a set that is lost, by what policies say of them; what fails in another way than on its way there, no policy wants."""
    if item.kind not in (LOST, UNKNOWN):
        yield Ruled(item.state, True)
        return
    state = of_account(item.state, Field.PROTOCOL, ruling.aim.protocols)
    protocols = values_of(state, origin(state, Field.PROTOCOL))
    for protocol in (value for low, high in protocols for value in range(low, high + 1)):
        of_protocol = narrow(state, Field.PROTOCOL, single(protocol))
        if of_protocol is None:
            continue
        reached = [end for end in ruling.ends(protocol) if is_now(of_protocol, end)]
        for asker in ruling.askers:
            if (whole := narrow(of_protocol, Field.SOURCE, asker.addresses)) is not None:
                yield from toward(ruling, asker.entity, protocol, whole, reached)


def of_account(state: State, field: Field, values: Ranges) -> State:
    """The set with all values of a field that was of no account on the way; to policies it is."""
    name = origin(state, field)
    return State({**state.region, name: values}, *state[1:]) if isinstance(name, str) and forgotten(state, name) else state


def forgotten(state: State, value: int | str) -> bool:
    """Whether a value is a variable that was of no account on the way: it may be anything."""
    return isinstance(value, str) and value not in variables(state)


def possible(state: State, value: int | str) -> Ranges:
    """The values of a constant or a variable; all, where it was of no account."""
    return ((0, LAST),) if forgotten(state, value) else values_of(state, value)


def toward(ruling: Ruling, sender: Entity | None, protocol: int, state: State, reached: list[Endpoint]) -> Iterator[Ruled]:
    """The parts of what alike senders send by one protocol; ``reached`` are the endpoints that some of it has as its destination now."""
    if sender is None or len(reached) > MOST:
        yield Ruled(state, None)
    elif reached:
        for end in reached:
            part = at_endpoint(state, end)
            if part is not None:
                yield from at_receivers(ruling, sender, protocol, part, end)
    else:
        yield from by_ports(ruling, sender, protocol, state)


def by_ports(ruling: Ruling, sender: Entity, protocol: int, state: State) -> Iterator[Ruled]:
    """The parts of what is lost before it has an endpoint, by the service ports that are asked: of one the policies may want what of another they deny."""
    inside = cluster_addresses(Whole(ruling.network))
    found: dict[tuple[int, int], set[bool | None]] = {}
    for address, port, end in asked(ruling.aim, protocol, state):
        said = untranslated(ruling, sender, protocol, end, address not in inside)
        found.setdefault((address, port), set()).add(said)
    words = {portal: True if every == {True} else None for portal, every in sorted(found.items()) if every != {False}}
    if len(words) == len(found) and len(set(words.values())) == 1:
        yield Ruled(state, next(iter(words.values())))
        return
    whole = of_account(state, Field.DESTINATION_PORT, normalised((port, port) for _, port in found))
    for (address, port), word in words.items():
        part = narrow(whole, Field.DESTINATION, single(address))
        if part is not None and (part := narrow(part, Field.DESTINATION_PORT, single(port))) is not None:
            yield Ruled(part, word)


def at_receivers(ruling: Ruling, sender: Entity, protocol: int, state: State, end: Endpoint) -> Iterator[Ruled]:
    """The parts of what is at an endpoint or on its way there, by the sources that policies see of it."""
    receivers = holders_of(ruling.admission, end[0])
    for part, sources in seen(ruling.network, ruling.admission, state, receivers, end):
        said = verdict(ruling, sender, sources, receivers, protocol, end[1])
        if said is not False:
            yield Ruled(part, said)


def is_now(state: State, end: Endpoint) -> bool:
    """Whether some packet of the set has the endpoint as its destination now."""
    places = ((DESTINATION, end[0]), (DESTINATION_PORT, end[1]))
    return all(intersection(possible(state, carried(state)[place]), single(value)) for place, value in places)


def at_endpoint(state: State, end: Endpoint) -> State | None:
    """The packets of the set that have the endpoint as their destination now."""
    found: State | None = state
    for place, value in ((DESTINATION, end[0]), (DESTINATION_PORT, end[1])):
        name = carried(state)[place]
        if found is not None and forgotten(found, name):
            found = State({**found.region, str(name): single(value)}, *found[1:])
        elif found is not None and isinstance(name, str):
            found = narrowed(found, name, single(value))
    return found


def asked(aim: Aim, protocol: int, state: State) -> set[tuple[int, int, Endpoint]]:
    """The endpoints of the service ports that packets of the set ask for, each with the address and the port that are asked."""
    wanted = possible(state, origin(state, Field.DESTINATION)), possible(state, origin(state, Field.DESTINATION_PORT))
    return {
        (address, port, end)
        for (one, address, port), ends in (aim.translated or {}).items()
        if one == protocol and intersection(wanted[0], single(address)) and intersection(wanted[1], single(port))
        for end in ends
    }


@lru_cache(maxsize=4)
def cluster_addresses(whole: Whole) -> frozenset[int]:
    """The addresses of services inside the cluster."""
    return frozenset(
        address.value for service in whole.network.cluster.services.values() for address in service.cluster_addresses
    )


def untranslated(ruling: Ruling, sender: Entity, protocol: int, end: Endpoint, published: bool) -> bool | None:
    """Whether policies admit what a sender would send to an endpoint, were it translated. Under its own address, as packets to services have inside the cluster; what is ``published`` to the world
    outside, and what is denied, under every address of nodes too that may come to stand for it."""
    receivers = holders_of(ruling.admission, end[0])
    own = verdict(ruling, sender, (None,), receivers, protocol, end[1])
    if own is None or (own and not published):
        return own
    later = {value for one in receivers for value in later_sources(ruling.network, ruling.admission, sender, one)}
    return verdict(ruling, sender, (None, *sorted(later)), receivers, protocol, end[1])


def verdict(
    ruling: Ruling, sender: Entity, sources: Sequence[int | None], receivers: Sequence[Entity], protocol: int, port: int
) -> bool | None:
    """Whether policies admit what a sender sends to an endpoint, of which they see one of these sources (None: the sender's own); None where it is not
    known, or they say different things of the sources or of those who have the endpoint's address."""
    if sender.kind is Kind.POD and ruling.admission.policies.profile.egress_sees_service is not False:
        return None
    found = {admits(ruling, sender, source, receiver, protocol, port) for receiver in receivers for source in sources}
    return found.pop() if len(found) == 1 else None


def admits(ruling: Ruling, sender: Entity, source: int | None, receiver: Entity, protocol: int, port: int) -> bool | None:
    """Whether policies admit a flow through a service from one to another; None where it is not known."""
    profile = ruling.admission.policies.profile
    if receiver.name == sender.name and profile.own_service_admitted is not False:
        return profile.own_service_admitted or as_others(ruling, sender, receiver, protocol, port) or None
    if receiver.name == sender.name and profile.own_service_by_either:
        return any_of(one_way(ruling, direction, sender, receiver, protocol, port) for direction in Direction)
    if (
        sender.kind is Kind.OUTSIDE
        and receiver.node
        and any(plane.name == FORWARDED for plane in ruling.admission.policies.all.planes)
    ):
        return None
    if source is None:
        flows = ruling.admission.pair(sender, receiver)
        here = ruling.admission.factors.atoms.of_box(Box(single(protocol), single(port), SOURCE_PORTS))
        return True if not here & ~flows.sure else None if flows.may & here else False
    peers = entities_at(ruling.network, ruling.admission, source)
    into = {one_way(ruling, Direction.INGRESS, peer, receiver, protocol, port) for peer in peers}
    last = into.pop() if len(into) == 1 else None
    return all_of((one_way(ruling, Direction.EGRESS, sender, receiver, protocol, port), last))


def as_others(ruling: Ruling, sender: Entity, receiver: Entity, protocol: int, port: int) -> bool | None:
    """Whether policies admit it from a pod to itself as from any other: then it is so however a network system reads them."""
    return all_of(one_way(ruling, direction, sender, receiver, protocol, port) for direction in Direction)


def one_way(ruling: Ruling, direction: Direction, sender: Entity, receiver: Entity, protocol: int, port: int) -> bool | None:
    """Whether the policies of one end admit a flow from every source port."""
    key = (direction, sender.name, receiver.name, protocol, port)
    if key not in ruling.said:
        ruling.said[key] = walked(ruling.admission, direction, sender, receiver, protocol, port)
    return ruling.said[key]


def walked(admission: Admission, direction: Direction, sender: Entity, receiver: Entity, protocol: int, port: int) -> bool | None:
    """The same, by one flow for each range of source ports that policies tell apart. A pod that reaches itself through a service is asked as others are (``admits``)."""
    policies = admission.policies
    if sender is not receiver and exemption(policies.profile, sender, receiver):
        return True
    return any_of((doubt(policies.profile, sender, receiver), by_rules(admission, direction, sender, receiver, protocol, port)))


def by_rules(
    admission: Admission, direction: Direction, sender: Entity, receiver: Entity, protocol: int, port: int
) -> bool | None:
    """The same, by what policies say alone: a node that no rule admits they deny to its own pods too."""
    family = admission.factors.universe.family
    starts = next(one.sources for one in admission.factors.atoms.groups if one.protocols[0] <= protocol <= one.protocols[1])
    flows = [Flow(family, protocol, port, start) for start in starts]
    policies = admission.policies.all
    found = {all_of(one.admitted for one in walks_of(policies, direction, sender, receiver, flow)) for flow in flows}
    return found.pop() if len(found) == 1 else None
