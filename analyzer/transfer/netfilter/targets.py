"""The targets of iptables rules in the language, after the kernel's xt_*.c (each function names its file)."""

from __future__ import annotations

from collections.abc import Container

from analyzer.addresses import Address, Prefix, network_mask
from analyzer.facts.matches import Side
from analyzer.facts.netfilter import (
    ChangeSet,
    CopyMark,
    Jump,
    Masquerade,
    NetworkMap,
    NfRule,
    NoTrack,
    Pass,
    Queue,
    Redirect,
    Reject,
    SetMark,
    SetService,
    SetTimeToLive,
    Translate,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.model.network import Interface
from analyzer.model.queues import Handed, asked, handed
from analyzer.model.sockets import taken_by_proxy
from analyzer.ranges import Ranges, single
from analyzer.source import Span
from analyzer.transfer import ir, selection
from analyzer.transfer.ir import (
    KEEP,
    Accept,
    All,
    Alt,
    Any,
    Assign,
    Bits,
    Call,
    Drop,
    End,
    Field,
    If,
    In,
    Merge,
    Opaque,
    Point,
    Return,
    Rewrite,
    SetBits,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter import zones
from analyzer.transfer.netfilter.conntrack import BACK, TRACKED
from analyzer.transfer.netfilter.ports import rewritten
from analyzer.transfer.netfilter.services import changed_service
from analyzer.transfer.netfilter.where import WITH_PORTS, Where
from analyzer.transfer.space import OF_TUNNEL, by_value, drop, seq

LARGEST_MAP, DEFAULT_TTL = 256, 64

ANSWER = 0x12
"""The TCP flags SYN and ACK, as what answers an opening has them."""


def target(rule: NfRule, where: Where, chains: str, known: Container[str]) -> Transfer:
    """What the rule does to a packet that matches. ``chains`` is the table's name in points, ``known`` its chains."""
    match rule.target:
        case Verdict(name):
            return verdict(name, rule, where)
        case Jump(chain, goto):
            return jump(chain, goto, rule, where, chains, known)
        case Reject(answer):
            return End(Drop(f"rejected with {answer} by {where.label}"), rule.at)
        case Translate():
            return translate(rule.target, rule.at)
        case Masquerade():
            return masquerade(rule.target, where)
        case Redirect():
            return redirect(rule.target, where)
        case NetworkMap(to):
            return network_map(to, {(True, False): True, (False, True): False}.get(where.hooks()), where)
        case SetMark(value, mask, connection):
            change = SetBits(Field.CONNECTION_MARK if connection else Field.MARK, mask, value, rule.at)
            return If(TRACKED, change, KEEP) if connection else change
        case CopyMark():
            return If(TRACKED, copy_mark(rule.target, rule.at), KEEP)
        case SetService():
            return changed_service(rule.target, where.context, where.label, where.at)
        case SetTimeToLive():
            return time_to_live(rule.target, where)
        case NoTrack():
            return If(In(Field.STATE, single(0)), Assign(Field.STATE, ir.UNTRACKED, rule.at), KEEP)
        case Zone() as zone:
            return in_zone(zone, where)
        case TransparentProxy():
            where.context.assume(taken_by_proxy(where.space, rule.target.port))
            return transparent_proxy(rule.target, rule.at)
        case ChangeSet() | Pass():
            return KEEP
        case Queue():
            return queued(rule.target, where, chains.endswith("/nat"))
        case UnknownTarget(text):
            return unread(where, f"the target {text!r} lets the packet pass unchanged")


def time_to_live(given: SetTimeToLive, where: Where) -> Transfer:
    """xt_HL.c ``ttl_tg``. Where a tunnel's packet, of which the TTL is not followed, may have too little left, nobody knows. A TTL of 0 is as good
    as 1: neither is forwarded."""
    rows: dict[int, Transfer] = {old: Assign(Field.TTL, max(1, given.after(old)), where.at) for old in range(1, 256)}
    outer = KEEP if given.after(DEFAULT_TTL) >= DEFAULT_TTL // 2 else unread(where, "a tunnel's packet keeps enough of its TTL")
    return If(OF_TUNNEL, outer, by_value(Field.TTL, rows, KEEP))


def queued(given: Queue, where: Where, translating: bool) -> Transfer:
    """xt_NFQUEUE.c, nft_queue.c: who listens decides, and where nobody does, whether the rule bypasses."""
    ways = tuple(handed_over(given, way, where) for way in handed(where.space, given, translating))
    return ways[0] if len(ways) == 1 else Alt(ways, where.at)


def handed_over(given: Queue, way: Handed, where: Where) -> Transfer:
    """What becomes of a packet for a queue."""
    match way:
        case Handed.LOST:
            return End(Drop(f"dropped by {where.label}: nobody takes packets from {given}"), where.at)
        case Handed.BYPASSED:
            return End(Accept(), where.at)
        case Handed.OPEN:
            said = f"{where.label}: {asked(where.space, given)} lets the packet pass unchanged"
            end = End(Unknown(f"it is not known whether {said}"), where.at)
            return If(Opaque(said, where.at), End(Accept(), where.at), end)


def unread(where: Where, words: str) -> Transfer:
    """A target of which the effect is not known."""
    said = f"{where.label}: {words}"
    return If(Opaque(said, where.at), KEEP, End(Unknown(f"it is not known whether {said}"), where.at))


def in_zone(given: Zone, where: Where) -> Transfer:
    """CT's zone, and nft's."""
    number = zones.template_of(given, where.context, where.space.scope)
    return unread(where, "the zone that the mark names changes nothing") if number is None else zones.put(number, where.at)


def verdict(name: str, rule: NfRule, where: Where) -> Transfer:
    """ACCEPT, DROP, RETURN."""
    if name == "ACCEPT":
        return End(Accept(), rule.at)
    return End(Return(), rule.at) if name == "RETURN" else End(Drop(f"dropped by {where.label}"), rule.at)


def jump(chain: str, goto: bool, rule: NfRule, where: Where, chains: str, known: Container[str]) -> Transfer:
    """Another chain; ``-g`` does not come back to this one."""
    if chain not in known:
        return unread(where, f"the chain {chain}, which is not in the text, lets the packet pass unchanged")
    home = where.context.sharing.home(where.space.scope, chains, chain)
    called = Call(Point(home, "chain", f"{chains}/{chain}"))
    return seq(called, End(Return(), rule.at)) if goto else called


def pair(values: tuple[int, int] | None) -> Ranges | None:
    """Two ends as ranges."""
    return None if values is None else (values,)


def translate(given: Translate, at: Span) -> Transfer:
    """xt_nat.c."""
    if given.base is not None and given.side is Side.DESTINATION:
        return shifted(given, at)
    return rewritten(given.side is Side.DESTINATION, pair(given.addresses), given.ports, given.random, at)


def shifted(given: Translate, at: Span) -> Transfer:
    """Ports that are moved by as much as the range's first is from the base; those that go round the range are open."""
    addresses, base, (low, high) = pair(given.addresses), given.base or 0, given.ports or (0, 0xFFFF)
    words = f"the port that {at} translates to, behind the end of its range, is not worked out"
    if high - low >= LARGEST_MAP:
        return End(Unknown(words), at)
    last = min(high - low, 0xFFFF - base)
    rows: dict[int, Transfer] = {base + step: Rewrite(True, addresses, single(low + step), at) for step in range(last + 1)}
    moved = by_value(Field.DESTINATION_PORT, rows, End(Unknown(words), at))
    return If(In(Field.PROTOCOL, WITH_PORTS), moved, Rewrite(True, addresses, None, at), at)


def masquerade(given: Masquerade, where: Where) -> Transfer:
    """nf_nat_masquerade.c: the address of the device the packet leaves by, for the next hop (IPv6: for the destination, which is its own
    source where it is local: rule 1 of RFC 6724)."""
    context, scope = where.context, where.space.scope
    target = Field.NEXT_HOP if context.family == 4 else Field.DESTINATION

    def outcome(address: Address) -> Transfer:
        return rewritten(False, single(address.value), given.ports, given.random, where.at)

    def by_device(device: str) -> Transfer:
        found = selection.chosen(context, scope, device, target, outcome)
        if context.family == 4 or device != "lo":
            return found
        own = (fact.address for fact in where.space.addresses if fact.address.family == 6)
        return by_value(target, {address.value: outcome(address) for address in own}, found)

    rows = {context.names.number(device): by_device(device) for device in where.space.links}
    return by_value(Field.OUT_INTERFACE, rows, drop(f"{where.label}: the packet leaves by no device of {scope}"))


def redirect(given: Redirect, where: Where) -> Transfer:
    """nf_nat_redirect.c: the receiving device's first address, 127.0.0.1 for packets of the host itself."""
    context, scope = where.context, where.space.scope

    def to(address: int) -> Transfer:
        return rewritten(True, single(address), given.ports, given.random, where.at)

    rows: dict[int, Transfer] = {}
    for device in where.space.links:
        facts = context.held.get(Interface(scope, device), ())
        if context.family == 6:
            facts = tuple(fact for fact in facts if not fact.flags & {"tentative", "dadfailed"})
        if facts:
            rows[context.names.number(device)] = to(facts[0].address.value)
    own = (127 << 24) + 1 if context.family == 4 else 1
    rows[0] = to(own)
    reason, lost = f"{where.label}: the device has no address to redirect to", where.space.missing.get("ip-addr")
    nowhere = drop(reason) if lost is None else ir.End(ir.Unknown(f"whether {reason} is not known: {lost}"))
    return by_value(Field.IN_INTERFACE, rows, nowhere)


def network_map(prefix: Prefix, destination: bool | None, where: Where) -> Transfer:
    """xt_NETMAP.c, nft_nat.c ``nft_nat_setup_netmap``: the host part stays. A network with many hosts is not taken apart: what follows is not known, nor
    where it is not told (None) whether the destination or the source is meant."""
    context = where.context
    hosts = 1 << (context.width - prefix.length)
    if prefix.family != context.family or hosts > LARGEST_MAP:
        return unread(where, f"NETMAP to {prefix} changes nothing")
    if destination is None:
        return unread(where, f"NETMAP to {prefix}, in a chain of both kinds of hooks, changes nothing")
    mask = network_mask(context.family, prefix.length) ^ ((1 << context.width) - 1)
    field = Field.DESTINATION if destination else Field.SOURCE
    found: Transfer = KEEP
    for host in range(hosts):
        found = If(Bits(field, mask, host), Rewrite(destination, single(prefix.value | host), None, where.at), found)
    return found


def copy_mark(given: CopyMark, at: Span) -> Transfer:
    """xt_connmark.c."""
    if given.save:
        return Merge(Field.CONNECTION_MARK, given.connection_mask, Field.MARK, given.packet_mask, at)
    return Merge(Field.MARK, given.packet_mask, Field.CONNECTION_MARK, given.connection_mask, at)


def transparent_proxy(given: TransparentProxy, at: Span) -> Transfer:
    """xt_TPROXY.c: the mark is set and the packet accepted, so that a rule routes it to the local socket; an answer finds no transparent one."""
    taken = seq(SetBits(Field.MARK, given.mask, given.mark, at), End(Accept(), at))
    lost = End(Drop("TPROXY has no transparent socket for an answer"), at)
    opened = Bits(Field.TCP_FLAGS, ANSWER, ANSWER)
    answers = Any((BACK, All((In(Field.PROTOCOL, single(6)), opened))))
    return If(In(Field.PROTOCOL, ((6, 6), (17, 17))), If(answers, lost, taken), KEEP)
