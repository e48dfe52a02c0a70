"""From a next hop to a frame: neighbour entries, and who answers for an address on the wire.

After net/ipv4/arp.c (``arp_solicit``), net/ipv6/ndisc.c (``ndisc_solicit``, ``ndisc_recv_ns``) and net/core/neighbour.c.
"""

from __future__ import annotations

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import LinkFact, Tunnel, Vxlan, Wireguard
from analyzer.facts.neighbours import NeighbourFact
from analyzer.model.gaps import could_concern
from analyzer.model.hardware import stands_in, taken_for
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk import control, discovery, internet, links, teaching, underlay
from analyzer.solve.walk.answering import answers_four, answers_six
from analyzer.solve.walk.cilium import uplink as cilium_uplink
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.proxying import silent
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.sources import on_network, reach, select_four
from analyzer.solve.walk.state import (
    BROADCAST,
    Answered,
    Dropped,
    Endings,
    Frame,
    Known,
    Left,
    Question,
    Undecided,
    Walk,
    best,
)

USED = frozenset({"PERMANENT", "NOARP", "REACHABLE", "STALE", "DELAY", "PROBE"})


def send(walk: Walk, space: Space, at: Interface, next_hop: Address, packet: HookPacket, route: Route) -> Endings:
    """Sends a packet to a next hop on a device (``ip_finish_output2``)."""
    link = space.links.get(at.device)
    if link is None:
        return walk.undecided(f"{at.device} of {space.place} was not captured", route.fact.at, f"ip_-d_addr of {space.place}")
    if not link.up:
        return walk.drop(at.scope, f"{at} is down", link.at)
    if space.cilium is not None:
        masqueraded = cilium_uplink.onto_wire(walk, space, at, packet)
        if not isinstance(masqueraded, HookPacket):
            return masqueraded
        packet = masqueraded
    source = link.mac or 0
    if route.kind == "broadcast" or is_multicast(next_hop):
        return links.transmit(walk, at, Frame(source, BROADCAST, packet))
    if without_addresses(link):
        return links.transmit(walk, at, Frame(source, source, packet))
    if (doubt := unread(walk, space, next_hop)) is not None:
        return doubt
    entry = space.neighbours.get((at.device, next_hop))
    if entry is not None and entry.mac is not None and relied_on(walk, at, next_hop, entry):
        what = f"{next_hop} is at {hardware_text(entry.mac)} ({'/'.join(sorted(entry.states))}) on {at.device}"
        walk.tell(at.scope, "neighbour", what, entry.at, packet.packet)
        said = f"the neighbour entry of {space.place} for {next_hop}"
        return to_mac(walk, at, next_hop, Frame(source, entry.mac, packet, said=said, said_at=entry.at), packet, route)
    walk.taken_for_granted(space, "ip-neigh")
    return by_asking(walk, space, at, next_hop, packet, route, entry)


def unread(walk: Walk, space: Space, next_hop: Address) -> Endings | None:
    """Lines of the neighbours that were not understood could say where the next hop is; the first of them stands for all."""
    found = space.namespace.gaps.get("ip-neigh", ())
    gap = next((one for one in found if could_concern(walk.index.network.sources, one, next_hop)), None)
    if gap is None:
        return None
    text = f"the line of {space.place} that was not understood ({gap.reason}) does not change the neighbour"
    if walk.oracle.test(text, gap.at, f"{gap.at}: {gap.reason}"):
        return None
    return walk.undecided(f"{gap.at} was not understood: {gap.reason}", gap.at, f"{gap.at}: {gap.reason}")


def relied_on(walk: Walk, at: Interface, next_hop: Address, entry: NeighbourFact) -> bool:
    """Whether a captured entry is used: fixed ones always, others unless the walk learned better, or several hosts have the address."""
    if entry.states & {"PERMANENT", "NOARP"}:
        return True
    return bool(entry.states & USED) and not contested(walk, next_hop) and (at, next_hop) not in walk.macs


def contested(walk: Walk, address: Address) -> bool:
    """Whether several hosts have an address; one that tc takes every incoming frame from does not take part."""
    holders = walk.index.network.owners.get(address, ())
    return len(holders) > 1 and sum(not control.redirects(walk.space(one.scope), one.device) for one in holders) > 1


def is_multicast(address: Address) -> bool:
    """Multicast or the limited broadcast."""
    value = address.value
    return value >> 120 == 0xFF if address.family == 6 else value >> 28 == 14 or value == 0xFFFFFFFF


def without_addresses(link: LinkFact) -> bool:
    """Devices that send without a neighbour's MAC (``arp_constructor``: NOARP, loopback, point to point)."""
    return (
        not link.flags.isdisjoint(("NOARP", "LOOPBACK", "POINTOPOINT")) or isinstance(link.kind, Wireguard) or layer_three(link)
    )


def layer_three(link: LinkFact) -> bool:
    """Tunnels that carry IP packets and no frames."""
    return isinstance(link.kind, Tunnel) and link.kind.kind not in ("gretap", "ip6gretap", "erspan", "ip6erspan")


def by_asking(
    walk: Walk, space: Space, at: Interface, next_hop: Address, packet: HookPacket, route: Route, entry: NeighbourFact | None
) -> Endings:
    """Asks who has the next hop, and sends to whoever answers."""
    found = ask(walk, space, at, next_hop, packet.packet)
    if isinstance(found, Left):
        return to_outsider(walk, space, at, next_hop, packet, route)
    if isinstance(found, Undecided):
        return walk.undecided(found.reason, found.at, found.settle)
    if isinstance(found, Dropped):
        place = entry.at if entry is not None else found.at or route.fact.at
        return walk.drop(at.scope, found.reason, place)
    answers, said = told(walk, found.by, next_hop, found.mac)
    walk.tell(at.scope, "neighbour", answers, found.at, packet.packet)
    frame = Frame(space.links[at.device].mac or 0, found.mac, packet, said=said, said_at=found.at)
    return to_mac(walk, at, next_hop, frame, packet, route)


def told(walk: Walk, by: Interface | None, address: Address, mac: int) -> tuple[str, str]:
    """How it is told that somebody answers for an address with a MAC, and what a frame to it goes by; worked out once."""
    found = walk.index.answers.get((by, address, mac))
    if found is None:
        words = f"{by} answers for {address}: {hardware_text(mac)}"
        found = walk.index.answers[by, address, mac] = (words, f"the answer of {by} for {address}")
    return found


def to_mac(walk: Walk, at: Interface, next_hop: Address, frame: Frame, packet: HookPacket, route: Route) -> Endings:
    """Sends a frame; one that no captured interface takes, and that leaves, goes where the world outside takes it."""
    mark = len(walk.hops)
    endings = links.transmit(walk, at, frame)
    ending = best(endings)
    if not (isinstance(ending, Left) and ending.open_end):
        return endings
    del walk.hops[mark:]
    return underlay.unclaimed(walk, at, next_hop, packet, route, frame.destination, frame.said_at)


def to_outsider(walk: Walk, space: Space, at: Interface, next_hop: Address, packet: HookPacket, route: Route) -> Endings:
    """To a host outside that answers: the frame is sent as any other, and may be lost before it leaves (tc, bridges, switches)."""
    mark = len(walk.hops)
    endings = links.transmit(walk, at, Frame(space.links[at.device].mac or 0, discovery.OUTSIDER, packet))
    if not isinstance(best(endings), Left):
        return endings
    del walk.hops[mark:]
    return underlay.leave(walk, at, next_hop, packet, route)


def ask(walk: Walk, space: Space, at: Interface, target: Address, packet: Packet) -> Answered | Left | Dropped | Undecided:
    """Who answers for an address on a device: one of several, when several do. Asked once in a walk."""
    known = walk.macs.get((at, target))
    if known is not None:
        return Answered(*known)
    if target.family == 6 and any(fact.address == target for fact in space.addresses.get(at.device, ())):
        return Dropped(f"{at} has {target} itself, and takes no answer for it")  # ndisc_recv_na
    if (at, target) in walk.asking:
        walk.circles += 1
        return Dropped(f"{space.place} must know {target} to ask for it")
    key = (at, target, packet.family, packet.source)
    remembered = walk.index.known.get(key)
    if isinstance(remembered, Known):
        found = recalled(walk, remembered)
    else:
        found = recalled(walk, asked_apart(walk, space, at, target, packet, key))
    if target.family == 4 and isinstance(found, Left | Dropped) and teaching.is_barred(walk, at, target):
        found = by_others(walk, space, at, target) or found
    if isinstance(found, Left) and not walk.reply:
        answer = answer_of(walk, at, target, discovery.by_outsider(walk, at, found))
        if not isinstance(answer, Answered):
            found = answer
    if isinstance(found, Dropped) and walk.reply and target.family == 6 and outsider_asked(walk, at, target):
        return Left(at, Question(target, None, at))
    if isinstance(found, Dropped) and teaching.is_barred(walk, at, target) and teaching.from_outside(walk, space, at, target):
        told = underlay.leads_out(walk, at) and (walk.reply or not teaching.untaught(walk, at, target))
        return Left(at, Question(target, None, at)) if told else found
    if isinstance(found, Answered):
        walk.macs[at, target] = (found.mac, found.by, found.at)
    return found


def outsider_asked(walk: Walk, at: Interface, target: Address) -> bool:
    """Whether who is outside the capture asked before what it sent came in, so that its address is known without a question (ndisc_recv_ns)."""
    return target not in walk.index.network.owners and underlay.leads_out(walk, at)


def by_others(walk: Walk, space: Space, at: Interface, target: Address) -> Answered | None:
    """Where questions of others that pass the chains would have told where an address is: what one did tell, if any has."""
    for asker, asked in teaching.questions(walk, space, at, target):
        if (asker, asked) in walk.asking:
            continue
        packet = teaching.packet_of(target, asked)
        known = walk.index.known.get((asker, asked, 4, target.value))
        if not isinstance(known, Known):
            known = asked_apart(walk, walk.space(asker.scope), asker, asked, packet, (asker, asked, 4, target.value))
        told = teaching.learned(known, at, target)
        if told is not None:
            if teaching.untaught(walk, at, target):
                return None
            recalled(walk, known)
            return told
    return None


def asked_apart(
    walk: Walk, space: Space, at: Interface, target: Address, packet: Packet, key: tuple[Interface, Address, int, int]
) -> Known:
    """Asks, whatever the walk learned before; what this teaches is kept for later walks, unless a decision was used, or a question that waits
    for this one. Of the packet it depends on the address that is asked from alone."""
    sender = sender_of(space, at.device, target, packet)
    if isinstance(known := walk.index.known.get((at, target, sender)), Known):
        walk.index.known[key] = known
        return known
    used, circles, waiting = walk.oracle.used, walk.circles, bool(walk.asking)
    before = (walk.learned, walk.remotes, walk.macs, walk.assumptions)
    walk.learned, walk.remotes, walk.macs, walk.assumptions = {}, {}, {}, {}
    found = asked_anew(walk, space, at, target, sender)
    taught = Known(found, walk.learned, walk.remotes, walk.macs, tuple(walk.assumptions))
    walk.learned, walk.remotes, walk.macs, walk.assumptions = before
    if walk.oracle.used == used and not (waiting and walk.circles != circles):
        walk.index.known[key] = walk.index.known[at, target, sender] = taught
    return taught


def recalled(walk: Walk, remembered: Known) -> Answered | Left | Dropped | Undecided:
    """What a question taught, now or in an earlier walk: bridges and tunnels learn anew, hosts keep the neighbours that they know."""
    if remembered.learned:
        walk.learned.update(remembered.learned)
    if remembered.remotes:
        walk.remotes.update(remembered.remotes)
    for key, neighbour in remembered.macs.items():
        walk.macs.setdefault(key, neighbour)
    walk.assume_all(remembered.assumptions)
    return remembered.answer


def asked_anew(
    walk: Walk, space: Space, at: Interface, target: Address, sender: Address | None
) -> Answered | Left | Dropped | Undecided:
    """Sends the question and gathers what comes back; its own hops are not told."""
    walk.asking.add((at, target))
    hops, walk.quiet, depth = list(walk.hops), walk.quiet + 1, walk.depth
    found = answer_of(walk, at, target, question(walk, space, at, target, sender))
    walk.asking.discard((at, target))
    walk.hops[:], walk.quiet, walk.depth = hops, walk.quiet - 1, depth
    return found


def question(walk: Walk, space: Space, at: Interface, target: Address, sender: Address | None) -> Endings:
    """The endings of the question: the answers that came back among them."""
    link = space.links[at.device]
    load = discovery.sent(walk, space, at.device, Question(target, sender, at))
    return links.transmit(walk, at, Frame(link.mac or 0, BROADCAST, load)) if isinstance(load, Question) else load


def answer_of(walk: Walk, at: Interface, target: Address, endings: Endings) -> Answered | Left | Dropped | Undecided:
    """One answer of those that came back; else whether somebody outside may have it; else why nobody answers."""
    answers = {one.mac: one for one in endings if isinstance(one, Answered)}
    if answers:
        ordered = [answers[mac] for mac in answers]
        text = f"{len(ordered)} hosts answer for {target} on {at}"
        return ordered[walk.oracle.choose(len(ordered), text, ordered[0].at)]
    for ending in endings:
        if isinstance(ending, Left | Undecided):
            return ending
    told = next((one for one in endings if isinstance(one, Dropped) and not one.ignored), None)
    because = f": {told.reason}" if told else ""
    reason, missing = f"nobody answers for {target} on {at}{because}", fixed_elsewhere(walk, at)
    if missing is not None:
        return Undecided(
            f"{reason}, and whether an entry says where it is was not captured ({missing})", told.at if told else None, missing
        )
    return Dropped(reason, told.at if told else None)


def fixed_elsewhere(walk: Walk, at: Interface) -> str | None:
    """What would say where hosts of a tunnel are: those who make tunnels that ask nobody write permanent entries."""
    link = walk.index.link(at)
    return walk.space(at.scope).namespace.missing.get("ip-neigh") if link is not None and isinstance(link.kind, Vxlan) else None


def sender_of(space: Space, device: str, target: Address, packet: Packet) -> Address | None:
    """The address that the question is asked from (``arp_solicit`` with arp_announce; ``ndisc_solicit``)."""
    own = Address(packet.family, packet.source)
    if target.family == 6:
        mine = [fact.address for fact in space.addresses.get(device, ()) if fact.address.family == 6]
        if own in mine:
            return own
        return next((one for one in mine if reach(one.value) == 2), mine[0] if mine else None)
    announce = space.greater(4, device, "arp_announce")
    fact = space.own.get(own)
    if packet.family == 4 and fact is not None and announce < 2 and (not announce or on_network(fact, target.value)):
        return own
    found = select_four(space, device, target.value, 253)
    return Address(4, found) if found is not None else None


def hear(walk: Walk, space: Space, device: str, frame: Frame, asked: Question) -> Endings:
    """A question or an answer reaches a host."""
    here = Interface(space.scope, device)
    if asked.answer:
        if here != asked.asker:
            return walk.drop(space.scope, "an answer for another", None, True)
        refused = discovery.taken(walk, space, device, frame, asked)
        return [Answered(asked.mac, asked.answered_by, asked.at)] if refused is None else refused
    link = space.links[device]
    if "NOARP" in link.flags:
        return walk.drop(space.scope, f"{here} does not take part in ARP (NOARP)", link.at)
    if asked.target.family == 6 and (reason := internet.without_six(space, device)) is not None:
        return [silent(*reason)]
    if (refused := discovery.taken(walk, space, device, frame, asked)) is not None:
        return refused
    place = answers_six(walk, space, device, asked) if asked.target.family == 6 else answers_four(walk, space, device, asked)
    if isinstance(place, Dropped | Undecided):
        return [place]
    if asked.sender is not None and (here, asked.sender) not in walk.macs and alone(walk, asked.sender):
        # Who answers a question notes who asked (``neigh_event_ns``); of an address that several have, whoever was heard last.
        walk.macs[here, asked.sender] = (frame.source, asked.asker, None)
    mac = link.mac or 0
    if stands_in(mac):
        walk.assume(taken_for(here))
    noted(walk, here, frame, asked)
    answer = discovery.sent(walk, space, device, asked._replace(mac=mac, answer=True, answered_by=here, at=place))
    return links.transmit(walk, here, Frame(mac, frame.source, answer)) if isinstance(answer, Question) else answer


def noted(walk: Walk, here: Interface, frame: Frame, asked: Question) -> None:
    """Who is asked learns who asks (``neigh_event_ns``); where several have the address, that may be undone by another, and is not relied on."""
    sender = asked.sender
    if sender is not None and not contested(walk, sender):
        link = walk.index.link(asked.asker)
        walk.macs.setdefault((here, sender), (frame.source, asked.asker, link.at if link else None))


def alone(walk: Walk, address: Address) -> bool:
    """Whether at most one host of the capture has the address."""
    return len({holder.scope for holder in walk.index.network.owners.get(address, ())}) < 2
