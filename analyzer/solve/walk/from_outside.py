"""A packet from outside comes in a frame for this host, whose MAC its sender must have asked for (net/ipv4/arp.c ``arp_process``): where chains of ARP or the host
itself (arp_ignore, arp_filter) keep it from an answer, it may know the MAC by what the host has asked, which is open."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.link_filters import asked_by_outsider
from analyzer.model.network import Interface
from analyzer.solve.packet import Packet
from analyzer.solve.walk.answering import ignored
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.sources import on_network
from analyzer.solve.walk.state import Endings, Question, Walk
from analyzer.source import Span


def unheard(walk: Walk, at: Interface, packet: Packet) -> Endings | None:
    """What becomes of a packet from outside where it is not known whether it is sent; None: it is."""
    space = walk.space(at.scope)
    device = space.master_of(at.device) or at.device
    own = [fact for fact in space.addresses.get(device, ()) if fact.address.family == 4]
    if packet.family == 6 or not own:
        return None
    asked = next((fact.address for fact in own if fact.address.value == packet.destination), own[0].address)
    near = any(on_network(fact, packet.source) for fact in own)
    doubt = doubted(walk, space, device, asked, None if near else gateway(space, device))
    if doubt is None:
        return None
    text = f"who sends from outside by {at} knows the MAC of {asked}, for which it may get no answer when it asks"
    settle = f"the neighbours of who sends (ip neigh), or what keeps {asked} from being answered for"
    return (
        None if walk.oracle.test(text, doubt[0], settle) else walk.undecided(f"it is not known whether {text}", doubt[0], settle)
    )


def doubted(walk: Walk, space: Space, device: str, asked: Address, sender: Address | None) -> tuple[Span | None] | None:
    """Where it is said that a question for an address may stay without an answer; None: it gets one."""
    link = space.links.get(device)
    verdict = None
    if space.namespace.nft_chains:
        mac = link.mac if link is not None else None
        verdict = asked_by_outsider(space.namespace, device, asked.value, mac, sender.value if sender is not None else None)
    if verdict is not None:
        return (verdict.at,)
    found = ignored(walk, space, device, Question(asked, sender, Interface(space.scope, device)))
    return (found.at,) if found is not None else None


def gateway(space: Space, device: str) -> Address | None:
    """The one gateway of the default routes by a device."""
    tables = space.namespace.routes.get(4, {}).values()
    ways = (hop for table in tables for route in table if not route.destination.length for hop in route.next_hops)
    found = {hop.via for hop in ways if hop.device == device and hop.via is not None and hop.via.family == 4}
    return found.pop() if len(found) == 1 else None
