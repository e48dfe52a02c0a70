"""Random flow tables of Open vSwitch: the walk, the plain reading of the language, the sets and Z3 say the same of every packet."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from analyzer.api import load
from analyzer.findings import Verdict
from analyzer.query.endpoints import endpoints
from analyzer.query.trace import Question, trace
from analyzer.solve.packet import Fate
from analyzer.solve.states import TAKEN
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked, within
from tests.test_ovs import written

PODS, TABLES = 3, 4
STATES = ("+new+trk", "+est+trk", "+rpl+trk", "-new+trk", "+trk-inv", "-trk")


def flows(random: Random, teaching: bool = False) -> str:
    """A random pipeline: ARP is carried, the rest is up to chance. No two flows of a table have one priority: which of them takes a packet is undefined."""
    lines = ["table=0,priority=100,arp actions=NORMAL"]
    lines += [teacher(random, priority) for priority in random.sample(range(30, 50), 3)] if teaching else []
    for table in range(TABLES):
        lines += [flow(random, table, priority) for priority in random.sample(range(1, 20), random.randint(2, 7))]
        lines.append(f"table={table},priority=0 actions={random.choice(('NORMAL', 'NORMAL', onward(random, table)))}")
    return "".join(f" {line}\n" for line in dict.fromkeys(lines))


def flow(random: Random, table: int, priority: int) -> str:
    """One flow."""
    tests = random.sample(range(7), random.randint(1, 2))
    words = [matching(random, kind) for kind in tests]
    names = {word.split("=")[0] for word in words}
    protocol = "tcp" if names & {"tp_dst", "tcp_flags"} else random.choice(("ip", "ip", "tcp", "icmp"))
    return f"table={table},priority={priority},{protocol},{','.join(words)} actions={actions(random, table)}"


def teacher(random: Random, priority: int) -> str:
    """A flow that teaches another one, which may take the answers, later packets of the flow, or others."""
    tests = random.choice(
        (
            "NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_IP_DST[]=NXM_OF_IP_SRC[]",
            "nw_proto=6,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[]",
            "nw_proto=6,nw_dst=10.0.0.1,NXM_OF_IP_SRC[],NXM_OF_TCP_DST[]",
            "NXM_OF_IP_DST[],NXM_NX_REG0[]",
            "NXM_OF_IN_PORT[],NXM_OF_IP_DST[]",
            "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],NXM_NX_REG0[0..1]",
            "NXM_OF_IP_DST[0..7]=2",
        )
    )
    does = random.choice(("output:NXM_OF_IN_PORT[]", "load:0x1->NXM_NX_REG0[0..1]", "load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15]"))
    learn = f"learn(table={random.randint(1, TABLES - 1)},priority={random.randint(0, 20)},eth_type=0x800,{tests},{does})"
    protocol = "tcp" if "TCP" in tests else "ip"
    return f"table=0,priority={priority},{protocol},{matching(random, random.randint(0, 2))} actions={learn},{onward(random, 0)}"


def matching(random: Random, kind: int) -> str:
    """One test of a flow."""
    match kind:
        case 0:
            return f"in_port={random.randint(1, PODS)}"
        case 1:
            return f"nw_dst={random.choice(('10.0.0.1', '10.0.0.2', '10.0.0.2/31', '10.0.0.9'))}"
        case 2:
            return f"nw_src=10.0.0.{random.randint(1, PODS)}"
        case 3:
            return f"reg{random.randint(0, 1)}={random.choice(('0x1', '0x2/0x2', '0/0x1', '0xa000002'))}"
        case 4:
            return f"ct_state={random.choice(STATES)}"
        case 5:
            return f"tp_dst={random.choice(('80', '0x50/0xfff0', '81'))}"
        case _:
            return f"ct_mark={random.choice(('0x1', '0/0x1', '0x2/0x2'))}"


def actions(random: Random, table: int) -> str:
    """What a flow does: some changes, and an end."""
    changes = [change(random) for _ in range(random.randint(0, 2))]
    end = random.choice(
        ("NORMAL", "drop", f"output:{random.randint(1, PODS)}", "IN_PORT", "group:1", *(onward(random, table) for _ in range(6)))
    )
    return ",".join([*changes, end]) if end != "drop" else "drop"


def change(random: Random) -> str:
    """Something that changes the packet or a register."""
    return random.choice(
        (
            f"load:{random.randint(0, 3)}->NXM_NX_REG{random.randint(0, 1)}[0..1]",
            "set_field:0x2/0x2->reg0",
            "move:NXM_OF_IP_DST[]->NXM_NX_REG1[]",
            "move:NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]",
            "push:NXM_NX_REG0[],pop:NXM_NX_REG1[]",
            "dec_ttl",
            f"ct(commit,zone={random.randint(1, 2)},exec(set_field:0x{random.randint(1, 3)}->ct_mark))",
            "ct_clear",
            "set_field:0x1->reg0,resubmit(,9)",
        )
    )


def onward(random: Random, table: int) -> str:
    """On to a later table, through conntrack or not."""
    if table >= TABLES - 1:
        return "NORMAL"
    to = random.randint(table + 1, TABLES - 1)
    zone = random.randint(1, 2)
    return random.choice(
        (
            f"resubmit(,{to})",
            f"goto_table:{to}",
            f"ct(table={to},zone={zone})",
            f"ct(table={to},zone={zone},nat)",
            f"ct(commit,table={to},zone={zone})",
            f"ct(commit,table={to},zone={zone},nat(dst=10.0.0.{random.randint(1, PODS)}:80))",
            f"ct(commit,table={to},zone={zone},nat(src=10.0.0.{random.randint(1, PODS)}))",
        )
    )


SIX = (
    (r"\barp actions", "icmp6,icmp_type=135 actions=NORMAL\n table=0,priority=99,icmp6,icmp_type=136 actions"),
    (r"NXM_OF_IP_DST\[\]->NXM_NX_REG1\[\]", "NXM_NX_IPV6_DST[]->NXM_NX_XXREG1[]"),
    (r"reg1=0xa000002", "xxreg1=0xfd000000000000000000000000000002"),
    (r"nw_(dst|src)=10\.0\.0\.(\d)/31", r"ipv6_\1=fd00::\2/127"),
    (r"nw_(dst|src)=10\.0\.0\.(\d)", r"ipv6_\1=fd00::\2"),
    (r"10\.0\.0\.(\d):80", r"[fd00::\1]:80"),
    (r"10\.0\.0\.(\d)", r"fd00::\1"),
    (r"(?<=,)(ip|tcp|icmp)(?=,)", lambda found: {"ip": "ipv6", "tcp": "tcp6", "icmp": "icmp6"}[found[1]]),
)


def in_six(text: str) -> str:
    """The same pipeline for IPv6, where an address takes four registers."""
    for before, after in SIX:
        text = re.sub(before, after, text)
    return text


def asked(folder: Path, family: int = 4) -> list[str]:
    """Every packet between the pods on which the two readings disagree."""
    network = load(folder, assume_defaults=True).given.network
    program = NetworkProgram(network, family)
    base = "10.0.0." if family == 4 else "fd00::"
    wrong = []
    for source in range(1, PODS + 1):
        for target in range(1, PODS + 1):
            for protocol, port in (("TCP", 80), ("TCP", 81), ("ICMP", 0)) if source != target else ():
                told = trace(network, Question(f"default/pod{source}", f"{base}{target}", protocol, port, 40000))
                assert told.packet is not None
                scope = endpoints(network, f"default/pod{source}")[0].scope
                assert scope is not None
                flow = Flow(scope, told.packet)
                found = outcomes(program, flow)
                doubt = told.fate is Fate.UNKNOWN or any(end.fate is Fate.UNKNOWN for end in found)
                if agree(found, walked(told)) or doubt:
                    continue
                if not within(found, walked(told)):
                    wrong.append(f"{source}->{target} {protocol} {port}\n  walk {walked(told)}\n  language {found}")
    return wrong


@pytest.mark.parametrize("seed", range(40))
def test_walk_and_language_agree_on_random_flows(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    text = flows(random)
    written(tmp_path, text)
    group = " group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    wrong = asked(tmp_path)
    assert not wrong, text + "\n".join(wrong)


@pytest.mark.parametrize("seed", [*range(200, 240), 2211, 2370, 70071, 70153])
def test_walk_and_language_agree_on_what_is_learned(seed: int, tmp_path: Path) -> None:
    text = flows(Random(seed), teaching=True)
    written(tmp_path, text)
    group = " group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    wrong = asked(tmp_path)
    assert not wrong, text + "\n".join(wrong)


@pytest.mark.parametrize("seed", range(24))
def test_they_agree_on_flows_of_one_priority(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    text = re.sub(r"priority=\d\b|priority=1\d\b", lambda _: f"priority={random.randint(1, 3)}", flows(random))
    written(tmp_path, text)
    group = " group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    wrong = asked(tmp_path)
    assert not wrong, text + "\n".join(wrong)


@pytest.mark.parametrize("seed", [*range(40), 70499])
def test_they_agree_in_six(seed: int, tmp_path: Path) -> None:
    text = in_six(flows(Random(seed)))
    written(tmp_path, text)
    group = " group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    wrong = asked(tmp_path, 6)
    assert not wrong, text + "\n".join(wrong)


@pytest.mark.parametrize("seed", range(100, 124))
def test_verdicts_are_those_of_the_walk(seed: int, tmp_path: Path) -> None:
    written(tmp_path, flows(Random(seed)))
    group = " group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2\n"
    (tmp_path / "nodes" / "n1" / "ovs-ofctl_dump-groups_br-int").write_text(group)
    capture = load(tmp_path, assume_defaults=True)
    guarantee = next(one for one in capture.check().guarantees if one.id == "pod-to-pod")
    assert "internal error" not in guarantee.reason
    fates = {
        trace(capture.given.network, Question(f"default/pod{source}", f"10.0.0.{target}", protocol, port, 40000)).fate
        for source in range(1, PODS + 1)
        for target in range(1, PODS + 1)
        for protocol, port in (("TCP", 80), ("TCP", 81), ("ICMP", 0))
        if source != target
    }
    if fates == {Fate.REACHABLE}:
        assert guarantee.verdict is not Verdict.UNDECIDED, guarantee.reason
    else:
        assert guarantee.verdict is Verdict.REFUTED, guarantee.reason


TWICE = """ table=0,priority=100,arp actions=NORMAL
 table=0,priority=50,tcp,in_port=3 actions=ct(commit,table=1,zone=1,nat(src=10.0.0.1))
 table=0,priority=0 actions=NORMAL
 table=1,priority=0 actions=ct(commit,table=2,zone=2,nat(src=10.0.0.3))
 table=2,priority=0 actions=NORMAL
"""


def test_ports_of_another_connection_are_not_taken(tmp_path: Path) -> None:
    """The answer goes around conntrack, so the third packet is INVALID in zone 1 and a connection of its own in zone 2, where the first one has its ports
    (nf_nat_core.c ``get_unique_tuple``)."""
    written(tmp_path, TWICE)
    capture = load(tmp_path, assume_defaults=True)
    network = capture.given.network
    told = trace(network, Question("default/pod3", "10.0.0.2", "TCP", 80, 40000))
    assert told.fate is Fate.UNREACHABLE
    assert "10.0.0.3:1024 -> 10.0.0.2:80" in told.outcomes[0].reason
    scope = endpoints(network, "default/pod3")[0].scope
    assert scope is not None
    assert told.packet is not None
    found = outcomes(NetworkProgram(network, 4), Flow(scope, told.packet))
    assert {end.reason for end in found} == {f"the third packet: {TAKEN.reason}"}
    guarantee = next(one for one in capture.check().guarantees if one.id == "pod-to-pod")
    assert guarantee.verdict is Verdict.REFUTED, guarantee.reason
