"""Random rulesets on a router between two namespaces: the lowered network and the concrete walk say the same of random flows.

``LOWERING_RULESETS`` sets how many rulesets are tried (60), ``LOWERING_SEED`` the first seed (1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from analyzer.addresses import Address, address, prefix, prefix_of
from analyzer.facts.links import AddressFact, LinkFact, OtherKind
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.facts.routes import LOCAL, MAIN, NextHop, RouteFact
from analyzer.facts.system import SysctlFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Interface, Namespace, Network
from analyzer.model.routing import default_rules, local_table
from analyzer.parsers import Parser, ipset, iptables_save, read
from analyzer.solve.packet import ICMP, ICMPV6, TCP, UDP, Fate, Packet
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Scope, Source, Span
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked, within
from tests.netfilter_random import HOOKS, SETS, Rules
from tests.open_random import OpenRules
from tests.words_random import WordRules

COUNT, SEED = int(os.environ.get("LOWERING_RULESETS", "60")), int(os.environ.get("LOWERING_SEED", "1"))
AT = Span("test", 1)
CLIENT, ROUTER, SERVER = Scope("n", "client"), Scope("n"), Scope("n", "server")
HELD: dict[int, dict[Scope, dict[str, tuple[str, ...]]]] = {
    4: {CLIENT: {"eth0": ("10.77.1.2",)}, SERVER: {"eth0": ("10.77.2.2", "10.77.2.3")}, ROUTER: {"near": ("10.77.1.1",), "far": ("10.77.2.1", "10.77.2.9")}},
    6: {CLIENT: {"eth0": ("fd77:1::2",)}, SERVER: {"eth0": ("fd77:2::2", "fd77:2::3")}, ROUTER: {"near": ("fd77:1::1",), "far": ("fd77:2::1", "fd77:2::9")}},
}  # fmt: skip
GATEWAYS = {(CLIENT, 4): "10.77.1.1", (SERVER, 4): "10.77.2.1", (CLIENT, 6): "fd77:1::1", (SERVER, 6): "fd77:2::1"}
LENGTHS = {4: 24, 6: 64}
PAIRS = ((CLIENT, "eth0", ROUTER, "near"), (SERVER, "eth0", ROUTER, "far"))


def link(name: str, index: int, mac: int) -> LinkFact:
    """An interface that is up."""
    flags = frozenset({"UP", "LOWER_UP"} | ({"LOOPBACK"} if name == "lo" else set()))
    kind = None if name == "lo" else OtherKind("veth")
    return LinkFact(at=AT, name=name, index=index, flags=flags, mtu=1500, mac=mac, kind=kind, detailed=True)


def addresses(scope: Scope, family: int) -> tuple[AddressFact, ...]:
    """A namespace's addresses."""
    own = [("lo", "127.0.0.1" if family == 4 else "::1", 8 if family == 4 else 128)]
    own += [(device, text, LENGTHS[family]) for device, texts in HELD[family][scope].items() for text in texts]
    kinds = {"lo": "host"}
    return tuple(
        AddressFact(
            at=AT,
            device=device,
            address=address(text),
            length=length,
            scope_name=kinds.get(device, "global"),
            flags=frozenset({"secondary"} if position > 1 and device == own[position - 1][0] else ()),
        )
        for position, (device, text, length) in enumerate(own)
    )


def routes(scope: Scope, family: int) -> tuple[RouteFact, ...]:
    """The main table: the networks on the link, and the router."""
    found = []
    for device, texts in HELD[family][scope].items():
        first = address(texts[0])
        on_link = prefix_of(first, LENGTHS[family])
        found.append(RouteFact(at=AT, destination=on_link, next_hops=(NextHop(device=device),), source=first, scope_name="link"))
    if (scope, family) in GATEWAYS:
        via = NextHop(via=address(GATEWAYS[scope, family]), device="eth0")
        found.append(RouteFact(at=AT, destination=prefix("0.0.0.0/0" if family == 4 else "::/0"), next_hops=(via,)))
    return tuple(found)


def namespace(
    scope: Scope, family: int, rulesets: tuple[RulesetFact, ...] = (), sets: dict[str, IpsetFact] | None = None
) -> Namespace:
    """One namespace of the three."""
    devices = ["lo", *HELD[family][scope]]
    links = {name: link(name, index + 1, 0 if name == "lo" else hash_of(scope, name)) for index, name in enumerate(devices)}
    own = addresses(scope, family)
    keys = {
        "net.ipv4.ip_forward": "1",
        "net.ipv4.conf.all.forwarding": "1",
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv4.conf.all.rp_filter": "0",
    }
    keys |= {f"net.ipv{version}.conf.{name}.forwarding": "1" for name in devices for version in (4, 6)}
    keys |= {f"net.ipv4.conf.{name}.rp_filter": "0" for name in devices}
    return Namespace(
        scope,
        links=links,
        addresses=own,
        routes={family: {MAIN: routes(scope, family), LOCAL: local_table(family, own, links, scope)}},
        rules={number: default_rules(number, scope) for number in (4, 6)},
        rulesets=rulesets,
        sets=sets or {},
        neighbours=known(scope, family),
        sysctls={key: SysctlFact(at=AT, key=key, value=value) for key, value in keys.items()},
    )


def hash_of(scope: Scope, name: str) -> int:
    """A MAC for an interface."""
    return (
        0x020000000000 | sum(ord(letter) << (8 * (position % 4)) for position, letter in enumerate(f"{scope}{name}")) & 0xFFFFFFFF
    )


def known(scope: Scope, family: int) -> tuple[NeighbourFact, ...]:
    """Every neighbour, so that discovery, which passes the hooks too, is not part of the question."""
    near = {Interface(one, device): Interface(other, far) for one, device, other, far in PAIRS}
    near |= {other: one for one, other in near.items()}
    return tuple(
        NeighbourFact(at=AT, address=address(text), device=here.device, mac=hash_of(*there), states=frozenset({"PERMANENT"}))
        for here, there in near.items()
        if here.scope == scope
        for text in HELD[family][there.scope][there.device]
    )


def network(family: int, rulesets: tuple[RulesetFact, ...], sets: dict[str, IpsetFact]) -> Network:
    """Client, router and server."""
    spaces = {
        CLIENT: namespace(CLIENT, family),
        SERVER: namespace(SERVER, family),
        ROUTER: namespace(ROUTER, family, rulesets, sets),
    }
    peers = {}
    for one, device, other, far in PAIRS:
        peers[Interface(one, device)], peers[Interface(other, far)] = Interface(other, far), Interface(one, device)
    owners: dict[Address, tuple[Interface, ...]] = {}
    for scope, space in spaces.items():
        for fact in space.addresses:
            owners[fact.address] = (*owners.get(fact.address, ()), Interface(scope, fact.device))
    return Network(spaces, Cluster(), peers=peers, owners=owners)


def facts(parser: Parser, name: str, text: str) -> list[object]:
    """What a parser reads."""
    return list(read(parser, Source(name, text, parser.kind, ROUTER)))


def random_network(seed: int, zones: bool = False, of: type[Rules] = Rules) -> tuple[Network, int, str]:
    """A network with a random ruleset on its router; ``zones``: with zones of conntrack."""
    random, family = Random(seed), 4 if seed % 3 else 6
    rules = of(random, family, frozenset(kind for kind, _ in SETS.values()), directed=zones)
    text = rules.ruleset(tuple(table for table in HOOKS if random.random() < 0.8))
    text = "".join(line for line in text.splitlines(keepends=True) if zones or "--zone" not in line)
    sets = rules.sets()
    rulesets = [
        item
        for item in facts(iptables_save.PARSER, "n/iptables-save" if family == 4 else "n/ip6tables-save", text)
        if isinstance(item, RulesetFact)
    ]
    named = {item.name: item for item in facts(ipset.PARSER, "n/ipset_save", sets) if isinstance(item, IpsetFact)}
    return network(family, tuple(rulesets), named), family, f"{text}\n{sets}"


def flows(random: Random, family: int) -> Iterator[Flow]:
    """Flows from the client, the router and the server."""
    for number in range(10):
        scope = random.choice((CLIENT, CLIENT, CLIENT, ROUTER, SERVER))
        own = [text for texts in HELD[family][scope].values() for text in texts]
        everybody = [text for held in HELD[family].values() for texts in held.values() for text in texts]
        source, target = random.choice((own[0], own[-1])), random.choice(everybody)
        protocol = random.choice((TCP, UDP, ICMP if family == 4 else ICMPV6))
        echo = {ICMP: 8, ICMPV6: 128}.get(protocol, 0)
        port = 0 if echo else random.choice((53, 80, 443, 8080))
        yield Flow(scope, Packet(family, address(source).value, address(target).value, protocol, 10000 + number, port, echo))


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_random_rulesets(seed: int) -> None:
    made, family, text = random_network(seed)
    program = NetworkProgram(made, family)
    wrong = []
    for flow in flows(Random(-seed), family):
        told, found = walked(walk(made, flow)), outcomes(program, flow)
        undecided = any(end.fate is Fate.UNKNOWN for end in told) and any(end.fate is Fate.UNKNOWN or end.open for end in found)
        if not undecided and not agree(found, told):
            wrong.append(f"{flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_zones(seed: int) -> None:
    """What the language leaves open of a template, and of answers in another zone, is enough."""
    said_within(seed, *random_network(seed, zones=True))


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_words(seed: int) -> None:
    said_within(seed, *random_network(seed, of=WordRules))


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 10))
def test_random_open_matches(seed: int) -> None:
    said_within(seed, *random_network(seed, of=OpenRules))


def said_within(seed: int, made: Network, family: int, text: str) -> None:
    """Holds the walk against the language, which may leave more open."""
    program = NetworkProgram(made, family)
    wrong = []
    for flow in flows(Random(-seed), family):
        told, found = walked(walk(made, flow)), outcomes(program, flow)
        undecided = any(end.fate is Fate.UNKNOWN for end in (*told, *found))
        if not (undecided or agree(found, told) or within(found, told)):
            wrong.append(f"{flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"
