"""A group of flows by a few of its senders and receivers, and what fails among these said of all that are alike.

Two pairs are alike where their ends are of the same kinds, and are on one node, or on two, in both. What happens to the packets of one pair happens to those of every
other that is like it, since nothing else in the network tells them apart (``kinds.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from analyzer.model.namespaces import by_default
from analyzer.model.network import Network
from analyzer.query.alike.ends import APART, BESIDE, SELF, End, by_end, end_of, ranges
from analyzer.query.alike.kinds import Kinds, kinds
from analyzer.query.failures import SEEN_DESTINATION, SEEN_SOURCE, UNKNOWN
from analyzer.query.flows import Lost, Sender, asked, origin, senders_of, spelled
from analyzer.query.grouping import Group
from analyzer.ranges import Ranges, difference, intersection, normalised, single
from analyzer.solve.sets.joint import Joint, Row
from analyzer.solve.sets.regions import Result, State, entered, narrowed, of_others, values_of, variables
from analyzer.source import Scope, Span
from analyzer.transfer.ir import Field

WORD = re.compile(r"[^\s:,()]+")
REQUEST = tuple(name.value for name in (Field.PROTOCOL, Field.SOURCE_PORT, Field.DESTINATION_PORT))
TRANSLATED = (SEEN_SOURCE, SEEN_DESTINATION)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs that are alike: the kinds of both ends, and whether they are one, on one node, or on two."""

    source: End
    target: End
    apart: int


@dataclass(slots=True)
class Thin:
    """A group by a few, and what is like them. ``ends`` is the kind of each end by address."""

    network: Network
    kinds: Kinds
    senders: tuple[Sender, ...]
    ends: dict[int, tuple[End, Scope]]
    senders_of: dict[End, dict[Scope, list[int]]]
    targets_of: dict[End, dict[Scope, list[int]]]
    order: tuple[Scope, ...]
    rows: dict[Pairs, tuple[tuple[Ranges, Ranges], ...]] = field(default_factory=dict)

    def shares(self, state: State, scope: Scope) -> bool:
        """Whether somebody sends, or receives, or is the node of who does, for all packets of a set, and is nothing else for some."""
        columns: list[set[Scope]] = []
        for values in (senders_of(state), asked(state)):
            scopes = {self.ends[value][1] for value in spelled(values)}
            columns += [scopes, {Scope(one.node) for one in scopes}]
        held = [found for found in columns if scope in found]
        return bool(held) and all(len(found) == 1 for found in held)

    def for_z3(self, group: Group) -> tuple[Sender, ...]:
        """Who is asked of Z3: the few."""
        del group
        return self.senders


def thinned(network: Network, group: Group) -> Thin | None:
    """The group by a few of its ends; None where not all ends can be told, or that would not make it smaller."""
    if group.unfamiliar or group.unbound or not group.pods or any(aim.translated is not None for aim in group.aims):
        return None
    found = kinds(network)
    if found is None or not found.many:
        return None
    family = group.aims[0].family
    ends: dict[int, tuple[End, Scope]] = {}
    for value, parties in (*group.sources.items(), *group.pods.items()):
        end = end_of(found, family, value, parties)
        if end is None:
            return None
        ends[value] = (end, parties[0].scope)
    few = normalised((value, value) for value in group.pods if ends[value][1] in found.few)
    senders = tuple(
        sender._replace(destinations=wanted)
        for sender in group.senders
        if sender.scope in found.few and (wanted := intersection(sender.destinations, few))
    )
    all_pairs = kinds_of_pairs(ends, group.sources, group.pods)
    if all_pairs != kinds_of_pairs(ends, *(held_by_few(found, ends, values) for values in (group.sources, group.pods))):
        return None
    order = tuple(in_order(group))
    return Thin(network, found, senders, ends, by_end(ends, group.sources), by_end(ends, group.pods), order)


def held_by_few(found: Kinds, ends: Mapping[int, tuple[End, Scope]], values: Iterable[int]) -> list[int]:
    """Those of some addresses that are of those who stand for all."""
    return [value for value in values if ends[value][1] in found.few]


def kinds_of_pairs(ends: dict[int, tuple[End, Scope]], sources: Iterable[int], targets: Iterable[int]) -> set[Pairs]:
    """The kinds of the pairs that there are."""
    found: set[Pairs] = set()
    for (source, homes), (target, others) in product(by_end(ends, sources).items(), by_end(ends, targets).items()):
        if len(homes) > 1 or len(others) > 1 or homes.keys() != others.keys():
            found.add(Pairs(source, target, APART))
        for home in homes.keys() & others.keys():
            own, its = ({ends[value][1] for value in held[home]} for held in (homes, others))
            found |= {Pairs(source, target, SELF)} if own & its else set()
            found |= {Pairs(source, target, BESIDE)} if len(own | its) > 1 else set()
    return found


def in_order(group: Group) -> Iterator[Scope]:
    """Everybody as their packets go: who sends, the nodes, and who receives, node by node."""
    homes = dict.fromkeys(Scope(one.scope.node) for one in group.senders)
    ranks = {home: place for place, home in enumerate(homes)}
    targets = {
        parties[0].scope: (ranks.get(Scope(parties[0].scope.node), len(ranks)), value) for value, parties in group.pods.items()
    }
    ordered = sorted(targets, key=targets.__getitem__)
    return iter(dict.fromkeys((*(one.scope for one in group.senders), *homes, *(Scope(one.node) for one in ordered), *ordered)))


def spread(thin: Thin, lost: Sequence[Lost]) -> list[Lost] | None:
    """What is lost, of all that are like those who were asked about, and then what is not known; None where that cannot be said."""
    if any(item.kind != UNKNOWN and item.state.answers for item in lost):
        return None
    seen: set[object] = set()
    found = []
    for item in sorted(lost, key=lambda item: item.kind == UNKNOWN):
        state = widened(thin, item, seen)
        if state is None:
            return None
        found += (
            shared_out(thin, item, state) or [item._replace(state=part) for part in apart(thin, item, state)]
            if state.joints
            else []
        )
    return found


def shared_out(thin: Thin, item: Lost, state: State) -> list[Lost]:
    """A set of packets by whoever decides, named as that; nothing where that is somebody like nobody else, or who stands to the ends in no one way."""
    others = [one for one in deciding(thin.network, thin.kinds, item.reason, item.at) if not single_of_kind(thin.kinds, one)]
    ways = [role_to(thin, item.state, one) for one in others]
    roles = [way for way in ways if way is not None]
    if not others or len(roles) < len(others) or item.kind in TRANSLATED or by_pods_chain(thin.kinds, item.reason):
        return []
    *rest, joint = state.joints
    parts: dict[tuple[Scope, ...], list[Row]] = {}
    for row in joint.rows:
        for one, other in product(by_owner(thin, row[0], roles, 0), by_owner(thin, row[1], roles, 2)):
            every = roles_of(thin, one[0], other[0])
            parts.setdefault(tuple(every[role] for role in roles), []).append((ranges(one), ranges(other), *row[2:]))
    found = []
    for decided, rows in parts.items():
        part = state._replace(joints=(*rest, Joint(joint.names, tuple(rows))))
        found.append(renamed(item, part, dict(zip(others, decided, strict=True))))
    return found


def renamed(item: Lost, state: State, names: Mapping[Scope, Scope]) -> Lost:
    """The same of other packets, where others decide it."""
    words = {str(old): str(new) for old, new in names.items()}
    reason = WORD.sub(lambda word: words.get(word[0], word[0]), item.reason)
    return item._replace(state=state, reason=reason, at=item.at if reason == item.reason else None)


def roles_of(thin: Thin, source: int, target: int) -> tuple[Scope, ...]:
    """Who sends and its node, who receives and its node."""
    own, its = thin.ends[source][1], thin.ends[target][1]
    return own, Scope(own.node), its, Scope(its.node)


def role_to(thin: Thin, state: State, scope: Scope) -> int | None:
    """The one role that somebody has for all packets of a set."""
    every = [roles_of(thin, one, other) for one, other in product(spelled(senders_of(state)), spelled(asked(state)))]
    return next((role for role in range(4) if every and all(roles[role] == scope for roles in every)), None)


def by_owner(thin: Thin, values: Ranges, roles: Sequence[int], first: int) -> list[list[int]]:
    """Addresses, by whose they are where that is among the roles, by node where that is, else all together."""
    found: dict[Scope | None, list[int]] = {}
    for value in spelled(values):
        scope = thin.ends[value][1]
        key = scope if first in roles else Scope(scope.node) if first + 1 in roles else None
        found.setdefault(key, []).append(value)
    return list(found.values())


def widely(thin: Thin, delivered: Sequence[Result]) -> Iterator[State]:
    """The packets that arrive, of all that are like those who were asked about; without those of which that cannot be said."""
    seen: set[object] = set()
    for one in delivered:
        state = widened(thin, Lost("", "", None, one.state), seen)
        if state is not None and state.joints:
            yield state


def delivered_to_all(thin: Thin, delivered: Sequence[Result]) -> list[Result] | None:
    """What arrives, of all that are like those who were asked about; None where that cannot be said."""
    seen: set[object] = set()
    found = []
    for one in delivered:
        state = None if one.state.answers else widened(thin, Lost("", "", None, one.state), seen)
        if state is None:
            return None
        found += [one._replace(state=state)] if state.joints else []
    return found


def apart(thin: Thin, item: Lost, state: State) -> list[State]:
    """A set of packets by the places that decide: each pod where one does, and where packets arrive each node that has them."""
    source, target = state.joints[-1].names[:2]
    found = by_home(thin, state, target) if item.kind in TRANSLATED else [state]
    for name, values in ((source, senders_of(item.state)), (target, asked(item.state))):
        if any(decides(thin.network, thin.kinds, item, thin.ends[value][1]) for value in spelled(values)):
            found = [
                one for part in found for value in spelled(values_of(part, name)) if (one := narrowed(part, name, single(value)))
            ]
    return found


def decides(network: Network, found: Kinds, item: Lost, scope: Scope) -> bool:
    """Whether something is decided in a pod, or by a chain that is one pod's, on a pod's node."""
    if not scope.namespace:
        return False
    place = network.sources.get(item.at.path) if item.at is not None else None
    here = place is not None and place.scope == scope
    return here or str(scope) in WORD.findall(item.reason) or by_pods_chain(found, item.reason, Scope(scope.node))


def by_pods_chain(found: Kinds, reason: str, home: Scope | None = None) -> bool:
    """Whether a reason names a chain that is one pod's, of a node or of any."""
    names = found.apart_anywhere if home is None else found.apart.get(home, frozenset())
    return not names.isdisjoint(WORD.findall(reason))


def by_one(network: Network, found: Kinds, reason: str, at: Span | None, shared: Callable[[Scope], bool]) -> bool:
    """Whether whoever decides something, in words or by the place, is like nobody else, or ``shared`` by all packets: it is then the same of all that are alike."""
    scopes = deciding(network, found, reason, at)
    return (
        bool(scopes)
        and not by_pods_chain(found, reason)
        and all(single_of_kind(found, scope) or shared(scope) for scope in scopes)
    )


def deciding(network: Network, found: Kinds, reason: str, at: Span | None) -> list[Scope]:
    """Whom a reason names, and whose the place is; nobody where that is not known."""
    place = network.sources.get(at.path) if at is not None else None
    if at is not None and (place is None or place.scope is None or place.scope not in found.of):
        return []
    named = (Scope(node, pod) for node, _, pod in (word.partition("/") for word in WORD.findall(reason)))
    scopes = [
        *([place.scope] if place is not None and place.scope is not None else []),
        *(one for one in named if one in found.of),
    ]
    return list(dict.fromkeys(scopes))


def single_of_kind(found: Kinds, scope: Scope) -> bool:
    """Whether nobody else is like somebody."""
    home = Scope(scope.node)
    if home not in found.of or len(found.nodes[found.of[home]]) > 1:
        return False
    return not scope.namespace or len(found.pods[home, found.of[scope]]) == 1


def by_home(thin: Thin, state: State, name: str) -> list[State]:
    """A set of packets, apart by the node of a variable's values."""
    homes: dict[Scope, list[int]] = {}
    for value in spelled(values_of(state, name)):
        homes.setdefault(Scope(thin.ends[value][1].node), []).append(value)
    return [part for values in homes.values() if (part := narrowed(state, name, ranges(values)))]


def widened(thin: Thin, item: Lost, seen: set[object]) -> State | None:
    """The packets of a set and all that are like them, but for those that were seen; without rows where these are all."""
    state = item.state
    source, target = origin(state, Field.SOURCE), origin(state, Field.DESTINATION)
    held = variables(state)
    if not isinstance(source, str) or not isinstance(target, str) or source not in held or target not in held:
        return None
    together = [joint for joint in state.joints if source in joint.names or target in joint.names]
    beside = tuple(name for joint in together for name in joint.names if name in REQUEST)
    joint = entered(state, (source, target, *beside)).joints[-1]
    places = [joint.names.index(name) for name in (source, target, *beside)]
    differ = any(not pair.equal and {pair.left, pair.right} == {source, target} for pair in state.together)
    others = tuple(sorted((name, ranges) for name, ranges in state.region.items() if name in REQUEST))
    rows: dict[tuple[Ranges, ...], None] = {}
    for own in dict.fromkeys(tuple(row[place] for place in places) for row in joint.rows):
        for pairs in alike(thin, own[0], own[1], differ):
            key = (item.kind, pairs, own[2:], others)
            if key not in seen:
                seen.add(key)
                rows.update(dict.fromkeys((*pair, *own[2:]) for pair in every(thin, pairs)))
    names = {name for one in together for name in one.names} | {source, target}
    region = {name: ranges for name, ranges in state.region.items() if name not in names}
    left = tuple(one for one in state.joints if one not in together)
    joints = (*left, Joint((source, target, *beside), tuple(rows))) if rows else ()
    return of_others(state, region, joints)


def alike(thin: Thin, sources: Ranges, targets: Ranges, differ: bool) -> Iterator[Pairs]:
    """The kinds of the pairs of some addresses."""
    found: dict[Pairs, None] = {}
    for one, other in product(spelled(sources), spelled(targets)):
        (source, own), (target, its) = thin.ends[one], thin.ends[other]
        if own == its and one == other and differ:
            continue
        apart = SELF if own == its else BESIDE if own.node == its.node else APART
        found[Pairs(source, target, apart)] = None
    return iter(found)


def every(thin: Thin, pairs: Pairs) -> tuple[tuple[Ranges, Ranges], ...]:
    """All pairs of addresses of some kinds."""
    if pairs not in thin.rows:
        thin.rows[pairs] = tuple(all_of(thin, pairs))
    return thin.rows[pairs]


def all_of(thin: Thin, pairs: Pairs) -> Iterator[tuple[Ranges, Ranges]]:
    """``every``, worked out: as products of ranges."""
    senders, targets = thin.senders_of[pairs.source], thin.targets_of[pairs.target]
    if pairs.apart == APART:
        everybody = ranges(value for values in targets.values() for value in values)
        if pairs.source[0] != pairs.target[0]:
            yield ranges(value for values in senders.values() for value in values), everybody
            return
        for node, values in senders.items():
            others = difference(everybody, ranges(targets.get(node, ())))
            if others:
                yield ranges(values), others
        return
    for node, values in senders.items():
        for value in values:
            own = [
                other for other in targets.get(node, ()) if (thin.ends[other][1] == thin.ends[value][1]) == (pairs.apart == SELF)
            ]
            if own:
                yield single(value), ranges(own)


def granted(thin: Thin, texts: Iterable[str]) -> dict[str, None] | None:
    """What is taken for granted of a few, said of all that are like them; None where a text speaks of one of them in another way."""
    taken = dict.fromkeys(texts)
    said = {text: (scope, key) for scope in sorted(thin.kinds.few) for key, text in told(thin.network, scope).items()}
    of_all = {segment.assumption for segment in thin.network.segments}
    whose: dict[tuple[str, bool], set[tuple[int, int]]] = {}
    found: dict[str, None] = {}
    for text in taken:
        if text in said and uniform(thin, *said[text], taken):
            scope, key = said[text]
            whose.setdefault((key, bool(scope.namespace)), set()).add(kind_of(thin.kinds, scope))
        elif text not in said and text not in of_all and any(str(scope) in WORD.findall(text) for scope in thin.kinds.few):
            return None
    for text in taken:
        own, key = said.get(text, (None, ""))
        some = whose.get((key, bool(own.namespace)), set()) if own is not None else set()
        if own is None or kind_of(thin.kinds, own) not in some:
            found[text] = None
        elif text not in found:
            like = [one for one in thin.order if bool(one.namespace) == bool(own.namespace) and kind_of(thin.kinds, one) in some]
            found.update(dict.fromkeys(told(thin.network, one)[key] for one in like))
    return found


def uniform(thin: Thin, scope: Scope, key: str, taken: Mapping[str, None]) -> bool:
    """Whether the same is taken for granted of all who stand for a kind."""
    kind = kind_of(thin.kinds, scope)
    return all(told(thin.network, one).get(key) in taken for one in thin.kinds.few if kind_of(thin.kinds, one) == kind)


def kind_of(found: Kinds, scope: Scope) -> tuple[int, int]:
    """The kinds of somebody's node and of itself."""
    return found.of[Scope(scope.node)], found.of[scope]


def told(network: Network, scope: Scope) -> dict[str, str]:
    """What may be taken for granted of a namespace, by key."""
    space = network.namespaces[scope]
    return {**by_default(space), **space.assumed}
