"""Conntrack zones in the language: the connections of a zone are those of a namespace of its own (xt_CT.c ``xt_ct_target``, nf_conntrack_core.c).

Between ``CT --zone`` in the raw table and conntrack, the packet carries a template, which later rules see as a new connection. Which one waits
in ORIGINAL_DESTINATION_PORT, which means nothing without a connection. A zone may be for one direction: the other's packets are looked up in zone 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

from analyzer.facts.netfilter import CopyMark, RulesetFact, SetMark, TransparentProxy, UnknownTarget, Zone
from analyzer.facts.nftables import Element, LookUp, SetTo, SetZone
from analyzer.model.marks import saved
from analyzer.model.network import Namespace
from analyzer.model.texts import may_say
from analyzer.parsers.nft import Rules
from analyzer.ranges import normalised, single
from analyzer.source import Scope, Span
from analyzer.transfer.ir import (
    ALWAYS,
    KEEP,
    NEVER,
    NEW,
    All,
    Any,
    Assign,
    Belongs,
    Confirm,
    End,
    Field,
    If,
    In,
    Match,
    Not,
    Track,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter.where import masked
from analyzer.transfer.space import Context, by_value, seq

MOST = 32
"""How many zones may follow from marks."""


def given(context: Context, space: Namespace) -> tuple[Zone, ...]:
    """The zones that rules give. A packet that has the template of one carries its place in this list, from 1."""
    key = ("given zones", space.scope)
    if key not in context.made:
        own = tuple(fact for fact in space.rulesets if may_say(context.network, fact, ("zone",)))
        found = {one for item in rulings(space, own, context.family, ZONES) for one in said(item, space)}
        context.made[key] = tuple(sorted(found, key=lambda one: (one.direction, one.number is None, one.number or 0)))
    return cast(tuple[Zone, ...], context.made[key])


def said(item: object, space: Namespace) -> Iterator[Zone]:
    """The zones that a target or a statement may give."""
    match item:
        case Zone():
            yield item
        case SetZone(LookUp(_, values), direction):
            named = (table.sets.get(values) for table in space.nft_tables) if isinstance(values, str) else (values,)
            for one in (one for of in named if of is not None for one in of.elements):
                if (number := number_of(one)) is not None:
                    yield Zone(number, direction)
        case _:
            pass


def number_of(item: Element) -> int | None:
    """The zone that a map gives."""
    value = item.data[0] if isinstance(item.data, tuple) and item.data else None
    return value[0] if isinstance(value, tuple) else None


ZONES, MARKS = re.compile(r"--zone|\bzone set\b"), re.compile(r"mark", re.IGNORECASE)
"""Words without which a chain gives no zone, or sets no mark."""


def rulings(space: Namespace, rulesets: Iterable[RulesetFact], family: int, words: re.Pattern[str]) -> Iterator[object]:
    """What rules of iptables, and those of nft in a namespace, do to packets of a family, in the chains that have one of the words."""
    own = [fact for fact in rulesets if fact.family == family]
    for chain in (chain for fact in own for table in fact.tables.values() for chain in table.values()):
        if words.search(chain.rules.whole()):
            yield from (rule.target for rule in chain.rules)
    native = (chain for table in space.nft_tables if not saved(space, table) for chain in table.chains.values())
    for rules in (chain.rules for chain in native):
        text = rules.text() if isinstance(rules, Rules) else None
        if text is None or words.search(text):
            yield from (item for rule in rules for item in rule.statements)


def zones(context: Context, scope: Scope) -> tuple[Zone, ...]:
    """The zones that rules of a namespace put packets into, each by its number."""
    key = ("zones", scope)
    if key not in context.made:
        space = context.space(scope)
        found = {one for each in given(context, space) for one in numbered(each, space, context.family) if one.number}
        context.made[key] = tuple(sorted(found, key=lambda one: (one.number or 0, one.direction)))
    return cast(tuple[Zone, ...], context.made[key])


def numbered(zone: Zone, space: Namespace, family: int) -> Iterator[Zone]:
    """A zone, or those that the marks of packets may name."""
    if zone.number is not None:
        yield zone
    else:
        yield from (Zone(number, zone.direction) for number in sorted(marked(space, family)))


def marked(space: Namespace, family: int) -> set[int]:
    """The zones that packets may get by their marks, which begin with 0 and are what rules set; none where that is not known."""
    changes = [one for one in rulings(space, space.rulesets, family, MARKS) if sets_mark(one)]
    if space.filters or not all(isinstance(one, SetMark) for one in changes):
        return set()
    found, waiting = {0}, [0]
    while waiting and len(found) <= MOST:
        own = waiting.pop()
        for change in changes:
            if isinstance(change, SetMark) and (after := own & ~change.mask ^ change.value) not in found:
                found.add(after)
                waiting.append(after)
    return {mark & 0xFFFF for mark in found} if len(found) <= MOST else set()


def sets_mark(one: object) -> bool:
    """Whether something may set the mark of packets."""
    match one:
        case SetMark(connection=connection) | SetTo(connection=connection):
            return not connection
        case CopyMark(save):
            return not save
        case TransparentProxy() | UnknownTarget():
            return True
        case _:
            return False


def of_zone(scope: Scope, zone: int) -> Scope:
    """The namespace that stands for a zone; zone 0 is the namespace's own."""
    return Scope(scope.node, f"{scope.namespace} zone {zone}") if zone else scope


def ends(scope: Scope, zone: Zone) -> tuple[Scope, Scope]:
    """Where connections of a zone, and their answers, are looked up (nf_conntrack_zones.h ``nf_ct_zone_id``)."""
    own = of_zone(scope, zone.number or 0)
    return scope if zone.direction == "reply" else own, scope if zone.direction == "original" else own


def template_of(zone: Zone, context: Context, scope: Scope) -> int | None:
    """The number that a template carries; None: the marks that name zones are not followed."""
    space = context.space(scope)
    if zone.number is None and not marked(space, context.family):
        return None
    return given(context, space).index(zone) + 1


def put(number: int, at: Span) -> Transfer:
    """A packet that has neither connection nor template gets a template."""
    template = seq(Assign(Field.ORIGINAL_DESTINATION_PORT, number, at), Assign(Field.STATE, NEW, at))
    return If(In(Field.STATE, single(0)), template, KEEP, at)


def none(context: Context, scope: Scope) -> Transfer:
    """Before the raw table a packet has no template."""
    return Assign(Field.ORIGINAL_DESTINATION_PORT, 0) if given(context, context.space(scope)) else KEEP


def tracked(context: Context, scope: Scope) -> Transfer:
    """Conntrack, in the zone of the template (nf_conntrack_zones.h ``nf_ct_zone_tmpl``: the mark is that of now)."""
    rows: dict[int, Transfer] = {}
    for number, zone in enumerate(given(context, context.space(scope)), 1):
        rows[number] = looked_up(context, scope, zone) if zone.number is not None else by_mark(context, scope, zone)
    return by_value(Field.ORIGINAL_DESTINATION_PORT, rows, looked_up(context, scope, Zone()))


def looked_up(context: Context, scope: Scope, zone: Zone) -> Transfer:
    """Conntrack in a zone."""
    own, replies = ends(scope, zone)
    return Track(own, context.space(scope).strict, None if own == replies else replies)


def by_mark(context: Context, scope: Scope, zone: Zone) -> Transfer:
    """Conntrack in the zone of the packet's mark."""
    found: Transfer = End(Unknown(f"the zone of a mark of {scope} is not followed"))
    for number in sorted(marked(context.space(scope), context.family)):
        found = If(masked(Field.MARK, number, 0xFFFF, 32), looked_up(context, scope, Zone(number, zone.direction)), found)
    return found


def confirmed(context: Context, scope: Scope) -> Transfer:
    """The connection is stored, whatever its zone."""
    owns = dict.fromkeys(ends(scope, zone)[0] for zone in zones(context, scope))
    return seq(Confirm(scope), *(Confirm(own) for own in owns if own != scope))


def in_zone(direction: str, value: tuple[int, int], context: Context, scope: Scope, template: bool) -> Match:
    """``ct zone``, ``ct original zone``, ``ct reply zone`` of a packet that has a connection, or, ``template``, perhaps a template of one
    (net/netfilter/nft_ct.c ``nft_ct_get_eval``)."""
    if not given(context, context.space(scope)):
        return ALWAYS if value[0] == 0 else NEVER
    known = {ends(scope, zone): zone for zone in (Zone(), *zones(context, scope))}
    found: list[Match] = [Belongs(*pair) for pair, zone in known.items() if held(zone, direction, value)]
    if template:
        numbers = [number for number, zone in enumerate(given(context, context.space(scope)), 1) if held(zone, direction, value)]
        alone = Not(Any(tuple(Belongs(*pair) for pair in known)))
        own = normalised((number, number) for number in numbers)
        found.append(All((alone, In(Field.ORIGINAL_DESTINATION_PORT, own))))
    return Any(tuple(found))


def held(zone: Zone, direction: str, value: tuple[int, int]) -> bool:
    """Whether the number of a zone, in one direction or in any, is in a range. That of a template whose zone is the mark's is 0."""
    number = 0 if direction and zone.direction not in ("", direction) else zone.number or 0
    return value[0] <= number <= value[1]
