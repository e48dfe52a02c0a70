"""Traffic control: the filters of a device's ingress and egress hooks (``tcf_classify``, net/sched/cls_u32.c, act_mirred.c, act_gact.c)."""

from __future__ import annotations

from typing import Literal

from analyzer.facts.headers import beneath
from analyzer.facts.system import FilterFact, Mirred, OtherAction
from analyzer.model.actions import Effect, effect, gives_back, passing
from analyzer.model.network import Interface
from analyzer.model.unread import UNREAD
from analyzer.solve.packet import Packet
from analyzer.solve.walk import links
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.header_words import word
from analyzer.solve.walk.netfilter.hooks import HookPacket
from analyzer.solve.walk.state import Endings, Frame, Question, Walk

PROTOCOLS = {4: ("all", "ip"), 6: ("all", "ipv6")}


def filtered(walk: Walk, space: Space, at: Interface, frame: Frame, hook: str) -> Endings | None:
    """The endings when a filter takes the frame; None: it goes on."""
    filters = space.filters.get((at.device, hook))
    if not filters:
        walk.taken_for_granted(space, "tc-filter")
        return None
    for fact in filters:
        if not concerns(fact, frame) or not holds(walk, space, fact, frame):
            continue
        outcome = act(walk, at, fact, frame)
        if outcome is not Effect.CONTINUE:
            return None if outcome is Effect.PASS else outcome
    return None


def unread(walk: Walk, space: Space, at: Interface, frame: Frame, hook: str) -> Endings | None:
    """What lines that were not understood leave open on a device with a program of Cilium, whose other filters are that program; None: nothing."""
    if space.cilium is None or not space.cilium.programmed(at.device):
        return None
    for fact in space.filters.get((at.device, hook), ()):
        if fact.classifier == UNREAD:
            outcome = act(walk, at, fact, frame)
            if outcome is not Effect.CONTINUE:
                return None if outcome is Effect.PASS else outcome
    return None


def redirects(space: Space, device: str) -> bool:
    """Whether tc takes every frame that comes in on a device elsewhere."""
    filters = space.filters.get((device, "ingress"), ())
    return any(
        fact.everything
        and fact.protocol == "all"
        and isinstance(action, Mirred)
        and action.redirect
        and not gives_back(space.namespace, action.device)
        for fact in filters
        for action in fact.actions
    )


def concerns(fact: FilterFact, frame: Frame) -> bool:
    """Whether the filter's protocol is the frame's."""
    if isinstance(frame.load, Question):
        wanted = ("all", "arp") if frame.load.target.family == 4 else PROTOCOLS[6]
        return fact.protocol in wanted
    return fact.protocol in PROTOCOLS[frame.load.packet.family]


def holds(walk: Walk, space: Space, fact: FilterFact, frame: Frame) -> bool:
    """Whether the filter matches: u32's words are compared, what is not understood is asked."""
    if fact.everything:
        return True
    if fact.everything is False and isinstance(frame.load, HookPacket):
        known = [(word_at(frame.load.packet, offset), wanted, mask) for wanted, mask, offset in fact.keys]
        if any((value ^ wanted) & mask & valid for (value, valid), wanted, mask in known):
            return False
        if not any(mask & ~valid for (_, valid), _, mask in known):
            return True
    text = f"the tc filter {fact.classifier} of {space.place} {fact.device} {fact.hook} does not match the packet"
    return not walk.oracle.test(text, fact.at, "a classifier that is not walked")


def word_at(packet: Packet, offset: int) -> tuple[int, int]:
    """The 32-bit word of an IP packet at an offset, and which of its bits are known."""
    base, place = beneath(packet.family, offset)
    return word(base, 8 * place, 32, packet)


def act(walk: Walk, at: Interface, fact: FilterFact, frame: Frame) -> Endings | Literal[Effect.PASS, Effect.CONTINUE]:
    """The filter's actions in order: the frame's end, or it passes, or the next filter is asked."""
    for action in fact.actions:
        match action:
            case Mirred(redirect=True, ingress=ingress, device=device):
                way = "into" if ingress else "out of"
                what = f"tc takes what comes {'in on' if fact.hook == 'ingress' else 'out of'} {at.device} {way} {device}"
                walk.tell(at.scope, "tc", what, fact.at, links.packet_of(frame))
                if not ingress and gives_back(walk.space(at.scope).namespace, device):
                    return Effect.PASS
                return redirected(walk, at, device, ingress, frame)
            case Mirred():
                continue
            case OtherAction():
                ended = other(walk, at, fact, action)
                if ended is not Effect.PIPE:
                    return ended
    return Effect.PASS if fact.actions else Effect.CONTINUE


def redirected(walk: Walk, at: Interface, device: str, ingress: bool, frame: Frame) -> Endings:
    """``tcf_mirred_act``: the connection is forgotten, the mark stays."""
    load = frame.filtered
    if load is not None:
        frame = frame.carrying(HookPacket(load.packet), False)
    target = Interface(at.scope, device)
    return links.arrive(walk, target, frame) if ingress else links.transmit(walk, target, frame)


def other(
    walk: Walk, at: Interface, fact: FilterFact, action: OtherAction
) -> Endings | Literal[Effect.PASS, Effect.PIPE, Effect.CONTINUE]:
    """Dropping and passing are known; what else an action does is asked."""
    match effect(action):
        case Effect.DROP:
            return walk.drop(at.scope, f"a tc filter of {at} drops what comes by ({fact.hook})", fact.at)
        case Effect.OPEN:
            settle = f"what {action.name} does" if fact.classifier != UNREAD else f"{fact.at}: {action.text}"
            if walk.oracle.test(passing(fact, action), fact.at, settle):
                return Effect.PIPE
            return walk.undecided(may_change(at, fact, action), fact.at, settle)
        case known:
            return known


def may_change(at: Interface, fact: FilterFact, action: OtherAction) -> str:
    """That an open action may do something."""
    if fact.classifier == UNREAD:
        return f"{fact.at} was not understood: {action.text}"
    return f"the tc action {action.name} of {at} may drop or change the packet"
