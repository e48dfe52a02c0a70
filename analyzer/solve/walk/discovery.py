"""Neighbour discovery of IPv6 as packets: the hooks that a solicitation and its advertisement pass. ARP passes none of
them, but chains of its own.

After net/ipv6/ndisc.c (``ndisc_send_skb``: OUTPUT, ``ip6_output``: POSTROUTING), net/ipv6/addrconf.c (``addrconf_addr_solict_mult``) and
net/bridge/br_netfilter_hooks.c, which shows them to the hooks of a bridge as it does any IPv6 packet. Conntrack leaves them UNTRACKED
(``nf_conntrack_icmpv6_error``).
"""

from __future__ import annotations

from analyzer.model.link_filters import Refused, judged
from analyzer.model.network import Interface
from analyzer.solve.packet import ICMPV6, Packet
from analyzer.solve.walk import bridge_filters, internet, links, teaching
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import Hook, HookPacket
from analyzer.solve.walk.state import Answered, Endings, Frame, Left, Question, Walk

SOLICITATION, ADVERTISEMENT = 135, 136
GROUP = 0xFF0200000000000000000001FF000000
NEAR = 255
FORWARDED = f"neighbour discovery with another hop limit than {NEAR} is not taken"
OUTSIDER = 0
"""The MAC of a host that was not captured."""


def sent(walk: Walk, space: Space, device: str, load: Question) -> Question | Endings:
    """A question or an answer that a host sends, past OUTPUT and POSTROUTING; ARP as it is."""
    if load.target.family == 4:
        return judged_arp(walk, space, "output", load, "", device) or load
    passed = through(walk, space, (Hook.OUTPUT, Hook.POSTROUTING), HookPacket(packet_of(load), out_device=device, local=True))
    return load._replace(packet=passed) if isinstance(passed, HookPacket) else passed


def taken(walk: Walk, space: Space, device: str, frame: Frame, load: Question) -> Endings | None:
    """PREROUTING, where the bridge has not been there yet, and INPUT; None: the host takes it."""
    if load.packet is None:
        return judged_arp(walk, space, "input", load, device, "")
    hooks = (Hook.INPUT,) if frame.prerouted else (Hook.PREROUTING, Hook.INPUT)
    passed = through(walk, space, hooks, load.packet.framed(device, frame.kind, frame.source))
    if not isinstance(passed, HookPacket):
        return passed
    return None if near(passed) else walk.drop(space.scope, f"{space.place}: {FORWARDED}")


def near(at: HookPacket) -> bool:
    """Whether a host takes neighbour discovery as from its own network (ndisc.c ``ndisc_rcv``): a rule may have changed the hop limit."""
    return at.packet.ttl == NEAR


def judged_arp(walk: Walk, space: Space, hook: str, load: Question, came: str, goes: str) -> Endings | None:
    """What becomes of a question or an answer that the chains of ARP drop, or may drop; None: it passes."""
    if not space.namespace.nft_chains:
        return None
    asked = bridge_filters.asked_of(walk, load)._replace(in_device=came, out_device=goes)
    verdict = judged(space.namespace, "arp", (hook,), asked)
    if isinstance(verdict, Refused):
        teaching.barred(walk, load)
    return bridge_filters.settled(walk, space, verdict)


def packet_of(load: Question) -> Packet:
    """The solicitation, to the group of the address that is asked for, or the advertisement, to who asked."""
    target, sender = load.target.value, load.sender.value if load.sender else 0
    if load.answer:
        return Packet(6, target, sender, ICMPV6, icmp_type=ADVERTISEMENT, ttl=255)
    return Packet(6, sender, GROUP | target & 0xFFFFFF, ICMPV6, icmp_type=SOLICITATION, ttl=255)


def through(walk: Walk, space: Space, hooks: tuple[Hook, ...], at: HookPacket) -> HookPacket | Endings:
    """Several hooks, one after the other."""
    for hook in hooks:
        passed = internet.run(walk, space, hook, at)
        if not isinstance(passed, HookPacket):
            return passed
        at = passed
    return at


def by_outsider(walk: Walk, at: Interface, left: Left) -> Endings:
    """The endings of the advertisement that a host outside the capture would send. Who sent a packet from there is known already when that is
    answered: it asked, or was asked."""
    asked = left.load
    if not isinstance(asked, Question):
        return [Answered(OUTSIDER, None, None)]
    if asked.packet is None:
        given = asked._replace(mac=OUTSIDER, answer=True)
        return judged_arp(walk, walk.space(at.scope), "input", given, at.device, "") or [Answered(OUTSIDER, None, None)]
    if not near(asked.packet):
        return walk.drop(at.scope, f"{at}: {FORWARDED}")
    answer = asked._replace(mac=OUTSIDER, answer=True)
    packet = HookPacket(packet_of(answer))
    link = walk.index.link(at)
    mac = link.mac if link is not None and link.mac is not None else 0
    mark, depth, walk.quiet = len(walk.hops), walk.depth, walk.quiet + 1
    endings = links.arrive(walk, left.by, Frame(OUTSIDER, mac, answer._replace(packet=packet), left.vlan))
    del walk.hops[mark:]
    walk.quiet, walk.depth = walk.quiet - 1, depth
    return endings
