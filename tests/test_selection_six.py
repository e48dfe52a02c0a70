"""The IPv6 address that is sent from, by ranges of destinations: the same as when each destination is asked for by itself, in the language and in the walk."""

from __future__ import annotations

from random import Random

import pytest

from analyzer.addresses import Address
from analyzer.facts.links import AddressFact
from analyzer.solve.walk import sources
from analyzer.source import Scope, Span
from analyzer.transfer import selection_six
from analyzer.transfer.space import flattened

TOPS = (0xFD00 << 112, 0x2001 << 112, 0x20010DB8 << 96, 0x20010010 << 96, 0xFE80 << 112, 0xFEC0 << 112, 0)


def fact(random: Random) -> AddressFact:
    """An address near others."""
    value = random.choice(TOPS) | random.choice((0, 1 << 64, random.getrandbits(3) << 62)) | random.getrandbits(4)
    flags = frozenset(random.choice(((), (), ("deprecated",), ("temporary",))))
    length = random.choice((64, 128, 48, 127, 66))
    return AddressFact(
        at=Span("x", 1), scope=Scope("n"), device=random.choice("ab"), address=Address(6, value), length=length, flags=flags
    )


def best_of_the_walk(facts: list[AddressFact], destination: int) -> AddressFact | None:
    """The first that none is better than, by the comparison of the walk."""
    best: AddressFact | None = None
    for one in facts:
        if selection_six.fits(one, "a", destination) and (best is None or sources.better(one, best, "a", destination)):
            best = one
    return best


@pytest.mark.parametrize("seed", range(40))
def test_nothing_changes_between_borders(seed: int) -> None:
    random = Random(seed)
    facts = [fact(random) for _ in range(random.randrange(1, 6))]
    pieces = [pair for pair, _ in flattened(tuple(selection_six.boundaries(facts)))]
    for _ in range(200):
        near = random.choice((*TOPS, *(one.address.value for one in facts)))
        destination = near ^ random.choice((0, 1 << random.randrange(128), random.getrandbits(random.randrange(1, 128))))
        if destination >> 120 != 0xFF:
            low = next(low for low, high in pieces if low <= destination <= high)
            wanted = selection_six.preferred(facts, "a", destination)
            assert selection_six.preferred(facts, "a", low) is wanted
            assert best_of_the_walk(facts, destination) is wanted
