"""When a chain of OUTPUT routes a packet again whose mark it changed."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.network import Namespace
from analyzer.ranges import single
from analyzer.transfer.ir import KEEP, Assign, Bits, Copy, Field, If, In, Merge, Not, Transfer
from analyzer.transfer.space import Context, call, seq

FULL = (1 << 32) - 1
MARKED = Not(Bits(Field.MARK, FULL, 0))
Step = tuple[int, Transfer]


def routed_again(context: Context, space: Namespace, priority: int, chain: Transfer) -> Iterator[Step]:
    """A chain of mangle or of type route at OUTPUT: what it marks is routed again (iptable_mangle.c ``ipt_mangle_out``, nft_chain_route.c
    ``nf_route_table_hook4``). What a chain before it may have marked must differ from then; DESTINATION_MAC, of which OUTPUT knows nothing, has the mark
    of before meanwhile."""
    again = call(space.scope, "route output")
    if not marked_before(context, space, priority):
        yield priority, seq(chain, If(MARKED, again, KEEP))
        return
    changed = Not(In(Field.DESTINATION_MAC, single(0)))
    difference = Merge(Field.DESTINATION_MAC, 0, Field.MARK, FULL)
    routed = If(changed, again, KEEP)
    yield priority, seq(Copy(Field.DESTINATION_MAC, Field.MARK), chain, difference, routed, Assign(Field.DESTINATION_MAC, 0))


def marked_before(context: Context, space: Namespace, priority: int) -> bool:
    """Whether a chain that comes earlier may set the mark without routing the packet again."""
    raw = (fact.tables.get("raw", {}) for fact in space.rulesets if fact.family == context.family)
    if any("MARK" in chain.rules.whole() for chains in raw for chain in chains.values()):
        return True
    for table in space.nft_tables:
        bases = [chain.base for chain in table.chains.values() if chain.base is not None and chain.base.hook == "output"]
        early = any(base.kind != "route" and base.priority <= priority for base in bases)
        if early and any("mark" in rule.text for chain in table.chains.values() for rule in chain.rules):
            return True
    return False
