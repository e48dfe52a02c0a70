"""One packet for each pair, walked: finds failures where sets of packets could not be followed to their end. It proves nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest

from analyzer.model.network import Network
from analyzer.query.flows import LOST, SEEN_DESTINATION, SEEN_SOURCE, Aim, Lost, Sender, request, spelled
from analyzer.query.reach import Failure, Group, Reach, governed
from analyzer.query.replay import Word, judged, witness
from analyzer.solve.concrete import Flow, walk
from analyzer.solve.packet import Packet
from analyzer.solve.regions import start
from analyzer.source import Scope

WALKS = 2_000
TRIED = "one packet of each pair was walked, not all packets"


def tried(network: Network, groups: Iterable[Group], why: str) -> Reach:
    """The failures that single packets show; ``why`` is the doubt that stays."""
    reach = Reach()
    reach.doubts[f"{why}: {TRIED}"] = None
    for group in groups:
        aim = group.aims[0]
        reach.pairs += sum(1 for sender in group.senders for _ in spelled(sender.destinations))
        for scope, packet in islice(packets(network, group, aim), WALKS):
            attempt(network, reach, group, aim, scope, packet)
    return reach


def packets(network: Network, group: Group, aim: Aim) -> Iterator[tuple[Scope, Packet]]:
    """One packet of each pair, the senders in turn."""
    queues = [of_sender(network, aim, sender) for sender in group.senders]
    return (item for item in chain.from_iterable(zip_longest(*queues)) if item is not None)


def of_sender(network: Network, aim: Aim, sender: Sender) -> Iterator[tuple[Scope, Packet]]:
    """One packet to each destination."""
    for value in spelled(sender.destinations):
        one = sender._replace(destinations=((value, value),))
        found = witness(network, aim, request(aim, one))
        if found is not None:
            yield sender.scope, found


def attempt(network: Network, reach: Reach, group: Group, aim: Aim, scope: Scope, packet: Packet) -> None:
    """Walks one packet and keeps what fails."""
    sources = [party.name for party in group.sources.get(packet.source, ())]
    pairs = frozenset((source, target) for source in sources for target in group.targets.get(packet.destination, ()))
    pairs = frozenset(pair for pair in pairs if not governed(network, group, pair))
    trace = walk(network, Flow(scope, packet)) if pairs else None
    if trace is None:
        return
    reach.assumptions.update(dict.fromkeys(trace.assumptions))
    kinds = (LOST, SEEN_SOURCE) if aim.translated is not None else (LOST, SEEN_SOURCE, SEEN_DESTINATION)
    for kind in kinds:
        lost = Lost(kind, kind, None, start({}))
        found = judged(lost, trace)
        if found.word is Word.CONFIRMED:
            reach.failures.append(Failure(kind, pairs, found.reason, found.at, found.shown))
