"""Which node is the subject's own: Cilium's entities "host" and "remote-node" say it of the same node for different subjects.

The tests of ``terms.py`` are about one entity each, so that a rule about the own node becomes one rule for every node.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.policy.cilium.peers import HOSTS, Sides
from analyzer.policy.terms import EVERYONE, NOBODY, All, Named, Not, Of, Opaque, Peer, either
from analyzer.policy.world import World
from analyzer.source import Span


def placed(sides: Sides, world: World, at: Span) -> Iterator[tuple[Peer, Peer]]:
    """Pairs of a test of the subject and one of the other end, of which one is to hold."""
    if sides.own == sides.other:
        yield EVERYONE, sides.own
        return
    if sides.other not in (NOBODY, HOSTS):
        yield EVERYONE, All((Not(HOSTS), sides.other))
    for node in world.places:
        here: Peer = Named(Of.PLACE, frozenset({node}))
        pairs: tuple[tuple[Peer, Peer], ...] = ((here, sides.own), (Not(here), sides.other))
        yield here, either(All((HOSTS, place, side)) for place, side in pairs if side != NOBODY)
    if world.places and sides.other != NOBODY:
        yield Not(Named(Of.PLACE, frozenset(world.places))), All((HOSTS, sides.other))
    if not world.places:
        doubt = Opaque("which node is the subject's own: no nodes are given", at)
        yield EVERYONE, All((HOSTS, either((sides.own, sides.other)), doubt))
