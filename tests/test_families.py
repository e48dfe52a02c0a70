"""Rules that are run as families (``transfer/netfilter/families.py``) do to packets what the interpreter says that each of them does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.addresses import address
from analyzer.facts.netfilter import RulesetFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Namespace, Network
from analyzer.parsers import iptables_save, read
from analyzer.ranges import Ranges, normalised
from analyzer.solve import interpreter
from analyzer.solve.interpreter import Interpreter
from analyzer.solve.sets import regions
from analyzer.solve.sets.diagrams import Sets
from analyzer.source import Scope, Source
from analyzer.transfer import ir
from analyzer.transfer.family import Family
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field
from tests.engines import interpreted, members, named

HERE = Scope("n")
START, CHAIN = ir.Point(HERE, "test"), ir.Point(HERE, "chain", "")
ADDRESSES = {4: [f"10.0.0.{last}" for last in range(1, 28)], 6: [f"fd00::{last:x}" for last in range(1, 28)]}
PORTS = ("80", "443", "8080")
ENDS = {4: "/32", 6: "/128"}
WORDS = ("ADDRESS", "PORT", "BELOW")


@dataclass
class Program:
    """One table whose first chain is ``MAIN``, entered as from PREROUTING."""

    family: int
    text: str

    def __post_init__(self) -> None:
        found = list(read(iptables_save.PARSER, Source("n/iptables-save", self.text)))
        facts = tuple(item for item in found if isinstance(item, RulesetFact))
        self.backend = facts[0].backend
        self.inner = NetworkProgram(Network({HERE: Namespace(HERE, rulesets=facts)}, cluster=Cluster()), self.family)
        self.address_bits = self.inner.address_bits

    @property
    def main(self) -> ir.Point:
        return ir.Point(HERE, "chain", f"{self.family}/{self.backend}/nat/MAIN")

    def at(self, point: ir.Point) -> ir.Transfer:
        if point != START:
            return self.inner.at(point)
        rules = ir.Translate(HERE, True, ir.Hook(ir.Call(self.main)))
        return ir.Seq((ir.Track(HERE), rules, ir.Confirm(HERE), ir.End(ir.Deliver(HERE))))

    def families(self) -> tuple[Family, ...]:
        table = self.at(self.main)
        assert isinstance(table, ir.Table)
        return tuple(table.families())


tests = st.sampled_from(
    ["", "", "-s ADDRESSEND", "! -s ADDRESSEND", "-d ADDRESSEND", "-s 10.0.0.0/29", "-p tcp -m tcp --dport PORT", "-p tcp -m tcp ! --dport PORT",
     "-p tcp -m multiport --dports 80,443", "-p udp", "-m mark --mark 0x1/0x1", "-m statistic --mode random --probability 0.5", "-p tcp -m tcp --sport PORT",
     '-m comment --comment "to ADDRESS:PORT"', "-m comment --comment short", "-m statistic --mode random --probability 1.0"]
)  # fmt: skip
ends = st.sampled_from(
    ["-j MARK --set-xmark 0x1/0x1", "-j MARK --set-xmark 0x2/0x3", "-j RETURN", "-j ACCEPT", "-j BELOW", "-j BELOW", "-j BELOW", "-j DNAT --to-destination TO",
     "-j DNAT --to-destination TO", "-p tcp -j DNAT --to-destination TO:PORT", "-p tcp -j DNAT --to-destination TO:PORT", "-p tcp -m tcp -j DNAT --to-destination TO:80-81",
     "-g BELOW", "-j DROP", "-j LOG", ""]
)  # fmt: skip


def lines(most: int) -> st.SearchStrategy[list[str]]:
    """The lines of a chain, with words to be replaced."""
    return st.lists(st.builds(lambda one, other, end: f"{one} {other} {end}", tests, tests, ends), min_size=1, max_size=most)


@st.composite  # type: ignore[untyped-decorator]
def programs(draw: st.DrawFn) -> Program:
    """A long chain with a rule for each of many destinations, of one or two kinds, and others between them."""
    family = draw(st.sampled_from([4, 4, 6]))
    kinds = draw(st.lists(st.tuples(lines(3), lines(3)), min_size=1, max_size=2))
    random = draw(st.randoms(use_true_random=False))
    hosts = ADDRESSES[family]

    def filled(line: str, below: str) -> str:
        for word, choices in (("ADDRESS", hosts), ("PORT", PORTS)):
            while word in line:
                line = line.replace(word, random.choice(choices), 1)
        to = random.choice(hosts)
        line = line.replace("TO:", f"[{to}]:" if family == 6 else f"{to}:").replace("TO", to) if "DNAT" in line else line
        line = line.replace("10.0.0.0/29", "fd00::/125") if family == 6 else line
        return " ".join(line.replace("END", ENDS[family]).replace("BELOW", below).split())

    main: list[str] = []
    rest: list[str] = []
    for number, host in enumerate(hosts[:24]):
        one, other = kinds[random.random() < 0.15 and len(kinds) - 1]
        tail = random.choice(["-p tcp -m tcp --dport PORT ", "", "-p tcp -m tcp --dport PORT "]) if len(kinds) == 2 else ""
        main.append(f"-A MAIN -d {host}{ENDS[family]} {filled(tail, '')} -j S{number}".replace("  ", " "))
        rest += [f"-A S{number} {filled(line, f'E{number}')}" for line in one]
        rest += [f"-A E{number} {filled(line, 'LAST')}" for line in other]
    for line in draw(
        st.lists(st.sampled_from(["-j MARK --set-xmark 0x4/0x4", "-s ADDRESSEND -j RETURN", "-d ADDRESSEND -j E1"]), max_size=2)
    ):
        place = random.choice([0, random.randrange(len(main) + 1), len(main)])
        main.insert(place, f"-A MAIN {filled(line, '')}")
    if draw(st.booleans()):
        main += [f"-A MAIN -d {host}{ENDS[family]} -j E{number}" for number, host in enumerate(hosts[:24])]
    heads = ["*nat", ":PREROUTING ACCEPT [0:0]", ":LAST - [0:0]", ":MAIN - [0:0]"]
    heads += [f":{kind}{number} - [0:0]" for number in range(24) for kind in "SE"]
    text = "\n".join((*heads, *main, *rest, "-A LAST -j MARK --set-xmark 0x8/0x8", "COMMIT", ""))
    head = "# Generated by ip6tables-save v1.8.9\n" if family == 6 else "# Generated by iptables-save v1.8.9\n"
    return Program(family, head + text)


def space(family: int) -> dict[Field, int | Ranges]:
    """The packets that are looked at."""
    hosts = normalised((address(host).value,) * 2 for host in ADDRESSES[family])
    fields: dict[Field, int | Ranges] = {
        Field.SOURCE: hosts[0][:1] and ((hosts[0][0], hosts[0][0] + 3),),
        Field.DESTINATION: hosts,
    }
    return {
        **fields,
        Field.PROTOCOL: ((6, 6), (17, 17)),
        Field.DESTINATION_PORT: ((79, 81), (443, 443)),
        Field.SOURCE_PORT: 4000,
        Field.TTL: 64,
        Field.TCP_FLAGS: 2,
    }


def packets(family: int) -> Iterator[dict[Field, int]]:
    """Some of them."""
    hosts = [address(host).value for host in ADDRESSES[family]]
    for number, host in enumerate(hosts):
        for source in hosts[:3]:
            protocol, port = (6, 17)[number % 5 == 0], (80, 443, 79)[(number + source) % 3]
            fields = {Field.SOURCE: source, Field.DESTINATION: host, Field.PROTOCOL: protocol, Field.DESTINATION_PORT: port}
            yield {**fields, Field.SOURCE_PORT: 4000, Field.TTL: 64, Field.TCP_FLAGS: 2}


def wanted(program: ir.Program, packet: dict[Field, int]) -> set[object]:
    """What the interpreter says of a packet."""
    return {interpreted(state, way) for way, state in Interpreter(program).walk(START, interpreter.start(packet))}


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(programs())  # type: ignore[untyped-decorator]
def test_families_do_what_their_rules_do(program: Program) -> None:
    results = Sets(program).explore([(START, regions.start(space(program.family)))])
    assert not any(result.beyond for result in results)
    for packet in packets(program.family):
        assert {item for result in results for item in members(result, named(packet))} == wanted(program, packet)


SERVICE = """\
-A MAIN -d {own}/32 -p tcp -m comment --comment "default/s{n} cluster IP" -m tcp --dport 80 -j KUBE-SVC-{n}
-A KUBE-SVC-{n} ! -s 10.64.0.0/10 -d {own}/32 -p tcp -m comment --comment "default/s{n} cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-{n} -m comment --comment "default/s{n} -> {end}:8080" -m statistic --mode random --probability 0.5 -j KUBE-SEP-{n}A
-A KUBE-SVC-{n} -m comment --comment "default/s{n} -> {own}:8080" -j KUBE-SEP-{n}B
-A KUBE-SEP-{n}A -s {end}/32 -m comment --comment "default/s{n}" -j KUBE-MARK-MASQ
-A KUBE-SEP-{n}A -p tcp -m comment --comment "default/s{n}" -m tcp -j DNAT --to-destination {end}:8080
-A KUBE-SEP-{n}B -s {own}/32 -m comment --comment "default/s{n}" -j KUBE-MARK-MASQ
-A KUBE-SEP-{n}B -p tcp -m comment --comment "default/s{n}" -m tcp -j DNAT --to-destination {own}:8080
"""


def test_services_of_one_shape_are_one_family() -> None:
    chains = "".join(f":KUBE-SVC-{n} - [0:0]\n:KUBE-SEP-{n}A - [0:0]\n:KUBE-SEP-{n}B - [0:0]\n" for n in range(12))
    text = "".join(SERVICE.format(n=n, own=f"10.0.0.{n + 1}", end=f"10.0.0.{27 - n}") for n in range(12))
    last = '-A MAIN -m comment --comment "kubernetes service nodeports" -j KUBE-MARK-MASQ\n'
    mark = "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n"
    program = Program(4, f"*nat\n:MAIN - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n{chains}{text}{last}{mark}COMMIT\n")
    (family,) = program.families()
    assert len(family.members) == 12
    assert family.parts[1:] == (12,)
    results = Sets(program).explore([(START, regions.start(space(4)))])
    for packet in packets(4):
        assert {item for result in results for item in members(result, named(packet))} == wanted(program, packet)
    assert len(results) < 40


def test_chains_of_one_text_that_jump_to_others_are_families_of_their_own() -> None:
    chains = "".join(f":S{n} - [0:0]\n" for n in range(12))
    main = "".join(f"-A MAIN -d 10.0.0.{n + 1}/32 -j S{n}\n" for n in range(12))
    texts = {
        Scope(node): f"*nat\n:MAIN - [0:0]\n{chains}{main}" + "".join(f"-A S{n} -p tcp -j DNAT --to-destination {to}.{n}:80\n" for n in range(12)) + "COMMIT\n"
        for node, to in (("one", "10.1.0"), ("same", "10.1.0"), ("other", "10.2.0"))
    }  # fmt: skip
    spaces = {}
    for scope, text in texts.items():
        found = read(iptables_save.PARSER, Source(f"{scope.node}/iptables-save", text))
        spaces[scope] = Namespace(scope, rulesets=tuple(item for item in found if isinstance(item, RulesetFact)))
    program = NetworkProgram(Network(spaces, cluster=Cluster()), 4)
    made = []
    for scope in texts:
        backend = spaces[scope].rulesets[0].backend
        table = program.at(ir.Point(scope, "chain", f"4/{backend}/nat/MAIN"))
        assert isinstance(table, ir.Table)
        made.append(table.families())
    one, same, other = made
    assert one is same
    assert [len(family.members) for family in other] == [12]
    assert other[0].members != one[0].members


def test_a_family_that_has_to_be_told_apart_too_often_is_left_to_others() -> None:
    chains = "".join(f":S{n} - [0:0]\n" for n in range(12))
    main = "".join(f"-A MAIN -d 10.0.0.{n + 1}/32 -j S{n}\n" for n in range(12))
    chance = "-m statistic --mode random --probability 0.5 -j MARK --set-xmark"
    marks = "".join(f"-A S{n} {chance} {1 << bit:#x}/{1 << bit:#x}\n" for n in range(12) for bit in range(7))
    program = Program(4, f"*nat\n:MAIN - [0:0]\n{chains}{main}{marks}COMMIT\n")
    assert len(program.families()) == 1
    start = [(START, regions.start(space(4)))]
    assert any(result.beyond for result in Sets(program, limit=50).explore(start))
    assert not any(result.beyond for result in Sets(program).explore(start))
