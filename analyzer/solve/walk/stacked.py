"""Devices over others: VLAN, macvlan, ipvlan (net/8021q/vlan_core.c, drivers/net/macvlan.c, drivers/net/ipvlan/ipvlan_core.c)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address
from analyzer.facts.links import Ipvlan, Macvlan, Vlan
from analyzer.model.hardware import stands_in
from analyzer.model.network import Interface
from analyzer.solve.walk import links
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.state import Endings, Frame, Question, Walk


def over(walk: Walk, at: Interface) -> tuple[Interface, ...]:
    """The macvlan and ipvlan devices over a device."""
    found = walk.index.uppers.get(at, ())
    return tuple(one for one in found if isinstance(kind_of(walk, one), Macvlan | Ipvlan))


def takes(walk: Walk, at: Interface, mac: int) -> bool:
    """Whether a macvlan device over a bridge has a MAC: it makes the bridge promiscuous, so that this takes such frames up (``__dev_set_rx_mode``,
    ``br_handle_frame_finish``)."""
    links_above = (walk.index.link(one) for one in over(walk, at))
    return any(link is not None and link.mac == mac and isinstance(link.kind, Macvlan) for link in links_above)


def kind_of(walk: Walk, at: Interface) -> object:
    """The kind of an interface."""
    link = walk.index.link(at)
    return link.kind if link else None


def vlan_device(walk: Walk, at: Interface, identifier: int) -> Interface | None:
    """The VLAN device of this number over a device."""
    for one in walk.index.uppers.get(at, ()):
        kind = kind_of(walk, one)
        if isinstance(kind, Vlan) and kind.identifier == identifier:
            return one
    return None


def lower_of(walk: Walk, at: Interface) -> Interface | Endings:
    """The device under another."""
    under = walk.index.network.lower.get(at)
    if under is None:
        return walk.undecided(f"the device under {at} was not captured", None, f"ip_-d_addr of {at.scope.node}")
    return under


def from_vlan(walk: Walk, at: Interface, identifier: int, frame: Frame) -> Endings:
    """A VLAN device sends through the one under it, with its tag."""
    under = lower_of(walk, at)
    if not isinstance(under, Interface):
        return under
    walk.tell(at.scope, "link", f"{at.device} sends in VLAN {identifier} of {under.device}", None, links.packet_of(frame))
    return links.transmit(walk, under, frame._replace(vlan=identifier))


def from_macvlan(walk: Walk, at: Interface, mode: str, frame: Frame) -> Endings:
    """``macvlan_queue_xmit``: what is for a sibling comes in by the device under both in bridge mode (``dev_forward_skb`` of ``lowerdev``), so that
    what filters there sees it; everything else goes out of that device, where its mark is still the same."""
    under = lower_of(walk, at)
    if not isinstance(under, Interface):
        return under
    siblings = siblings_of(walk, at, under) if mode == "bridge" else ()
    walk.tell(at.scope, "link", f"{at.device} is a macvlan over {under}", None, links.packet_of(frame))
    crossing = links.crossed(frame, True)
    if not frame.to_all:
        for one in siblings:
            link = walk.index.link(one)
            if link is not None and link.mac == frame.destination:
                return links.arrive(walk, under, crossing)
        return links.transmit(walk, under, links.crossed(frame, False))
    return links.branches(walk, copies(walk, siblings, under, frame))


def copies(walk: Walk, siblings: tuple[Interface, ...], under: Interface, frame: Frame) -> Iterator[Endings]:
    """A broadcast goes to every sibling and out."""
    for one in siblings:
        yield links.arrive(walk, one, links.crossed(frame, True))
    yield links.transmit(walk, under, links.crossed(frame, False))


def siblings_of(walk: Walk, at: Interface, under: Interface) -> tuple[Interface, ...]:
    """The other devices of bridge mode over the same one."""
    return tuple(one for one in over(walk, under) if one != at and kind_of(walk, one) in (Macvlan("bridge"), Macvlan("passthru")))


def from_ipvlan(walk: Walk, at: Interface, frame: Frame) -> Endings:
    """``ipvlan_queue_xmit``: to the sibling that has the address, unless the devices are private or VEPA, else out of the device under it: in mode ``l2`` as it is,
    with its mark (``ipvlan_xmit_mode_l2``), in the others by the routes and hooks of the host (``ipvlan_process_v4_outbound``), which is not walked."""
    under, link = lower_of(walk, at), walk.index.link(at)
    if not isinstance(under, Interface):
        return under
    kind, place = (link.kind, link.at) if link is not None else (None, None)
    mode, flag = (kind.mode, kind.flag) if isinstance(kind, Ipvlan) else ("", "")
    walk.tell(at.scope, "link", f"{at.device} is an ipvlan over {under}", None, links.packet_of(frame))
    holder = holding(walk, over(walk, under), wanted(frame), at) if flag != "vepa" else None
    if holder is not None and flag == "private":
        return walk.drop(at.scope, f"{at} and {holder} are private: they do not reach each other", place)
    if holder is not None:
        other = walk.index.link(holder)
        return links.arrive(walk, holder, links.crossed(frame, True)._replace(destination=(other.mac if other else 0) or 0))
    if mode != "l2":
        return walk.undecided(
            f"{at} sends by the routes and hooks of {under.scope} (ipvlan mode {mode})", place, "this is not walked"
        )
    return links.transmit(walk, under, links.crossed(frame, frame.to_all))


def wanted(frame: Frame) -> Address:
    """The address that a frame is about."""
    load = frame.load
    if isinstance(load, Question):
        return load.target if not load.answer else load.sender or load.target
    return Address(load.packet.family, load.packet.destination)


def holding(walk: Walk, devices: tuple[Interface, ...], address: Address, but: Interface | None = None) -> Interface | None:
    """The device among these that has an address."""
    holders = walk.index.network.owners.get(address, ())
    return next((one for one in devices if one in holders and one != but), None)


def demultiplex(walk: Walk, space: Space, at: Interface, above: tuple[Interface, ...], frame: Frame) -> Endings:
    """``macvlan_handle_frame`` and ``ipvlan_handle_frame``: by MAC or by address; what is for nobody above is the device's own."""
    crossing = links.crossed(frame, True)
    if isinstance(kind_of(walk, above[0]), Ipvlan):
        own, holder = walk.index.link(at), holding(walk, above, wanted(frame))
        foreign = not frame.to_all and own is not None and own.mac not in (None, frame.destination) and not stands_in(own.mac)
        if holder is None or foreign:
            return links.arrive_up(walk, space, at, frame)
        link = walk.index.link(holder)
        return links.arrive(walk, holder, crossing._replace(destination=(link.mac if link else 0) or 0))
    if (sourced := next((one for one in above if kind_of(walk, one) == Macvlan("source")), None)) is not None:
        link = walk.index.link(sourced)
        words, settle = f"which frames {sourced} takes is up to their sources", "the sources of a macvlan device in source mode"
        return walk.undecided(words, link.at if link else None, settle)
    if not frame.to_all:
        for one in above:
            link = walk.index.link(one)
            if link is not None and link.mac == frame.destination:
                walk.tell(at.scope, "link", f"{one} is a macvlan over {at.device}", link.at, links.packet_of(frame))
                return links.arrive(walk, one, crossing)
        return links.arrive_up(walk, space, at, frame)
    return links.branches(walk, heard(walk, space, at, above, frame, crossing))


def heard(
    walk: Walk, space: Space, at: Interface, above: tuple[Interface, ...], frame: Frame, crossing: Frame
) -> Iterator[Endings]:
    """A broadcast is heard by every device above and by the device itself."""
    for one in above:
        yield links.arrive(walk, one, crossing)
    yield links.arrive_up(walk, space, at, frame)
