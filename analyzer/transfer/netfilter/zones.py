"""Conntrack zones in the language: the connections of a zone are those of a namespace of its own (xt_CT.c ``xt_ct_target``, nf_conntrack_core.c).

Between ``CT --zone`` in the raw table and conntrack, the packet carries a template, which later rules see as a new connection. Its zone waits
in ORIGINAL_DESTINATION_PORT, which means nothing without a connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

from analyzer.facts.netfilter import CopyMark, RulesetFact, SetMark, TransparentProxy, UnknownTarget, Zone
from analyzer.facts.nftables import SetTo
from analyzer.model.marks import saved
from analyzer.model.network import Namespace
from analyzer.model.texts import may_say
from analyzer.parsers.nft import Rules
from analyzer.ranges import single
from analyzer.source import Scope, Span
from analyzer.transfer.ir import KEEP, NEW, Assign, Confirm, End, Field, If, In, Track, Transfer, Unknown
from analyzer.transfer.netfilter.matches import masked
from analyzer.transfer.space import Context, by_value, seq

MOST = 32
"""How many zones may follow from marks."""
BY_MARK = "--zone mark"


def number_of(text: str) -> int | None:
    """The zone of ``--zone NUMBER``; None: the zone is for one direction, or the packet's mark."""
    words = text.split()
    known = len(words) == 2 and words[0] == "--zone" and words[1].isdecimal() and len(words[1]) < 6
    return int(words[1]) if known else None


def given(context: Context, space: Namespace) -> tuple[str, ...]:
    """The zones that rules give, in words."""
    key = ("zones in words", space.scope)
    if key not in context.made:
        own = tuple(fact for fact in space.rulesets if may_say(context.network, fact, ("zone",)))
        found = (one.text for one in rulings(space, own, context.family, ZONES) if isinstance(one, Zone))
        context.made[key] = tuple(dict.fromkeys(found))
    return cast(tuple[str, ...], context.made[key])


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


def zones(context: Context, scope: Scope) -> tuple[int, ...]:
    """The zones that rules of a namespace put packets into."""
    key = ("zones", scope)
    if key not in context.made:
        space = context.space(scope)
        texts = given(context, space)
        found = {number_of(text) for text in texts} | (marked(space, context.family) if BY_MARK in texts else set())
        context.made[key] = tuple(sorted(zone for zone in found if zone))
    return cast(tuple[int, ...], context.made[key])


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


def template_of(given: Zone, context: Context, scope: Scope) -> int | None:
    """The number that a template carries: the zone, or what stands for the packet's mark; None: neither is followed."""
    if given.text == BY_MARK:
        return marker(context, scope) if marked(context.space(scope), context.family) else None
    return number_of(given.text)


def marker(context: Context, scope: Scope) -> int:
    """A number that is no zone's."""
    return next(number for number in range(0xFFFF, 0, -1) if number not in zones(context, scope))


def put(zone: int, at: Span) -> Transfer:
    """A packet that has neither connection nor template gets a template."""
    template = seq(Assign(Field.ORIGINAL_DESTINATION_PORT, zone, at), Assign(Field.STATE, NEW, at))
    return If(In(Field.STATE, single(0)), template, KEEP, at)


def none(context: Context, scope: Scope) -> Transfer:
    """Before the raw table a packet has no template."""
    return Assign(Field.ORIGINAL_DESTINATION_PORT, 0) if given(context, context.space(scope)) else KEEP


def tracked(context: Context, scope: Scope) -> Transfer:
    """Conntrack, in the zone of the template (nf_conntrack_zones.h ``nf_ct_zone_tmpl``: the mark is that of now)."""
    strict = context.space(scope).strict
    rows: dict[int, Transfer] = {zone: Track(of_zone(scope, zone), strict) for zone in zones(context, scope)}
    if BY_MARK in given(context, context.space(scope)):
        rows[marker(context, scope)] = by_mark(context, scope, strict)
    return by_value(Field.ORIGINAL_DESTINATION_PORT, rows, Track(scope, strict))


def by_mark(context: Context, scope: Scope, strict: bool) -> Transfer:
    """Conntrack in the zone of the packet's mark."""
    found: Transfer = End(Unknown(f"the zone of a mark of {scope} is not followed"))
    for zone in sorted(marked(context.space(scope), context.family)):
        found = If(masked(Field.MARK, zone, 0xFFFF, 32), Track(of_zone(scope, zone), strict), found)
    return found


def confirmed(context: Context, scope: Scope) -> Transfer:
    """The connection is stored, whatever its zone."""
    return seq(Confirm(scope), *(Confirm(of_zone(scope, zone)) for zone in zones(context, scope)))
