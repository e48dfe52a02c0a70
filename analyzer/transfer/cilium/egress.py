"""What leaves the cluster by an egress gateway of Cilium, in the language: lost where there is none, and else open."""

from __future__ import annotations

from analyzer.facts.cilium import OF_CIDRS, WORLD, WORLDS
from analyzer.ranges import Ranges, contains, difference, normalised, single
from analyzer.transfer.cilium.maps import View
from analyzer.transfer.ir import KEEP, All, Drop, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.space import everything, seq, span_of

OUTSIDE = (WORLD, *WORLDS.values())


def redirected(found: View, own: Ranges) -> Transfer:
    """Requests of an endpoint to addresses outside the cluster that have a gateway; the longest prefix decides."""
    inside = normalised(
        pair for pair, fact in found.pieces if fact.identity and fact.identity not in OUTSIDE and fact.identity < OF_CIDRS
    )
    beyond = difference(everything(found.context.width), inside)
    mine = [one for one in found.state.egress if one.source.family == found.context.family and contains(own, one.source.value)]
    result: Transfer = KEEP
    for one in sorted(mine, key=lambda one: one.target.length):
        then: Transfer = KEEP
        if one.gateway is not None:
            then = End(
                Unknown(f"what the egress gateway {one.gateway} does with what {found.scope} sends there is not lowered"), one.at
            )
        elif not one.excluded:
            then = End(Drop(f"{found.scope}: Cilium drops the packet (No egress gateway found)"), one.at)
        match = All((In(Field.SOURCE, single(one.source.value)), In(Field.DESTINATION, (span_of(one.target),))))
        result = If(match, then, result, one.at)
    doubts: list[Transfer] = []
    for gap in found.context.space(found.scope).gaps.get("cilium-egress", ()):
        text = f"the line of {found.scope} that was not understood ({gap.reason}) is about others"
        doubts.append(If(Opaque(text, gap.at), KEEP, End(Unknown(f"{gap.at} was not understood: {gap.reason}"), gap.at), gap.at))
    every = seq(*doubts, result)
    return KEEP if every == KEEP else If(In(Field.DESTINATION, beyond), every, KEEP)
