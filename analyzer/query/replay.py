"""A packet out of a set, sent again by the concrete walk: what the sets say is shown only where the walk says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from analyzer.addresses import Address
from analyzer.findings import Counterexample
from analyzer.model.network import Network
from analyzer.model.services import Untranslated, described, untranslated
from analyzer.query.failures import ADMITTED, SEEN_DESTINATION, SEEN_SOURCE, UNFAMILIAR, UNKNOWN, WRONG
from analyzer.query.flows import Aim, Lost, origin
from analyzer.ranges import single
from analyzer.solve.packet import SYN, TCP, UDP, Fate, Hop, Outcome, Packet, Trace
from analyzer.solve.sets.picking import points
from analyzer.solve.sets.regions import State, narrowed
from analyzer.solve.walk.concrete import Flow
from analyzer.solve.walk.delivery import name
from analyzer.source import Scope, Span
from analyzer.transfer.ir import Field

Walked = Callable[[Flow], Trace]
"""What becomes of a flow."""
UNHEARD = "nothing listens on "
PORTALS = "(KUBE-PORTALS-"
"""kube-proxy's chains in mode userspace (pkg/proxy/userspace/proxier.go: ``iptablesContainerPortalChain``): the proxy itself takes the connections."""
STRANGE = "no endpoint of the service"
NOT_TRACKED = "the packet is not tracked"
TRANSLATES = ("netfilter", "ipvs")
USUAL = (80, 443, 53, 8080, 22)
TRANSLATED = (SEEN_SOURCE, SEEN_DESTINATION)
FILTERED = (
    "dropped by ",
    "rejected by ",
    "drops the packet (Policy denied",
    "drops the packet: the flow",
    "controller refuse it",
)
"""What reasons say where rules, flows or maps of policies end a packet; not what routing, conntrack, tunnels or services drop."""


class Word(StrEnum):
    """What the walk says of a packet that the sets call failing."""

    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Replay:
    """The walk's word, its reason and place, and the packet with its hops."""

    word: Word
    reason: str
    at: Span | None
    shown: Counterexample

    @property
    def filtered(self) -> bool:
        """Whether a rule, a flow or a map of policies ends the packet, as those do that enforce policies."""
        return any(words in self.reason for words in FILTERED)


def replay(
    network: Network,
    aim: Aim,
    lost: Lost,
    homes: Mapping[int, Scope],
    walked: Walked,
    unbound: bool = False,
    spared: bool = False,
) -> Replay | None:
    """Sends a packet of the set, where ``unbound`` by the route that chose its source; None where no packet of it was found. Where nobody listens on
    any of its ports, what would happen if somebody did: the sets do not look at sockets either. ``spared``: policies may want
    that other endpoints of a service are not reached."""
    packet = witness(network, aim, lost.state)
    if packet is None or packet.source not in homes:
        return None
    flow = Flow(homes[packet.source], packet, unbound)
    found = weighed(network, aim, lost, walked(flow), spared)
    if found.word is Word.CONFIRMED or not found.reason.startswith(UNHEARD):
        return found
    served = weighed(network, aim, lost, walked(flow._replace(served=True)), spared)
    return found if served.word is Word.DENIED else served


def weighed(network: Network, aim: Aim, lost: Lost, trace: Trace, spared: bool = False) -> Replay:
    """What a packet's trace says of the set it is of."""
    packet = trace.packet
    assert packet is not None
    wanted = [outcome for outcome in trace.outcomes if astray(network, aim, packet, outcome)] if lost.kind == WRONG else []
    if not wanted:
        found = judged(lost, trace, spared)
        sure = lost.kind != ADMITTED or any(outcome.fate is not Fate.UNKNOWN for outcome in trace.outcomes)
        return found if sure or arrives_anyway(lost.state, found.shown.hops) else replace(found, word=Word.UNKNOWN)
    asked = Address(packet.family, packet.destination)
    if (hop := misled(aim, packet, wanted[0])) is not None:
        seen_by = wanted[0].delivered_to if wanted[0].fate is Fate.REACHABLE else "nobody"
        proxied = PORTALS in hop.what and wanted[0].fate is Fate.REACHABLE
        whose = "kube-proxy's own port (mode userspace): where it sends connections on to is not known" if proxied else STRANGE
        reason = f"{hop.place}: {hop.what}, which is {whose}; {seen_by} gets the packet"
        return Replay(
            Word.UNKNOWN if proxied else Word.CONFIRMED,
            reason,
            hop.at,
            Counterexample(packet, wanted[0].hops, reason, hop.at, wanted[0].assumptions),
        )
    left = wanted[0].delivered_to == "outside" and wanted[0].destination_seen == asked
    return escaped(network, wanted[0], packet) if left else elsewhere(wanted[0], packet)


def arrives_anyway(state: State, hops: Iterable[Hop]) -> bool:
    """Whether a set arrives whatever is not known, but for what pods themselves do about their packets, which enforces no policy: all tests that let it
    through are of namespaces in which it begins and ends."""
    request = [hop.place for hop in hops if not hop.reply]
    own = {place for place in (*request[:1], *request[-1:]) if "/" in place}
    return all(any(word.rstrip(":,") in own for word in text.split()) for text, _ in state.answers)


def elsewhere(outcome: Outcome, packet: Packet) -> Replay:
    """A packet that somebody else has than who was asked: the address by which the receiver takes it is what decides."""
    request = [hop for hop in outcome.hops if not hop.reply]
    taken = next((place for place, hop in enumerate(request) if hop.stage == "deliver"), 0)
    hop = request[taken - 1] if taken else None
    if hop is None or hop.at is None or hop.stage != "route" or hop.place != request[taken].place:
        return told(Word.CONFIRMED, outcome, packet)
    reason = f"{outcome.delivered_to} has {outcome.destination_seen} and gets the packet"
    return Replay(Word.CONFIRMED, reason, hop.at, Counterexample(packet, outcome.hops, reason, hop.at, outcome.assumptions))


def misled(aim: Aim, packet: Packet, outcome: Outcome) -> Hop | None:
    """The hop that translates a packet to a service to what is no endpoint of it."""
    asked = (packet.protocol, packet.destination, packet.destination_port)
    ends = {address for address, _ in aim.translated.get(asked, frozenset())} if aim.translated is not None else set()
    hop = translation(outcome.hops, SEEN_DESTINATION)
    if not ends or hop is None or hop.at is None or hop.packet is None or hop.packet.destination in ends:
        return None
    return hop


def escaped(network: Network, outcome: Outcome, packet: Packet) -> Replay:
    """A packet to a service's address that leaves the capture: where kube-proxy's rules are, these do not translate it."""
    node = outcome.hops[-1].place.partition("/")[0] if outcome.hops else ""
    address = Address(packet.family, packet.destination)
    why = untranslated(network, node, address)
    untracked = next((hop for hop in outcome.hops if hop.what.endswith(NOT_TRACKED)), None)
    if why.at is not None and untracked is not None and untracked.at is not None:
        words = f"{untracked.place}: {untracked.what}, so that nothing translates {address}, {described(network, address)}"
        why = Untranslated(words, untracked.at)
    shown = Counterexample(packet, outcome.hops, why.reason, why.at, outcome.assumptions)
    return Replay(Word.UNKNOWN if why.at is None else Word.CONFIRMED, why.reason, why.at, shown)


def astray(network: Network, aim: Aim, packet: Packet, outcome: Outcome) -> bool:
    """Whether somebody else than the destination's holder, or than an endpoint of the service, has the packet."""
    if aim.translated is not None and outcome.fate is Fate.UNREACHABLE and outcome.reason.startswith(UNHEARD):
        last = next((hop.packet for hop in reversed(outcome.hops) if hop.packet is not None and not hop.reply), packet)
        asked = (packet.protocol, packet.destination, packet.destination_port)
        ends = aim.translated.get(asked, frozenset())
        return (last.destination, last.destination_port) not in ends
    if outcome.fate is not Fate.REACHABLE or outcome.destination_seen is None:
        return False
    wanted = packet.destination
    if aim.translated is not None:
        asked = (packet.protocol, packet.destination, packet.destination_port)
        wanted = outcome.destination_seen.value
        if (wanted, outcome.port_seen) not in aim.translated.get(asked, frozenset()):
            return True
    return outcome.delivered_to not in {name(network, scope, packet) for scope in aim.holders.get(wanted, ())}


def witness(network: Network, aim: Aim, state: State) -> Packet | None:
    """The canonical packet of a set: a port that is listened on or a usual one, source port 40000, TCP first, then the lowest values."""
    first = points(state, {})
    variable = origin(state, Field.DESTINATION)
    if first is None or not isinstance(variable, str):
        return None
    target = narrowed(state, variable, single(first[variable]))
    if target is None:
        return None
    scopes = aim.holders.get(first[variable], frozenset())
    other = first.get(Field.PROTOCOL.value, aim.protocols[0][0])
    found = [likely(network, aim, scopes, target, protocol) for protocol in (TCP, UDP, other)]
    shown = [packet for packet in found if packet is not None]
    return min(shown, key=lambda packet: not served(network, scopes, packet), default=None)


def likely(network: Network, aim: Aim, scopes: frozenset[Scope], state: State, protocol: int) -> Packet | None:
    """A packet of a set and of a protocol, to a port that is listened on or a usual one; None: the set has none of that protocol."""
    ports = (*heard(network, scopes, aim.family, protocol), *USUAL)
    wanted = {Field.DESTINATION_PORT.value: ports, Field.SOURCE_PORT.value: (40000,), Field.PROTOCOL.value: (protocol, TCP, UDP)}
    found = points(state, wanted)
    packet = packet_of(aim, found) if found is not None else None
    return packet if packet is not None and packet.protocol == protocol else None


def served(network: Network, scopes: frozenset[Scope], packet: Packet) -> bool:
    """Whether somebody listens on the packet's port."""
    return packet.destination_port in heard(network, scopes, packet.family, packet.protocol)


def heard(network: Network, scopes: frozenset[Scope], family: int, protocol: int) -> list[int]:
    """The ports of a protocol that somebody listens on, on any address, in the namespaces."""
    found = set()
    for scope in scopes:
        for fact in network.namespaces[scope].listeners or () if scope in network.namespaces else ():
            if fact.protocol == protocol and (fact.address is None or (fact.address.family == family and not fact.address.value)):
                found.add(fact.port)
    return sorted(found)


def packet_of(aim: Aim, found: Mapping[str, int]) -> Packet:
    """The request with these values."""
    protocol = found.get(Field.PROTOCOL.value, aim.protocols[0][0])
    return Packet(
        family=aim.family,
        source=found[Field.SOURCE.value],
        destination=found[Field.DESTINATION.value],
        protocol=protocol,
        source_port=found.get(Field.SOURCE_PORT.value, 40000),
        destination_port=0 if aim.ping else found.get(Field.DESTINATION_PORT.value, aim.ports[0][0]),
        icmp_type=(8 if aim.family == 4 else 128) if aim.ping else 0,
        tcp_flags=SYN if protocol == TCP else 0,
    )


def judged(lost: Lost, trace: Trace, spared: bool = False) -> Replay:
    """Compares the walk's outcomes with what the sets say: first those that end in the same place, since other endpoints may be lost by right; where the sets leave open what
    becomes of the packet, and policies may want that (``spared``), no others count."""
    assert trace.packet is not None
    wanted = [outcome for outcome in trace.outcomes if fails(lost.kind, outcome)]
    if spared and lost.kind == UNKNOWN and any(outcome.fate is Fate.UNKNOWN for outcome in trace.outcomes):
        wanted = [outcome for outcome in wanted if outcome.at == lost.at]
    wanted.sort(key=lambda outcome: outcome.at != lost.at)
    if wanted:
        return told(Word.CONFIRMED, wanted[0], trace.packet, lost.kind)
    unknown = [outcome for outcome in trace.outcomes if outcome.fate is Fate.UNKNOWN or outcome.reason.startswith(UNHEARD)]
    return told(Word.UNKNOWN if unknown else Word.DENIED, (unknown or list(trace.outcomes))[0], trace.packet)


def fails(kind: str, outcome: Outcome) -> bool:
    """Whether an outcome of the walk is a failure of this kind. That nobody listens is none of the network's."""
    if kind == SEEN_SOURCE:
        return outcome.source_translated
    if kind == SEEN_DESTINATION:
        return outcome.destination_translated
    if kind == UNFAMILIAR:
        return outcome.source_seen is not None and not outcome.source_translated
    if kind == ADMITTED:
        heard = any(hop.stage == "deliver" and not hop.reply for hop in outcome.hops)
        return heard or outcome.fate is Fate.REACHABLE or outcome.reason.startswith(UNHEARD)
    return outcome.fate is Fate.UNREACHABLE and not outcome.reason.startswith(UNHEARD)


def told(word: Word, outcome: Outcome, packet: Packet, kind: str = "") -> Replay:
    """The replay with the place that decides: where the packet ends, or where it is translated."""
    hop = translation(outcome.hops, kind) if kind in TRANSLATED else None
    at = hop.at if hop is not None else outcome.at or next((hop.at for hop in reversed(outcome.hops) if hop.at is not None), None)
    reason = f"{hop.place}: {hop.what}; {seen(outcome)}" if hop is not None else outcome.reason or seen(outcome)
    return Replay(word, reason, at, Counterexample(packet, outcome.hops, reason, at, outcome.assumptions))


def translation(hops: tuple[Hop, ...], kind: str) -> Hop | None:
    """The hop of the request that changes the source or the destination."""
    for before, hop in pairwise(hop for hop in hops if hop.packet is not None and not hop.reply):
        assert before.packet is not None
        assert hop.packet is not None
        changed = (before.packet.source != hop.packet.source, before.packet.destination != hop.packet.destination)
        if hop.stage in TRANSLATES and changed[kind == SEEN_DESTINATION]:
            return hop
    return None


def seen(outcome: Outcome) -> str:
    """What the receiver sees, in words."""
    return f"{outcome.delivered_to} sees {outcome.source_seen} as the source"
