"""The packets that are sent through a network of OVN, and what came of them."""

from __future__ import annotations

from analyzer.solve.packet import Fate, Trace
from tests.lab import compare
from tests.lab.build import Lab
from tests.lab.plan import NODE_PORTS, POD_PORTS
from tests.lab.probes import Probe, Result, send


def probes(lab: Lab, turn: int = 0) -> list[Probe]:
    """Pings, TCP and UDP between all pods and nodes, at ports where something listens and where not; and the service. Each ``turn`` has source ports of
    its own: where a packet meets a translated connection of an earlier one from its other side, the datapath in user space of Open vSwitch 3.1 ends itself
    (lib/conntrack.c ``conn_update_state`` asserts that it is no such connection)."""
    sources = [*(pod.key for pod in lab.pods), *(f"node:{node.name}" for node in lab.nodes)]
    targets = [(pod.key, address, port) for pod in lab.pods for address in pod.addresses for port in POD_PORTS]
    targets += [
        (f"node:{node.name}", node.address(family), port)
        for node in lab.nodes
        for family in lab.scenario.families
        for port in NODE_PORTS
    ]
    found = [
        Probe(source, address, protocol, 0 if protocol == "ICMP" else port, 21000)
        for name, address, port in targets
        for source in sources
        for protocol in ("TCP", "UDP", "ICMP")
        if source != name and (protocol != "ICMP" or port == POD_PORTS[0] or name.startswith("node:"))
    ]
    found += [
        Probe(pod.key, address, "TCP", service.port, 21000)
        for pod in lab.pods
        for service in lab.services
        for address in service.addresses.values()
        for _ in range(2)
    ]
    return [
        Probe(one.source, one.target, one.protocol, one.port, 21000 + 4000 * turn + number) for number, one in enumerate(found)
    ]


def results(lab: Lab, chosen: list[Probe]) -> list[Result]:
    """What happened: a probe that is lost is sent once more, since the first packet between nodes waits for an answer that the switch does not wait for."""
    first = send(lab, chosen, 1.0)
    again = [number for number, result in enumerate(first) if not result.answered]
    moved = [
        Probe(chosen[n].source, chosen[n].target, chosen[n].protocol, chosen[n].port, chosen[n].source_port + 2000) for n in again
    ]
    for number, result in zip(again, send(lab, moved, 2.0), strict=True):
        first[number] = result
    return first


def judge(told: Trace, probe: Probe, result: Result) -> str:
    """What a prediction is worth: a ping that a router of OVN answers has been seen by no host, and says nothing."""
    if result.answered and result.at is None and told.fate is Fate.REACHABLE and probe.protocol == "ICMP":
        return "skip"
    return compare.judge(told, probe, result)
