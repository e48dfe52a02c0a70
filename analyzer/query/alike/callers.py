"""A group of flows to services by a few of its pods and services, and what fails among these said of all that are alike.

A pod that asks for a port of a service is like another that asks for another's where both pods are of the same kinds, their nodes' chains do the same with both addresses
(``services.py``), and everybody whom these chains speak of, the endpoints, is to the pod, and to the others, what its like is: of the same kinds, and in one namespace, on one
node or on two in both. Nodes and pods can then change places so that the one becomes the other, and nothing that packets between them meet would be different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.query.alike.ends import End, end_of, ranges
from analyzer.query.alike.kinds import ENOUGH, Kinds, kinds
from analyzer.query.alike.services import Said, Services
from analyzer.query.alike.thinning import REQUEST, WORD, by_pods_chain, decides, deciding, kind_of, renamed, single_of_kind, told
from analyzer.query.failures import UNKNOWN
from analyzer.query.flows import Aim, Lost, Sender, origin, spelled
from analyzer.query.grouping import Group
from analyzer.query.parties import Portal
from analyzer.ranges import Ranges, single
from analyzer.solve.sets.joint import Joint, Row
from analyzer.solve.sets.regions import State, entered, narrowed, of_others, values_of, variables
from analyzer.solve.sets.sifting import combinations
from analyzer.source import Scope
from analyzer.transfer.ir import Field

Asked = tuple[int, int, int]
"""A port of a service: protocol, address, port."""
Like = tuple[object, ...]
"""What who asks, and what is asked, are like; as a number, too."""
FIELDS_ASKED = (Field.SOURCE, Field.PROTOCOL, Field.DESTINATION, Field.DESTINATION_PORT)


OWN, HOME, OTHERS = 0, 1, 2
"""The first roles: who asks, and its node; then those whom chains speak of."""


class Some(NamedTuple):
    """Pods of one kind that are alike to a service: those given, or all on nodes with a table but for some nodes. ``like``: the number of what they are like."""

    like: int
    end: End
    values: tuple[int, ...] = ()
    table: int = 0
    but: frozenset[Scope] = frozenset()


@dataclass(slots=True)
class Callers:
    """Who asks: their ends and namespaces by address, and the addresses by kind of end, table of the node, and node."""

    ends: dict[int, tuple[End, Scope]]
    tables: Mapping[Scope, int]
    by_kind: dict[tuple[End, int], dict[Scope, list[int]]] = field(default_factory=dict)
    by_node: dict[Scope, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value, (end, scope) in self.ends.items():
            home = Scope(scope.node)
            self.by_kind.setdefault((end, self.tables.get(home, 0)), {}).setdefault(home, []).append(value)
            self.by_node.setdefault(home, []).append(value)

    def of(self, some: Some) -> Iterator[int]:
        """The addresses of some."""
        if some.values:
            return iter(some.values)
        held = self.by_kind[some.end, some.table]
        return (value for home, values in held.items() if home not in some.but for value in values)


@dataclass(slots=True)
class FewCallers:
    """A group by a few. ``chosen``: who asks for what, for all that is like it; ``members``: of each, the ports with those who ask."""

    network: Network
    kinds: Kinds
    services: Services
    aim: Aim
    callers: Callers
    senders: tuple[Sender, ...] = ()
    members: dict[int, list[tuple[Asked, Some]]] = field(default_factory=dict)
    chosen: dict[int, tuple[int, int, Asked]] = field(default_factory=dict)
    numbers: dict[Like, int] = field(default_factory=dict)

    def for_z3(self, group: Group) -> tuple[Sender, ...]:
        """Who is asked of Z3, with all that it asks for: of that it takes some."""
        some = {sender.scope for sender in self.senders}
        return tuple(sender for sender in group.senders if sender.scope in some)

    def add(self) -> None:
        """Finds who is like whom, and chooses one of each."""
        assert self.aim.translated is not None
        for asked in sorted(self.aim.translated):
            for some in self.parted(asked):
                self.members.setdefault(some.like, []).append((asked, some))
                best = self.chosen.get(some.like)
                if best is None or best[0]:
                    here = self.cost(asked, some)
                    if best is None or here < best:
                        self.chosen[some.like] = here

    def cost(self, asked: Asked, some: Some) -> tuple[int, int, Asked]:
        """How many nodes that do not stand for others it takes to ask, and who asks."""
        said = self.services.at(some.table, Address(self.aim.family, asked[1]))
        homes = {Scope(one.node) for one in said.others} - self.kinds.few
        value = next((one for one in self.callers.of(some) if self.callers.ends[one][1] in self.kinds.few), None)
        if value is None:
            value = next(self.callers.of(some))
            homes.add(Scope(self.callers.ends[value][1].node))
        return len(homes), value, asked

    def parted(self, asked: Asked) -> Iterator[Some]:
        """Who asks for a port, by what they are like."""
        address = Address(self.aim.family, asked[1])
        for table in dict.fromkeys(table for _, table in self.callers.by_kind):
            said = self.services.at(table, address)
            near = frozenset(Scope(one.node) for one in said.others)
            ports = (said.form, asked[0], asked[2], self.services.held[address], self.meant(asked, said))
            for (end, own), homes in self.callers.by_kind.items():
                away = next((home for home in homes if home not in near), None) if own == table else None
                if away is not None:
                    like = (*ports, self.pattern(end, self.callers.ends[homes[away][0]][1], said))
                    yield Some(self.number(like), end, (), table, near)
            for home in near:
                if self.callers.tables.get(home, 0) == table:
                    yield from self.beside(home, table, said, ports)

    def beside(self, home: Scope, table: int, said: Said, ports: Like) -> Iterator[Some]:
        """Who asks on the node of an endpoint."""
        found: dict[Like, tuple[End, list[int]]] = {}
        likes: dict[tuple[End, Scope | None], Like] = {}
        for value in self.callers.by_node.get(home, ()):
            end, scope = self.callers.ends[value]
            key = (end, scope if scope in said.others else None)
            if key not in likes:
                likes[key] = (*ports, self.pattern(end, scope, said))
            found.setdefault(likes[key], (end, []))[1].append(value)
        for like, (end, values) in found.items():
            yield Some(self.number(like), end, tuple(values), table)

    def number(self, like: Like) -> int:
        """The number of what somebody is like."""
        return self.numbers.setdefault(like, len(self.numbers))

    def pattern(self, end: End, scope: Scope, said: Said) -> Like:
        """Of what kinds who asks and those spoken of are, and which of them are one, or on one node."""
        every = (scope, *said.others)
        homes = [Scope(one.node) for one in every]
        kind = self.kinds.of
        return (
            end,
            tuple(
                (every.index(one), homes.index(home), kind.get(home), kind.get(one))
                for one, home in zip(every, homes, strict=True)
            ),
        )

    def meant(self, asked: Asked, said: Said) -> frozenset[object]:
        """The endpoints that a port is to lead to, as the chains speak of them."""
        assert self.aim.translated is not None
        return frozenset(self.named(value, port, said) for value, port in self.aim.translated[asked])

    def named(self, value: int, port: int, said: Said) -> object:
        """An endpoint, as chains speak of it; nothing is told of one that they do not speak of."""
        owned = self.kinds.known.addresses.get(Address(self.aim.family, value))
        if owned is None:
            return value, port
        return (said.others.index(owned[0]), owned[1], port, value in self.aim.holders) if owned[0] in said.others else None

    def roles(self, value: int, address: int) -> tuple[Scope, ...]:
        """Who asks and its node, and whom the chains for an address speak of, each with its node."""
        scope = self.callers.ends[value][1]
        said = self.services.at(self.callers.tables.get(Scope(scope.node), 0), Address(self.aim.family, address))
        return tuple(part for one in (scope, *said.others) for part in (one, Scope(one.node)))

    def shares(self, state: State, scope: Scope) -> bool:
        """Whether somebody has one role at least (``roles``), and the same ones, for all packets of a set."""
        asking: dict[Ranges, set[tuple[bool, bool, int]]] = {}
        found: set[tuple[bool | int, ...]] = set()
        for sources, targets in combinations(state, (origin(state, Field.SOURCE), origin(state, Field.DESTINATION))):
            if sources not in asking:
                own = (self.callers.ends[value][1] for value in spelled(sources))
                asking[sources] = {
                    (one == scope, Scope(one.node) == scope, self.callers.tables.get(Scope(one.node), 0)) for one in own
                }
            for address, (itself, home, table) in product(spelled(targets), asking[sources]):
                others = self.services.at(table, Address(self.aim.family, address)).others
                found.add((itself, home, *roles_among(others, scope)))
                if len(found) > 1:
                    return False
        return any(any(roles[:2]) or len(roles) > OTHERS for roles in found)

    def like(self, value: int, asked: Asked) -> int:
        """What a sender and what it asks for are like."""
        end, scope = self.callers.ends[value]
        address = Address(self.aim.family, asked[1])
        said = self.services.at(self.callers.tables.get(Scope(scope.node), 0), address)
        ports = (said.form, asked[0], asked[2], self.services.held[address], self.meant(asked, said))
        return self.number((*ports, self.pattern(end, scope, said)))


def roles_among(others: Sequence[Scope], scope: Scope) -> Iterator[int]:
    """The places of somebody among those whom chains speak of, each of whom has a second one for its node."""
    for place, one in enumerate(others):
        if one == scope:
            yield 2 * place
        if Scope(one.node) == scope:
            yield 2 * place + 1


def telling(network: Network, portals: Sequence[Portal]) -> tuple[tuple[Portal, ...], tuple[Portal, ...]]:
    """The service ports of which some can stand for others, and those that cannot."""
    found = kinds(network)
    held = found.services.held if found is not None and found.services is not None and found.many else {}
    inside = tuple(one for one in portals if one.address in held)
    return inside, tuple(one for one in portals if one.address not in held)


def few_callers(network: Network, group: Group) -> FewCallers | None:
    """A group of flows to services by a few; None where that cannot be told, or is no smaller."""
    found, aim = kinds(network), group.aims[0]
    if found is None or found.services is None or not found.many or len(group.aims) > 1 or group.unfamiliar or group.unbound:
        return None
    assert aim.translated is not None
    whole = ranges(address for _, address, _ in aim.translated)
    if any(Address(aim.family, address) not in found.services.held for _, address, _ in aim.translated):
        return None
    ends: dict[int, tuple[End, Scope]] = {}
    for value, parties in group.sources.items():
        end = end_of(found, aim.family, value, parties)
        if end is None or len(parties) > 1:
            return None
        ends[value] = (end, parties[0].scope)
    if any(sender.destinations != whole or len(list(spelled(sender.sources))) != 1 for sender in group.senders):
        return None
    few = FewCallers(network, found, found.services, aim, Callers(ends, found.services.tables))
    few.add()
    wanted: dict[int, list[int]] = {}
    for _, value, (_, address, _) in few.chosen.values():
        wanted.setdefault(value, []).append(address)
    few.senders = tuple(
        sender._replace(destinations=ranges(wanted[value]))
        for sender in group.senders
        for value in spelled(sender.sources)
        if value in wanted
    )
    return few if sum(map(len, wanted.values())) * ENOUGH <= len(ends) * len(aim.translated) else None


def spread_over_callers(few: FewCallers, lost: Sequence[Lost]) -> list[Lost] | None:
    """What is lost, of all that are like those who were asked about, and then what is not known; None where that cannot be said."""
    if any(item.kind != UNKNOWN and item.state.answers for item in lost):
        return None
    seen: dict[object, tuple[int, Asked]] = {}
    found: list[Lost] = []
    for item in sorted(lost, key=lambda item: item.kind == UNKNOWN):
        state = widened(few, item, seen)
        if state is None:
            return None
        found += apart(few, item, state) if state.joints else []
    return found


def widened(few: FewCallers, item: Lost, seen: dict[object, tuple[int, Asked]]) -> State | None:
    """The packets of a set and all that are like them, but for those that others of their like were seen to be; without rows where these are all."""
    state, held = item.state, variables(item.state)
    names = tuple(str(name) for field in FIELDS_ASKED if isinstance(name := origin(state, field), str))
    if len(set(names)) < len(FIELDS_ASKED) or any(name not in held for name in names):
        return None
    together = [joint for joint in state.joints if any(name in joint.names for name in names)]
    beside = tuple(name for joint in together for name in joint.names if name in REQUEST and name not in names)
    joint = entered(state, (*names, *beside)).joints[-1]
    places = [joint.names.index(name) for name in (*names, *beside)]
    others = tuple(sorted((name, ranges) for name, ranges in state.region.items() if name in REQUEST and name not in names))
    rows: dict[tuple[Ranges, ...], None] = {}
    for own in dict.fromkeys(tuple(row[place] for place in places) for row in joint.rows):
        for source, protocol, address, port in product(*map(spelled, own[:4])):
            asked = (protocol, address, port)
            key = (item.kind, like := few.like(source, asked), own[4:], others)
            if seen.setdefault(key, (source, asked)) == (source, asked):
                rows.update(dict.fromkeys((*row, *own[4:]) for row in every(few, like)))
    left = tuple(one for one in state.joints if one not in together)
    away = {name for one in together for name in one.names} | set(names)
    region = {name: ranges for name, ranges in state.region.items() if name not in away}
    joints = (*left, Joint((*names, *beside), tuple(rows))) if rows else ()
    return of_others(state, region, joints)


def every(few: FewCallers, like: int) -> Iterator[tuple[Ranges, ...]]:
    """All who ask and all they ask for that are like it."""
    for (protocol, address, port), some in few.members.get(like, ()):
        yield ranges(few.callers.of(some)), single(protocol), single(address), single(port)


def apart(few: FewCallers, item: Lost, state: State) -> Iterator[Lost]:
    """A set of packets by whoever decides, named as that: all together where that is somebody like nobody else, else each of those who are alike; each service, and each pod
    that decides, by itself where it is not known how who decides stands to who asks."""
    named = deciding(few.network, few.kinds, item.reason, item.at)
    others = [one for one in named if not single_of_kind(few.kinds, one)]
    of_pod = by_pods_chain(few.kinds, item.reason)
    if named and not others and not of_pod:
        yield item._replace(state=state)
        return
    source, target = (
        next(spelled(values_of(item.state, origin(item.state, name)))) for name in (Field.SOURCE, Field.DESTINATION)
    )
    known = few.roles(source, target)
    roles = [known.index(one) for one in others if one in known]
    if len(roles) < len(others) or not others or of_pod:
        yield from by_services(few, item, state)
        return
    *rest, joint = state.joints
    for decided, rows in by_roles(few, joint.rows, roles).items():
        part = state._replace(joints=(*rest, Joint(joint.names, tuple(rows))))
        yield renamed(item, part, dict(zip(others, decided, strict=True)))


def by_roles(few: FewCallers, rows: Iterable[Row], roles: Sequence[int]) -> dict[tuple[Scope, ...], list[Row]]:
    """Rows by who is in some roles to who asks."""
    found: dict[tuple[Scope, ...], list[Row]] = {}
    for row in rows:
        for values in by_sender(few, row[0], roles):
            every = few.roles(values[0], row[2][0][0])
            found.setdefault(tuple(every[role] for role in roles), []).append((ranges(values), *row[1:]))
    return found


def by_sender(few: FewCallers, sources: Ranges, roles: Sequence[int]) -> Iterator[list[int]]:
    """Who asks: each by itself, or by node, where these are among the roles."""
    if min(roles) > HOME:
        yield list(spelled(sources))
        return
    found: dict[Scope, list[int]] = {}
    for value in spelled(sources):
        scope = few.callers.ends[value][1]
        found.setdefault(scope if OWN in roles else Scope(scope.node), []).append(value)
    yield from found.values()


def by_services(few: FewCallers, item: Lost, state: State) -> Iterator[Lost]:
    """A set of packets by service, and by who asks where one of these decides."""
    *others, joint = state.joints
    source = joint.names[0]
    pods = any(
        decides(few.network, few.kinds, item, few.callers.ends[value][1]) for value in spelled(values_of(item.state, source))
    )
    services: dict[Ranges, list[Row]] = {}
    for row in joint.rows:
        services.setdefault(row[2], []).append(row)
    for rows in services.values():
        part = state._replace(joints=(*others, Joint(joint.names, tuple(rows))))
        each = (narrowed(part, source, single(own)) for own in spelled(values_of(part, source))) if pods else (part,)
        yield from (item._replace(state=one) for one in each if one is not None)


def granted_to_callers(few: FewCallers, texts: Iterable[str]) -> dict[str, None] | None:
    """What is taken for granted of those who were asked about, said of all that are like them; None where a text speaks of one of them in another way."""
    taken = dict.fromkeys(texts)
    asked = dict.fromkeys(met(few))
    said = {text: (scope, key) for scope in asked for key, text in told(few.network, scope).items()}
    of_all = {segment.assumption for segment in few.network.segments}
    wanted: dict[tuple[tuple[int, int], bool], dict[str, None]] = {}
    found: dict[str, None] = {}
    for text in taken:
        found[text] = None
        if text in said:
            scope, key = said[text]
            wanted.setdefault((kind_of(few.kinds, scope), bool(scope.namespace)), {})[key] = None
        elif text not in of_all and any(
            Scope(node, pod) in asked for node, _, pod in (one.partition("/") for one in WORD.findall(text))
        ):
            return None
    for scope in few.network.namespaces if wanted else ():
        if Scope(scope.node) in few.kinds.of and (keys := wanted.get((kind_of(few.kinds, scope), bool(scope.namespace)))):
            own = told(few.network, scope)
            found.update(dict.fromkeys(own[key] for key in keys if key in own))
    return found


def met(few: FewCallers) -> Iterator[Scope]:
    """The nodes, those who ask in place of others, and whom the chains for what they ask speak of."""
    yield from (scope for scope in few.network.namespaces if not scope.namespace)
    yield from sorted(few.kinds.few)
    for _, value, (_, address, _) in few.chosen.values():
        scope = few.callers.ends[value][1]
        yield scope
        yield from few.services.at(few.callers.tables.get(Scope(scope.node), 0), Address(few.aim.family, address)).others
