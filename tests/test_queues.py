"""Packets that rules hand to programs (``NFQUEUE``, ``queue``): by the walk, by the language, and by a kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.facts.system import QueueFact
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.source import Gap, Span
from analyzer.transfer.graph import NetworkProgram
from tests.lab.capture import COLLECTOR
from tests.lab.machine import Machine, missing
from tests.lowered import outcomes
from tests.test_header_bits import NO, OPEN, YES, flow, given
from tests.test_lowering_netfilter import ROUTER

AT = Span("nodes/n/nfnetlink_queue", 1)
HEARD = tuple(QueueFact(at=AT, number=number, mode=mode) for number, mode in ((1, 2), (2, 0), (5, 2)))
FILTER = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{}\nCOMMIT\n"
NATIVE = "table inet t {{\n\tchain c {{\n\t\ttype filter hook forward priority -1; policy accept;\n\t\t{}\n\t}}\n}}\n"
ANY = Fate.DEPENDS
RULES = [
    (FILTER, "-A FORWARD -j NFQUEUE --queue-num 3", NO),
    (FILTER, "-A FORWARD -p udp -j NFQUEUE --queue-num 3", YES),
    (FILTER, "-A FORWARD -j QUEUE", NO),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-num 3 --queue-bypass\n-A FORWARD -j DROP", YES),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-num 1", OPEN),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-num 2 --queue-bypass", NO),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-balance 3:4 --queue-bypass --queue-cpu-fanout", YES),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-balance 2:3 --queue-bypass", ANY),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-balance 2:3", NO),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-balance 1:3 --queue-bypass", OPEN),
    (FILTER, "-A FORWARD -j NFQUEUE --queue-num 1\nCOMMIT\n*security\n:FORWARD DROP", OPEN),
    (NATIVE, "queue to 3", NO),
    (NATIVE, "queue", NO),
    (NATIVE, "queue flags bypass to 3-4 drop", YES),
    (NATIVE, "queue num 3-4 bypass,fanout", YES),
    (NATIVE, "queue flags bypass,fanout to 2-3", ANY),
    (NATIVE, "queue flags bypass to 5", OPEN),
    (NATIVE, "queue flags bypass to symhash mod 2", OPEN),
    (NATIVE, "meta l4proto udp queue to symhash mod 2", YES),
]


def held(family: int, text: str, wanted: Fate, queues: tuple[QueueFact, ...] | None, gaps: tuple[Gap, ...] = ()) -> None:
    """What walk and language say of a packet."""
    one = given(family, text)
    router = replace(one.namespaces[ROUTER], queues=queues, gaps={"nfnetlink-queue": gaps} if gaps else {})
    network = replace(one, namespaces={**one.namespaces, ROUTER: router})
    assert walk(network, flow(family)).fate is wanted
    ends = outcomes(NetworkProgram(network, family), flow(family))
    found = {Fate.UNKNOWN if end.open else end.fate for end in ends}
    expected = {YES, NO} if wanted is ANY else {wanted}
    assert Fate.UNKNOWN in found if wanted is OPEN else found == expected


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("table", "rule", "wanted"), RULES)
def test_who_listens_decides(family: int, table: str, rule: str, wanted: Fate) -> None:
    held(family, table.format(rule), wanted, HEARD)


@pytest.mark.parametrize("rule", ["--queue-num 3", "--queue-num 3 --queue-bypass"])
@pytest.mark.parametrize(("queues", "gaps"), [(None, ()), (HEARD, (Gap(AT, "not understood", "nfnetlink-queue"),))])
def test_who_listens_is_not_known(rule: str, queues: tuple[QueueFact, ...] | None, gaps: tuple[Gap, ...]) -> None:
    held(4, FILTER.format(f"-A FORWARD -j NFQUEUE {rule}"), OPEN, queues, gaps)


PORTS = {
    81: ("-j NFQUEUE --queue-num 3", NO),
    82: ("-j NFQUEUE --queue-num 3 --queue-bypass", YES),
    83: ("-j NFQUEUE --queue-num 2 --queue-bypass", NO),
    84: ("-j NFQUEUE --queue-num 1", OPEN),
    85: ("-j NFQUEUE --queue-balance 6:9 --queue-bypass", YES),
    86: ("-j NFQUEUE", NO),
}
RESTORE = "".join(
    f"-A INPUT -p tcp --dport {port} {rule}\n-A INPUT -p tcp --dport {port} -j DROP\n" for port, (rule, _) in PORTS.items()
)
LISTENER = """
import socket, struct, time
listening = [socket.create_server(("", port)) for port in range(81, 87)]
def told(number, kind, body):
    data = struct.pack("=BBH", 0, 0, socket.htons(number)) + struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)
    queues.send(struct.pack("=IHHII", 16 + len(data), 0x302, 5, 1, 0) + data)
    assert not struct.unpack_from("=i", queues.recv(999), 16)[0]
queues = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
for number in (1, 2):
    told(number, 1, struct.pack("!BBH", 1, 0, 2))
told(1, 2, struct.pack("!IB", 65535, 2))
time.sleep(99)
"""
SETUP = """
ip link set lo up; sysctl -qw net.ipv4.ip_forward=1
ip netns add default_p1; ip link add v1 type veth peer name eth0 netns default_p1; ip link set v1 up; ip addr add 10.0.0.1/24 dev v1
ip -n default_p1 link set lo up; ip -n default_p1 link set eth0 up; ip -n default_p1 addr add 10.0.0.11/24 dev eth0
"""
ASK = """ip netns exec default_p1 python3 -c "
import select, socket
asked = [socket.socket() for port in range(81, 87)]
for port, one in enumerate(asked, 81):
    one.setblocking(False); one.connect_ex(('10.0.0.1', port))
while (ready := select.select([], asked, [], 0.5)[1]):
    for one in ready:
        asked.remove(one); print(one.getpeername()[1])
" """
REASON = missing()


@pytest.mark.lab
@pytest.mark.skipif(REASON is not None, reason=REASON or "")
@pytest.mark.parametrize("back_end", ["nft", "legacy"])
def test_the_kernel_says_the_same(back_end: str, tmp_path: Path) -> None:
    text = FILTER.format(RESTORE)
    with Machine() as machine:
        machine.start({"name": "n1", "node": True})
        machine.run("n1", SETUP)
        machine.run("n1", f"iptables-{back_end}-restore", text=text)
        machine.run("n1", f"setsid python3 -c '{LISTENER}' >/dev/null 2>&1 &")
        machine.run("n1", "until grep -q '^ *1 .* 2 65' /proc/net/netfilter/nfnetlink_queue; do sleep 0.05; done")
        machine.run("n1", f"sh '{COLLECTOR}' --node n1 --output '{tmp_path}'")
        answered = set(map(int, machine.run("n1", ASK).split()))
    assert answered == {port for port, (_, wanted) in PORTS.items() if wanted is YES}
    network = load(tmp_path)
    assert {port: network.trace("10.0.0.11", "10.0.0.1", port=port).fate for port in PORTS} == {
        port: wanted for port, (_, wanted) in PORTS.items()
    }
