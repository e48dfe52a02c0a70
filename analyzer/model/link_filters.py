"""The chains of the families arp and bridge that may do more than accept: which of them are decided, and what they do to a question for a neighbour.

ARP passes the chains at ``input`` when a host takes it and those at ``output`` when it sends it (net/ipv4/arp.c ``arp_rcv``, ``arp_xmit``), those at
``forward`` in a bridge with bridge-nf-call-arptables. Frames pass a bridge's chains at ``prerouting`` and ``forward`` on their way through, at
``input`` on their way up, at ``output`` and ``postrouting`` on their way out (net/bridge/br_input.c, br_forward.c).

A chain whose table was read is decided by its rules: for ARP here (``judged``), for packets in the walk and in the language, as chains of the family inet are.
All other chains are open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.facts.netfilter import Jump, NftChainFact, NoTrack, Pass, SetService, Verdict, Zone
from analyzer.facts.nftables import (
    Among,
    Bitwise,
    Ct,
    Fib,
    Key,
    Meta,
    Negations,
    NftChain,
    NftRule,
    NftSet,
    NftTableFact,
    Offload,
    Payload,
    Raw,
    Remember,
    Selector,
    SetTo,
    SetZone,
    Statement,
    Translation,
    Value,
    VerdictMap,
)
from analyzer.model.network import Namespace
from analyzer.source import Span

SETTLE = "what the rules of this chain do to it"
SENT = ("output", "postrouting")
DEPTH, ARP = 16, 0x806
"""How many chains may be jumped through (NFT_JUMP_STACK_SIZE), and the type of a frame with ARP."""
REQUEST, ANSWER = 1, 2
CONSTANT = {"htype": 1, "ptype": 0x800, "hlen": 6, "plen": 4}
"""Ethernet and IPv4 (net/ipv4/arp.c ``arp_create``)."""


class Asked(NamedTuple):
    """An ARP packet in its frame, at a hook. What is None is not known."""

    operation: int
    sender: int | None
    target: int | None
    sender_mac: int | None
    target_mac: int | None
    in_device: str | None = ""
    out_device: str | None = ""
    source_mac: int | None = None
    destination_mac: int | None = None
    mark: int | None = None


class Solicited(NamedTuple):
    """A solicitation of IPv6, or an advertisement (RFC 4861: by its type), from and to whom it may be."""

    type: int


class Refused(NamedTuple):
    """A chain drops it: in words, and where."""

    words: str
    at: Span


Judged = Refused | NftChainFact | None
"""What chains do to an ARP packet: one drops it, one is open, or it passes."""


def open_chain(space: Namespace, family: str, hooks: tuple[str, ...] = ()) -> NftChainFact | None:
    """The first chain of a family, at one of the hooks, that may do more than accept, and that is not decided."""
    return next((chain for chain in acting(space, family, hooks) if table_of(space, chain) is None), None)


def acting(space: Namespace, family: str, hooks: tuple[str, ...] = ()) -> Iterator[NftChainFact]:
    """The chains of a family, at one of the hooks, that may do more than accept, in their order: of equal priorities the one that was registered
    last comes first (core.c ``nf_hook_entries_grow``), and tables and chains are listed in the order in which they were made."""
    found = [
        chain
        for chain in space.nft_chains
        if chain.family == family and not chain.inert and (not hooks or chain.hook.lower() in hooks)
    ]
    if len(found) < 2:
        return iter(found)
    listed = [(table.family, table.name, name) for table in space.nft_tables if table.family == family for name in table.chains]
    places = {key: -place for place, key in enumerate(listed)}
    return iter(sorted(found, key=lambda chain: (chain.priority, places.get((chain.family, chain.table, chain.name), 0))))


def decided(space: Namespace, hook: str) -> Iterator[tuple[NftChainFact, NftTableFact]]:
    """The chains of bridges at a hook that are decided, with their tables."""
    for chain in acting(space, "bridge", (hook,)):
        if (table := table_of(space, chain)) is not None:
            yield chain, table


def table_of(space: Namespace, chain: NftChainFact) -> NftTableFact | None:
    """The table of a chain that is decided; None: it is open."""
    table = table_named(space, chain)
    return table if table is not None and (chain.family == "arp" or follows(table, chain)) else None


def table_named(space: Namespace, chain: NftChainFact) -> NftTableFact | None:
    """The table of a chain, where it was read with the chain."""
    table = next((one for one in space.nft_tables if (one.family, one.name) == (chain.family, chain.table)), None)
    return table if table is not None and chain.name in table.chains else None


def follows(table: NftTableFact, start: NftChainFact) -> bool:
    """Whether a chain of a bridge, with all that it goes to, does what chains of IP do too: nothing with connections, of which a bridge has its own
    (nf_conntrack_bridge.c), and on the way out nothing with the frame's header, which the packet does not have yet."""
    chains, leaving = together(table, start.name), start.hook in SENT
    return chains is not None and all(
        simple(item, leaving) for chain in chains for rule in chain.rules for item in rule.statements
    )


def together(table: NftTableFact, start: str) -> list[NftChain] | None:
    """A chain with all that it goes to; None where one of them was not read."""
    found: list[NftChain] = []
    seen, waiting = {start}, [start]
    while waiting:
        chain = table.chains.get(waiting.pop())
        if chain is None:
            return None
        found.append(chain)
        for item in (one for rule in chain.rules for one in rule.statements):
            to = {item.chain} if isinstance(item, Jump) else jumps(item, table) if isinstance(item, VerdictMap) else set()
            waiting += sorted(to - seen)
            seen |= to
    return found


def simple(item: Statement, leaving: bool) -> bool:
    """Whether a statement does the same to a frame as to a packet."""
    match item:
        case SetTo(connection=True) | Translation() | Offload() | Remember() | NoTrack() | Zone() | SetZone():
            return False
        case Negations(parts):
            return all(simple(part, leaving) for part in parts)
        case Among(key) | VerdictMap(key):
            return not any(strange(part, leaving) for part in key)
        case _:
            return True


def strange(selector: Selector, leaving: bool) -> bool:
    """Whether a value is another one for frames than for packets."""
    match selector:
        case Ct() | Fib() | Meta("pkttype" | "length" | "skuid" | "skgid"):
            return True
        case Raw("ll"):
            return True
        case Payload("ether"):
            return leaving
        case Bitwise(of):
            return strange(of, leaving)
        case _:
            return False


def jumps(item: VerdictMap, table: NftTableFact) -> set[str]:
    """The chains that a map leads to."""
    of = table.sets.get(item.values) if isinstance(item.values, str) else item.values
    return {one.data.chain for one in of.elements if isinstance(one.data, Jump)} if of is not None else set()


def judged(space: Namespace, family: str, hooks: tuple[str, ...], asked: Asked) -> Judged:
    """What the chains at the hooks do to an ARP packet. Whether one is open does not matter where another drops it."""
    doubt: NftChainFact | None = None
    chains = tuple(acting(space, family, hooks))
    asked = asked._replace(mark=mark_of(space)) if chains else asked
    for chain in chains:
        table = next((one for one in space.nft_tables if (one.family, one.name) == (family, chain.table)), None)
        end = chain_end(table, chain.name, asked, Ends()) if table is not None and chain.name in table.chains else None
        if end == "continue":
            end = "drop" if chain.policy == "drop" else "accept"
        if end == "drop":
            return Refused(f"the chain {family} {chain.table} {chain.name} of {space.scope} drops ARP", chain.at)
        doubt = doubt or (chain if end is None else None)
    return doubt


def mark_of(space: Namespace) -> int | None:
    """The mark of an ARP packet: 0, which each starts with; None where a filter of a device or a chain that such packets may meet sets one."""
    met = (
        chain
        for table in space.nft_tables
        if table.family in ("arp", "bridge", "netdev") or any(one.base and one.base.devices for one in table.chains.values())
        for chain in table.chains.values()
    )
    sets = any(
        isinstance(item, SetTo) and not item.connection for chain in met for rule in chain.rules for item in rule.statements
    )
    return None if sets or space.filters or "tc-filter" in space.missing else 0


def asked_by_outsider(space: Namespace, device: str, own: int, mac: int | None, sender: int | None) -> Judged:
    """What the chains of ARP do to the question of a host outside for an address of an interface, and to the answer."""
    question = judged(space, "arp", ("input",), Asked(REQUEST, sender, own, None, 0, in_device=device))
    if isinstance(question, Refused):
        return question
    answer = judged(space, "arp", ("output",), Asked(ANSWER, own, sender, mac, None, out_device=device))
    return answer if isinstance(answer, Refused) else question or answer


@dataclass(slots=True)
class Ends:
    """What chains say of one packet, worked out once; of one that is being looked at, nothing is known: it goes in circles. ``depth``: how many are."""

    known: dict[str, str | None] = field(default_factory=dict)
    depth: int = 0


def chain_end(table: NftTableFact, name: str, asked: Asked | Solicited, ends: Ends) -> str | None:
    """``accept``, ``drop`` or ``continue``; None: not known (nf_tables_core.c ``nft_do_chain``)."""
    if name in ends.known or ends.depth >= DEPTH:
        return ends.known.get(name)
    ends.known[name] = None
    chain, ends.depth = table.chains.get(name), ends.depth + 1
    ends.known[name] = found = rules_end(chain.rules, table, asked, ends) if chain is not None else None
    ends.depth -= 1
    return found


def rules_end(rules: Sequence[NftRule], table: NftTableFact, asked: Asked | Solicited, ends: Ends) -> str | None:
    """What the rules of a chain say."""
    for rule in rules:
        match rule_end(rule.statements, table, asked, ends):
            case "continue":
                continue
            case "return":
                return "continue"
            case end:
                return end
    return "continue"


def rule_end(statements: tuple[Statement, ...], table: NftTableFact, asked: Asked | Solicited, ends: Ends) -> str | None:
    """What a rule says: the end of a chain, ``return``, or ``continue``. What is not known does not matter where a test after it does not hold."""
    doubt = False
    for item in statements:
        match item:
            case Among(key, values, negated):
                found = among(key, values, table, asked)
                doubt |= found is None
                if found is ABSENT or (found is not None and (found is not MISSED) == negated):
                    return "continue"
            case SetService(_, _, family) if isinstance(asked, Asked) or family == 4:
                return "continue"
            case Pass() | SetTo(connection=False) | SetService():
                continue
            case _ if doubt:
                return None
            case VerdictMap(key, values):
                found = among(key, values, table, asked)
                if found is None or found in (ABSENT, MISSED):
                    return None if found is None else "continue"
                return act_end(found, table, asked, ends)
            case Verdict() | Jump():
                return act_end(item, table, asked, ends)
            case _:
                return None
    return "continue"


def act_end(act: object, table: NftTableFact, asked: Asked | Solicited, ends: Ends) -> str | None:
    """What a verdict says."""
    match act:
        case Verdict(name):
            return name.lower()
        case Jump(chain, goto):
            end = chain_end(table, chain, asked, ends)
            return "return" if goto and end == "continue" else end
        case _:
            return None


ABSENT, MISSED, HELD = "the packet has no such value", "no element holds it", "an element holds it"


def among(key: Key, values: NftSet | str, table: NftTableFact, asked: Asked | Solicited) -> object:
    """The verdict of the element that holds the key's values, or HELD; MISSED, ABSENT; None: not known."""
    of = table.sets.get(values) if isinstance(values, str) else values
    own = [value_of(part, asked) for part in key]
    if ABSENT in own:
        return ABSENT
    if of is None or of.fleeting or of.unread or None in own:
        return None
    for item in of.elements:
        if all(holds(value, one) for value, one in zip(item.key, own, strict=False)):
            return item.data if item.data is not None else HELD
    return MISSED


def holds(value: Value, own: object) -> bool:
    """Whether an element's value is the packet's."""
    if isinstance(value, str):
        return isinstance(own, str) and (own.startswith(value[:-1]) if value.endswith("*") else own == value)
    return isinstance(own, int) and value[0] <= own <= value[1]


def value_of(selector: Selector, asked: Asked | Solicited) -> int | str | None:
    """What an ARP packet, or neighbour discovery, has; ABSENT: nothing such; None: not known."""
    if isinstance(asked, Solicited):
        return value_of_six(selector, asked)
    match selector:
        case Payload("arp", name):
            return {**CONSTANT, **fields(asked)}.get(name)
        case Payload("ether", name):
            return {"type": ARP, "saddr": asked.source_mac, "daddr": asked.destination_mac}.get(name)
        case Payload() | Meta("l4proto"):
            return ABSENT
        case Meta("iif" | "iifname"):
            return asked.in_device
        case Meta("oif" | "oifname"):
            return asked.out_device
        case Meta("protocol"):
            return ARP
        case Meta("mark"):
            return asked.mark
        case Bitwise(of, mask, flip):
            own = value_of(of, asked)
            return own if not isinstance(own, int) else own & mask ^ flip
        case _:
            return None


def value_of_six(selector: Selector, asked: Solicited) -> int | str | None:
    """What neighbour discovery has (net/ipv6/ndisc.c ``ndisc_send_skb``)."""
    match selector:
        case Payload("ip6" | "icmpv6", name):
            return {"version": 6, "nexthdr": 58, "hoplimit": 255, "type": asked.type, "code": 0}.get(name)
        case Payload("ether" | "th"):
            return None
        case Payload():
            return ABSENT
        case Meta(key):
            return {"l4proto": 58, "protocol": 0x86DD}.get(key)
        case Bitwise(of, mask, flip):
            own = value_of_six(of, asked)
            return own if not isinstance(own, int) else own & mask ^ flip
        case _:
            return None


def fields(asked: Asked) -> Mapping[str, int | None]:
    """The fields of ARP by their names."""
    return {
        "operation": asked.operation,
        "saddr ip": asked.sender,
        "daddr ip": asked.target,
        "saddr ether": asked.sender_mac,
        "daddr ether": asked.target_mac,
    }


def words(chain: NftChainFact, space: Namespace) -> str:
    """That a chain lets what comes by pass."""
    what = "questions for neighbours, and answers," if chain.family == "arp" else "frames"
    return f"the chain {chain.family} {chain.table} {chain.name} of {space.scope} lets {what} pass unchanged"
