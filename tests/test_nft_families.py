"""Elements of native verdict maps that are run as families (``transfer/nft/families.py``) do to packets what the interpreter says that each of them does."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.facts.nftables import NftTableFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Namespace, Network
from analyzer.parsers import nft, read
from analyzer.solve.sets import regions
from analyzer.solve.sets.diagrams import Sets
from analyzer.source import Source
from analyzer.transfer import ir
from analyzer.transfer.family import Family
from analyzer.transfer.graph import NetworkProgram
from tests.engines import members, named
from tests.test_families import ADDRESSES, HERE, PORTS, START, packets, space, wanted

TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}


@dataclass
class Native:
    """One native table whose first chain is ``main``, entered as from PREROUTING."""

    family: int
    text: str

    def __post_init__(self) -> None:
        found = list(read(nft.PARSER, Source("n/nft", self.text)))
        facts = tuple(item for item in found if isinstance(item, NftTableFact))
        self.inner = NetworkProgram(Network({HERE: Namespace(HERE, nft_tables=facts)}, cluster=Cluster()), self.family)
        self.address_bits = self.inner.address_bits

    @property
    def main(self) -> ir.Point:
        return ir.Point(HERE, "nft chain", f"{'ip' if self.family == 4 else 'ip6'} proxy main")

    def at(self, point: ir.Point) -> ir.Transfer:
        if point != START:
            return self.inner.at(point)
        rules = ir.Translate(HERE, True, ir.Hook(ir.Call(self.main)))
        return ir.Seq((ir.Track(HERE), rules, ir.Confirm(HERE), ir.End(ir.Deliver(HERE))))

    def families(self) -> tuple[Family, ...]:
        return tuple(family for table in tables_of(self.at(self.main)) for family in table.families())


def tables_of(transfer: ir.Transfer) -> list[ir.Table]:
    """The tables in a chain's transfer."""
    match transfer:
        case ir.Table():
            return [transfer]
        case ir.Seq(parts):
            return [table for part in parts for table in tables_of(part)]
        case _:
            return []


tests = st.sampled_from(
    ["", "", "", "IP saddr ADDRESS", "IP saddr != ADDRESS", "IP daddr ADDRESS", "IP daddr != ADDRESS", "IP saddr NETWORK", "tcp dport PORT", "tcp dport != PORT",
     "tcp dport { 80, 443 }", "udp dport PORT", "meta l4proto tcp", "meta mark & 0x1 == 0x1", "tcp sport PORT", 'comment "to ADDRESS"', "counter packets 4 bytes 5",
     "IP saddr @known", "ct original IP saddr ADDRESS", "IP saddr { ADDRESS, ADDRESS }"]
)  # fmt: skip
ends = st.sampled_from(
    ["meta mark set meta mark | 0x1", "meta mark set 0x2", "return", "accept", "continue", "jump BELOW", "goto BELOW", "goto BELOW", "jump BELOW", "dnat to TO",
     "meta l4proto tcp dnat to TO:PORT", "meta l4proto tcp dnat to TO:PORT", "meta l4proto tcp dnat to TO:80-81", "dnat to TO-TO", "jump LAST", "drop", "",
     "numgen random mod 2 vmap { 0 : goto BELOW, 1 : goto LAST }", "numgen random mod 3 vmap { 0 : goto BELOW, 1 : goto LAST }",
     "numgen random mod 2 vmap { 0 : jump BELOW, 1 : goto LAST }", "numgen random mod 2 vmap { 0 : goto BELOW, 1 : goto BELOW }", "ip protocol vmap { tcp : goto BELOW, udp : goto LAST }"]
)  # fmt: skip


def lines(most: int) -> st.SearchStrategy[list[str]]:
    """The rules of a chain, with words to be replaced."""
    return st.lists(st.builds(lambda one, other, end: f"{one} {other} {end}", tests, tests, ends), min_size=1, max_size=most)


@st.composite  # type: ignore[untyped-decorator]
def programs(draw: st.DrawFn) -> Native:
    """A map with an element or two for each of many destinations, whose chains are of one or two kinds, and rules around it."""
    family = draw(st.sampled_from([4, 4, 6]))
    kinds = draw(st.lists(st.tuples(lines(3), lines(3), st.sampled_from(["goto", "goto", "jump"])), min_size=1, max_size=2))
    random = draw(st.randoms(use_true_random=False))
    hosts = ADDRESSES[family]

    def filled(line: str, below: str) -> str:
        line = line.replace("IP", "ip" if family == 4 else "ip6")
        line = (
            line.replace("NETWORK", "10.0.0.0/29" if family == 4 else "fd00::/125")
            .replace("BELOW", below)
            .replace("LAST", "last")
        )
        line = (
            line.replace("TO-TO", f"{hosts[0]}-{hosts[1]}")
            .replace("TO:", "[ADDRESS]:" if family == 6 else "ADDRESS:")
            .replace("TO", "ADDRESS")
        )
        for word, choices in (("ADDRESS", hosts), ("PORT", PORTS)):
            while word in line:
                line = line.replace(word, random.choice(choices), 1)
        return " ".join(line.split())

    elements: list[str] = []
    chains: dict[str, list[str]] = {"last": ["meta mark set meta mark | 0x8"]}
    for number, host in enumerate(hosts[:24]):
        one, other, verdict = kinds[random.random() < 0.15 and len(kinds) - 1]
        elements.append(f"{host} . {random.choice(['tcp', 'tcp', 'tcp', 'udp'])} . {random.choice(PORTS)} : {verdict} s{number}")
        if random.random() < 0.1:
            elements.append(f"{host} . tcp . 79 : {verdict} e{number}")
        chains[f"s{number}"] = [filled(line, f"e{number}") for line in one]
        chains[f"e{number}"] = [filled(line, "last") for line in other]
    lookup = f"{'ip' if family == 4 else 'ip6'} daddr . meta l4proto . th dport vmap @services"
    after = draw(st.lists(st.sampled_from(["meta mark set meta mark | 0x4", "tcp dport 80 accept"]), max_size=2))
    chains["main"] = [
        *draw(st.lists(st.sampled_from(["meta mark set 0x1", "ip protocol udp return"]), max_size=1)),
        lookup,
        *after,
    ]
    return Native(family, table(family, hosts[3:5], elements, chains))


def table(family: int, known: list[str], elements: list[str], chains: dict[str, list[str]]) -> str:
    """The text of a table."""
    kind = TYPES[family]
    texts = [
        f"table {'ip' if family == 4 else 'ip6'} proxy {{",
        f" set known {{\n type {kind}\n elements = {{ {', '.join(known)} }}\n }}",
    ]
    texts.append(
        f" map services {{\n type {kind} . inet_proto . inet_service : verdict\n elements = {{ {', '.join(elements)} }}\n }}"
    )
    texts += [f" chain {name} {{\n" + "".join(f"  {line}\n" for line in rules if line) + " }" for name, rules in chains.items()]
    return "\n".join([*texts, "}", ""])


@settings(max_examples=70, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(programs())  # type: ignore[untyped-decorator]
def test_families_do_what_their_elements_do(program: Native) -> None:
    results = Sets(program).explore([(START, regions.start(space(program.family)))])
    assert not any(result.beyond for result in results)
    for packet in packets(program.family):
        assert {item for result in results for item in members(result, named(packet))} == wanted(program, packet)


def services(words: str = "", count: int = 12) -> Native:
    """Services as kube-proxy's nftables mode writes them (pkg/proxy/nftables/proxier.go)."""
    hosts = ADDRESSES[4]
    elements = [f"{hosts[n]} . tcp . 80 : goto service-{n}" for n in range(count)]
    chains = {"masquerade": ["meta mark set meta mark | 0x4000"], "main": ["ip daddr . meta l4proto . th dport vmap @services"]}
    for n in range(count):
        end = hosts[26 - n]
        picks = f"0 : goto endpoint-{n}__{end}/8080, 1 : goto endpoint-{n}__{hosts[n]}/8080"
        chains[f"service-{n}"] = [
            f"ip daddr {hosts[n]} tcp dport 80 ip saddr != 10.64.0.0/10 jump masquerade",
            f"numgen random mod 2 vmap {{ {picks} }}",
        ]
        for one in (end, hosts[n]):
            chains[f"endpoint-{n}__{one}/8080"] = [
                f"ip saddr {one} jump masquerade",
                f"meta l4proto tcp {words.format(n=n)}dnat to {one}:8080",
            ]
    return Native(4, table(4, hosts[:2], elements, chains))


def test_services_of_one_shape_are_one_family() -> None:
    program = services()
    (family,) = program.families()
    assert len(family.members) == 12
    results = Sets(program).explore([(START, regions.start(space(4)))])
    for packet in packets(4):
        assert {item for result in results for item in members(result, named(packet))} == wanted(program, packet)
    assert len(results) < 40


def test_chains_that_differ_in_other_words_are_no_family() -> None:
    assert len(services("counter packets {n} bytes {n} ").families()) == 1
    assert services("meta mark != {n} ").families() == ()
    assert services("limit rate 5/second ").families() == ()


def test_an_element_about_many_destinations_leaves_no_family() -> None:
    program = services()
    text = program.text.replace(
        "elements = { 10.0.0.1 . tcp", "elements = { 10.1.0.0/16 . tcp . 80 : goto masquerade, 10.0.0.1 . tcp"
    )
    assert text != program.text
    assert Native(4, text).families() == ()
