"""``tc`` filters in the language: mirred redirects (net/sched/act_mirred.c), u32 keys over the IP header, and what is not read."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.facts.headers import beneath
from analyzer.facts.system import FilterFact, Mirred, OtherAction
from analyzer.model.actions import Effect, effect, gives_back, passing
from analyzer.model.network import Interface
from analyzer.model.unread import UNREAD
from analyzer.source import Scope
from analyzer.transfer.ir import ALWAYS, KEEP, NEVER, All, Drop, End, If, Match, Opaque, Transfer, Unknown
from analyzer.transfer.netfilter.header_words import in_word
from analyzer.transfer.space import Context, goto, seq

PROTOCOLS = {4: ("all", "ip", "800", "0x800", "0x0800"), 6: ("all", "ipv6", "86dd", "0x86dd")}


def filters(context: Context, scope: Scope, device: str, hook: str) -> Transfer:
    """The device's filters at ``ingress`` or ``egress``, by preference; what matches first decides."""
    context.granted(scope, "tc-filter")
    found = [fact for fact in context.space(scope).filters.get(device, ()) if at_hook(fact, hook) and about(context, fact)]
    return in_order(context, scope, found)


def unread(context: Context, scope: Scope, device: str, hook: str) -> Transfer:
    """What lines that were not understood leave open on a device with a program of Cilium, whose other filters are that program."""
    found = [fact for fact in context.space(scope).filters.get(device, ()) if at_hook(fact, hook) and fact.classifier == UNREAD]
    return in_order(context, scope, found)


def in_order(context: Context, scope: Scope, found: Sequence[FilterFact]) -> Transfer:
    """Filters by preference."""
    result: Transfer = KEEP
    for fact in sorted(found, key=lambda fact: fact.preference)[::-1]:
        result = one(context, scope, fact, result)
    return result


def about(context: Context, fact: FilterFact) -> bool:
    """Whether a filter sees packets of the family."""
    return fact.protocol.lower() in PROTOCOLS[context.family] or fact.protocol == ""


def at_hook(fact: FilterFact, hook: str) -> bool:
    """Whether a filter stands at the hook and may act. A classful root's filters only sort into classes."""
    return fact.hook == hook


def one(context: Context, scope: Scope, fact: FilterFact, rest: Transfer) -> Transfer:
    """One filter, and those behind it."""
    then = actions(context, scope, fact, fact.actions, rest) if fact.actions else rest
    match = matches(context, scope, fact)
    if then == rest or match == NEVER:
        return rest
    return then if match == ALWAYS else If(match, then, rest, fact.at)


def matches(context: Context, scope: Scope, fact: FilterFact) -> Match:
    """What a filter matches."""
    if fact.everything:
        return ALWAYS
    if fact.everything is None or not fact.keys:
        return Opaque(f"{scope}: the {fact.classifier} filter of {fact.device} {fact.hook} matches the packet", fact.at)
    return All(tuple(key(context, scope, fact, item) for item in fact.keys))


def key(context: Context, scope: Scope, fact: FilterFact, item: tuple[int, int, int]) -> Match:
    """One u32 word: bits that are fields of the packet are read, others are open."""
    value, mask, offset = item
    if mask == 0:
        return ALWAYS
    words = f"{scope}: the u32 key {value:08x}/{mask:08x} at {offset} of {fact.device} matches the packet"
    base, place = beneath(context.family, offset)
    return in_word(base, 8 * place, 32, ((value & mask, mask),), context.family, Opaque(words, fact.at))


def actions(context: Context, scope: Scope, fact: FilterFact, given: Sequence[Mirred | OtherAction], rest: Transfer) -> Transfer:
    """What a filter does, action by action; mirrors do nothing to the packet. ``rest`` are the next filters."""
    if not given:
        return KEEP
    action, left = given[0], given[1:]
    if isinstance(action, Mirred):
        if action.redirect and not action.ingress and gives_back(context.space(scope), action.device):
            return KEEP
        if action.redirect:
            return redirect(context, scope, action.ingress, action.device)
        return actions(context, scope, fact, left, rest)
    match effect(action):
        case Effect.PASS:
            return KEEP
        case Effect.CONTINUE:
            return rest
        case Effect.PIPE:
            return actions(context, scope, fact, left, rest)
        case Effect.DROP:
            return End(Drop(f"dropped by the tc filter of {scope} {fact.device} {fact.hook}"), fact.at)
        case Effect.OPEN:
            words = passing(fact, action)
            asked = If(Opaque(words, fact.at), KEEP, End(Unknown(f"it is not known whether {words}"), fact.at))
            return seq(asked, actions(context, scope, fact, left, rest))


def redirect(context: Context, scope: Scope, ingress: bool, device: str) -> Transfer:
    """The frame goes on out of, or into, another device (which must be up)."""
    link = context.link(Interface(scope, device))
    if link is None:
        return End(Unknown(f"a tc filter of {scope} redirects to {device}, which is not in the capture"))
    if not link.up:
        return End(Drop(f"a tc filter of {scope} redirects to {device}, which is down"))
    return goto(scope, "receive" if ingress else "frame", device)


def redirected(context: Context, at: Interface, hook: str) -> tuple[str, Interface] | None:
    """Where every frame of a device is redirected to: the next stage and device."""
    for fact in sorted(context.space(at.scope).filters.get(at.device, ()), key=lambda fact: fact.preference):
        if (
            fact.everything
            and fact.hook == hook
            and fact.actions
            and isinstance(fact.actions[0], Mirred)
            and fact.actions[0].redirect
        ):
            if not fact.actions[0].ingress and gives_back(context.space(at.scope), fact.actions[0].device):
                return None
            return ("receive" if fact.actions[0].ingress else "frame"), Interface(at.scope, fact.actions[0].device)
    return None
