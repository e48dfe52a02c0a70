"""What Z3 is asked about packets to services where policies excuse that some are lost: what they admit is carved out as a formula over the packet that is lost, and what they deny as one over
the packet that arrives."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.policy.entities import Entity
from analyzer.policy.tiers import Direction
from analyzer.query.agreement import MOST, delivered, lost, spaced
from analyzer.query.once import Whole
from analyzer.query.seen_sources import holders_of, later_sources, own_addresses
from analyzer.query.service_admission import Asker, Ruling, cluster_addresses, untranslated, verdict
from analyzer.query.service_arrivals import governed_ends, selected
from analyzer.ranges import Ranges, intersection, normalised, single, union
from analyzer.solve.smt.questions import Question
from analyzer.solve.smt.ways import Began, Carried
from analyzer.transfer import ir
from analyzer.transfer.ir import Field


def wanted_losses(ruling: Ruling) -> Iterator[tuple[str, Question]]:
    """No packet that policies admit for sure is lost, by who asks."""
    for asker in spaced(ruling.askers, MOST) if ruling.askers else ():
        if asker.entity is not None:
            rows = (*to_endpoints(ruling, asker, asker.entity), *to_services(ruling, asker.entity))
            where = (Began(Field.SOURCE.value, asker.addresses), Carried(ir.Any(rows)))
            yield f"of {asker.entity.name} that policies admit is lost", (lost, where)


def to_endpoints(ruling: Ruling, asker: Asker, sender: Entity) -> Iterator[ir.Match]:
    """Packets at an endpoint or on their way there, from a source under which policies admit them."""
    for protocol in sorted({protocol for protocol, *_ in ruling.aim.translated or {}}):
        for address, port in ruling.ends(protocol):
            if sources := admitted_sources(ruling, asker, sender, protocol, (address, port)):
                yield packets(protocol, address, port, sources)


def admitted_sources(ruling: Ruling, asker: Asker, sender: Entity, protocol: int, end: tuple[int, int]) -> Ranges:
    """The sources of which policies admit what a sender sends to an endpoint: its own, and those of nodes. What has an address of the endpoint's own node came to it under another, which
    must do for any."""
    network, admission = ruling.network, ruling.admission
    receivers = holders_of(admission, end[0])
    own = verdict(ruling, sender, (None,), receivers, protocol, end[1]) is True
    found = {
        value
        for value in own_addresses(network, frozenset(), ruling.aim.family)
        if verdict(ruling, sender, (value,), receivers, protocol, end[1]) is True
    }
    elsewhere = (
        set.intersection(*(set(later_sources(network, admission, None, one)) for one in receivers)) if receivers else set()
    )
    if not own or not elsewhere <= found:
        found &= elsewhere
    masked = normalised((value, value) for value in sorted(found))
    return union(asker.addresses, masked) if own else masked


def to_services(ruling: Ruling, sender: Entity) -> Iterator[ir.Match]:
    """Packets that are not translated, of which policies admit every endpoint."""
    inside = cluster_addresses(Whole(ruling.network))
    for (protocol, address, port), ends in (ruling.aim.translated or {}).items():
        if all(untranslated(ruling, sender, protocol, end, address not in inside) for end in ends):
            yield packets(protocol, address, port)


def packets(protocol: int, address: int, port: int, sources: Ranges | None = None) -> ir.Match:
    """Packets to a port of an address, from some sources or any."""
    tests = [(Field.PROTOCOL, single(protocol)), (Field.DESTINATION, single(address)), (Field.DESTINATION_PORT, single(port))]
    tests += [(Field.SOURCE, sources)] if sources is not None else []
    return ir.All(tuple(ir.In(*test) for test in tests))


def unwanted_arrivals(ruling: Ruling) -> Iterator[tuple[str, Question]]:
    """No packet arrives that policies deny under every address that a node may give it, by who asks; what an endpoint asks of itself is left out."""
    governed = governed_ends(ruling)
    masks = (None, *own_addresses(ruling.network, frozenset(), ruling.aim.family))
    for asker in spaced(ruling.askers, MOST) if ruling.askers else ():
        sender = asker.entity
        if sender is None:
            continue
        out = selected(ruling, sender, Direction.EGRESS)
        rows = tuple(
            packets(protocol, *end)
            for protocol in sorted({protocol for protocol, *_ in ruling.aim.translated or {}})
            for end in ruling.ends(protocol)
            if (out or end in governed)
            and not intersection(asker.addresses, single(end[0]))
            and verdict(ruling, sender, masks, holders_of(ruling.admission, end[0]), protocol, end[1]) is False
        )
        if rows:
            where = (Began(Field.SOURCE.value, asker.addresses), Carried(ir.Any(rows)))
            yield f"of {sender.name} that policies deny arrives", (delivered, where)
