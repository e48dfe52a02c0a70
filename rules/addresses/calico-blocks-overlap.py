"""Two blocks of Calico's address management hold the same addresses, or one block belongs to two nodes.

## What it finds
`IPAMBlock` objects whose networks overlap, and `BlockAffinity` objects that give one network to two nodes.

## Why it matters
Two nodes hand out the same addresses, and the routes of both compete: some pods answer for others.

## Example
    kind: BlockAffinity
    spec: {cidr: 10.244.3.0/26, node: n1, state: confirmed}
    # and another of the same network for n2

## How to mend
`calicoctl ipam check` tells which allocations are real; release the wrong block or affinity (`calicoctl ipam release`) and recreate the pods in it.

## Sources
projectcalico/calico#8446, #6486, #4471; libcalico-go/lib/ipam (block affinities).
"""

from collections.abc import Iterator, Mapping

from analyzer.query.plan import prefix
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    for kind in ("IPAMBlock", "BlockAffinity"):
        yield from overlapping(sorted(pieces(network, kind)))


def pieces(network: Network, kind: str) -> Iterator[tuple[Prefix, str, Span]]:
    """The networks of the objects of a kind, each with the node that has it; what is being deleted is left out."""
    for item in network.cluster.others:
        spec = item.document.get("spec")
        if item.kind != kind or not isinstance(spec, Mapping) or str(spec.get("deleted")).lower() == "true":
            continue
        if spec.get("state") not in (None, "confirmed"):
            continue
        found = prefix(str(spec.get("cidr")))
        if found is not None:
            owner = str(spec.get("node") or spec.get("affinity") or "").removeprefix("host:")
            yield found, owner, item.place("spec", "cidr")


def overlapping(found: list[tuple[Prefix, str, Span]]) -> Iterator[Finding]:
    """Neighbours in the order of addresses that overlap."""
    last: tuple[Prefix, str, Span] | None = None
    for item in found:
        if last is not None and last[0].covers(item[0]) and (last[0] != item[0] or last[1] != item[1]):
            yield RULE.finding(
                item[2],
                f"{item[0]} of {item[1] or 'nobody'} lies in {last[0]} of {last[1] or 'nobody'}",
                related=[(last[2], f"{last[0]} belongs to {last[1] or 'nobody'}")],
                help="calicoctl ipam check, and release the wrong one",
            )
        if last is None or not last[0].covers(item[0]):
            last = item


RULE = Rule("calico-blocks-overlap", Severity.ERROR, __doc__, check)
