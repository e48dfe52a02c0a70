"""VXLAN in the language: to which far ends a device sends a frame (drivers/net/vxlan)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Vxlan
from analyzer.facts.neighbours import ForwardingFact
from analyzer.model.gaps import unlisted
from analyzer.model.network import Interface
from analyzer.ranges import single
from analyzer.source import Scope, Span
from analyzer.transfer.carried import BARE, FORGOTTEN, UDP, at_devices, macs_behind, outer
from analyzer.transfer.ir import Assign, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.reach import at_endpoint, bridge_of, flood, group_members, is_group, teachers
from analyzer.transfer.remembering import if_heard
from analyzer.transfer.space import Context, by_value, call, drop, seq, unless

MANY = 32
"""More entries than that are lowered where frames to them get there."""


def vxlan(context: Context, at: Interface, kind: Vxlan) -> Transfer:
    """drivers/net/vxlan vxlan_xmit: the entry of the frame's MAC, else the entries for all MACs, else the remote address, else a drop."""
    if kind.external or kind.identifier is None:
        return End(Unknown(f"the VXLAN device {at} takes its remote ends from elsewhere (external)"))
    if kind.marked:
        words = f"{at} takes the packet's mark along (gbp), which is not followed"
        return If(In(Field.MARK, single(0)), vxlan(context, at, replace(kind, marked=False)), End(Unknown(words)))
    context.granted(at.scope, "bridge-fdb")
    facts = [fact for fact in context.space(at.scope).forwarding if fact.device == at.device and fact.destination is not None]
    entries = context.once(("entries", at), partial(entries_of, context, at))
    rows = {mac: entered(context, at, mac, len(entries)) for mac in entries}
    every: list[tuple[Address, int | None, Span | None]] = [
        (fact.destination, fact.port, fact.at) for fact in facts if not fact.mac and fact.destination is not None
    ]
    given, missing = kind.remote or kind.group, {*context.space(at.scope).missing, *context.space(at.scope).assumed}
    if not every and given is not None and given.value and "bridge-fdb" in missing:
        every = [(given, None, None)]
    rest = flooded(context, at, kind, every)
    learnt = {mac: row for mac, row in heard(context, at, kind, rest) if mac not in rows} if kind.learning and not every else {}
    return by_value(Field.DESTINATION_MAC, {**rows, **learnt}, rest)


def entries_of(context: Context, at: Interface) -> Mapping[int, ForwardingFact]:
    """The entry of each single MAC that says behind which far end it is: the first."""
    facts = (fact for fact in context.space(at.scope).forwarding if fact.device == at.device and fact.mac)
    known = [fact for fact in facts if fact.destination is not None and fact.destination.value]
    return {fact.mac: fact for fact in reversed(known)}


def entered(context: Context, at: Interface, mac: int, count: int) -> Transfer:
    """To the far end of a MAC's entry; of many entries each is made where frames to it get there."""
    return call(at.scope, "far end", f"{at.device} {mac}") if count > MANY else far_stage(context, at.scope, f"{at.device} {mac}")


def far_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """A frame of a VXLAN device to the far end of its MAC's entry."""
    device, mac = detail.rsplit(" ", 1)
    at = Interface(scope, device)
    entries = context.once(("entries", at), partial(entries_of, context, at))
    link, fact = context.link(at), entries.get(int(mac))
    if link is None or not isinstance(link.kind, Vxlan) or fact is None or fact.destination is None:
        return End(Unknown(f"{at} has no entry for the frame's MAC"))
    return to_endpoint(context, at, link.kind, fact.destination, fact.port, fact.at)


def heard(context: Context, at: Interface, kind: Vxlan, otherwise: Transfer) -> Iterator[tuple[int, Transfer]]:
    """The MACs that a device which asks nobody may have heard, each with where it then sends (vxlan_snoop)."""
    link = context.link(at)
    own = link.mac if link is not None else None
    for far in teachers(context, at):
        address = endpoint(context, far)
        for mac in macs_behind(context, far):
            unheard = f"no frame of another packet has told {at} behind which far end {hardware_text(mac)} is"
            if address is None or own is None or bridge_of(context, at) is not None:
                yield mac, unless(unheard, otherwise)
            else:
                then = to_endpoint(context, at, kind, address, None, link.at if link is not None else None)
                yield mac, if_heard(context, at, mac, own, then, If(Opaque(unheard), otherwise, then))


def flooded(context: Context, at: Interface, kind: Vxlan, every: list[tuple[Address, int | None, Span | None]]) -> Transfer:
    """A frame whose MAC has no entry goes to every default remote: it matters at the one behind which the MAC is."""
    if any(is_group(address) for address, _, _ in every):
        return to_group(context, at, kind)
    if not every:
        if why := unlisted(context.space(at.scope), "bridge-fdb"):
            return End(Unknown(f"whether {at} has a forwarding entry for the frame's MAC is not known: {why}"))
        return drop(f"the forwarding table of {at} has no entry for the frame's MAC")
    rows: dict[int, Transfer] = {}
    for address, port, place in every:
        goes = to_endpoint(context, at, kind, address, port, place)
        for device in at_endpoint(context, address, kind.identifier):
            for host in flood(context, ("receive", device, 0)).hosts:
                link = context.link(host)
                if link is not None and link.mac is not None:
                    rows.setdefault(link.mac, goes)
    return by_value(Field.DESTINATION_MAC, rows, to_endpoint(context, at, kind, *every[0]))


def to_group(context: Context, at: Interface, kind: Vxlan) -> Transfer:
    """A frame whose MAC has no entry and that goes to a multicast group: it matters at the member behind which the MAC is. Whose frames a
    member has seen it answers directly (vxlan_snoop); a device that does not learn sends to the group each time."""
    rows: dict[int, Transfer] = {}
    for member in group_members(context, at, kind):
        far = context.link(member)
        address = endpoint(context, member) if kind.learning else None
        heard = seq(Assign(Field.MARK, 0), *(Assign(name, 0) for name in FORGOTTEN), at_devices(context, member.scope, [member]))
        goes = heard if address is None else to_endpoint(context, at, kind, address, None, far.at if far is not None else None)
        for host in flood(context, ("receive", member, 0)).hosts:
            link = context.link(host)
            if link is not None and link.mac is not None:
                rows.setdefault(link.mac, goes)
    return by_value(Field.DESTINATION_MAC, rows, drop(f"no member of the group of {at} has the frame's MAC"))


def endpoint(context: Context, at: Interface) -> Address | None:
    """The address that a VXLAN device sends from: its own, else the first of the device under it."""
    link, under = context.link(at), context.network.lower.get(at)
    if link is not None and isinstance(link.kind, Vxlan) and link.kind.local is not None and link.kind.local.value:
        return link.kind.local
    given = link.kind.remote or link.kind.group if link is not None and isinstance(link.kind, Vxlan) else None
    inside = context if given is None or given.family == context.family else context.other
    facts = inside.held.get(under, ()) if under is not None else ()
    return next((fact.address for fact in facts), None)


def to_endpoint(context: Context, at: Interface, kind: Vxlan, address: Address, port: int | None, place: Span | None) -> Transfer:
    """One remote end."""
    label = f"vni {kind.identifier}{BARE if address.family == 6 and kind.zero_checksums[0] else ''}"
    return outer(context, at, label, UDP, port or kind.port, kind.local, address, place)
