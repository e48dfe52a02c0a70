"""Open vSwitch: how much of real flows is understood, and what a switch does with a packet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer import parsers
from analyzer.api import load
from analyzer.facts.openflow import FieldTest
from analyzer.facts.openvswitch import FlowFact, SwitchPortFact
from analyzer.findings import Verdict
from analyzer.model.switches import Switch
from analyzer.parsers import ovn_list, ovn_show
from analyzer.parsers.ovs_flows import PARSER
from analyzer.query.endpoints import endpoints
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate, Trace
from analyzer.solve.walk.concrete import Flow
from analyzer.solve.walk.ovs.tables import Tables
from analyzer.source import Gap, Scope, Source, Span
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import End, outcomes
from tests.test_parsers import DATA

UNDERSTOOD = 0.995
# What stands in these texts and is no flow of a dump: other commands, logs, placeholders, lines that are cut off.
OTHER = re.compile(
    r"\s*(add|modify|delete|flow|packet-out|event=|.*OFPT_|bucket=|[+>$\"#]|- |.*\|DBG\||->|\d+\. *$|ovs-ofctl)|.*(<[a-z]|=\$|:\$|\\$|exec\(load\(1->NXM_NX_CT_MARK\[$|.*SAMPLE_ACTION)"
)
AT = Span("flows", 1)


def real_lines() -> Iterator[str]:
    """Flows of Open vSwitch's own tests and of documentation."""
    for path in sorted((DATA / "ovs").rglob("*.json")):
        for item in json.loads(path.read_text()):
            yield from (line.replace("[[", "[").replace("]]", "]") for line in item["text"].split("\n"))
    for path in [*sorted((DATA / "snippets" / "ovs").rglob("*.txt")), *sorted((DATA / "ovs").rglob("*.md"))]:
        yield from path.read_text().split("\n")


@pytest.mark.skipif(not (DATA / "ovs").is_dir(), reason="the collection of real files is not here")
def test_real_flows_are_understood() -> None:
    flows = [re.sub(r"^\s*\d+\. ", "", line) for line in real_lines() if re.search(r"[,\s]actions=", line)]
    flows = [line for line in flows if not OTHER.match(line)]
    missed = [(line, found) for line in flows if (found := gaps(line))]
    share = 1 - len(missed) / len(flows)
    print(f"{len(flows)} flows, {share:.2%} understood")
    assert share >= UNDERSTOOD, "\n".join(f"{line}\n  {found[0].reason}" for line, found in missed)


def gaps(line: str) -> list[Gap]:
    """What is not understood in a line."""
    found = parsers.read(PARSER, Source("flows", line, "ovs-flows", Scope("n"), "br0"))
    return [item for item in found if isinstance(item, Gap)]


def tables(*lines: str) -> Tables:
    """A switch ``br0`` with ports 1 and 2 and these flows."""
    source = Source("flows", "\n".join(lines), "ovs-flows", Scope("n"), "br0")
    flows = [item for item in parsers.read(PARSER, source) if isinstance(item, FlowFact)]
    assert len(flows) == len(lines)
    ports = {f"p{number}": SwitchPortFact(at=AT, name=f"p{number}", bridge="br0", number=number) for number in (1, 2)}
    return Tables(Switch("br0", AT, ports=ports, flows=tuple(flows)))


def taken(found: Tables, **values: int) -> int | None:
    """The line of the flow that takes a packet."""
    flow = found.look_up("0", values)
    return flow.at.line if flow else None


def test_the_highest_priority_takes_the_packet() -> None:
    found = tables(
        "priority=1 actions=drop",
        "priority=5,ip,nw_dst=10.0.0.0/8 actions=output:1",
        "priority=9,ip,in_port=2,nw_dst=10.1.0.0/16 actions=output:2",
    )
    assert taken(found, eth_type=0x800, nw_dst=0x0A010203, in_port=2) == 3
    assert taken(found, eth_type=0x800, nw_dst=0x0A010203, in_port=1) == 2
    assert taken(found, eth_type=0x806, nw_dst=0x0A010203, in_port=1) == 1


def test_a_conjunction_takes_a_packet_that_all_its_clauses_match() -> None:
    found = tables(
        "priority=10,ip,nw_src=10.0.0.1 actions=conjunction(7,1/2)",
        "priority=10,tcp,tp_dst=80 actions=conjunction(7,2/2)",
        "priority=10,conj_id=7,ip actions=output:1",
        "priority=5 actions=drop",
    )
    packet = {"eth_type": 0x800, "ip_proto": 6, "nw_src": 0x0A000001, "tp_dst": 80}
    assert taken(found, **packet) == 3
    assert taken(found, **{**packet, "tp_dst": 81}) == 4
    assert taken(found, **{**packet, "nw_src": 5}) == 4


def test_registers_of_64_and_128_bits_are_tests_of_those_they_are_made_of() -> None:
    match = tables("xxreg0=0x1/0xff,xreg4=0x200000003 actions=drop").switch.flows
    assert match is not None
    assert match[0].match == (FieldTest("reg3", 1, 0xFF), FieldTest("reg8", 2, 0xFFFFFFFF), FieldTest("reg9", 3, 0xFFFFFFFF))


POD = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0
    inet 127.0.0.1/8 scope host lo
2: eth0@if{far}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 0a:00:00:00:00:0{n} brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0
    veth
    inet 10.0.0.{n}/24 scope global eth0
    inet6 fd00::{n}/64 scope global
"""
PORT = """\
{far}: veth{n}@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master ovs-system state UP group default
    link/ether 0a:00:00:00:01:0{n} brd ff:ff:ff:ff:ff:ff link-netns default_pod{n} promiscuity 1
    veth
    openvswitch_slave
"""
LOCAL = """\
3: br-int: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default
    link/ether 0a:00:00:00:02:00 brd ff:ff:ff:ff:ff:ff promiscuity 0
    openvswitch
"""
SHOW = """\
a0b1c2d3-0000-4000-8000-000000000001
    Bridge br-int
        fail_mode: secure
        Port br-int
            Interface br-int
                type: internal
"""


def written(folder: Path, flows: str, pods: int = 3, show: str = "") -> Path:
    """A node with pods 10.0.0.1, 10.0.0.2 … at the ports 1, 2 … of ``br-int``."""
    node = folder / "nodes" / "n1"
    links, ports, numbers = LOCAL, SHOW, ""
    for n in range(1, pods + 1):
        inside = node / "netns" / f"default_pod{n}"
        inside.mkdir(parents=True)
        (inside / "ip_-d_addr").write_text(POD.format(n=n, far=10 + n))
        (inside / "ip_route_show_table_all").write_text(
            f"10.0.0.0/24 dev eth0 proto kernel scope link\nlocal 10.0.0.{n} dev eth0 table local proto kernel scope host\n"
            f"fd00::/64 dev eth0 proto kernel metric 256\nlocal fd00::{n} dev eth0 table local proto kernel metric 0\n"
        )
        links += PORT.format(n=n, far=10 + n)
        ports += f"        Port veth{n}\n            Interface veth{n}\n"
        numbers += f" {n}(veth{n}): addr:0a:00:00:00:01:0{n}\n"
    (node / "ip_-d_addr").write_text(links)
    (node / "ovs-vsctl_show").write_text(ports + show)
    (node / "ovs-ofctl_show_br-int").write_text(numbers + " LOCAL(br-int): addr:0a:00:00:00:02:00\n")
    (node / "ovs-ofctl_dump-flows_br-int").write_text(flows)
    return folder


def asked(folder: Path, source: int, target: int, port: int = 0, network: str = "10.0.0.") -> Trace:
    """One packet between two pods: a ping, or TCP to a port."""
    captured = load(folder, assume_defaults=True).given.network
    question = Question(f"default/pod{source}", f"{network}{target}", "TCP" if port else "ICMP", port)
    return trace(captured, question)


def test_a_learning_switch_carries_packets(tmp_path: Path) -> None:
    written(tmp_path, " priority=0 actions=NORMAL\n")
    told = asked(tmp_path, 1, 2)
    assert told.fate is Fate.REACHABLE, told.outcomes[0].reason
    assert told.outcomes[0].delivered_to == "default/pod2"


def test_a_switch_without_flows_drops(tmp_path: Path) -> None:
    told = asked(written(tmp_path, "NXST_FLOW reply (xid=0x4):\n"), 1, 2)
    assert told.fate is Fate.UNREACHABLE
    assert "no flow of table 0" in told.outcomes[0].reason


def test_a_flow_drops_by_its_line(tmp_path: Path) -> None:
    flows = " priority=9,tcp,in_port=1,tp_dst=80 actions=drop\n priority=0 actions=NORMAL\n"
    written(tmp_path, flows)
    told = asked(tmp_path, 1, 2, 80)
    assert told.fate is Fate.UNREACHABLE
    assert told.outcomes[0].at is not None
    assert told.outcomes[0].at.line == 1
    assert asked(tmp_path, 1, 2, 81).fate is Fate.REACHABLE


def test_conntrack_lets_answers_pass_and_nothing_new(tmp_path: Path) -> None:
    flows = [
        "table=0,priority=10,arp actions=NORMAL",
        "table=0,priority=5,ip actions=ct(table=1,zone=7)",
        "table=1,priority=9,ct_state=+est+trk,ip actions=NORMAL",
        "table=1,priority=5,ct_state=+new+trk,ip,in_port=1 actions=ct(commit,zone=7),NORMAL",
    ]
    written(tmp_path, "".join(f" {flow}\n" for flow in flows))
    assert asked(tmp_path, 1, 2, 80).fate is Fate.REACHABLE
    assert asked(tmp_path, 2, 1, 80).fate is Fate.UNREACHABLE


def test_addresses_are_translated_there_and_back(tmp_path: Path) -> None:
    flows = [
        "table=0,priority=20,arp,arp_tpa=10.0.0.99,arp_op=1 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:0a:00:00:00:00:99->eth_src,"
        "set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:0a:00:00:00:00:99->arp_sha,"
        "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:10.0.0.99->arp_spa,IN_PORT",
        "table=0,priority=10,arp actions=NORMAL",
        "table=0,priority=9,tcp,nw_dst=10.0.0.99,tp_dst=80 actions=ct(commit,table=1,zone=3,nat(dst=10.0.0.2:8080))",
        "table=0,priority=8,tcp,nw_src=10.0.0.2,tp_src=8080 actions=ct(table=2,zone=3,nat)",
        "table=1,priority=5 actions=set_field:0a:00:00:00:00:02->eth_dst,output:2",
        "table=2,priority=5,ct_state=+rpl+trk actions=set_field:0a:00:00:00:00:99->eth_src,output:1",
    ]
    written(tmp_path, "".join(f" {flow}\n" for flow in flows))
    told = asked(tmp_path, 1, 99, 80)
    assert told.fate is Fate.REACHABLE, told.outcomes[0].reason
    assert (told.outcomes[0].delivered_to, told.outcomes[0].port_seen) == ("default/pod2", 8080)
    assert told.outcomes[0].destination_translated


def test_of_two_flows_of_one_priority_nobody_knows_which_takes_a_packet(tmp_path: Path) -> None:
    flows = " priority=9,tcp,tp_dst=80 actions=NORMAL\n priority=9,ip,in_port=1 actions=drop\n priority=0 actions=NORMAL\n"
    written(tmp_path, flows)
    told = asked(tmp_path, 1, 2, 80)
    assert told.fate is Fate.UNKNOWN
    assert "priority 9" in told.outcomes[0].reason
    assert asked(tmp_path, 2, 3, 80).fate is Fate.REACHABLE
    assert asked(tmp_path, 1, 2, 81).fate is Fate.UNREACHABLE


def test_what_is_not_modelled_is_unknown(tmp_path: Path) -> None:
    told = asked(written(tmp_path, " priority=0,arp actions=NORMAL\n priority=5,ip actions=push_mpls:0x8847,output:2\n"), 1, 2)
    assert told.fate is Fate.UNKNOWN
    assert "push_mpls" in told.outcomes[0].reason


def test_a_line_that_is_not_understood_could_take_the_packet(tmp_path: Path) -> None:
    told = asked(written(tmp_path, " priority=0 actions=NORMAL\n priority=5,colour=red actions=drop\n"), 1, 2)
    assert told.fate is Fate.UNKNOWN


def test_select_groups_choose(tmp_path: Path) -> None:
    written(tmp_path, " priority=9,icmp,in_port=1,icmp_type=8 actions=group:4\n priority=0 actions=NORMAL\n")
    group = " group_id=4,type=select,bucket=weight:1,actions=drop,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    assert asked(tmp_path, 1, 2).fate is Fate.DEPENDS


def test_vlans_keep_access_ports_apart(tmp_path: Path) -> None:
    written(tmp_path, " priority=0 actions=NORMAL\n")
    show = tmp_path / "nodes" / "n1" / "ovs-vsctl_show"
    show.write_text(
        show.read_text()
        .replace("Port veth1\n", "Port veth1\n            tag: 10\n")
        .replace("Port veth2\n", "Port veth2\n            tag: 10\n")
    )
    assert asked(tmp_path, 1, 2).fate is Fate.REACHABLE
    apart = asked(tmp_path, 1, 3)
    assert apart.fate is Fate.UNREACHABLE, apart.outcomes[0].reason


def test_tables_that_lead_in_circles_end(tmp_path: Path) -> None:
    told = asked(written(tmp_path, " priority=0 actions=resubmit(,1)\n table=1,priority=0 actions=resubmit(,0)\n"), 1, 2)
    assert told.fate is Fate.UNREACHABLE


def test_what_a_packet_teaches_takes_its_answer(tmp_path: Path) -> None:
    flows = [
        "table=0,priority=10,arp actions=NORMAL",
        "table=0,priority=9,ip,in_port=1 actions=learn(table=5,priority=7,eth_type=0x800,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],nw_dst=10.0.0.1,"
        "load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[]),output:2",
        "table=0,priority=1,ip actions=resubmit(,5)",
    ]
    written(tmp_path, "".join(f" {flow}\n" for flow in flows))
    assert asked(tmp_path, 1, 2).fate is Fate.REACHABLE
    assert asked(tmp_path, 2, 1).fate is Fate.UNREACHABLE
    assert {end.fate for end in lowered(tmp_path, 1, 2)} == {Fate.REACHABLE}
    assert {end.fate for end in lowered(tmp_path, 2, 1)} == {Fate.UNREACHABLE}
    guarantee = next(one for one in load(tmp_path, assume_defaults=True).check().guarantees if one.id == "pod-to-pod")
    assert guarantee.verdict is Verdict.REFUTED, guarantee.reason


def test_the_language_leaves_open_what_arp_packets_teach(tmp_path: Path) -> None:
    learn = "learn(table=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])"
    flows = [
        f"table=0,priority=10,arp actions={learn},NORMAL",
        "table=0,priority=9,ip actions=resubmit(,5)",
        "table=5,priority=0 actions=drop",
    ]
    written(tmp_path, "".join(f" {flow}\n" for flow in flows))
    assert asked(tmp_path, 1, 2).fate is Fate.REACHABLE
    assert Fate.UNKNOWN in {end.fate for end in lowered(tmp_path, 1, 2)}


def lowered(folder: Path, source: int, target: int) -> set[End]:
    """What the language says of a ping between two pods."""
    network = load(folder, assume_defaults=True).given.network
    told = trace(network, Question(f"default/pod{source}", f"10.0.0.{target}", "ICMP"))
    scope = endpoints(network, f"default/pod{source}")[0].scope
    assert told.packet is not None
    assert scope is not None
    return outcomes(NetworkProgram(network, 4), Flow(scope, told.packet))


def test_a_switch_may_answer_a_ping_itself(tmp_path: Path) -> None:
    responder = (
        "arp,arp_op=1,arp_tpa=10.0.0.99 actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:0a:00:00:00:00:99->eth_src,set_field:2->arp_op,"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:0a:00:00:00:00:99->arp_sha,move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:10.0.0.99->arp_spa,IN_PORT"
    )
    ping = (
        "icmp,nw_dst=10.0.0.99,icmp_type=8 actions=push:NXM_OF_IP_SRC[],push:NXM_OF_IP_DST[],pop:NXM_OF_IP_SRC[],pop:NXM_OF_IP_DST[],"
        "push:NXM_OF_ETH_SRC[],push:NXM_OF_ETH_DST[],pop:NXM_OF_ETH_SRC[],pop:NXM_OF_ETH_DST[],set_field:0->icmp_type,IN_PORT"
    )
    told = asked(written(tmp_path, f" priority=9,{responder}\n priority=8,{ping}\n priority=0 actions=NORMAL\n"), 1, 99)
    assert told.fate is Fate.REACHABLE, told.outcomes[0].reason
    assert told.outcomes[0].delivered_to is None


ANSWERED = (
    "controller(userdata=00.00.00.03.00.00.00.00.00.19.00.10.80.00.08.06.0a.00.00.00.00.{n:02x}.00.00.00.19.00.18.80.00.34.10.fd.00.00.00.00.00.00.00.00.00"
    ".00.00.00.00.00.{n:02x}.00.19.00.18.80.00.3e.10.fd.00.00.00.00.00.00.00.00.00.00.00.00.00.00.{n:02x}.00.19.00.10.80.00.42.06.0a.00.00.00.00.{n:02x}"
    ".00.00.ff.ff.00.10.00.00.23.20.00.0e.ff.f8.25.00.00.00)"
)


def with_responder(*more: str) -> str:
    """Solicitations are answered by the controller of OVN, whose answers go through table 37 to who asked; other packets to port 2, and back to port 1."""
    answers = [
        f"priority=50,icmp6,icmp_type=135,nd_target=fd00::{n} actions=load:{3 - n}->NXM_NX_REG15[],{ANSWERED.format(n=n)}"
        for n in (1, 2)
    ]
    carried = [f"priority=9,ipv6,in_port={n} actions=output:{3 - n}" for n in (1, 2)]
    lines = [*answers, *carried, *more, "table=37,priority=1 actions=output:NXM_NX_REG15[]"]
    return "".join(f" {line}\n" for line in lines)


def test_the_controller_answers_solicitations(tmp_path: Path) -> None:
    told = asked(written(tmp_path, with_responder()), 1, 2, 80, "fd00::")
    assert told.fate is Fate.REACHABLE, told.outcomes[0].reason
    assert told.outcomes[0].delivered_to == "default/pod2"


def test_an_answer_that_is_not_understood_is_unknown(tmp_path: Path) -> None:
    flows = with_responder().replace("00.19.00.10.80.00.08.06", "00.18.00.10.80.00.08.06")
    assert asked(written(tmp_path, flows), 1, 2, 80, "fd00::").fate is Fate.UNKNOWN


def test_the_controller_refuses_packets(tmp_path: Path) -> None:
    refusing = "priority=20,tcp6,tp_dst=81 actions=controller(userdata=00.00.00.16.00.00.00.00)"
    written(tmp_path, with_responder(refusing))
    told = asked(tmp_path, 1, 2, 81, "fd00::")
    assert told.fate is Fate.UNREACHABLE
    assert "refuse" in told.outcomes[0].reason
    assert asked(tmp_path, 1, 2, 80, "fd00::").fate is Fate.REACHABLE


@pytest.mark.skipif(not (DATA / "snippets" / "ovn-nb").is_dir(), reason="the collection of real files is not here")
def test_real_listings_of_ovn_are_understood() -> None:
    lines = missed = 0
    for path in sorted((DATA / "snippets" / "ovn-nb").rglob("*.txt")):
        text = path.read_text()
        parser = ovn_show.PARSER if re.search(r"^\s*(switch|router) [0-9a-f-]{8,}", text, re.MULTILINE) else ovn_list.PARSER
        found = list(parsers.read(parser, Source(path.name, text, parser.kind, Scope("n"))))
        lines += sum(1 for line in text.split("\n") if line.strip())
        missed += sum(isinstance(item, Gap) for item in found)
    print(f"{lines} lines, {1 - missed / lines:.1%} understood")
    assert missed / lines < 0.17


@pytest.mark.parametrize("looked_up", ["ct(commit,zone=1,exec(set_field:0x2->ct_mark))", "ct(zone=1)", "ct(commit,zone=1)"])
def test_what_conntrack_says_is_known_in_its_table_alone(looked_up: str, tmp_path: Path) -> None:
    """As ``ofproto/trace`` shows it: "Sets the packet to an untracked state, and clears all the conntrack fields"."""
    flows = [
        "table=0,priority=10,arp actions=NORMAL",
        "table=0,priority=5,ip actions=ct(table=1,zone=1)",
        f"table=1,priority=5,ip,ct_state=+trk actions={looked_up},resubmit(,2)",
        "table=2,priority=9,ip,ct_state=+trk actions=drop",
        "table=2,priority=8,ip,ct_mark=0x2/0x2 actions=drop",
        "table=2,priority=1,ip actions=NORMAL",
    ]
    written(tmp_path, "".join(f" {flow}\n" for flow in flows))
    assert asked(tmp_path, 1, 2).fate is Fate.REACHABLE
    assert {end.fate for end in lowered(tmp_path, 1, 2)} == {Fate.REACHABLE}
