"""Conntrack zones in the language: the connections of a zone are those of a namespace of its own (xt_CT.c ``xt_ct_target``, nf_conntrack_core.c).

Between ``CT --zone`` in the raw table and conntrack, the packet carries a template, which later rules see as a new connection. Its zone waits
in ORIGINAL_DESTINATION_PORT, which means nothing without a connection.
"""

from __future__ import annotations

from analyzer.facts.netfilter import Zone
from analyzer.ranges import single
from analyzer.source import Scope, Span
from analyzer.transfer.ir import KEEP, NEW, Assign, Confirm, Field, If, In, Track, Transfer
from analyzer.transfer.space import Context, by_value, seq


def number_of(text: str) -> int | None:
    """The zone of ``--zone NUMBER``; None: the zone is for one direction, or the packet's mark."""
    words = text.split()
    known = len(words) == 2 and words[0] == "--zone" and words[1].isdecimal() and len(words[1]) < 6
    return int(words[1]) if known else None


def zones(context: Context, scope: Scope) -> tuple[int, ...]:
    """The zones that the raw tables of a namespace put packets into."""
    rulesets = [fact for fact in context.space(scope).rulesets if fact.family == context.family]
    chains = [chain for fact in rulesets for chain in fact.tables.get("raw", {}).values()]
    targets = [rule.target for chain in chains for rule in chain.rules]
    found = {number_of(target.text) for target in targets if isinstance(target, Zone)}
    return tuple(sorted(zone for zone in found if zone))


def of_zone(scope: Scope, zone: int) -> Scope:
    """The namespace that stands for a zone; zone 0 is the namespace's own."""
    return Scope(scope.node, f"{scope.namespace} zone {zone}") if zone else scope


def put(zone: int, at: Span) -> Transfer:
    """A packet that has neither connection nor template gets a template."""
    template = seq(Assign(Field.ORIGINAL_DESTINATION_PORT, zone, at), Assign(Field.STATE, NEW, at))
    return If(In(Field.STATE, single(0)), template, KEEP, at)


def none(context: Context, scope: Scope) -> Transfer:
    """Before the raw table a packet has no template."""
    return Assign(Field.ORIGINAL_DESTINATION_PORT, 0) if zones(context, scope) else KEEP


def tracked(context: Context, scope: Scope) -> Transfer:
    """Conntrack, in the zone of the template."""
    strict = context.space(scope).strict
    rows: dict[int, Transfer] = {zone: Track(of_zone(scope, zone), strict) for zone in zones(context, scope)}
    return by_value(Field.ORIGINAL_DESTINATION_PORT, rows, Track(scope, strict))


def confirmed(context: Context, scope: Scope) -> Transfer:
    """The connection is stored, whatever its zone."""
    return seq(Confirm(scope), *(Confirm(of_zone(scope, zone)) for zone in zones(context, scope)))
