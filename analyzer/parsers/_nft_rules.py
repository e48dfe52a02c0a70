"""The statements of libnftables-json(5) as the typed statements of ``analyzer.facts.nftables``; the text form comes here by ``_nft_words``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from analyzer.addresses import prefix
from analyzer.facts.matches import RateMatch, UnknownMatch
from analyzer.facts.netfilter import NoTrack, Pass, Reject, SetTimeToLive, TransparentProxy, UnknownTarget
from analyzer.facts.nftables import (
    Among,
    Bitwise,
    Ct,
    Element,
    Fib,
    Key,
    LookUp,
    Meta,
    NftSet,
    Offload,
    Payload,
    Remember,
    Selector,
    SetTo,
    Statement,
    Translation,
    Unread,
    Value,
    VerdictMap,
)
from analyzer.parsers._nft_chance import by_chance
from analyzer.parsers._nft_keys import UNREADABLE, Node, act, anonymous, key, looked_up, plain, said, selector
from analyzer.parsers._nft_negations import paired
from analyzer.parsers._nft_open import undecided_of
from analyzer.parsers._nft_queue import queue
from analyzer.parsers._nft_services import set_service, unshown
from analyzer.parsers._nft_types import BITMASKS, constant, datatype, flags, top
from analyzer.parsers._nft_zones import set_zone

PASSES = frozenset({"counter", "log", "last", "comment", "dup", "ct helper", "ct timeout", "ct expectation"})
SILENT = frozenset({"counter", "comment", "last"})
LIMITS = frozenset({"limit", "quota", "ct count"})
HARMLESS_META = frozenset({"priority", "nftrace", "pkttype", "rtclassid", "secmark"})
HARMLESS_CT = frozenset({"helper", "label", "event", "timeout", "expectation", "secmark"})
PASSING = frozenset({"LOG", "NFLOG", "TCPMSS", "CHECKSUM", "CLASSIFY"})
RANDOM = frozenset({"random", "fully-random"})
KNOWN = frozenset({"family", "addr", "port", "flags", "type_flags"})


CARRIED = {
    "tcp": "tcp",
    "udp": "udp",
    "udplite": "udplite",
    "sctp": "sctp",
    "dccp": "dccp",
    "icmp": "icmp",
    "icmpv6": "ipv6-icmp",
}


def typed(nodes: Sequence[Node]) -> tuple[Statement, ...]:
    """A rule's statements. One that is not understood stays as a test where it can be no more, else as a target."""
    return paired((said_by(node), node) for node in nodes)


def said_by(node: Node) -> list[Statement]:
    """What a node comes to."""
    try:
        return statement(node)
    except UNREADABLE:
        return [unread(node)]


def unread(node: Node) -> Statement:
    """A statement that is not understood: a test has no other effect."""
    text = said(node)
    match node:
        case {"match": _}:
            return UnknownMatch(text)
        case _:
            return UnknownTarget(text)


def statement(node: Node) -> list[Statement]:
    """One statement; ValueError, LookupError or TypeError where it is not understood."""
    if not isinstance(node, Mapping) or len(node) != 1:
        raise ValueError("no statement")
    name, inner = next(iter(node.items()))
    if name in PASSES and looks_up(inner):
        return [UnknownMatch(said(node))]
    if name in PASSES:
        return [] if name in SILENT else [Pass(str(name))]
    if node == {"xt": {"type": "match", "name": "comment"}}:
        return []
    made = STATEMENTS[str(name)](inner)
    if name in ("mangle", "reset"):
        return [*asked_first(inner), made]
    return [*implied(inner), made] if isinstance(made, UnknownMatch) and name == "match" else [made]


def asked_first(inner: Node) -> list[Statement]:
    """What must hold for a header's field to be changed: the rule ends where the packet has no such header (payload.c ``payload_gen_dependency`` of nft), or the
    option is not there (nft_exthdr.c ``nft_exthdr_tcp_set_eval``; a size of segments is told by what opens a connection)."""
    match inner:
        case {"key": {"payload": {"protocol": "ip" | "ip6", "field": "dscp" | "ecn"}}}:
            return []
        case {"key": {"payload": {"protocol": "ip" | "ip6" as header}}}:
            return [match({"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv4" if header == "ip" else "ipv6"})]
        case {"key": {"payload": {"protocol": str(header)}} as changed} if header in CARRIED:
            return implied({"left": changed})
        case {"key": {"tcp option": _}}:
            opens: Node = {"op": "in", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": "syn"}
            return [*implied({"left": {"payload": {"protocol": "tcp"}}}), match(opens)]
        case {"tcp option": _}:
            return implied({"left": {"payload": {"protocol": "tcp"}}})
        case _:
            return []


def looks_up(inner: Node) -> bool:
    """Whether an object is found in a map: the rule ends where the map has none (nft_objref.c ``nft_objref_map_eval``)."""
    return isinstance(inner, Mapping) and "map" in inner


def implied(inner: Node) -> list[Statement]:
    """The protocol that a field of a header asks for (payload.c ``payload_gen_dependency`` of nft), where the rest of the test is not understood."""
    match inner:
        case {"left": {"payload": {"protocol": str(header)}}} if header in CARRIED:
            return [match({"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": CARRIED[header]})]
        case _:
            return []


def match(inner: Node) -> Statement:
    """A test (``expr_evaluate_relational`` of nft: without an operator, flags need only have one bit in common)."""
    match inner:
        case {"op": str(operator), "left": left, "right": right}:
            keys = key(left)
        case _:
            raise ValueError("no test")
    if (undecided := undecided_of(left, operator, right)) is not None:
        return undecided
    if (chance := by_chance(left, operator, right)) is not None:
        return chance
    if isinstance(keys[0], Fib) and keys[0].result == "oif" and right in (True, False, "missing", "exists", "0"):
        held = right not in (False, "missing", "0")
        return Among((Fib("oif", keys[0].flags, present=True),), one("boolean", (int(held), int(held))), operator == "!=")
    if any(isinstance(part, Unread) for part in keys):
        return UnknownMatch(said({"match": inner}))
    match right:
        case str() if right.startswith("@"):
            return Among(keys, right[1:], operator == "!=")
        case {"set": [*parts]}:
            return Among(keys, anonymous(keys, parts), operator == "!=")
        case _:
            return compared(keys, operator, right)


def compared(keys: Key, operator: str, right: Node) -> Statement:
    """A test against one constant or range."""
    if len(keys) > 1:
        return Among(keys, anonymous(keys, [right]), operator == "!=")
    kind = datatype(keys[0])
    if kind in BITMASKS and operator in ("in", "!"):
        bits = Bitwise(plain(keys[0]), flags(kind, right))
        return Among((bits,), one(kind, (0, 0)), operator == "in")
    found = constant(kind, right)
    if operator in ("in", "==", "!="):
        return Among(keys, one(kind, found), operator == "!=")
    if isinstance(found, str):
        raise ValueError("names have no order")
    value, most = found[0], top(kind)
    ranges = {"<": (0, value - 1), "<=": (0, value), ">": (value + 1, most), ">=": (value, most)}
    low, high = ranges[operator]
    return Among(keys, NftSet("", (kind,), elements=(Element(((low, high),)),) if low <= high else ()))


def one(kind: str, value: Value) -> NftSet:
    """A set of one value."""
    return NftSet("", (kind,), elements=(Element((value,)),))


def verdict_map(inner: Node) -> Statement:
    """``vmap``."""
    keys, values = looked_up(inner, ("verdict",))
    return VerdictMap(keys, values)


def mangle(inner: Node) -> Statement:
    """``meta mark set``, ``ct mark set``; what else is set does not matter for delivery, or is not understood."""
    match inner:
        case {"key": {"meta": {"key": "mark"}}, "value": value}:
            return set_to(False, value)
        case {"key": {"ct": {"key": "mark"}}, "value": value}:
            return set_to(True, value)
        case {"key": {"ct": {"key": "zone", **rest}}, "value": value}:
            return set_zone(str(rest.get("dir", "")), value)
        case {"key": {"meta": {"key": str(name)}}} if name in HARMLESS_META - {"pkttype"}:
            return Pass(f"meta {name}")
        case {"key": {"ct": {"key": str(name)}}} if name in HARMLESS_CT:
            return Pass(f"ct {name}")
        case {"key": {"tcp option": {"name": "maxseg"}}}:
            return Pass("maxseg")
        case {"key": {"payload": {"protocol": "ip" | "ip6" as protocol, "field": "dscp" | "ecn" as name}}, "value": value}:
            return set_service(protocol, name, value)
        case {"key": {"payload": {"protocol": "ip" | "ip6", "field": "ttl" | "hoplimit"}}, "value": int() | str() as value}:
            return SetTimeToLive(0, flags("ttl", value))
        case _:
            raise ValueError("what is set is not modelled")


def set_to(connection_mark: bool, value: Node) -> Statement:
    """A new mark."""
    match value:
        case {"map": inner}:
            return SetTo(connection_mark, LookUp(*looked_up(inner, ("mark",))), 0xFFFFFFFF)
        case int() | str():
            return SetTo(connection_mark, None, 0, flags("mark", value))
        case _:
            return computed(connection_mark, selector(value))


def computed(connection_mark: bool, value: Selector) -> Statement:
    """A new mark made of one."""
    match value:
        case Bitwise(Payload() | Meta() | Ct() as of, mask, flip) if datatype(of) == "mark":
            return SetTo(connection_mark, of, mask, flip)
        case Payload() | Meta() | Ct() as of if datatype(of) == "mark":
            return SetTo(connection_mark, of, 0xFFFFFFFF)
        case _:
            raise ValueError("the new mark is not modelled")


def translation(kind: str) -> Callable[[Node], Statement]:
    """``dnat``, ``snat``, ``masquerade``, ``redirect``."""

    def read(inner: Node) -> Statement:
        given = inner if isinstance(inner, Mapping) else {}
        if given.get("type_flags") in ("prefix", ["prefix"]) and "port" not in given and kind in ("dnat", "snat"):
            return moved(kind, given)
        if given.get("type_flags", "concat") not in ("concat", ["concat"]) or not set(given) <= KNOWN:
            raise ValueError("a translation of networks")
        family = {"ip": 4, "ip6": 6}.get(str(given.get("family")))
        ports = pair("inet_service", given.get("port"))
        said_flags = given.get("flags", ())
        words = (said_flags,) if isinstance(said_flags, str) else said_flags
        random = isinstance(words, Sequence) and bool(RANDOM & set(map(str, words)))
        match given.get("addr"):
            case {"map": looked}:
                found = LookUp(*looked_up(looked, map_data(looked, family)))
                return Translation(kind, family, None, ports, found, random)
            case addr:
                return Translation(kind, family, addresses(addr), ports, random=random)

    return read


def moved(kind: str, given: Mapping[str, Node]) -> Statement:
    """``dnat ip prefix to 10.2.0.0/24`` (nft_nat.c ``nft_nat_setup_netmap``); by a map it is not modelled."""
    match given.get("addr"):
        case str() as text:
            network = prefix(text)
        case {"prefix": {"addr": str(first), "len": int(length)}}:
            network = prefix(f"{first}/{length}")
        case _:
            raise ValueError("a translation of networks by a map")
    return Translation(kind, network.family, network=network)


def map_data(inner: Node, family: int | None) -> tuple[str, ...]:
    """The types of the values of a map that a rule holds: an address, perhaps with a port."""
    kind = "ipv6_addr" if family == 6 else "ipv4_addr"
    match inner:
        case {"data": {"set": [[_, {"concat": _}], *_]}}:
            return kind, "inet_service"
        case {"data": {"set": [[_, str(value)], *_]}} if ":" in value:
            return ("ipv6_addr",)
        case _:
            return (kind,)


def addresses(value: Node) -> tuple[int, int] | None:
    """The addresses that a translation goes to."""
    if value is None:
        return None
    text = json.dumps(value)
    return pair("ipv6_addr" if ":" in text.replace('": ', "") else "ipv4_addr", value)


def pair(kind: str, value: Node) -> tuple[int, int] | None:
    """A range of constants."""
    found = None if value is None else constant(kind, value)
    if isinstance(found, str):
        raise ValueError("a name where a number is expected")
    return found


def reject(inner: Node) -> Statement:
    """``reject``."""
    match inner:
        case {"type": "tcp reset"}:
            return Reject("tcp-reset")
        case {"type": str(kind), "expr": str(what)}:
            return Reject(f"{kind}-{what}")
        case _:
            return Reject("icmpx-port-unreachable")


def transparent_proxy(inner: Node) -> Statement:
    """``tproxy``: its family and address are of no matter here."""
    match inner:
        case {"port": port}:
            return TransparentProxy(flags("inet_service", port))
        case _:
            raise ValueError("tproxy without a port")


def change(inner: Node) -> Statement:
    """``add``, ``update``, ``delete`` of an element."""
    match inner:
        case {"op": str(operation), "set": str(name), "elem": elem, **rest}:
            looked = elem["elem"]["val"] if isinstance(elem, Mapping) and "elem" in elem else elem
            keys = key(looked)
            return Remember(operation, name.removeprefix("@"), keys, limited(rest.get("stmt")))
        case _:
            raise ValueError("no change of a set")


def limited(given: object) -> bool:
    """Whether a statement of an element decides what follows."""
    return isinstance(given, list) and any(isinstance(one, Mapping) and LIMITS & set(one) for one in given)


def offload(inner: Node) -> Statement:
    """``flow add``."""
    match inner:
        case {"flowtable": str(name)}:
            return Offload(name.removeprefix("@"))
        case _:
            raise ValueError("no flow table")


def rate(module: str) -> Callable[[Node], Statement]:
    """A test that the traffic decides."""
    return lambda _: RateMatch(module, "")


def verdict(name: str) -> Callable[[Node], Statement]:
    """A verdict as a statement."""
    return lambda inner: act({name: inner})


def xtables(inner: Node) -> Statement:
    """A module of iptables: its arguments are not shown."""
    match inner:
        case {"type": "match", "name": str(name)}:
            return UnknownMatch(f"xt match {name}")
        case {"type": "target", "name": "TOS" | "DSCP" as name}:
            return unshown(name)
        case {"type": "target", "name": str(name)} if name in PASSING:
            return Pass(name)
        case _:
            raise ValueError("a target of iptables")


STATEMENTS: Mapping[str, Callable[[Node], Statement]] = {
    "match": match,
    "vmap": verdict_map,
    "mangle": mangle,
    **{name: translation(name) for name in ("dnat", "snat", "masquerade", "redirect")},
    **{name: verdict(name) for name in ("accept", "drop", "continue", "return", "jump", "goto")},
    **{name: rate(name) for name in (*sorted(LIMITS), "meter")},
    "reject": reject,
    "notrack": lambda _: NoTrack(),
    "tproxy": transparent_proxy,
    "queue": queue,
    "set": change,
    "flow": offload,
    "xt": xtables,
    "reset": lambda _: Pass("reset"),
}
