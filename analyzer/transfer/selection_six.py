"""Which IPv6 address the kernel sends from: RFC 6724 over all addresses of the host, by the destination (net/ipv6/addrconf.c ``ipv6_dev_get_saddr``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from analyzer.addresses import Prefix, prefix
from analyzer.facts.links import AddressFact
from analyzer.model.address_labels import LABELS, label
from analyzer.model.network import Namespace
from analyzer.source import Scope
from analyzer.transfer.ir import End, Field, Transfer, Unknown
from analyzer.transfer.space import Context, Outcome, dispatch, flattened

MOST = 64
INTERFACE, LINK, SITE, GLOBAL = 1, 2, 5, 14
SCOPED = tuple(prefix(text) for text in ("fe80::/10", "ff00::/8"))


def chosen(context: Context, scope: Scope, device: str, outcome: Outcome, nothing: Transfer) -> Transfer:
    """The outcome for the address that is chosen towards each destination; ``nothing``: where none can be."""
    facts = candidates(context.space(scope), device)
    if len(facts) > MOST:
        return End(Unknown(f"which of the {len(facts)} IPv6 addresses of {scope} it sends from by {device} is not worked out"))
    pieces: list[tuple[tuple[int, int], AddressFact | None]] = []
    for pair, _ in flattened(tuple(boundaries(facts))):
        found = preferred(facts, device, pair[0])
        if pieces and pieces[-1][1] is found:
            pieces[-1] = ((pieces[-1][0][0], pair[1]), found)
        else:
            pieces.append((pair, found))
    rows = [(pair, outcome(found.address) if found is not None else nothing) for pair, found in pieces]
    return rows[0][1] if len(rows) == 1 else dispatch(Field.DESTINATION, rows, nothing)


def candidates(space: Namespace, device: str) -> tuple[AddressFact, ...]:
    """The addresses that are not tentative, in the kernel's order, whether their devices are up or not: the device's own alone where it has one that goes before
    all others to everywhere but to the others themselves, which are no way out."""
    usable = tuple(fact for fact in space.addresses if fact.address.family == 6 and not fact.flags & {"tentative", "dadfailed"})
    own = tuple(fact for fact in usable if fact.device == device)
    whole = any(reach(fact.address.value) == GLOBAL and "deprecated" not in fact.flags for fact in own)
    return own if whole else usable


def boundaries(facts: Sequence[AddressFact]) -> Iterator[Prefix]:
    """The networks between whose borders nothing changes: those of the labels and scopes, each address and its network, and where two addresses part."""
    yield from (labelled for labelled, _ in LABELS)
    yield from SCOPED
    values = sorted({fact.address.value for fact in facts})
    yield from (network(fact.address.value, length) for fact in facts for length in (fact.length, min(fact.length + 1, 128), 128))
    for one, two in pairwise(values):
        shared = in_common(one, two)
        yield from (network(one, shared), network(one, shared + 1), network(two, shared + 1))


def network(value: int, length: int) -> Prefix:
    """The network of an address."""
    return Prefix(6, value >> 128 - length << 128 - length, length)


def preferred(facts: Sequence[AddressFact], device: str, destination: int) -> AddressFact | None:
    """The first of the best addresses."""
    fitting = (fact for fact in facts if fits(fact, device, destination))
    return max(fitting, key=lambda fact: preference(fact, device, destination), default=None)


def fits(fact: AddressFact, device: str, destination: int) -> bool:
    """Whether an address can be a source at all: what is of the link alone goes out of its own device."""
    own, wanted = reach(fact.address.value), reach(destination)
    if LINK in (own, wanted):
        return fact.device == device
    return own != INTERFACE or wanted == INTERFACE


def preference(fact: AddressFact, device: str, destination: int) -> tuple[int, ...]:
    """The rules in their order, as a tuple that is greater for what is preferred."""
    value = fact.address.value
    own, wanted = reach(value), reach(destination)
    return (
        value == destination,
        GLOBAL + 1 - own if own >= wanted else own - GLOBAL - 1,
        "deprecated" not in fact.flags,
        fact.device == device,
        label(value) == label(destination),
        "temporary" not in fact.flags,
        min(fact.length, in_common(value, destination)),
    )


def in_common(one: int, two: int) -> int:
    """How many leading bits two addresses share."""
    return 128 - (one ^ two).bit_length()


def reach(value: int) -> int:
    """The scope of an address; of a multicast address its own."""
    if value >> 120 == 0xFF:
        return value >> 112 & 15
    if value == 1:
        return INTERFACE
    return LINK if value >> 118 == 0xFE80 >> 6 else SITE if value >> 118 == 0xFEC0 >> 6 else GLOBAL
