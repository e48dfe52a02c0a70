"""Connections of real packets that nodes still track after the network has changed: ``python -m tests.lab.held FILE`` records what the kernel does then."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

from tests.lab import netfilter_breakages, record, scenarios
from tests.lab.build import Lab, build
from tests.lab.capture import capture, settle
from tests.lab.machine import Machine
from tests.lab.plan import POD_PORTS, Pod
from tests.lab.probes import Probe, Result, send

CLIENT, ZONED, MARKED, PATIENCE = "default/a3", "default/a2", 9090, 1.5
AWAY = "203.0.113.9"
BEFORE = f"""
iptables -t raw -A PREROUTING -p udp -s {{zoned}} -j CT --zone 5
iptables -t mangle -A PREROUTING -p udp --dport {MARKED} -m conntrack --ctstate NEW -j CONNMARK --set-mark 7
"""
AFTER = f"""
iptables -t mangle -D PREROUTING -p udp --dport {MARKED} -m conntrack --ctstate NEW -j CONNMARK --set-mark 7
iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark
iptables -I FORWARD -m mark --mark 7 -j DROP
iptables-save | grep -v -- '-j MASQUERADE$' | grep -v -- '-j MASQUERADE --random-fully$' | iptables-restore
"""
"""Nobody masquerades any more, and who has the mark is refused."""
UNRESET = "iptables -I OUTPUT -p tcp --sport 21100:21123 --tcp-flags RST RST -j DROP"
FORGOTTEN = "iptables -I OUTPUT -p tcp --tcp-flags RST RST -j DROP; ss -K sport = :8080; iptables -F OUTPUT"
"""A client and servers that forget connections and tell nobody."""
CLOSED = """
import socket, sys
for port in sys.argv[2:]:
    one = socket.socket()
    one.bind(("", int(port)))
    one.settimeout(2)
    one.connect((sys.argv[1], 80))
    one.recv(512)
    one.send(b"enough")
    while one.recv(512):
        pass
    one.close()
"""


def pod(lab: Lab, key: str) -> Pod:
    """The pod of that key."""
    return next(one for one in lab.pods if one.key == key)


def first(lab: Lab) -> list[Probe]:
    """The packets that open the connections."""
    service, peer = lab.services[0].addresses[4], pod(lab, "default/b1").addresses[0]
    node = lab.nodes[0].address()
    return [
        *(Probe(CLIENT, service, "UDP", 80, port) for port in range(21000, 21012)),
        *(Probe(CLIENT, service, "TCP", 80, port) for port in (*range(21018, 21024), *range(21100, 21124))),
        Probe(CLIENT, AWAY, "UDP", 443, 21030),
        Probe(CLIENT, AWAY, "ICMP", 0, 21031),
        Probe(CLIENT, peer, "UDP", MARKED, 21040),
        Probe(CLIENT, peer, "UDP", POD_PORTS[0], 21041),
        *(Probe(ZONED, service, "UDP", 80, port) for port in range(21050, 21054)),
        *(Probe("192.168.66.254", node, "UDP", 30080, port, enter="node:node-a/eth0") for port in range(21060, 21066)),
    ]


def held(lab: Lab, folder: Path) -> tuple[list[Probe], list[Result]]:
    """Opens connections, changes the network, captures it, and asks again: from the same ports, from those of connections that were closed, and from others.
    Of a service that has other endpoints now, one of the old ones does not answer any more."""
    lab.run("node-a", BEFORE.format(zoned=pod(lab, ZONED).addresses[0]))
    settle(lab)
    lab.run(CLIENT, UNRESET)
    opened = first(lab)
    send(lab, opened, PATIENCE)
    closed = [21070, 21071, 21072, 21073]
    lab.run(CLIENT, f"{sys.executable} -c '{CLOSED}' {lab.services[0].addresses[4]} {' '.join(map(str, closed))}")
    for server in ("default/a1", "default/a2", "default/b1", "default/b2"):
        lab.run(server, FORGOTTEN)
    changed(lab)
    capture(lab, folder)
    again = [Probe(CLIENT, lab.services[0].addresses[4], "TCP", 80, port) for port in closed]
    others = [replace(probe, source_port=probe.source_port + 200) for probe in (*opened, *again)]
    chosen = [*opened, *again, *others]
    return chosen, send(lab, chosen, PATIENCE)


def changed(lab: Lab) -> None:
    """Another version of the service, without the pod that is gone; rules that would treat new connections otherwise."""
    lab.services[0].selector = "db"
    for node in lab.nodes:
        netfilter_breakages.rewrite(lab, node)
    lab.run("node-a", AFTER)
    for key in ("default/b2", "default/a1"):
        lab.run(key, "ip link set eth0 down")


def network(machine: Machine) -> Lab:
    """The network, before anything was sent."""
    scenario, random = scenarios.scenario("flannel-vxlan-services"), Random(1)
    pods = scenarios.pods(scenario, random)
    return build(machine, scenario, pods, scenarios.services(scenario, pods, random), 1)


def main() -> None:
    """Records one network."""
    with Machine() as machine, tempfile.TemporaryDirectory() as name:
        lab, folder = network(machine), Path(name)
        chosen, results = held(lab, folder)
        record.write(Path(sys.argv[1]), "flannel-vxlan-services: connections that are tracked already", folder, chosen, results)


if __name__ == "__main__":
    main()
