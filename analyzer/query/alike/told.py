"""What all records say of pods and nodes: of each namespace worked out by itself, and kept for the next look at a capture where nothing that it rests on has changed.

The forms of a namespace's records rest on these, on whose the addresses, networks and MACs are that they name, and on what its interfaces lead to; those of its rules also on
which addresses somebody has, as others' rules are not read.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import NamedTuple, TypeVar

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.alike.chains import Reached
from analyzer.query.alike.forms import Writer
from analyzer.query.alike.identities import Identities
from analyzer.query.alike.ip_sets import forms, held_by, tellable
from analyzer.query.alike.native import Native, NativeEntered
from analyzer.query.alike.native_services import NativeReader
from analyzer.query.alike.records import Entered, Record, records, rules
from analyzer.query.alike.services import NOBODY, Reader, Services, Table, service_addresses
from analyzer.ranges import EMPTY, Ranges, normalised
from analyzer.solve.walk.netfilter.sets import LookUp
from analyzer.source import Scope

AT_ONCE = 7
"""The nodes whose pods ask services together."""
ASKING = ((0xFE80 << 112, (0xFEC0 << 112) - 1), (0xFF << 120, (1 << 128) - 1))
"""Where IPv6's questions for neighbours and their answers go, which pass the rules too: link-local and multicast addresses (RFC 4291, RFC 4861)."""
Key = TypeVar("Key")
ABOUT_PEERS = frozenset({"route", "neighbour", "forwarding"})
ABOUT_PODS = frozenset({"link", "route", "neighbour", "forwarding", "vlan", "filter", "sysctl", "dispatch"})


class Share(NamedTuple):
    """What some records of a namespace say: the numbers of their forms, in general, by pod and by peer; who is alone; what is nobody's own (``Writer``); the chains with rules
    for single services' addresses; the IP sets that are told by their members; the chains of single pods (``apart``); which chains are not read (``Reached``). ``asked``: the hashes of all of which it was asked whose they are."""

    common: tuple[int, ...] = ()
    pods: Mapping[Scope, tuple[int, ...]] = {}
    peers: Mapping[Scope, tuple[int, ...]] = {}
    alone: frozenset[Scope] = frozenset()
    wide: frozenset[Prefix] = frozenset()
    wild: frozenset[str] = frozenset()
    spoken: frozenset[Address] = frozenset()
    entered: tuple[Entered | NativeEntered, ...] = ()
    unread: frozenset[str] = frozenset()
    sets: frozenset[int] = frozenset()
    apart: frozenset[str] = frozenset()
    led: frozenset[str] = frozenset()
    ports: frozenset[Ranges] = frozenset()
    hidden: bool = False
    asked: array[int] | None = None


NOTHING = Share()
NO_SETS: Mapping[str, Hashable] = {}


class Part(NamedTuple):
    """What a namespace says, by its rules and by all else."""

    space: Namespace
    others: Share
    rules: Share


class Ground(NamedTuple):
    """What forms rest on beside a namespace's own records; ``owned``: the addresses that somebody has; ``sets``: the IP sets of which it can be told whom they hold."""

    known: Identities
    services: frozenset[Address]
    owned: frozenset[Address]
    lower: Mapping[Interface, Interface]
    sockets: Mapping[Interface, Scope]
    outside: frozenset[Interface]
    paired: frozenset[Interface]
    segments: Mapping[Interface, str]
    sets: frozenset[str]


class Changes(NamedTuple):
    """What is another ground than before: hashes of addresses, networks and MACs, and the namespaces that something else leads to; ``ownership``: whether any of this is
    about whose something is, or which IP sets can be told."""

    keys: frozenset[int]
    scopes: frozenset[Scope]
    ownership: bool

    def touch(self, share: Share) -> bool:
        """Whether some records rest on what has changed."""
        return bool(self.keys) and share.asked is not None and not self.keys.isdisjoint(share.asked)


@dataclass(slots=True)
class Kept:
    """What an earlier look came to; numbers of forms mean the same in all looks. ``tables``: what nodes say of services, with the rules by which they do; ``sets``: IP sets by number."""

    numbers: dict[Hashable, int] = field(default_factory=dict)
    said: dict[object, int] = field(default_factory=dict)
    sets: dict[int, LookUp] = field(default_factory=dict)
    parts: dict[Scope, Part] = field(default_factory=dict)
    tables: dict[Scope, tuple[Share, Table]] = field(default_factory=dict)
    ground: Ground | None = None
    reached: Reached | None = None
    reader: Reader | None = None
    native: NativeReader | None = None


@dataclass(slots=True)
class Told:
    """What the records say: of each namespace in general, of each pod at its node (``ruled``: by rules), of each node at another; who is alone; and the IP sets that are asked."""

    common: dict[Scope, tuple[int, ...]] = field(default_factory=dict)
    pods: dict[Scope, tuple[int, ...]] = field(default_factory=dict)
    ruled: dict[Scope, tuple[int, ...]] = field(default_factory=dict)
    peers: dict[Scope, Mapping[Scope, tuple[int, ...]]] = field(default_factory=dict)
    alone: set[Scope] = field(default_factory=set)
    wide: set[Prefix] = field(default_factory=set)
    wild: set[str] = field(default_factory=set)
    sets: dict[int, LookUp] = field(default_factory=dict)
    apart: dict[Scope, frozenset[str]] = field(default_factory=dict)
    spoken: set[Address] = field(default_factory=set)
    entered: dict[Scope, tuple[Entered | NativeEntered, ...]] = field(default_factory=dict)
    services: Services | None = None
    unread: frozenset[str] = frozenset()
    ports: Ranges = EMPTY


def read(network: Network, known: Identities, kept: Kept) -> Told:
    """What all records say; raises ``Untold`` where nothing can be told. ``kept`` has what an earlier look came to, and what this one does then."""
    ground = ground_of(network, known)
    changes = changes_of(kept.ground, ground) if kept.ground is not None else None
    reached = reached_by(kept, ground)
    if changes is None or changes.ownership or reached is not kept.reached:
        kept.reader, kept.tables = None, {}
    before, kept.parts = kept.parts if changes is not None else {}, {}
    kept.ground, kept.reached = ground, reached
    told = Told()
    parts: dict[Scope, Part] = {}
    for scope, space in network.namespaces.items():
        parts[scope] = part_of(network, space, kept, before.get(scope), changes)
        add(told, scope, parts[scope])
    kept.parts = parts
    numbers = frozenset().union(*(part.rules.sets for part in parts.values()))
    told.sets = {number: kept.sets[number] for number in sorted(numbers)}
    shares = [part.rules for part in parts.values() if part.rules is not NOTHING]
    told.services = services_of(network, told, kept, shares)
    told.unread = frozenset().union(*(share.unread for share in shares))
    told.ports = normalised(pair for share in shares for ports in share.ports for pair in ports)
    return told


def ground_of(network: Network, known: Identities) -> Ground:
    """What forms rest on. To tell which services are alike all their rules are read, which is more than asking all pods of a few nodes at once."""
    few = sum(not scope.namespace for scope in network.namespaces) <= AT_ONCE
    return Ground(
        known,
        frozenset() if few else service_addresses(network),
        frozenset(network.owners),
        network.lower,
        network.sockets,
        network.outside,
        frozenset(network.peers),
        {at: segment.name for at, segment in network.segment_of.items()},
        tellable(network),
    )


def changes_of(old: Ground, new: Ground) -> Changes:
    """What is another ground now."""
    mine, its = old.known, new.known
    addresses, prefixes = unlike(mine.addresses, its.addresses), unlike(mine.prefixes, its.prefixes)
    keys = {
        *map(hash, addresses),
        *map(hash, prefixes),
        *map(hash, unlike(mine.macs, its.macs)),
        *map(hash, old.services ^ new.services),
    }
    homes = unlike(mine.devices, its.devices)
    led = chain(unlike(old.lower, new.lower), unlike(old.sockets, new.sockets), unlike(old.segments, new.segments))
    places = {at.scope for at in chain(led, old.outside ^ new.outside, old.paired ^ new.paired)}
    return Changes(
        frozenset(keys), frozenset(homes | places), bool(keys or homes) or (old.owned, old.sets) != (new.owned, new.sets)
    )


def unlike(old: Mapping[Key, object], new: Mapping[Key, object]) -> set[Key]:
    """The keys whose values are others."""
    found = {key for key, value in new.items() if key not in old or old[key] != value}
    return found | {key for key in old if key not in new}


def reached_by(kept: Kept, ground: Ground) -> Reached:
    """What rules the packets to the addresses of the capture may meet; that of an earlier look where these are the same."""
    old = kept.ground
    if (
        kept.reached is not None
        and old is not None
        and (old.owned, old.services, old.sets) == (ground.owned, ground.services, ground.sets)
    ):
        return kept.reached
    values: dict[int, list[tuple[int, int]]] = {4: [], 6: [*ASKING]}
    for address in chain(ground.owned, ground.services):
        values[address.family].append((address.value, address.value))
    destinations = {family: normalised(pairs) for family, pairs in values.items()}
    return Reached(destinations, ground.services, ground.sets, numbers=kept.said)


def part_of(network: Network, space: Namespace, kept: Kept, before: Part | None, changes: Changes | None) -> Part:
    """What a namespace says: as before, as far as nothing has changed."""
    others: Share | None = None
    said: Share | None = None
    if before is not None and changes is not None and before.space is space and space.scope not in changes.scopes:
        others = None if changes.touch(before.others) else before.others
        said = None if changes.ownership else before.rules
    if others is None:
        others = share_of(kept, space, records(network, space))
    if said is None:
        said = share_of_rules(kept, space) if space.rulesets or space.nft_tables else NOTHING
    return Part(space, others, said)


def share_of_rules(kept: Kept, space: Namespace) -> Share:
    """What rules say."""
    assert kept.reached is not None
    assert kept.ground is not None
    known = kept.ground.known
    own = replace(kept.reached, unread=set(), entered=set(), hidden=False, ports=set(), apart=set())
    tables: dict[int, LookUp] = {}
    sets = forms(space, known, kept.ground.sets, kept.said, tables)
    kept.sets.update(tables)
    told = (one for ruleset in space.rulesets for one in rules(ruleset, own, space, known))
    found = share_of(kept, space, chain(told, Native(space, own).records()), sets)
    return found._replace(
        sets=frozenset(tables),
        apart=frozenset(own.apart),
        unread=frozenset(own.unread),
        led=frozenset(own.entered),
        ports=frozenset(own.ports),
        hidden=own.hidden,
    )


def share_of(kept: Kept, space: Namespace, said: Iterable[Record], sets: Mapping[str, Hashable] = NO_SETS) -> Share:
    """What some records say; ``sets``: the forms of IP sets."""
    assert kept.ground is not None
    known, scope, numbers = kept.ground.known, space.scope, kept.numbers
    writer = Writer(known, scope, services=kept.ground.services, sets=sets)
    common: list[int] = []
    alone: set[Scope] = set()
    pods, peers = dict[Scope, list[int]](), dict[Scope, list[int]]()
    entered: list[Entered | NativeEntered] = []
    for kind, about, record in said:
        if isinstance(record, Entered | NativeEntered):
            entered.append(record)
            continue
        form = (kind, writer.record(record))
        others = writer.others
        if len(others) == 1 and (held := holder(pods, peers, known, scope, others[0], kind, about)) is not None:
            held.append(numbers.setdefault(form, len(numbers)))
        else:
            alone.update(others)
            common.append(numbers.setdefault((form, tuple(others)) if others else form, len(numbers)))
    return Share(
        tuple(common),
        {other: tuple(forms) for other, forms in pods.items()},
        {other: tuple(forms) for other, forms in peers.items()},
        frozenset(alone),
        frozenset(writer.wide),
        frozenset(writer.wild),
        frozenset(writer.spoken),
        tuple(entered),
        asked=array("q", writer.asked),
    )


def add(told: Told, scope: Scope, part: Part) -> None:
    """Adds what a namespace says."""
    if part.space.gaps or part.space.assumed:
        told.alone.add(scope)
    told.common[scope] = (*part.others.common, *part.rules.common)
    told.peers[scope] = merged(part.others.peers, part.rules.peers)
    told.pods.update(part.others.pods)
    told.ruled.update(part.rules.pods)
    if part.rules.apart:
        told.apart[scope] = part.rules.apart
    for share in (part.others, part.rules):
        told.alone |= share.alone
        told.wide |= share.wide
        told.wild |= share.wild
        told.spoken |= share.spoken
    if part.rules.entered:
        told.entered[scope] = part.rules.entered


def merged(one: Mapping[Scope, tuple[int, ...]], other: Mapping[Scope, tuple[int, ...]]) -> Mapping[Scope, tuple[int, ...]]:
    """What is said by both, of each."""
    return {**one, **{scope: (*one.get(scope, ()), *forms) for scope, forms in other.items()}} if other else one


def services_of(network: Network, told: Told, kept: Kept, shares: Iterable[Share]) -> Services | None:
    """What nodes say of services' addresses; None where that is not known."""
    assert kept.ground is not None
    known, services = kept.ground.known, kept.ground.services
    led = {name for share in shares for name in share.led}
    if not services or any(share.hidden for share in shares) or any(map(mixed, told.entered.values())):
        return None
    if kept.reader is None:
        devices = frozenset(name for held in known.devices.values() for name in held)
        kept.reader = Reader(network, Writer(known, NOBODY), devices)
        kept.native = None
    kept.reader.network = network
    kept.native = kept.native or NativeReader(kept.reader)
    kept.tables = dict(tables_of(told, kept, kept.reader, kept.native))
    tables = [table for _, table in kept.tables.values()]
    for table in tables:
        told.wide |= table.wide
        told.wild |= table.wild
    of_pods = {
        one.address for scope, entered in told.entered.items() if scope.namespace for rules in entered for one in rules.entries
    }
    untold = told.spoken.union(of_pods, *(table.untold for table in tables))
    wide = sorted(told.wide)
    inside = held_by(told.sets, services)
    held = {
        address: (*(prefix for prefix in wide if prefix.covers(address)), *inside.get(address, ()))
        for address in sorted(services - untold)
        if not networks(known, address)
    }
    entered = frozenset().union(*(table.entered for table in tables)) - led
    return Services({scope: table.number for scope, (_, table) in kept.tables.items()}, kept.reader.said, held, entered)


def tables_of(told: Told, kept: Kept, reader: Reader, native: NativeReader) -> Iterator[tuple[Scope, tuple[Share, Table]]]:
    """What each node says of services, as before where its rules say what they did."""
    for scope, entered in told.entered.items():
        if not scope.namespace:
            share, before = kept.parts[scope].rules, kept.tables.get(scope)
            yield scope, before if before is not None and before[0] is share else (share, table_of(reader, native, entered))


def table_of(reader: Reader, native: NativeReader, entered: Sequence[Entered | NativeEntered]) -> Table:
    """What a node says of services, by rules of iptables or of nft."""
    own = [one for one in entered if isinstance(one, NativeEntered)]
    return native.table(own) if own else reader.table([one for one in entered if isinstance(one, Entered)])


def mixed(entered: Sequence[Entered | NativeEntered]) -> bool:
    """Whether rules of both kinds are for single services."""
    return len(set(map(type, entered))) > 1


def networks(known: Identities, address: Address) -> tuple[object, ...]:
    """The networks of nodes that hold an address: such a network holds addresses of its node and its pods only."""
    width = 32 if address.family == 4 else 128
    found = (Prefix(address.family, address.value >> low << low, width - low) for low in range(1, width))
    return tuple(role for prefix in found if (item := known.prefixes.get(prefix)) is not None for role in (item[1],))


def holder(
    pods: dict[Scope, list[int]],
    peers: dict[Scope, list[int]],
    known: Identities,
    scope: Scope,
    other: Scope,
    kind: str,
    about: object,
) -> list[int] | None:
    """Where a record that speaks of one other is kept: with its pod's or with its peer's records, if it is about packets to these alone."""
    if scope.namespace or owner(known, scope, about) != other:
        return None
    if other.namespace and other.node == scope.node and kind in ABOUT_PODS:
        return pods.setdefault(other, [])
    if not other.namespace and kind in ABOUT_PEERS:
        return peers.setdefault(other, [])
    return None


def owner(known: Identities, scope: Scope, about: object) -> Scope | None:
    """Whose it is that a record is about; the record names it."""
    match about:
        case Address():
            found = known.addresses.get(about)
        case Prefix():
            found = known.network_of(about)
        case int():
            found = known.macs.get(about)
        case str():
            found = known.devices.get(scope, {}).get(about)
        case _:
            found = None
    return found[0] if found is not None else None
