"""The address space as policies divide it: blocks are nested or apart, so that an address is told by the smallest block it is in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from analyzer.addresses import WIDTH, Address, Prefix, default_prefix
from analyzer.policy.terms import InBlocks, Peer, leaves


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one family with the next larger one of each; the whole address space is always among them. From ``starts[i]`` on, up to the next
    start, addresses are in ``owners[i]`` and in no smaller block."""

    family: int
    parents: dict[Prefix, Prefix | None] = field(repr=False)
    starts: list[int] = field(repr=False)
    owners: list[Prefix] = field(repr=False)

    def smallest(self, of: Address | Prefix) -> Prefix:
        """The smallest block that covers an address or a block."""
        found = self.owners[bisect_right(self.starts, of.value) - 1]
        while isinstance(of, Prefix) and not found.covers(of):
            found = self.parents[found] or default_prefix(self.family)
        return found

    def above(self, block: Prefix) -> Iterator[Prefix]:
        """The block and all that cover it."""
        found: Prefix | None = block
        while found is not None:
            yield found
            found = self.parents[found]


def blocks_of(peers: Iterable[Peer], family: int) -> Blocks:
    """The blocks of the family that the tests mention."""
    whole = default_prefix(family)
    known = {block for peer in peers for block in mentioned(peer) if block.family == family} - {whole}
    parents: dict[Prefix, Prefix | None] = {whole: None}
    edges: list[tuple[int, Prefix]] = [(0, whole)]
    stack = [whole]
    for block in sorted(known, key=lambda block: (block.value, block.length)):
        while not stack[-1].covers(block):
            ended = stack.pop()
            edges.append((ended.last + 1, stack[-1]))
        parents[block] = stack[-1]
        stack.append(block)
        edges.append((block.value, block))
    while len(stack) > 1:
        ended = stack.pop()
        edges.append((ended.last + 1, stack[-1]))
    # Of several edges at one address the last is the innermost, or where the outermost of those that end there goes on.
    owners = dict(edges)
    return Blocks(family, parents, list(owners), list(owners.values()))


def mentioned(peer: Peer) -> Iterator[Prefix]:
    """The blocks in a test."""
    return (block for leaf in leaves(peer) if isinstance(leaf, InBlocks) for block in leaf.blocks)


def remainders(blocks: Blocks) -> Iterator[tuple[Prefix, tuple[Prefix, ...]]]:
    """Each block with what of it no smaller block covers, as prefixes in order; blocks that are covered whole are left out."""
    inner: dict[Prefix, list[Prefix]] = {block: [] for block in blocks.parents}
    for block, parent in blocks.parents.items():
        if parent is not None:
            inner[parent].append(block)
    for block in sorted(inner, key=lambda block: (block.value, block.length)):
        if not inner[block]:
            yield block, (block,)
            continue
        holes = sorted(inner[block])
        edges = [block.value, *(edge for hole in holes for edge in (hole.value, hole.last + 1)), block.last + 1]
        rest = tuple(item for low, high in zip(edges[::2], edges[1::2], strict=True) for item in spanned(block.family, low, high))
        if rest:
            yield block, rest


def spanned(family: int, low: int, high: int) -> Iterator[Prefix]:
    """The fewest prefixes that make up the addresses from ``low`` to below ``high``."""
    width = WIDTH[family]
    while low < high:
        size = min(low & -low or 1 << width, 1 << ((high - low).bit_length() - 1))
        yield Prefix(family, low, width - (size.bit_length() - 1))
        low += size
