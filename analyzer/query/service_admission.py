"""What policies admit of packets to services: they are asked about the endpoint that a packet is translated to.

Services are translated before policies of ingress and after those of egress in what most systems do (``Profile.egress_sees_service``); where a packet is lost before it has
an endpoint, policies are the reason only if they deny every endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.policy.entities import Entity
from analyzer.policy.terms import Box
from analyzer.query.admission import Admission, Parties, addresses, narrow
from analyzer.query.flows import LOST, UNKNOWN, Aim, origin
from analyzer.ranges import Ranges, intersection, single
from analyzer.solve.sets.regions import State, narrowed, values_of
from analyzer.solve.states import DESTINATION, DESTINATION_PORT, SOURCE
from analyzer.transfer.ir import Field

MOST = 2_000
SOURCE_PORTS: Ranges = ((0, 65_535),)
Endpoint = tuple[int, int]


class Ruled(NamedTuple):
    """A part of a set, and whether policies want it to arrive: None where that is not known."""

    state: State
    wanted: bool | None


def ruled(admission: Admission, aim: Aim, sources: Parties, kind: str, state: State) -> Iterator[Ruled]:
    """The parts of a set that is lost, by what policies say of them; what fails in another way than on its way there, no policy wants. Of what has got another source on its way
    it is not known: policies are asked about whoever that is."""
    if kind not in (LOST, UNKNOWN) or state.env[SOURCE] != origin(state, Field.SOURCE):
        yield Ruled(state, True if kind not in (LOST, UNKNOWN) else None)
        return
    for protocol in (value for low, high in values_of(state, origin(state, Field.PROTOCOL)) for value in range(low, high + 1)):
        of_protocol = narrow(state, Field.PROTOCOL, single(protocol))
        if of_protocol is None:
            continue
        reached = [end for end in ends(aim, protocol) if is_now(of_protocol, end)]
        for sender, values in admission.senders(sources, {}).items():
            if (whole := narrow(of_protocol, Field.SOURCE, addresses(values))) is not None:
                yield from toward(admission, aim, sender, protocol, whole, reached)


def ends(aim: Aim, protocol: int) -> list[Endpoint]:
    """The endpoints of all service ports of a protocol, in order."""
    return sorted({end for (one, *_), found in (aim.translated or {}).items() if one == protocol for end in found})


def holders_of(admission: Admission, address: int) -> tuple[Entity, ...]:
    """Who has an address, of the family that is asked about; a node's is its pods' too that are in its network."""
    if not admission.holders:
        for entity in admission.policies.world.entities:
            for own in entity.addresses:
                if own.family == admission.factors.universe.family:
                    admission.holders[own.value] = (*admission.holders.get(own.value, ()), entity)
    return admission.holders.get(address, ())


def toward(
    admission: Admission, aim: Aim, sender: Entity | None, protocol: int, state: State, reached: list[Endpoint]
) -> Iterator[Ruled]:
    """The parts of what alike senders send by one protocol; ``reached`` are the endpoints that some of it has as its destination now."""
    if sender is None or len(reached) > MOST:
        yield Ruled(state, None)
    elif reached:
        for end in reached:
            part = at_endpoint(state, end)
            if part is not None and (said := verdict(admission, sender, protocol, end)) is not False:
                yield Ruled(part, said)
    else:
        every = {verdict(admission, sender, protocol, end) for end in asked(aim, protocol, state)}
        if every != {False}:
            yield Ruled(state, True if every == {True} else None)


def is_now(state: State, end: Endpoint) -> bool:
    """Whether some packet of the set has the endpoint as its destination now."""
    places = ((DESTINATION, end[0]), (DESTINATION_PORT, end[1]))
    return all(intersection(values_of(state, state.env[place]), single(value)) for place, value in places)


def at_endpoint(state: State, end: Endpoint) -> State | None:
    """The packets of the set that have the endpoint as their destination now."""
    found: State | None = state
    for place, value in ((DESTINATION, end[0]), (DESTINATION_PORT, end[1])):
        name = state.env[place]
        if found is not None and isinstance(name, str):
            found = narrowed(found, name, single(value))
    return found


def asked(aim: Aim, protocol: int, state: State) -> set[Endpoint]:
    """The endpoints of the service ports that packets of the set ask for."""
    wanted = values_of(state, origin(state, Field.DESTINATION)), values_of(state, origin(state, Field.DESTINATION_PORT))
    return {
        end
        for (one, address, port), ends in (aim.translated or {}).items()
        if one == protocol and intersection(wanted[0], single(address)) and intersection(wanted[1], single(port))
        for end in ends
    }


def verdict(admission: Admission, sender: Entity, protocol: int, end: Endpoint) -> bool | None:
    """Whether policies admit what a sender sends to an endpoint; None where it is not known, or they say different things of those who have its address."""
    if admission.policies.profile.egress_sees_service is not False:
        return None
    found = {admits(admission, sender, receiver, protocol, end[1]) for receiver in holders_of(admission, end[0])}
    return found.pop() if len(found) == 1 else None


def admits(admission: Admission, sender: Entity, receiver: Entity, protocol: int, port: int) -> bool | None:
    """Whether policies admit a flow through a service from one to another; None where it is not known."""
    own = admission.policies.profile.own_service_admitted
    if receiver.name == sender.name and own is not False:
        return own
    flows = admission.pair(sender, receiver)
    here = admission.factors.atoms.of_box(Box(single(protocol), single(port), SOURCE_PORTS))
    return True if not here & ~flows.sure else None if flows.may & here else False
