"""Hosts that say nothing to a question for an address, whoever asks: on a network of many nodes nearly all of them, which need not be walked into where somebody answers.

A question of ARP that comes in plainly (no VLAN, no filter, no switch) is not answered where no local route leads to the address and nothing is answered for others (``arp_process``,
net/ipv4/arp.c). Only hosts count that take nothing for granted, and ask nothing of the oracle, by being silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.links import Vrf
from analyzer.model.hardware import stands_in
from analyzer.model.network import Interface, Segment
from analyzer.solve.walk import reverse, stacked
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.route_answers import Query
from analyzer.solve.walk.route_lookup import memory_of
from analyzer.solve.walk.state import Frame, Question, Walk

DEFAULTS = frozenset({"tc-filter", "ip-rule/4"})
"""The tables that a question for an address meets, of which the kernel's default is taken where they were not captured."""


@dataclass(frozen=True, slots=True)
class LocalRoutes:
    """The addresses of IPv4 that a namespace takes for its own, in any of its tables."""

    single: frozenset[int]
    networks: tuple[Prefix, ...]

    def hold(self, address: Address) -> bool:
        """Whether an address is among them."""
        return address.value in self.single or any(one.covers(address) for one in self.networks)


@dataclass(frozen=True, slots=True)
class Hearing:
    """The members of a network that a question must be brought to; some only (``Space``) where they would not take who asks to come in by that way."""

    members: tuple[tuple[Interface, Space | None], ...]


def hearing(walk: Walk, segment: Segment, frame: Frame) -> Sequence[Interface]:
    """The members of a network that may do something about a frame for all."""
    asked = frame.load
    if not isinstance(asked, Question) or asked.answer or asked.target.family != 4 or frame.vlan or asked.packet is not None:
        return segment.members
    key = ("hearing", id(segment), asked.target)
    found = walk.index.known.get(key)
    if not isinstance(found, Hearing):
        found = walk.index.known[key] = Hearing(tuple(heard_by(walk, segment, asked.target)))
    return [one for one, space in found.members if space is None or surprised(walk, space, one, asked)]


def taking(walk: Walk, segment: Segment, frame: Frame) -> Sequence[Interface]:
    """The members of a network that may do something about a frame to a MAC that none of them has: the others see that it is another host's, and nothing comes of
    that where the frame goes on to the world outside too."""
    if frame.vlan or not isinstance(frame.load, HookPacket) or frame.load.packet.size is not None:
        return segment.members
    key = ("taking", id(segment))
    found = walk.index.known.get(key)
    if not isinstance(found, Hearing):
        some = (one for one in segment.members if not strict(walk, one))
        found = walk.index.known[key] = Hearing(tuple((one, None) for one in some))
    return [one for one, _ in found.members]


def strict(walk: Walk, at: Interface) -> bool:
    """Whether an interface drops whatever is for another MAC than its own, by what was captured alone (``arrive_up``)."""
    space, link = walk.space(at.scope), walk.index.link(at)
    if link is None or link.mac is None or stands_in(link.mac) or link.link_type != "ether" or "LOOPBACK" in link.flags:
        return False
    return inward(walk, space, at) and "tc-filter" not in space.granted and not isinstance(link.kind, Vrf)


def heard_by(walk: Walk, segment: Segment, target: Address) -> Iterator[tuple[Interface, Space | None]]:
    """The members that may do something about a question for an address, by who asks where the space is given."""
    for one in segment.members:
        space = walk.space(one.scope)
        if not silent(walk, one, target):
            yield one, None
        elif not reverse.told(space, one.device):
            yield one, space


def surprised(walk: Walk, space: Space, at: Interface, asked: Question) -> bool:
    """Whether a host, of which it is not known how strictly it filters, would have the asker come in another way."""
    sender = asked.sender
    return sender is not None and reverse.would_refuse(walk, space, at.device, Query(4, sender.value, asked.target.value))


def silent(walk: Walk, at: Interface, target: Address) -> bool:
    """Whether what comes in at an interface is heard by its host, which says nothing to questions for the address, whoever asks."""
    space = walk.space(at.scope)
    return (
        plain(walk, space, at)
        and target not in space.own
        and not local_routes(walk, space).hold(target)
        and not space.either(4, at.device, "proxy_arp")
        and not space.setting(4, at.device, "proxy_arp_pvlan")
        and (at.device, target) not in space.proxied
    )


def plain(walk: Walk, space: Space, at: Interface) -> bool:
    """Whether nothing is on the way from an interface up to the host, and nothing that the host's silence depends on is open."""
    sure = memory_of(space, 4).plain and not reverse.full_check(space) and space.granted.keys().isdisjoint(DEFAULTS)
    told = space.namespace.missing.keys().isdisjoint(("ip-addr", "sysctl"))
    return sure and told and inward(walk, space, at) and not space.greater(4, at.device, "rp_filter")


def inward(walk: Walk, space: Space, at: Interface) -> bool:
    """Whether what comes in at an interface goes up to the host, and nothing else sees it."""
    alone = space.takes_in(at.device) and space.master_of(at.device) is None and not stacked.over(walk, at)
    return alone and space.cilium is None and not space.namespace.switches and not space.namespace.nft_chains


def local_routes(walk: Walk, space: Space) -> LocalRoutes:
    """The local routes of a namespace, found once."""
    key = ("local routes", space.scope)
    found = walk.index.known.get(key)
    if not isinstance(found, LocalRoutes):
        every = list(locals_of(space))
        wide = tuple(one for one in every if one.length < WIDTH[4])
        found = LocalRoutes(frozenset(one.value for one in every if one.length == WIDTH[4]), wide)
        walk.index.known[key] = found
    return found


def locals_of(space: Space) -> Iterator[Prefix]:
    """The destinations of a namespace's local routes."""
    for routes in space.namespace.routes.get(4, {}).values():
        yield from (route.destination for route in routes if route.kind == "local")
