"""The statements of a native nft rule, one after the other, for one packet (net/netfilter/nft_*.c; each function names its file)."""

from __future__ import annotations

from analyzer.facts.matches import OpenMatch, RateMatch, Side, UnknownMatch
from analyzer.facts.netfilter import (
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
    Target,
    Translate,
    TransparentProxy,
    UnknownTarget,
    Verdict,
    Zone,
)
from analyzer.facts.nftables import (
    Among,
    Element,
    Key,
    LookUp,
    Negations,
    NftSet,
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
from analyzer.solve.packet import PICKED, TCP, UDP
from analyzer.solve.walk.netfilter.matches import SIZE
from analyzer.solve.walk.netfilter.socket_of import concerns
from analyzer.solve.walk.netfilter.state import NO_FLOW, Hook
from analyzer.solve.walk.netfilter.targets import apply, not_known, queued
from analyzer.solve.walk.netfilter.tracking import flow_of
from analyzer.solve.walk.netfilter.visit import Stop, Visit
from analyzer.solve.walk.nft.sets import Loaded, Prepared, Unseen, surely
from analyzer.solve.walk.nft.tables import Place
from analyzer.solve.walk.nft.values import is_port, load, load_all

End = Stop | Jump | Verdict | None
"""How a rule ends: the packet's end, another chain, back to the calling chain (RETURN), or the next rule."""
BROKEN = Verdict("CONTINUE")
SIDES = {"dnat": Side.DESTINATION, "snat": Side.SOURCE}


def run_rule(statements: tuple[Statement, ...], place: Place, visit: Visit) -> End:
    """Runs a rule's statements until one does not hold or decides."""
    for item in statements:
        if isinstance(item, Offload):
            visit.assumptions.append(f"{place.where}: connections in the flow table {item.name} go on as their first packets did")
            if item is statements[-1]:
                return None
        found = run(item, place, visit)
        if found == BROKEN:
            return None
        if found is not None:
            return found
    return None


def run(item: Statement, place: Place, visit: Visit) -> End:
    """One statement; None: the next one is looked at; ``BROKEN``: the rule ends."""
    match item:
        case Among(key, values, negated):
            return None if among(key, values, place, visit) is (not negated) else BROKEN
        case Negations(parts):
            return None if passed(parts, place, visit) else BROKEN
        case VerdictMap(key, values):
            return verdict_map(key, values, place, visit)
        case Verdict("ACCEPT" | "DROP"):
            return target(item, place, visit)
        case Verdict() | Jump():
            return item
        case SetTo():
            return set_to(item, place, visit)
        case SetZone():
            return set_zone(item, place, visit)
        case Translation():
            return translation(item, place, visit)
        case Remember():
            return remember(item, place, visit)
        case Reject(answer):
            return target(item, place, visit) if answers(answer, visit) else BROKEN
        case RateMatch() | OpenMatch() | UnknownMatch() | Offload():
            return guess(item, place, visit)
        case TransparentProxy(port):
            return proxy(port, place, visit)
        case UnknownTarget(text):
            return not_known(text, placed(item, place), place.where, visit) or BROKEN
        case Queue():
            return queued(item, placed(item, place), place.where, visit, translates(place.table.fact))
        case SetService(_, _, family):
            return target(item, place, visit) if family in (None, visit.packet.family) else BROKEN
        case Zone():
            return zone(item, place, visit)
        case NoTrack() | Pass() | SetTimeToLive():
            return target(item, place, visit)


def placed(item: Target, place: Place) -> NfRule:
    """A target as a rule of its own, at the same place."""
    return NfRule((), item, place.rule.number, place.rule.at, text=place.rule.text)


def target(item: Target, place: Place, visit: Visit) -> Stop | None:
    """What iptables' target of the same meaning does."""
    return apply(item, placed(item, place), place.where, visit)


def asked(words: str, place: Place, visit: Visit, settle: str = "the expression is not modelled") -> bool:
    """Puts a test of this rule to the oracle."""
    return visit.oracle.test(f"{visit.place}: {place.where}: {words}", place.rule.at, settle)


def among(key: Key, values: NftSet | str, place: Place, visit: Visit) -> bool | None:
    """nft_cmp.c, nft_lookup.c: whether the set holds the key; None where the packet has no such values."""
    found = looked_up(key, values, place, visit)
    return None if found is None else found is not MISSED


def passed(parts: tuple[Among | UnknownMatch, ...], place: Place, visit: Visit) -> bool:
    """Whether negated tests hold of which it is not known whether all must hold or one; a packet without their header passes none."""
    found = [among(part.key, part.values, place, visit) for part in parts if isinstance(part, Among)]
    if None in found:
        return False
    if len(found) == len(parts) and len(set(found)) == 1:
        return found[0] is False
    return asked(
        "one of two negated tests is enough, as nft up to 1.0.6 has it", place, visit, "nft --debug=netlink list ruleset"
    )


MISSED, UNREAD = Element(("no element",)), Element(("an element that is not known",))


def looked_up(key: Key, values: NftSet | str, place: Place, visit: Visit) -> Element | None:
    """The element that holds the packet's values; ``MISSED`` where none does, None where the packet has no such values."""
    table = place.table.values(values)
    if table is None:
        held = asked(f"the set {values}, which is not in the text, holds the packet", place, visit, "capture the whole table")
        return UNREAD if held else MISSED
    if len(key) == 1 and isinstance(key[0], Pick):
        return picked(key[0], table, place, visit)
    loaded = load_all(key, visit)
    if loaded is None:
        return None
    if visit.oracle.picked:
        loaded = with_numbers(loaded, key, table, place, visit)
    found = table.find(loaded)
    if table.of.fleeting:
        return remembered(table, loaded, found, place, visit)
    if found is not None and any(isinstance(value, Unseen) for value in loaded):
        return guessed(table, loaded, place, visit)
    if found is None and table.of.unread:
        words = f"the element {table.of.unread[0]!r} of the set {table.of.name} holds the packet"
        return UNREAD if asked(words, place, visit, "the element is not understood") else MISSED
    return found or MISSED


def guessed(table: Prepared, loaded: tuple[Loaded, ...], place: Place, visit: Visit) -> Element:
    """Of the elements that may hold the values, any, or what stands for all others."""
    unseen = next(value for value in loaded if isinstance(value, Unseen))
    settle = SIZE if unseen.limits else "the expression is not modelled"
    for item in table.candidates(loaded):
        words = f"`{place.rule.text}` holds ({unseen.words} is {spelled(item)})"
        if surely(item, loaded) or asked(words, place, visit, settle):
            return item
    return table.otherwise or MISSED


def spelled(item: Element) -> str:
    """An element's key."""
    return " . ".join(part if isinstance(part, str) else "-".join(map(str, dict.fromkeys(part))) for part in item.key)


def with_numbers(loaded: tuple[Loaded, ...], key: Key, table: Prepared, place: Place, visit: Visit) -> tuple[Loaded, ...]:
    """The values with a number for each port that was picked at random, one of those that the set's elements tell apart."""
    for position, (value, selector) in enumerate(zip(loaded, key, strict=True)):
        if not isinstance(value, int) or value < PICKED or not is_port(selector):
            continue
        parts = [item.key[position] for item in table.of.elements if item.key]
        cuts = [end for part in parts if not isinstance(part, str) for end in (part[0], part[1] + 1)]

        def told(number: int, before: tuple[Loaded, ...] = loaded, position: int = position) -> Element | None:
            return table.find((*before[:position], number, *before[position + 1 :]))

        number = visit.oracle.number(value, cuts, told, place.rule.at)
        loaded = (*loaded[:position], number, *loaded[position + 1 :])
    return loaded


def picked(key: Pick, table: Prepared, place: Place, visit: Visit) -> Element:
    """nft_numgen.c, nft_hash.c: the network's choice among what the elements give, and none where numbers have none."""
    found = [table.find((key.offset + number,)) or MISSED for number in range(min(key.modulus, 1 << 16))]
    options = list({(item is MISSED, item.data): item for item in reversed(found)}.values())[::-1]
    words = f"{visit.place}: {place.where} picks one of {len(options)}"
    return options[visit.oracle.choose(len(options), words, place.rule.at)]


def remembered(table: Prepared, loaded: tuple[Loaded, ...], found: Element | None, place: Place, visit: Visit) -> Element:
    """A set that packets add to or whose elements time out: either may be the case, unless this walk has changed it."""
    key = (f"{place.table.label} {table.of.name}", loaded)
    known = visit.recent.get(key)
    if known is None:
        known = visit.oracle.choose(2, f"{visit.place}: the set {table.of.name} holds the packet's values", place.rule.at) == 1
    if not known:
        return MISSED
    return found or UNREAD


def verdict_map(key: Key, values: NftSet | str, place: Place, visit: Visit) -> End:
    """``vmap``: the verdict of the element; without one the rule ends."""
    found = looked_up(key, values, place, visit)
    if found is None or found is MISSED:
        return BROKEN
    match found.data:
        case Verdict("CONTINUE"):
            return BROKEN
        case Verdict() | Jump():
            return run(found.data, place, visit)
        case _:
            return not_known(place.rule.text, placed(UnknownTarget(place.rule.text), place), place.where, visit) or BROKEN


def data_of(given: LookUp, place: Place, visit: Visit) -> tuple[Value, ...] | Stop | Verdict:
    """The data that a map has for the packet; ``BROKEN`` where it has none."""
    found = looked_up(given.key, given.values, place, visit)
    if found is None or found is MISSED:
        return BROKEN
    if isinstance(found.data, tuple) and found.data:
        return found.data
    return not_known(place.rule.text, placed(UnknownTarget(place.rule.text), place), place.where, visit) or BROKEN


def set_to(item: SetTo, place: Place, visit: Visit) -> End:
    """nft_meta.c ``nft_meta_set_eval``, nft_ct.c ``nft_ct_set_eval``."""
    value = 0
    match item.origin:
        case LookUp():
            data = data_of(item.origin, place, visit)
            if not isinstance(data, tuple):
                return data
            value = data[0][0] if not isinstance(data[0], str) else 0
        case None:
            pass
        case origin:
            loaded = load(origin, visit)
            if loaded is None:
                return BROKEN
            value = loaded if isinstance(loaded, int) else 0
    if item.connection and visit.connection is not None and visit.connection.original == NO_FLOW:
        return None  # A template keeps no mark.
    return target(SetMark((value & item.mask) ^ item.flip, 0xFFFFFFFF, item.connection), place, visit)


def set_zone(item: SetZone, place: Place, visit: Visit) -> End:
    """nft_ct.c ``nft_ct_set_zone_eval``, by a map."""
    data = data_of(item.look_up, place, visit)
    if not isinstance(data, tuple):
        return data
    return zone(Zone((numbers(data[0]) or (0, 0))[0], item.direction), place, visit)


def zone(item: Zone, place: Place, visit: Visit) -> End:
    """nft_ct.c ``nft_ct_set_zone_eval``: unlike iptables' CT it looks for a connection only, so that conntrack tracks a packet of which ``notrack`` said
    not to."""
    if visit.tracked is None or visit.connection is not None:
        return target(item, place, visit)
    if visit.looked_up or visit.hook not in (Hook.PREROUTING, Hook.OUTPUT):
        return not_known("a zone that is given after conntrack", placed(item, place), place.where, visit) or None
    visit.tracked = None
    return target(item, place, visit)


def translation(item: Translation, place: Place, visit: Visit) -> End:
    """nft_nat.c ``nft_nat_inet_eval``, nft_masq.c, nft_redir.c: a statement for the other family does nothing."""
    family = visit.packet.family
    if item.family not in (None, family) or (item.addresses is not None and (item.addresses[1] >> 32 != 0) != (family == 6)):
        return None
    if item.network is not None:
        return target(NetworkMap(item.network), place, visit)
    if item.kind == "masquerade":
        return target(Masquerade(item.ports, item.random), place, visit)
    if item.kind == "redirect":
        return target(Redirect(item.ports, item.random), place, visit)
    addresses, ports = item.addresses, item.ports
    if item.look_up is not None:
        data = data_of(item.look_up, place, visit)
        if not isinstance(data, tuple):
            return data
        addresses, ports = numbers(data[0]), numbers(data[1]) if len(data) > 1 else item.ports
    return target(Translate(SIDES[item.kind], addresses, ports, item.random), place, visit)


def numbers(value: Value) -> tuple[int, int] | None:
    """A range of numbers."""
    return None if isinstance(value, str) else value


def remember(item: Remember, place: Place, visit: Visit) -> End:
    """nft_dynset.c: later packets find the element; what follows is only done within the limit."""
    loaded = load_all(item.key, visit)
    if loaded is None:
        return BROKEN
    visit.recent[f"{place.table.label} {item.name}", loaded] = item.operation != "delete"
    if item.limited:
        return None if asked("the traffic stays within the limit", place, visit, "only the traffic decides it") else BROKEN
    return None


def answers(answer: str, visit: Visit) -> bool:
    """nft_reject_inet.c: resets are for TCP, ICMP's answers for its family (the dependencies that nft adds)."""
    if answer == "tcp-reset":
        return visit.packet.protocol == TCP
    family = {"icmp": 4, "icmpv6": 6}.get(answer.partition("-")[0])
    return family in (None, visit.packet.family)


def guess(item: RateMatch | OpenMatch | UnknownMatch | Offload, place: Place, visit: Visit) -> End:
    """What the traffic decides, and what is not modelled. A connection goes to a flow table once it is established."""
    match item:
        case Offload(name):
            held = asked(f"the connection goes to the flow table {name}", place, visit, "only the traffic decides it")
        case RateMatch(module):
            held = asked(f"the traffic is such that `{module}` holds", place, visit, "only the traffic decides it")
        case OpenMatch(text, settle, concerned, otherwise):
            held = asked(f"`{text}` holds", place, visit, settle) if concerns(concerned, visit) else otherwise
        case UnknownMatch(text):
            held = asked(f"`{text}` holds", place, visit)
    return None if held else BROKEN


def proxy(port: int, place: Place, visit: Visit) -> End:
    """nft_tproxy.c: where a socket listens, the packet is for it; the rule goes on."""
    if visit.packet.protocol not in (TCP, UDP):
        return BROKEN
    if not asked(f"a transparent socket listens on port {port}", place, visit, "capture ss"):
        return BROKEN
    visit.at = visit.at._replace(socket=(None, port))
    visit.connections.proxied.add(flow_of(visit.packet))
    visit.tell(f"{place.where}: goes to the local socket on port {port}", place.rule.at)
    return None
