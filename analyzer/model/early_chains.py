"""Native nft chains that see what comes in by a device before all other hooks do, and what goes out after them (``hook ingress`` and ``hook egress``).

A frame passes tc's filters, the chains at ingress, and then the device's bridge (net/core/dev.c ``__netif_receive_skb_core``); on its way out the chains at egress
before tc's filters (``__dev_queue_xmit``). A chain is decided by its rules where these look at IP, transport headers and marks alone, and where questions for neighbours, which pass it too
(those of ARP only in the family netdev: net/netfilter/nft_chain_filter.c ``nft_do_chain_inet_ingress``), surely pass. All other chains are open: they may send a frame elsewhere
(``fwd``, ``dup``), refuse it, or look at what is not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.facts.links import Bridge
from analyzer.facts.matches import OpenMatch, RateMatch, UnknownMatch
from analyzer.facts.netfilter import Jump, NftChainFact, Pass, SetService, Verdict
from analyzer.facts.nftables import (
    Among,
    Bitwise,
    LookUp,
    Meta,
    Negations,
    NftTableFact,
    Payload,
    Pick,
    Raw,
    Selector,
    SetTo,
    Statement,
    VerdictMap,
)
from analyzer.model.link_filters import ANSWER, REQUEST, Asked, Ends, Solicited, chain_end, table_named, together
from analyzer.model.network import Namespace

EARLY = ("ingress", "egress")
FAMILIES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}
SEEN = frozenset({"mark", "l4proto", "protocol"})
"""What of a packet's own is the same for a device as for the hooks of IP (nft_meta.c)."""
QUESTIONS: Mapping[int, tuple[Asked | Solicited, ...]] = {
    4: tuple(Asked(operation, None, None, None, None, None, None) for operation in (REQUEST, ANSWER)),
    6: (Solicited(135), Solicited(136)),
}


def read(space: Namespace, fact: NftChainFact, family: int) -> NftTableFact | None:
    """The table of a chain whose rules decide what it does to packets of a family; None: it is open."""
    table = table_named(space, fact)
    if table is None or table.chains[fact.name].base is None:
        return None
    chains = together(table, fact.name)
    known = chains is not None and all(plainly(item) for chain in chains for rule in chain.rules for item in rule.statements)
    return table if known and ((fact.family == "inet" and family == 4) or lets_ask(table, fact, family)) else None


def lets_ask(table: NftTableFact, fact: NftChainFact, family: int) -> bool:
    """Whether every question for a neighbour, and every answer, surely passes a chain."""
    ends = {chain_end(table, fact.name, asked, Ends()) for asked in QUESTIONS[family]}
    return ends <= ({"accept"} if fact.policy == "drop" else {"accept", "continue"})


def plainly(item: Statement) -> bool:
    """Whether a statement does for a device what it does at the hooks of IP."""
    match item:
        case Negations(parts):
            return all(map(plainly, parts))
        case Among(key) | VerdictMap(key) | SetTo(connection=False, origin=LookUp(key)):
            return all(map(seen, key))
        case SetTo(connection, origin):
            return not connection and origin in (None, Meta("mark"))
        case Verdict() | Jump() | Pass() | SetService() | RateMatch() | OpenMatch() | UnknownMatch():
            return True
        case _:
            return False


def seen(selector: Selector) -> bool:
    """Whether a value is the same for a device as at the hooks of IP. No device but one is known there, and the way out has a header more."""
    match selector:
        case Payload(protocol):
            return protocol != "ether"
        case Raw(base):
            return base != "ll"
        case Meta(key):
            return key in SEEN
        case Bitwise(of):
            return seen(of)
        case Pick():
            return True
        case _:
            return False


def lets_pass(space: Namespace, fact: NftChainFact) -> str:
    """What is asked of a chain that is not walked."""
    return f"the nft chain {fact.family} {fact.table} {fact.name} of {space.scope} lets the packet pass unchanged"


def named(space: Namespace, fact: NftChainFact) -> frozenset[str]:
    """The devices that a chain is for; none where they are not told."""
    tables = (table for table in space.nft_tables if (table.family, table.name) == (fact.family, fact.table))
    bases = (table.chains[fact.name].base for table in tables if fact.name in table.chains)
    return frozenset(device for base in bases if base is not None for device in base.devices)


def plain(space: Namespace, fact: NftChainFact) -> frozenset[str] | None:
    """The devices that a chain is for, where what they bring comes in by them for the IP layer too; ports of bridges are left out at ingress, which bridges
    ask about. None where one is a port of something else, has devices over it, or is not told."""
    devices = named(space, fact)
    under = {link.parent for link in space.links.values()}
    ports = frozenset(device for device in devices if fact.hook.lower() == "ingress" and is_port(space, device))
    rest = devices - ports
    known = all(device in space.links and space.links[device].master is None and device not in under for device in rest)
    return rest if devices and known else None


def is_port(space: Namespace, device: str) -> bool:
    """Whether a device is a port of a bridge."""
    link = space.links.get(device)
    master = space.links.get(link.master) if link is not None and link.master else None
    return master is not None and isinstance(master.kind, Bridge)


def chains_of(space: Namespace, family: int, device: str, hook: str) -> Iterator[NftChainFact]:
    """The chains that see what comes in or goes out by a device, or of which the devices are not told, and may do more than accept, in their order."""
    for fact in ordered(space):
        if fact.hook.lower() != hook or fact.inert or fact.family not in FAMILIES[family]:
            continue
        devices = named(space, fact)
        if not devices or device in devices:
            yield fact


def ordered(space: Namespace) -> Iterator[NftChainFact]:
    """The chains of devices by their priorities; of equal ones the one that was registered last comes first (core.c ``nf_hook_entries_grow``)."""
    found = [fact for fact in reversed(space.nft_chains) if fact.hook.lower() in EARLY]
    return iter(sorted(found, key=lambda fact: fact.priority))


def watched(space: Namespace, device: str, hook: str) -> bool:
    """Whether a chain may do more than accept with what comes in or goes out by a device."""
    return any(True for family in FAMILIES for _ in chains_of(space, family, device, hook))
