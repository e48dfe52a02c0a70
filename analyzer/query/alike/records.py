"""The records of a namespace that packets depend on, one by one, each with what it is the record of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.links import Vrf
from analyzer.facts.netfilter import RulesetFact
from analyzer.model.hardware import GROUP
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.alike.chains import Entry, Reached
from analyzer.query.alike.dispatch import Dispatching
from analyzer.query.alike.forms import Untold
from analyzer.query.alike.identities import Identities

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
NEGLECTED = {
    "connections": "verdicts are about packets that open new connections (query/tracked.py)",
    "qdiscs": "queues delay packets, and what else they do is that of filters",
    "offloads": "they change how packets are cut, and not where they go",
    "resolver": "names are no packets",
    "managed": "programs of the host change its devices, and not packets",
}
"""What of a namespace no packet depends on; all else is among the records, or makes those who have it alone (``kinds.py``)."""
Record = tuple[str, object, object]
"""A kind, what the record is about (None: all packets), and the record."""


class Entered(NamedTuple):
    """A chain with rules for single services."""

    fact: RulesetFact
    table: str
    chain: str
    entries: tuple[Entry, ...]


def alone(space: Namespace) -> bool:
    """Whether a namespace has something that no record tells: with a VRF its sockets count, else packets that are delivered have arrived, whoever listens."""
    heard = space.listeners is not None or bool(space.listed)
    known = space.switches or space.virtual_servers or space.wireguard_peers or space.wireguard or space.cilium is not None
    return bool(known) or unseen(space) or (heard and any(isinstance(link.kind, Vrf) for link in space.links.values()))


def records(network: Network, space: Namespace) -> Iterator[Record]:
    """All records of a namespace but rules of iptables; raises ``Untold`` where there is something else that packets may depend on."""
    if alone(space):
        raise Untold
    yield from links(network, space)
    for fact in space.addresses:
        yield "address", fact.device, fact
    for tables in space.routes.values():
        for table, routes in tables.items():
            yield from (("route", route.destination, (table, route)) for route in routes)
    yield from (("neighbour", item.address, item) for item in space.neighbours)
    yield from (("forwarding", item.device if item.mac & GROUP else item.mac, item) for item in space.forwarding)
    yield from (("vlan", device, found) for device, found in space.vlans.items())
    yield from (("filter", device, found) for device, found in space.filters.items())
    yield from (("sysctl", device_of(item.key), item) for item in space.sysctls.values())
    yield (
        "others",
        None,
        (
            space.rules,
            space.next_hops,
            space.route_answers,
            tuple(sorted(space.missing)),
            late(space),
            native_tables(space),
            space.queues,
        ),
    )


def unseen(space: Namespace) -> bool:
    """Whether nft has a chain that sees packets in a table whose rules were not read."""
    read = {(table.family, table.name, name) for table in space.nft_tables for name in table.chains}
    return any(not chain.inert and (chain.family, chain.table, chain.name) not in read for chain in space.nft_chains)


def native_tables(space: Namespace) -> tuple[tuple[str, str], ...]:
    """The tables of nft, by which it is known that there is no other chain."""
    return tuple(sorted((table.family, table.name) for table in space.nft_tables))


def late(space: Namespace) -> bool:
    """Whether rules may know where packets came in until these leave (``post_stage``)."""
    bases = (chain.base for table in space.nft_tables for chain in table.chains.values())
    return any(base is not None and base.hook == "postrouting" for base in bases) or any(
        "iface" in found.type for found in space.sets.values()
    )


def device_of(key: str) -> object:
    """The device that a switch is of."""
    parts = key.split(".")
    return parts[3].replace("/", ".") if len(parts) > 4 and parts[2] == "conf" else None


def links(network: Network, space: Namespace) -> Iterator[Record]:
    """The links in the order of their numbers, with what they lead to."""
    for link in sorted(space.links.values(), key=lambda link: link.index or 0):
        at = Interface(space.scope, link.name)
        lower, segment = network.lower.get(at), network.segment_of.get(at)
        socket = network.sockets.get(at)
        beside = (
            lower.device if lower is not None and lower.scope == at.scope else lower,
            socket == at.scope if socket is not None else None,
            at in network.outside,
            segment.name if segment is not None else "",
            at in network.peers,
        )
        yield "link", link.name, (link, beside, space.ports.get(link.name))


def rules(fact: RulesetFact, reached: Reached, space: Namespace, known: Identities) -> Iterator[Record]:
    """The rules that packets may meet, and the policies of the base chains. Of chains that are not read it is told where packets get there."""
    for table, chains in fact.tables.items():
        for name in HOOKS:
            if name not in chains:
                continue
            yield "rules", None, (fact.family, fact.backend, table, name, chains[name].policy)
            led = reached.chains(fact, table, name)
            yield "rules", None, led.unread
            parted = Dispatching(space, known, led.read, name)
            reached.apart.update(parted.apart)
            for chain in sorted(parted.common):
                met = led.read[chain]
                if met.entries:
                    yield "services", None, Entered(fact, table, chain, met.entries)
                if met.common:
                    yield "rules", None, (chain, met.common)
                else:
                    yield from (("rules", None, (chain, rule)) for rule in parted.for_all(chain))
                    yield from (("dispatch", about, said) for about, said in parted.for_pods(chain))
