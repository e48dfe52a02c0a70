"""Random tables of IPVS behind random rulesets: the lowered network says what the concrete walk says, and families of virtual servers do what each of them does.

``LOWERING_TABLES`` sets how many tables are tried (40), ``LOWERING_SEED`` the first seed (1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.addresses import address
from analyzer.facts.ipvs import VirtualServerFact
from analyzer.facts.links import AddressFact, LinkFact, OtherKind
from analyzer.facts.netfilter import RulesetFact
from analyzer.facts.routes import LOCAL
from analyzer.facts.system import SysctlFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Interface, Namespace, Network
from analyzer.model.routing import local_table
from analyzer.parsers import iptables_save, ipvsadm_save, read
from analyzer.ranges import Ranges, normalised
from analyzer.solve import interpreter
from analyzer.solve.interpreter import Interpreter
from analyzer.solve.packet import ICMP, ICMPV6, SYN, TCP, UDP, Fate, Packet
from analyzer.solve.sets import regions
from analyzer.solve.sets.diagrams import Sets
from analyzer.solve.walk.concrete import Flow, walk
from analyzer.source import Gap, Scope, Source
from analyzer.transfer import ipvs, ir, virtual
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field
from analyzer.transfer.virtual import Parts
from tests.engines import interpreted, members, named
from tests.lowered import agree, outcomes, walked
from tests.test_lowering_netfilter import AT, CLIENT, HELD, ROUTER, SERVER, network, random_network

COUNT, SEED = int(os.environ.get("LOWERING_TABLES", "40")), int(os.environ.get("LOWERING_SEED", "1"))
VIRTUAL = {4: ("10.96.0.1", "10.96.0.2", "10.77.1.1", "10.77.2.9"), 6: ("fd96::1", "fd96::2", "fd77:1::1", "fd77:2::9")}
PORTS = (53, 80, 443, 8080)
OPTIONS = {TCP: "-t", UDP: "-u"}


def table(random: Random, family: int) -> str:
    """A random text of ``ipvsadm-save``: virtual servers at service addresses and at the router's own, and at marks."""
    lines: list[str] = []
    places = [(option, host, port) for option in OPTIONS.values() for host in VIRTUAL[family] for port in PORTS]
    for option, host, port in random.sample(places, random.randint(3, 14)):
        lines += service(random, family, f"{option} {written(host, family)}:{0 if random.random() < 0.08 else port}")
    if random.random() < 0.3:
        lines += service(random, family, f"-f {random.choice((1, 2, 0x4000))}{' -6' if family == 6 else ''}")
    kept = [line for number, line in enumerate(lines) if not line.startswith("-A") or line not in lines[:number]]
    return "".join(f"{line}\n" for line in kept)


def service(random: Random, family: int, name: str) -> list[str]:
    """One virtual server with up to three real ones: the server's and the router's addresses, the client's, and one that nobody has."""
    scheduler = random.choice(("rr", "rr", "wlc", "sh", "dh", "mh", "fo"))
    lasting = " -p 10800" if random.random() < 0.25 else ""
    lines = [f"-A {name} -s {scheduler}{lasting}"]
    hosts = [text for held in HELD[family].values() for texts in held.values() for text in texts]
    hosts.append("10.77.2.77" if family == 4 else "fd77:2::77")
    for host in random.sample(hosts, random.choice((0, 1, 1, 1, 2, 3))):
        method = random.choice(("-m", "-m", "-m", "-m", "-m", "-m", "-g"))
        weight = random.choice((1, 1, 1, 1, 3, 0))
        lines.append(f"-a {name} -r {written(host, family)}:{random.choice((8080, 8080, 80, 0))} {method} -w {weight}")
    return lines


def written(host: str, family: int) -> str:
    """An address before a port."""
    return f"[{host}]" if family == 6 else host


def balancing(made: Network, family: int, text: str) -> Network:
    """The network with virtual servers on its router, whose dummy device holds the service addresses."""
    facts = tuple(
        item
        for item in read(ipvsadm_save.PARSER, Source("n/ipvsadm-save", text, "ipvs", ROUTER))
        if isinstance(item, VirtualServerFact)
    )
    router = made.namespaces[ROUTER]
    flags = frozenset({"BROADCAST", "NOARP"})
    dummy = LinkFact(
        at=AT, name="kube-ipvs0", index=9, flags=flags, mtu=1500, mac=0x02000000AA00, kind=OtherKind("dummy"), detailed=True
    )
    links = {**router.links, "kube-ipvs0": dummy}
    length = 32 if family == 4 else 128
    more = tuple(AddressFact(at=AT, device="kube-ipvs0", address=address(host), length=length) for host in VIRTUAL[family][:2])
    own = (*router.addresses, *more)
    routes = {family: {**router.routes[family], LOCAL: local_table(family, own, links, ROUTER)}}
    switch = {"net.ipv4.vs.conntrack": SysctlFact(at=AT, key="net.ipv4.vs.conntrack", value="1")}
    space = replace(
        router, links=links, addresses=own, routes=routes, virtual_servers=facts, sysctls={**router.sysctls, **switch}
    )
    owners = {**made.owners, **{fact.address: (Interface(ROUTER, "kube-ipvs0"),) for fact in more}}
    return replace(made, namespaces={**made.namespaces, ROUTER: space}, owners=owners)


def flows(random: Random, made: Network, family: int) -> Iterator[Flow]:
    """Flows to virtual servers, most of them, and to others at their addresses."""
    facts = [fact for fact in made.namespaces[ROUTER].virtual_servers if fact.address is not None]
    for number in range(14):
        scope = random.choice((CLIENT, CLIENT, CLIENT, ROUTER, SERVER))
        own = [text for texts in HELD[family][scope].values() for text in texts]
        source = address(random.choice((*own, *VIRTUAL[family]) if scope == ROUTER else own)).value
        fact = random.choice(facts)
        assert fact.address is not None
        target, protocol, port = fact.address.value, fact.protocol, fact.port or random.choice(PORTS)
        if random.random() < 0.25:
            target = address(random.choice(VIRTUAL[family])).value
            protocol, port = random.choice((TCP, UDP, ICMP if family == 4 else ICMPV6)), random.choice(PORTS)
        echo = {ICMP: 8, ICMPV6: 128}.get(protocol, 0)
        sent_from = 20 if random.random() < 0.05 else 10000 + number
        flags = SYN if protocol == TCP else 0
        yield Flow(scope, Packet(family, source, target, protocol, sent_from, 0 if echo else port, echo, tcp_flags=flags))


def test_random_tables() -> None:
    wrong: list[str] = []
    tried = lowered = balanced = 0
    for seed in range(SEED, SEED + COUNT):
        made, family, rules = random_network(seed)
        random = Random(-seed)
        text = table(random, family)
        made = balancing(made, family, text)
        program = NetworkProgram(made, family)
        for flow in flows(random, made, family):
            trace = walk(made, flow)
            told, found = walked(trace), outcomes(program, flow)
            tried += 1
            balanced += any(hop.stage == "ipvs" for outcome in trace.outcomes for hop in outcome.hops)
            picked = any(end.reason.endswith("was picked at random") for end in told)
            undecided = any(end.fate is Fate.UNKNOWN for end in told) and any(end.open for end in found)
            cut = any(end.reason.startswith("there are more ways") for end in told)
            if picked or undecided or cut or any(end.fate is Fate.UNKNOWN for end in found):
                continue
            lowered += 1
            if not agree(found, told):
                wrong.append(
                    f"seed {seed}: {flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}\n{text}\n{rules}"
                )
    assert not wrong, f"{len(wrong)} of {tried} wrong\n" + "\n".join(wrong[:2])
    assert lowered > tried * 0.6
    assert balanced > tried * 0.2


def asking(random: Random, family: int) -> str:
    """Rules that ask for packets of IPVS and for their connections, as kube-router's do, and what sends their answers elsewhere."""
    near, far = HELD[family][ROUTER]["near"][0], HELD[family][ROUTER]["far"][-1]
    tests = [
        *("--ipvs", "! --ipvs", "--vdir ORIGINAL --vmethod MASQ", "--vmethod GATE", "--vdir REPLY", "! --vproto 6"),
        *(f"{no}--vaddr {random.choice(VIRTUAL[family])}" for no in ("", "! ")),
        *(f"{no}--vport {random.choice(PORTS)} --vproto {protocol}" for no, protocol in (("", 6), ("! ", 17))),
    ]
    rules = [
        f"-A POSTROUTING -m ipvs {random.choice(tests)} -j {random.choice((f'SNAT --to-source {far}', f'SNAT --to-source {near}', 'ACCEPT', 'SHUT', 'MASQUERADE'))}"
        for _ in range(random.randint(1, 4))
    ]
    filters = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"
    return "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:SHUT -\n-A SHUT -j DROP\n{}\nCOMMIT\n{}".format(
        "\n".join(rules), filters
    )


def test_rules_that_ask_for_connections() -> None:
    wrong, met = [], 0
    for seed in range(SEED, SEED + COUNT // 4):
        random, family = Random(seed), 4 if seed % 3 else 6
        text, rules = table(random, family), asking(random, family)
        made = balancing(network(family, ruled(rules, family), {}), family, text)
        program = NetworkProgram(made, family)
        for flow in flows(random, made, family):
            trace = walk(made, flow)
            told, found = walked(trace), outcomes(program, flow)
            if any(end.open or end.fate is Fate.UNKNOWN for end in found) or any(end.fate is Fate.UNKNOWN for end in told):
                continue
            hops = [hop for outcome in trace.outcomes for hop in outcome.hops]
            met += any(hop.stage == "ipvs" for hop in hops) and any("nat POSTROUTING" in hop.what for hop in hops)
            if not agree(found, told):
                wrong.append(
                    f"seed {seed}: {flow}\n  walked: {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}\n{text}\n{rules}"
                )
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:2])
    assert met > COUNT // 4


def ruled(text: str, family: int) -> tuple[RulesetFact, ...]:
    """The ruleset of a text, all of which is understood."""
    found = list(read(iptables_save.PARSER, Source(f"n/ip{'6' * (family == 6)}tables-save", text, "iptables-save", ROUTER)))
    assert not [item for item in found if isinstance(item, Gap)], found
    return tuple(item for item in found if isinstance(item, RulesetFact))


HERE = Scope("n")
START = ir.Point(HERE, "test")


@dataclass
class Program:
    """The tables of one namespace, entered as from PREROUTING."""

    text: str
    family: int = 4

    def __post_init__(self) -> None:
        found = read(ipvsadm_save.PARSER, Source("n/ipvsadm-save", self.text, "ipvs", HERE))
        facts = tuple(item for item in found if isinstance(item, VirtualServerFact))
        switch = SysctlFact(at=AT, key="net.ipv4.vs.conntrack", value="1")
        space = Namespace(HERE, virtual_servers=facts, sysctls={"net.ipv4.vs.conntrack": switch})
        self.inner = NetworkProgram(Network({HERE: space}, cluster=Cluster()), self.family)
        self.address_bits = self.inner.address_bits

    def at(self, point: ir.Point) -> ir.Transfer:
        if point == START:
            steps = (step for _, step in ipvs.steps(self.inner.context, HERE, "INPUT"))
            return ir.Seq((ir.Track(HERE), *steps, ir.Confirm(HERE), ir.End(ir.Deliver(HERE))))
        return ir.End(ir.Leave(point.scope, point.stage))


HOSTS = [f"10.0.0.{last}" for last in range(1, 28)]


@st.composite  # type: ignore[untyped-decorator]
def programs(draw: st.DrawFn) -> Program:
    """Many virtual servers of one to three kinds, and others among them."""
    shape = st.lists(
        st.tuples(st.sampled_from(("-t", "-u")), st.sampled_from((80, 443, 0)), st.integers(0, 3)), min_size=1, max_size=2
    )
    kinds = draw(st.lists(shape, min_size=1, max_size=3))
    random = draw(st.randoms(use_true_random=False))
    lines: list[str] = []
    for host in HOSTS[:24]:
        for option, port, count in {(one[0], one[1]): one for one in kinds[random.random() < 0.2 and len(kinds) - 1]}.values():
            name = f"{option} {host}:{port}"
            odd = random.random() < 0.1
            lines.append(f"-A {name} -s {random.choice(('sh', 'rr')) if odd else 'rr'}{' -p 300' if port == 0 else ''}")
            for end in random.sample(HOSTS, count):
                weight = random.choice((0, 1)) if odd else 1
                lines.append(
                    f"-a {name} -r {end}:{random.choice((8080, 8081))} {random.choice(('-m', '-g')) if odd else '-m'} -w {weight}"
                )
    return Program("".join(f"{line}\n" for line in lines))


def space() -> dict[Field, int | Ranges]:
    """The packets that are looked at."""
    hosts = normalised((address(host).value,) * 2 for host in HOSTS)
    return {
        Field.SOURCE: ((hosts[0][0], hosts[0][0] + 3),),
        Field.DESTINATION: hosts,
        Field.PROTOCOL: ((6, 6), (17, 17)),
        Field.DESTINATION_PORT: ((79, 81), (443, 443)),
        Field.SOURCE_PORT: 4000,
        Field.TTL: 64,
        Field.TCP_FLAGS: 2,
    }


def packets() -> Iterator[dict[Field, int]]:
    """Some of them."""
    hosts = [address(host).value for host in HOSTS]
    for number, host in enumerate(hosts):
        for source in hosts[:3]:
            protocol, port = (6, 17)[number % 5 == 0], (80, 443, 79)[(number + source) % 3]
            fields = {Field.SOURCE: source, Field.DESTINATION: host, Field.PROTOCOL: protocol, Field.DESTINATION_PORT: port}
            yield {**fields, Field.SOURCE_PORT: 4000, Field.TTL: 64, Field.TCP_FLAGS: 2}


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(programs())  # type: ignore[untyped-decorator]
def test_sets_of_packets_are_balanced_as_each_of_them(program: Program) -> None:
    results = Sets(program).explore([(START, regions.start(space()))])
    assert not any(result.beyond for result in results)
    for packet in packets():
        wanted = {interpreted(state, way) for way, state in Interpreter(program).walk(START, interpreter.start(packet))}
        assert {item for result in results for item in members(result, named(packet))} == wanted


@pytest.mark.parametrize("count", [7, 8, 2000])
def test_virtual_servers_of_one_shape_are_one_family(count: int) -> None:
    lines = []
    for number in range(count):
        own = f"10.96.{number // 250}.{number % 250}:80"
        lines += [f"-A -t {own} -s rr", *(f"-a -t {own} -r 10.244.{number // 250}.{end}:8080 -m -w 1" for end in (1, 2, 3))]
    program = Program("".join(f"{line}\n" for line in lines))
    facts = program.inner.network.namespaces[HERE].virtual_servers
    table = virtual.table(facts, lambda _: ir.KEEP, True)
    assert isinstance(table, ir.Table)
    assert isinstance(table.parts, Parts)
    assert [len(family.members) for family in table.families()] == ([count] if count >= 8 else [])
