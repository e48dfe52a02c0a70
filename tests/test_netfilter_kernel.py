"""The walk through the netfilter hooks against the kernel: random rulesets on a router between two namespaces, real packets across it.

``pytest -m lab`` runs it; it needs root. ``NETFILTER_RULESETS`` sets how many rulesets are tried (70), ``NETFILTER_SEED`` the first seed (1).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import pytest

from analyzer.addresses import Address, address
from analyzer.facts.netfilter import IpsetFact, RulesetFact
from analyzer.model.network import Namespace
from analyzer.parsers import Parser, ipset, iptables_save, read
from analyzer.solve.packet import ACK, PICKED, SYN, Fate, Outcome, Packet
from analyzer.solve.walk.netfilter.hooks import (
    MIRRORED,
    Connections,
    Hook,
    HookPacket,
    HookTables,
    Surroundings,
    Tracked,
    run_hook,
)
from analyzer.solve.walk.oracle import Oracle, explore
from analyzer.source import Gap, Scope, Source
from tests.netfilter_lab import ADDRESSES, CLIENT, ECHO, PORTS, ROUTER, SERVER, TCP, UDP, Lab, Probe, Seen, can_run, lab, run
from tests.netfilter_random import HOOKS, Rules
from tests.open_random import OpenRules
from tests.words_random import WordRules

pytestmark = pytest.mark.lab
COUNT, SEED = int(os.environ.get("NETFILTER_RULESETS", "70")), int(os.environ.get("NETFILTER_SEED", "1"))
SAVERS = {4: "iptables", 6: "ip6tables"}
SCOPE = Scope(ROUTER)


@pytest.fixture(scope="module")
def built() -> Iterator[Lab]:
    if why := can_run():
        pytest.skip(f"the kernel cannot be asked here: {why}")
    with lab() as made:
        yield made


def facts(parser: Parser, name: str, text: str) -> list[object]:
    """What a parser reads; the kernel's own output leaves no gaps."""
    found = list(read(parser, Source(name, text, parser.kind, SCOPE)))
    assert not [item for item in found if isinstance(item, Gap)], found
    return list(found)


def destroy_sets() -> None:
    """Removes all sets. The kernel lets go of the rules that named them later, in a worker; a new rule with a match of xtables waits for that
    worker (net/netfilter/nft_compat.c, nft_compat_wait_for_destructors)."""
    waiting = "*filter\n:WAIT - [0:0]\n-A WAIT -m addrtype --dst-type LOCAL -j RETURN\nCOMMIT\n"
    for text in (waiting, "*filter\nCOMMIT\n"):
        run("iptables-nft-restore", text=text)
    run("ipset", "flush")
    run("ipset", "destroy")


def load_words(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with ``u32``."""
    return load(built, seed, family, WordRules)


def load_open(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with matches that ask what no capture tells."""
    return load(built, seed, family, OpenRules)


def load(built: Lab, seed: int, family: int, of: type[Rules] = Rules) -> tuple[Namespace, str]:
    """Loads a random ruleset on the router, each table into one back end by chance, and reads it back."""
    random = Random(seed)
    rules = of(random, family, built.set_kinds, shifted=True, directed=True)
    tool = SAVERS[family]
    share = {table: random.choice(("nft", "nft", "legacy")) for table in HOOKS}
    written = []
    with built.inside(ROUTER):
        for backend in ("nft", "legacy"):
            tables = tuple(table for table in HOOKS if share[table] == backend and random.random() < 0.8)
            for each in SAVERS.values():
                run(f"{each}-{backend}-restore", text="".join(f"*{table}\nCOMMIT\n" for table in HOOKS))
            written.append((backend, tables))
        destroy_sets()
        run("ipset", "restore", text=rules.sets())
        texts = {backend: rules.ruleset(tables) for backend, tables in written}
        for backend, text in texts.items():
            run(f"{tool}-{backend}-restore", text=text)
        saved = {backend: run(f"{tool}-{backend}-save") for backend in texts}
        sets = run("ipset", "save")
    rulesets = [item for backend, text in saved.items() for item in facts(iptables_save.PARSER, f"n/{tool}-{backend}-save", text)]
    named = [item for item in facts(ipset.PARSER, "n/ipset_save", sets) if isinstance(item, IpsetFact)]
    namespace = Namespace(
        SCOPE,
        rulesets=tuple(item for item in rulesets if isinstance(item, RulesetFact)),
        sets={item.name: item for item in named},
    )
    return namespace, "\n".join((*saved.values(), sets))


def probes(random: Random, family: int, start: int) -> list[Probe]:
    """Packets from the client and from the router."""
    known, echo = ADDRESSES[family], ECHO[family][0]
    result = []
    for index in range(10):
        origin = random.choice((CLIENT, CLIENT, CLIENT, ROUTER))
        targets = known[SERVER] if origin == ROUTER else (*known[SERVER], *known[SERVER], *known["near"], *known["far"])
        source = known[CLIENT][0] if origin == CLIENT else known["far"][0]
        protocol = random.choice((TCP, UDP, echo))
        number = start + index
        port = random.choice(PORTS) if protocol != echo else 0
        result.append(Probe(number, origin, family, protocol, source, random.choice(targets), 10000 + number % 50000, port))
    return result


class Unsettled(Exception):
    """What becomes of the packet depends on the kernel's version."""


@dataclass(frozen=True)
class Router:
    """The router's hooks with its addresses and routes."""

    tables: HookTables
    family: int

    def device(self, value: int) -> str:
        """Where the router sends to an address; ``lo`` for its own."""
        if value in self.own():
            return "lo"
        return "near" if (value >> (8 if self.family == 4 else 96)) & 0xF == 1 else "far"

    def own(self) -> set[int]:
        known = ADDRESSES[self.family]
        return {address(text).value for text in (*known["near"], *known["far"])}

    def surroundings(self) -> Surroundings:
        first = {device: address(ADDRESSES[self.family][device][0]).value for device in ("near", "far")}
        return Surroundings(
            lambda value, _: "LOCAL" if value in self.own() else "UNICAST",
            lambda device, _: first[device],
            lambda device: first[device],
        )

    def hook(self, hook: Hook, at: HookPacket, connections: Connections, oracle: Oracle) -> HookPacket | None:
        result = run_hook(self.tables, hook, at, self.surroundings(), connections, oracle)
        if result.reason == MIRRORED:
            raise Unsettled
        assert result.judgement.value != "unknown", result.reason
        return result.packet if result.accepted else None

    def through(
        self, packet: Packet, device: str, connections: Connections, oracle: Oracle
    ) -> tuple[str, Packet, Tracked | None] | None:
        """A packet that came in by a device: where it is delivered, and how it looks there."""
        at = self.hook(Hook.PREROUTING, HookPacket(packet, in_device=device), connections, oracle)
        if at is None:
            return None
        out = self.device(at.packet.destination)
        if out == "lo":
            done = self.hook(Hook.INPUT, at, connections, oracle)
            return (ROUTER, done.packet, done.tracked) if done else None
        at = at._replace(packet=at.packet._replace(ttl=at.packet.ttl - 1), out_device=out)
        at = self.hook(Hook.FORWARD, at, connections, oracle)
        return self.leave(at, out, connections, oracle) if at else None

    def sent(self, packet: Packet, connections: Connections, oracle: Oracle) -> tuple[str, Packet, Tracked | None] | None:
        """A packet of the router's own."""
        at = HookPacket(packet, out_device=self.device(packet.destination), local=True)
        out = self.hook(Hook.OUTPUT, at, connections, oracle)
        return self.leave(out, self.device(out.packet.destination), connections, oracle) if out else None

    def leave(
        self, at: HookPacket, out: str, connections: Connections, oracle: Oracle
    ) -> tuple[str, Packet, Tracked | None] | None:
        done = self.hook(Hook.POSTROUTING, at._replace(out_device=out), connections, oracle)
        return (CLIENT if out == "near" else SERVER, done.packet, done.tracked) if done else None


def first_packet(probe: Probe) -> Packet:
    """The packet of a probe."""
    source, destination = address(probe.source).value, address(probe.destination).value
    size = {TCP: 20, UDP: 12}.get(probe.protocol, 12)
    kind = ECHO[probe.family][1] if probe.protocol == ECHO[probe.family][0] else 0
    flags = SYN if probe.protocol == TCP else 0
    return Packet(
        probe.family, source, destination, probe.protocol, probe.source_port, probe.destination_port, kind, 0, flags, 64, size
    )


def answer(packet: Packet) -> Packet:
    """What the far end sends back: the kernel's SYN and ACK carries an MSS option where the SYN had none."""
    flags = SYN | ACK if packet.protocol == TCP else 0
    kind = {8: 0, 128: 129}.get(packet.icmp_type, 0)
    size = 24 if packet.protocol == TCP else packet.size
    ports = (packet.destination_port, packet.source_port)
    if packet.icmp_type:
        ports = (packet.source_port, 0)
    return packet._replace(source=packet.destination, destination=packet.source, source_port=ports[0], destination_port=ports[1], icmp_type=kind, tcp_flags=flags, ttl=64, size=size, mark=0, service=packet.service if packet.icmp_type else 0)  # fmt: skip


def predict(router: Router, probe: Probe, oracle: Oracle) -> Outcome:
    """What the walk says of a probe and its answer, which stands behind the place: outcomes that differ there only are not the same."""
    connections = Connections()
    sent = first_packet(probe)
    found = (
        router.through(sent, "near", connections, oracle) if probe.origin == CLIENT else router.sent(sent, connections, oracle)
    )
    if found is None:
        return Outcome(Fate.UNREACHABLE)
    place, there, _ = found
    seen = (Address(there.family, there.source), Address(there.family, there.destination), there.destination_port)
    back = answer(there)
    arrived = router.sent(back, connections, oracle) if place == ROUTER else router.through(back, "far", connections, oracle)
    reply = arrived[1] if arrived and arrived[0] == probe.origin else None
    told = f"{Address(reply.family, reply.source)} {reply.source_port}" if reply else ""
    return Outcome(Fate.REACHABLE if reply else Fate.DEPENDS, f"{place}|{told}", *seen)


def essence(outcome: Outcome) -> tuple[object, ...]:
    place, _, told = (outcome.delivered_to or "").partition("|")
    return (place or None, outcome.source_seen, outcome.destination_seen, outcome.port_seen, told)


def observed(seen: Seen) -> tuple[object, ...]:
    if seen.place is None:
        return (None, None, None, None, "")
    reply = f"{seen.reply[0]} {seen.reply[1]}" if seen.reply else ""
    return (seen.place, address(seen.source), address(seen.destination), seen.destination_port, reply)


def foretold(found: tuple[object, ...], expected: set[tuple[object, ...]]) -> bool:
    """Whether the kernel did what the walk says."""
    return found in expected or any(fits(found, item) for item in expected)


def fits(found: tuple[object, ...], item: tuple[object, ...]) -> bool:
    """Where the kernel picks a port, or a ping's identifier, any is what the walk says; whether somebody answers is asked only of the ports
    that are listened on."""
    if isinstance(item[3], int) and item[3] >= PICKED:
        return item[:3] == found[:3]
    if item[:4] == found[:4] and found[3] not in (0, None, *PORTS):
        return True
    replier, _, port = str(item[4]).partition(" ")
    return port.isdigit() and int(port) >= PICKED and item[:4] == found[:4] and str(found[4]).partition(" ")[0] == replier


Load = Callable[[Lab, int, int], tuple[Namespace, str]]


def disagreements(built: Lab, seed: int, load: Load, of: type[Router], open_too: bool = False) -> list[str]:
    """Probes through one random ruleset, which ``load`` puts on the router, of which kernel and walk say different things. ``open_too``: what the walk
    leaves open is none of them."""
    family = 4 if seed % 3 else 6
    namespace, text = load(built, seed, family)
    sent = probes(Random(-seed), family, seed * 16)
    router = of(HookTables.of(namespace, family), family)
    seen = built.probe(sent)
    result = []
    for probe in sent:
        try:
            told = list(explore(lambda oracle, probe=probe: predict(router, probe, oracle)))  # type: ignore[misc]
        except Unsettled:
            continue
        expected = {essence(outcome) for outcome in told}
        if open_too and any(outcome.fate is Fate.UNKNOWN for outcome in told):
            continue
        if not foretold(observed(seen[probe.number]), expected):
            result.append(f"seed {seed}: {probe}\n  kernel {observed(seen[probe.number])}\n  walk   {expected}")
    return [*result, text] if result else []


def test_random_rulesets(built: Lab) -> None:
    delivered = 0
    for seed in range(SEED, SEED + COUNT):
        wrong = disagreements(built, seed, load, Router)
        assert not wrong, "\n".join(wrong)
        delivered += 1
    assert delivered == COUNT


def test_random_words(built: Lab) -> None:
    for seed in range(SEED + 5 * COUNT, SEED + 5 * COUNT + COUNT // 4):
        wrong = disagreements(built, seed, load_words, Router, open_too=True)
        assert not wrong, "\n".join(wrong)


def test_random_open_matches(built: Lab) -> None:
    for seed in range(SEED + 7 * COUNT, SEED + 7 * COUNT + COUNT // 4):
        wrong = disagreements(built, seed, load_open, Router, open_too=True)
        assert not wrong, "\n".join(wrong)
