"""The records of a namespace that packets depend on, one by one, each with what it is the record of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.addresses import WIDTH
from analyzer.facts.matches import AddressMatch, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, RulesetFact
from analyzer.facts.netfilter import Translate as Translation
from analyzer.model.hardware import GROUP
from analyzer.model.network import Interface, Namespace, Network
from analyzer.query.alike.forms import Untold
from analyzer.ranges import Ranges, intersection

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
Record = tuple[str, object, object]
"""A kind, what the record is about (None: all packets), and the record."""


@dataclass(slots=True)
class Reached:
    """The rules that packets to the addresses of the capture may meet. ``candidates`` are kept by the text of the chain."""

    destinations: Mapping[int, Ranges]
    candidates: dict[tuple[int, str], Sequence[int]] = field(default_factory=dict)

    def rules(self, fact: RulesetFact, table: str, name: str) -> Iterator[tuple[str, NfRule]]:
        """The rules of a base chain and of all chains that it leads to, with the chain's name."""
        chains, waiting, seen = fact.tables[table], [name], set()
        while waiting:
            name = waiting.pop()
            chain = chains.get(name)
            if name in seen or chain is None:
                continue
            seen.add(name)
            for index in self.of(fact.family, chain):
                rule = chain.rules[index]
                if not self.possible(fact.family, rule):
                    continue
                yield name, rule
                if isinstance(rule.target, Jump):
                    waiting.append(rule.target.chain)

    def of(self, family: int, chain: Chain) -> Sequence[int]:
        """The indexes of the rules that may matter."""
        key = (family, chain.content)
        found = self.candidates.get(key)
        if found is None:
            found = self.candidates[key] = tuple(chain.rules.candidates(family, self.destinations[family]))
        return found

    def possible(self, family: int, rule: NfRule) -> bool:
        """Whether a packet to one of the addresses may match."""
        for match in rule.matches:
            if isinstance(match, AddressMatch) and match.side is Side.DESTINATION and not match.negated:
                last = match.value | (~match.mask & ((1 << WIDTH[family]) - 1))
                if not intersection(((match.value, last),), self.destinations[family]):
                    return False
        return True


def records(network: Network, space: Namespace, reached: Reached) -> Iterator[Record]:
    """All records of a namespace; raises ``Untold`` where there is something else that packets may depend on."""
    if space.switches or space.cilium is not None or space.virtual_servers or space.wireguard_peers or space.nft_tables:
        raise Untold
    if any(not chain.inert for chain in space.nft_chains):
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
    yield "others", None, (space.rules, space.next_hops, space.route_answers, tuple(sorted(space.missing)))
    for ruleset in space.rulesets:
        yield from rules(ruleset, reached)


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


def rules(fact: RulesetFact, reached: Reached) -> Iterator[Record]:
    """The rules that packets may meet, and the policies of the base chains."""
    for table, chains in fact.tables.items():
        for name in HOOKS:
            if name in chains:
                yield "rules", None, (fact.family, fact.backend, table, name, chains[name].policy)
                for chain, rule in reached.rules(fact, table, name):
                    if isinstance(rule.target, Translation) and rule.target.side is Side.DESTINATION:
                        raise Untold
                    yield "rules", None, (chain, rule)
