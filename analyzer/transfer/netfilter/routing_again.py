"""When a chain of OUTPUT routes a packet again whose mark or type of service it changed."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.network import Namespace
from analyzer.model.service_types import changes_service
from analyzer.ranges import single
from analyzer.transfer.ir import KEEP, Any, Assign, Bits, Copy, Field, If, In, Match, Merge, Not, Transfer
from analyzer.transfer.space import Context, call, seq

FULL = (1 << 32) - 1
MARKED = Not(Bits(Field.MARK, FULL, 0))
Step = tuple[int, Transfer]


def routed_again(context: Context, space: Namespace, priority: int, chain: Transfer) -> Iterator[Step]:
    """A chain of mangle or of type route at OUTPUT: what it marks is routed again (iptable_mangle.c ``ipt_mangle_out``, nft_chain_route.c
    ``nf_route_table_hook4``). What a chain before it may have marked must differ from then; DESTINATION_MAC, of which OUTPUT knows nothing, has the mark
    of before meanwhile, and VLAN the type of service."""
    again = call(space.scope, "route output")
    marked, classed = marked_before(context, space, priority), changes_service(context.network, space)
    if not marked and not classed:
        yield priority, seq(chain, If(MARKED, again, KEEP))
        return
    before = [Copy(Field.DESTINATION_MAC, Field.MARK), *([Copy(Field.VLAN, Field.SERVICE)] if classed else [])]
    difference = [
        Merge(Field.DESTINATION_MAC, 0, Field.MARK, FULL),
        *([Merge(Field.VLAN, 0, Field.SERVICE, 255)] if classed else []),
    ]
    changed: tuple[Match, ...] = tuple(Not(In(item.field, single(0))) for item in difference)
    routed = If(Any(changed), again, KEEP)
    yield priority, seq(*before, chain, *difference, routed, *(Assign(item.field, 0) for item in difference))


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
