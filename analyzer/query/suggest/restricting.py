"""What is wanted of each pod in both directions, and which pods this restricts."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.policy.bits import members
from analyzer.query.suggest.demands import EVERY_PORT, Demand, Ends, Ports, Scene, incoming, merged, outgoing
from analyzer.ranges import difference


@dataclass(frozen=True, slots=True)
class Demands:
    """What is wanted of each pod, by number: who may send to it, and where it may send to, pods and addresses. ``restricted`` are the pods that may
    not send everything to all addresses, ``closed`` those of them that may send nothing to anybody."""

    into: tuple[Demand, ...]
    addresses: tuple[Demand, ...]
    out: tuple[Demand, ...]
    restricted: int
    closed: int


def demands(scene: Scene) -> Demands:
    """What is wanted of the pods of a scene."""
    into, addresses = incoming(scene), outgoing(scene)
    restricted = 0
    for number, demand in enumerate(addresses):
        if not has_all(scene, scene.families_spoken(number), dict(demand).get(EVERY_PORT, Ends())):
            restricted |= 1 << number
    sent = reversed_demands(into, restricted)
    out = tuple(merged((demand, sent[number])) for number, demand in enumerate(addresses))
    alone = ((number, scene.itself(number)) for number in members(restricted))
    closed = sum(1 << number for number, itself in alone if not without(out[number], itself))
    return Demands(tuple(into), tuple(addresses), out, restricted, closed)


def reversed_demands(into: list[Demand], senders: int) -> list[Demand]:
    """For each of the senders the pods that it may send to."""
    alike: dict[Demand, int] = {}
    for number, demand in enumerate(into):
        alike[demand] = alike.get(demand, 0) | 1 << number
    found: list[dict[Ports, int]] = [{} for _ in into]
    for demand, pods in alike.items():
        for ports, ends in demand:
            for sender in members(ends.pods & senders):
                found[sender][ports] = found[sender].get(ports, 0) | pods
    return [tuple(sorted((ports, Ends(pods)) for ports, pods in each.items())) for each in found]


def without(demand: Demand, pods: int) -> Demand:
    """A demand with some pods aside."""
    found = ((ports, ends._replace(pods=ends.pods & ~pods)) for ports, ends in demand)
    return tuple((ports, ends) for ports, ends in found if ends != Ends())


def has_all(scene: Scene, families: tuple[int, ...], ends: Ends) -> bool:
    """Whether all addresses of the families that count are among some ends."""
    known = dict(ends.addresses)
    return not any(difference(scene.spaces[one].counted, known.get(one, ())) for one in families)
