"""The statements of native nft rules in the language (net/netfilter/nft_*.c): what follows a test is inside of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from analyzer.facts.matches import OpenMatch, RateMatch, UnknownMatch
from analyzer.facts.netfilter import (
    Jump,
    Masquerade,
    NoTrack,
    Pass,
    Queue,
    Redirect,
    Reject,
    SetService,
    SetTimeToLive,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.facts.nftables import (
    Among,
    Ct,
    Element,
    Key,
    LookUp,
    Meta,
    Negations,
    NftRule,
    NftSet,
    NftTableFact,
    Offload,
    Pick,
    Remember,
    SetTo,
    SetZone,
    Statement,
    Translation,
    Value,
    VerdictMap,
)
from analyzer.model.queues import translates
from analyzer.ranges import Ranges, normalised, single
from analyzer.transfer import ir
from analyzer.transfer.ir import (
    ALWAYS,
    KEEP,
    NEVER,
    Accept,
    All,
    Alt,
    Assign,
    Drop,
    End,
    Field,
    If,
    In,
    Match,
    Merge,
    Not,
    Return,
    SetBits,
    Transfer,
)
from analyzer.transfer.netfilter.conntrack import TRACKED
from analyzer.transfer.netfilter.lengths import protocol_is
from analyzer.transfer.netfilter.ports import rewritten
from analyzer.transfer.netfilter.services import changed_service
from analyzer.transfer.netfilter.socket_of import concerned_packets, open_for
from analyzer.transfer.netfilter.targets import in_zone, masquerade, network_map, queued, redirect, time_to_live, unread
from analyzer.transfer.netfilter.where import Where, open_test
from analyzer.transfer.nft.families import NativeFamilies
from analyzer.transfer.nft.matches import by_choice, present
from analyzer.transfer.nft.sets import Alike, apart, dispatched, members, numbers
from analyzer.transfer.space import call, seq

TESTS = (Among, Negations, RateMatch, OpenMatch, UnknownMatch, Pass)
FULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that is lowered: its table and place."""

    table: NftTableFact
    where: Where

    def values(self, given: NftSet | str) -> NftSet | None:
        """A set by name, or the rule's own."""
        return self.table.sets.get(given) if isinstance(given, str) else given


def lowered(rule: NftRule, table: NftTableFact, where: Where) -> Transfer:
    """One rule; what only tests and counts does nothing."""
    todo = list(rule.statements)
    while todo and isinstance(todo[-1], TESTS):
        todo.pop()
    return follow(tuple(todo), Rule(table, where))


def follow(todo: tuple[Statement, ...], rule: Rule) -> Transfer:
    """The statements one after the other."""
    if not todo:
        return KEEP
    first, rest = todo[0], todo[1:]
    where = rule.where
    match first:
        case Among():
            return among(first, rest, rule)
        case Negations(parts):
            return negations(parts, follow(rest, rule), rule)
        case VerdictMap(key, values):
            return mapped(key, values, rule, lambda item: verdict(item.data, rule), lambda of: alike(of, key, rule))
        case Verdict() | Jump():
            return verdict(first, rule)
        case SetTo():
            return set_to(first, rest, rule)
        case SetZone(LookUp(key, values), direction):
            then = follow(rest, rule)
            return mapped(key, values, rule, lambda found: seq(put_in(Zone(number_of(found), direction), where), then))
        case Translation():
            return translation(first, rest, rule)
        case Reject(answer):
            return guarded(answers(answer, where), End(Drop(f"rejected with {answer} by {where.label}"), where.at), where)
        case NoTrack():
            return seq(If(In(Field.STATE, single(0)), Assign(Field.STATE, ir.UNTRACKED, where.at), KEEP), follow(rest, rule))
        case Zone():
            return seq(put_in(first, where), follow(rest, rule))
        case Remember():
            return remembered(first, rest, rule)
        case Offload(name):
            where.context.assume(f"{where.label}: connections in the flow table {name} go on as their first packets did")
            words = f"the connection goes to the flow table {name}"
            return If(where.opaque(words), follow(rest, rule), KEEP, where.at) if rest else KEEP
        case RateMatch(module):
            return If(where.opaque(f"the traffic is such that {module} holds"), follow(rest, rule), KEEP, where.at)
        case OpenMatch(text, _, concerned, otherwise):
            some = concerned_packets(concerned, where.context.family, where.space)
            return If(open_for(some, where.opaque(f"`{text}` holds"), otherwise), follow(rest, rule), KEEP, where.at)
        case UnknownMatch(text):
            return If(where.opaque(f"{text!r} holds"), follow(rest, rule), KEEP, where.at)
        case TransparentProxy(port):
            taken = All((In(Field.PROTOCOL, ((6, 6), (17, 17))), where.opaque(f"a transparent socket listens on port {port}")))
            return If(taken, follow(rest, rule), KEEP, where.at)
        case UnknownTarget(text):
            return unread(where, f"{text!r} lets the packet pass unchanged")
        case Queue():
            return queued(first, where, translates(rule.table))
        case SetService(_, _, family):
            own = family in (None, where.context.family)
            return seq(changed_service(first, where.context, where.label, where.at), follow(rest, rule)) if own else KEEP
        case SetTimeToLive():
            return seq(time_to_live(first, where), follow(rest, rule))
        case Pass():
            return follow(rest, rule)


def put_in(given: Zone, where: Where) -> Transfer:
    """nft_ct.c ``nft_ct_set_zone_eval``: unlike iptables' CT it looks for a connection only, so that conntrack tracks a packet of which ``notrack`` said
    not to. What becomes of one that conntrack has looked at, and has no connection, is not known."""
    untracked, nowhere = single(ir.UNTRACKED), normalised([(ir.INVALID, ir.INVALID), (ir.UNTRACKED, ir.UNTRACKED)])
    again = If(In(Field.STATE, untracked), seq(Assign(Field.STATE, 0), in_zone(given, where)), in_zone(given, where), where.at)
    open_ = unread(where, "a zone that is given after conntrack changes nothing")
    return If(In(Field.STATE, nowhere), open_, in_zone(given, where), where.at) if where.late else again


def guarded(match: Match, then: Transfer, where: Where) -> Transfer:
    """What follows where a match holds."""
    if match == NEVER or then == KEEP:
        return KEEP
    return then if match == ALWAYS else If(match, then, KEEP, where.at)


def both(one: Match, other: Match) -> Match:
    """Two matches; what is not known is asked last."""
    parts = [match for match in (one, other) if match != ALWAYS]
    if NEVER in parts:
        return NEVER
    parts.sort(key=open_test)
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def among(item: Among, rest: tuple[Statement, ...], rule: Rule) -> Transfer:
    """nft_cmp.c, nft_lookup.c."""
    where, then = rule.where, follow(rest, rule)
    if (pick := by_choice(item.key)) is not None:
        return picked(pick, item, then, rule)
    there = present(item.key, where)
    of = rule.values(item.values)
    if of is not None and of.fleeting:
        return guarded(there, Alt((then, KEEP), where.at), where)
    own = NEVER if there == NEVER else members(item.values, item.key, rule.table, where)
    own = turned(own) if item.negated else own
    return guarded(both(there, own), then, where)


def negations(parts: tuple[Among | UnknownMatch, ...], then: Transfer, rule: Rule) -> Transfer:
    """Negated tests of which it is not known whether all must hold or one."""
    where, known = rule.where, [part for part in parts if isinstance(part, Among)]
    always: Match = ALWAYS
    there = reduce(both, (present(part.key, where) for part in known), always)
    perhaps = guarded(where.opaque("one of two negated tests is enough, as nft up to 1.0.6 has it"), then, where)
    if len(known) < len(parts):
        return guarded(there, perhaps, where)
    held = [both(present(part.key, where), turned(members(part.values, part.key, rule.table, where))) for part in known]
    some = guarded(turned(reduce(both, map(turned, held))), perhaps, where)
    every = reduce(both, held)
    return some if every == NEVER else then if every == ALWAYS else If(every, then, some, where.at)


def turned(match: Match) -> Match:
    """The opposite of a match."""
    return NEVER if match == ALWAYS else ALWAYS if match == NEVER else Not(match)


def picked(pick: Pick, item: Among, then: Transfer, rule: Rule) -> Transfer:
    """A number that the network picks."""
    of = rule.values(item.values)
    if of is None:
        return If(rule.where.opaque("a set that is not in the text holds the number"), then, KEEP, rule.where.at)
    inside = {found is not None for found in numbers(pick, of)}
    ways = {held != item.negated for held in inside}
    return Alt((then, KEEP), rule.where.at) if len(ways) == 2 else then if True in ways else KEEP


def alike(of: NftSet, key: Key, rule: Rule) -> NativeFamilies:
    """The elements of a verdict map that lead to chains which differ in words only."""
    return NativeFamilies(of, key, rule.table, rule.where, lambda todo: follow(todo, rule))


def mapped(key: Key, values: NftSet | str, rule: Rule, then: Callable[[Element], Transfer], families: Alike = apart) -> Transfer:
    """What follows by the element of a map that holds the packet's values."""
    where, of = rule.where, rule.values(values)
    if of is None:
        return unread(where, f"the map {values}, which is not in the text, lets the packet pass unchanged")
    if (pick := by_choice(key)) is not None:
        ways = tuple(KEEP if item is None else then(item) for item in numbers(pick, of))
        return ways[0] if len(ways) == 1 else Alt(ways, where.at)
    there = present(key, where)
    if there == NEVER:
        return KEEP
    found = dispatched(of, key, where, then, families)
    return guarded(there, Alt((found, KEEP), where.at) if of.fleeting else found, where)


def verdict(item: object, rule: Rule) -> Transfer:
    """A verdict, as a statement or in a map."""
    where = rule.where
    match item:
        case Verdict("ACCEPT"):
            return End(Accept(), where.at)
        case Verdict("DROP"):
            return End(Drop(f"dropped by {where.label}"), where.at)
        case Verdict("RETURN"):
            return End(Return(), where.at)
        case Jump(chain, goto):
            if chain not in rule.table.chains:
                return unread(where, f"the chain {chain}, which is not in the text, lets the packet pass unchanged")
            called = call(where.space.scope, "nft chain", f"{rule.table.family} {rule.table.name} {chain}")
            return seq(called, End(Return(), where.at)) if goto else called
        case _:
            return KEEP


def set_to(item: SetTo, rest: tuple[Statement, ...], rule: Rule) -> Transfer:
    """nft_meta.c ``nft_meta_set_eval``, nft_ct.c ``nft_ct_set_eval``: without a connection its mark is not set."""
    where, then = rule.where, follow(rest, rule)
    field = Field.CONNECTION_MARK if item.connection else Field.MARK

    def changed(change: Transfer) -> Transfer:
        return seq(If(TRACKED, change, KEEP) if item.connection else change, then)

    match item.origin:
        case None:
            return changed(SetBits(field, FULL, item.flip, where.at))
        case LookUp(key, values):
            return mapped(
                key, values, rule, lambda found: changed(SetBits(field, FULL, number_of(found) & item.mask ^ item.flip, where.at))
            )
        case origin if (own := mark_of(origin)) is not None and not (own is Field.CONNECTION_MARK and where.template):
            done = changed(seq(Merge(field, FULL, own, item.mask, where.at), SetBits(field, 0, item.flip) if item.flip else KEEP))
            return If(TRACKED, done, KEEP) if own is Field.CONNECTION_MARK else done
        case _:
            return unread(where, "the new mark changes nothing")


def mark_of(origin: object) -> Field | None:
    """The field of a mark."""
    return Field.MARK if origin == Meta("mark") else Field.CONNECTION_MARK if origin == Ct("mark") else None


def number_of(item: Element) -> int:
    """The mark that a map gives."""
    data = item.data
    return data[0][0] if isinstance(data, tuple) and data and not isinstance(data[0], str) else 0


def translation(item: Translation, rest: tuple[Statement, ...], rule: Rule) -> Transfer:
    """nft_nat.c ``nft_nat_inet_eval``, nft_masq.c, nft_redir.c: a statement for the other family does nothing."""
    where, family = rule.where, rule.where.context.family
    other = item.addresses is not None and (item.addresses[1] >> 32 != 0) != (family == 6)
    if item.family not in (None, family) or other:
        return follow(rest, rule)
    if item.network is not None:
        return network_map(item.network, item.kind == "dnat", where)
    if item.kind == "masquerade":
        return masquerade(Masquerade(item.ports, item.random), where)
    if item.kind == "redirect":
        return redirect(Redirect(item.ports, item.random), where)
    destination = item.kind == "dnat"
    if item.look_up is None:
        return rewritten(destination, ranges(item.addresses), item.ports, item.random, where.at)

    def to(found: Element) -> Transfer:
        data = found.data if isinstance(found.data, tuple) else ()
        address, port = (data[0] if data else None), (data[1] if len(data) > 1 else item.ports)
        return rewritten(destination, ranges(address), None if isinstance(port, str) else port, item.random, where.at)

    return mapped(item.look_up.key, item.look_up.values, rule, to)


def ranges(value: Value | None) -> Ranges | None:
    """A range of numbers."""
    return None if value is None or isinstance(value, str) else (value,)


def remembered(item: Remember, rest: tuple[Statement, ...], rule: Rule) -> Transfer:
    """nft_dynset.c: what follows is only done within the limit."""
    then = follow(rest, rule)
    if item.limited:
        then = If(rule.where.opaque("the traffic stays within the limit"), then, KEEP, rule.where.at)
    return guarded(present(item.key, rule.where), then, rule.where)


def answers(answer: str, where: Where) -> Match:
    """nft_reject_inet.c: resets are for TCP, ICMP's answers for its family."""
    if answer == "tcp-reset":
        return protocol_is(6)
    family = {"icmp": 4, "icmpv6": 6}.get(answer.partition("-")[0])
    return ALWAYS if family in (None, where.context.family) else NEVER
