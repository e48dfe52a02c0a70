"""What is reached through services, Ingress, Gateway API routes and OpenShift routes on the one side and not on the other.

A way from outside counts where policies let it in, or may (``connectivity/entrances.py``). A service's own ways are where its ports lead, for whoever may reach the pods behind it: what policies say of these is
compared pair by pair elsewhere. Ends are workloads, so that pods that were made anew are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from analyzer.policy.entities import Entity
from analyzer.policy.joint import workload_of
from analyzer.query.ends import name_of_one, name_of_workload
from analyzer.query.policies import Policies
from analyzer.query.policy_services import backends
from analyzer.source import Span


class WayChange(StrEnum):
    """What becomes of a way. UNDECIDED: it was or is not certain whether policies let it in."""

    APPEARS = "appears"
    DISAPPEARS = "disappears"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Way:
    """A way through an object: what is asked for, of whom, from where, and where it leads. ``source`` is ``pods`` for a service inside of the cluster; ``request``: the
    hosts and paths that a route takes there, in words (``connectivity/requests.py``)."""

    kind: str
    name: str
    source: str
    port: str
    destination: str
    target: str
    request: str = ""

    def __str__(self) -> str:
        asked = f" for {self.request}" if self.request else ""
        return f"{self.kind} {self.name}{asked} port {self.port} from {self.source} -> {self.destination} {self.target}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether policies let a way in, None where that is not certain, with the reason; and where it is said."""

    admitted: bool | None
    why: str
    at: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ChangedWay:
    """A way that is there, and let in, on the one side and not on the other; None where there is no such way."""

    way: Way
    old: Standing | None
    new: Standing | None

    @property
    def change(self) -> WayChange:
        """What becomes of it."""
        before, after = (False if side is None else side.admitted for side in (self.old, self.new))
        if before is None or after is None:
            return WayChange.UNDECIDED
        return WayChange.APPEARS if after else WayChange.DISAPPEARS

    @property
    def certain(self) -> bool:
        """Whether it is known to change."""
        return self.change is not WayChange.UNDECIDED

    @property
    def shown(self) -> Standing:
        """The side on which it is there."""
        found = self.new if self.change is WayChange.APPEARS or self.old is None else self.old
        assert found is not None
        return found


def changed_ways(old: Policies, new: Policies) -> tuple[ChangedWay, ...]:
    """The ways that appear, disappear, or may."""
    before, after = dict(ways(old)), dict(ways(new))
    found = (ChangedWay(way, before.get(way), after.get(way)) for way in before.keys() | after.keys())
    return tuple(sorted((item for item in found if differs(item)), key=lambda item: (str(item.way), str(item.way.source))))


def differs(item: ChangedWay) -> bool:
    """Whether the two sides differ: in the verdict, or where it is not certain in the reason."""
    before, after = ((False, "") if side is None else (side.admitted, side.why) for side in (item.old, item.new))
    return before[0] is not after[0] or (before[0] is None and before[1] != after[1])


def ways(policies: Policies) -> Iterator[tuple[Way, Standing]]:
    """All ways, each once."""
    found: dict[Way, list[Standing]] = {}
    for way, standing in (*inside(policies), *from_outside(policies)):
        found.setdefault(way, []).append(standing)
    for way, several in found.items():
        values = {item.admitted for item in several}
        whys = "; ".join(dict.fromkeys(item.why for item in several if item.why))
        why = whys or ("policies let it in to some of the pods only" if len(values) > 1 else "")
        yield way, Standing(values.pop() if len(values) == 1 else None, why, several[0].at)


def inside(policies: Policies) -> Iterator[tuple[Way, Standing]]:
    """Where the ports of every service lead."""
    from analyzer.query.connectivity.allowed import WITH_PORTS

    for key, service in sorted(policies.world.cluster.services.items()):
        for item in backends(policies.world, *key):
            protocol = WITH_PORTS.get(item.protocol, str(item.protocol))
            target = f"{protocol} {item.target}"
            way = Way("Service", "/".join(key), "pods", f"{item.port}/{protocol}", name_of(item.entity), target)
            yield way, Standing(True, "", service.at)


def from_outside(policies: Policies) -> Iterator[tuple[Way, Standing]]:
    """The ways in from outside."""
    from analyzer.query.connectivity.entrances import Ways

    found = Ways(policies, {entity.name: name_of(entity) for entity in policies.world.entities})
    for item in (*found.through_services(), *found.through_host_ports(), *found.through_routes()):
        target = ", ".join(f"{one.protocol} {low}" for one in item.allow for low, _ in one.ports)
        for request in item.requests or ("",):
            way = Way(item.kind, item.name, item.source, item.port, item.destination, target, request)
            yield way, Standing(item.admitted, item.why, item.at)


def name_of(entity: Entity) -> str:
    """A workload, or a pod that is of none."""
    workload = workload_of(entity)
    return name_of_workload(workload) if workload[1] else name_of_one(entity)
