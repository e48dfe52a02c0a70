"""Connections that nodes already track, of packets that the lab then sends: open, unanswered, translated to pods, to nobody and from nodes, in zones, with
marks. They are made anew whenever the network is settled, so that the capture and the probes meet the same."""

from __future__ import annotations

import ipaddress
import os
from collections import defaultdict
from random import Random

from tests.lab.build import Lab
from tests.lab.plan import POD_PORTS, Node
from tests.lab.probes import Probe

SHARE = 0.6
ANSWERS = {"UDP": 0.15, "TCP": 0.3 if os.environ.get("LAB_SYN") else 0}
"""How many of the entries are of who answers. The language has no word for a SYN from there."""
STATES = ("ESTABLISHED", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK")
"""Of a connection that was closed, what reopens it is not set from outside (``tcp_nlattr_policy``): real packets do it, in tests/test_connections_lab.py."""
KINDS = {4: "--icmp-type 8 --icmp-code 0 --icmp-id", 6: "--icmpv6-type 128 --icmpv6-code 0 --icmpv6-id"}


def scripts(lab: Lab, probes: list[Probe], random: Random) -> dict[str, str]:
    """Commands by the node that runs them: an entry for some of the probes, where their sender's packets come by."""
    found: dict[str, list[str]] = defaultdict(list)
    for probe in probes:
        if random.random() < SHARE and (line := entry(lab, probe, random)) is not None:
            found[node_of(lab, probe, random).name].append(f"{line} >/dev/null 2>&1 || true")
    return {name: "\n".join(lines) for name, lines in found.items()}


def node_of(lab: Lab, probe: Probe, random: Random) -> Node:
    """The sender's node mostly, now and then any."""
    where = {pod.key: pod.node for pod in lab.pods}
    name = probe.enter.removeprefix("node:").partition("/")[0] if probe.enter else where.get(probe.source, probe.agent)
    return random.choice(lab.nodes) if random.random() < 0.2 else lab.node(name)


def entry(lab: Lab, probe: Probe, random: Random) -> str | None:
    """``conntrack -I`` of the probe's tuple."""
    family = ipaddress.ip_address(probe.target).version
    source = source_of(lab, probe, family)
    if source is None or probe.size:
        return None
    icmp, target = probe.protocol == "ICMP", probe.target
    name = ("icmp" if family == 4 else "icmpv6") if icmp else probe.protocol.lower()
    ports = f"{KINDS[family]} {probe.source_port}" if icmp else f"--sport {probe.source_port} --dport {probe.port}"
    moved = translation(lab, probe, family, random)
    if random.random() < ANSWERS.get(probe.protocol, 0):
        source, target, moved = target, source, ""
        ports = f"--sport {probe.port} --dport {probe.source_port}"
    seen = random.choice(("", "-u SEEN_REPLY", "-u SEEN_REPLY,ASSURED"))
    state = f"--state {random.choice(STATES)}" if probe.protocol == "TCP" else ""
    mark = f"-m {random.choice((0x4000, 7))}" if random.random() < 0.2 else ""
    zone = f"-w {random.choice((5, 7))}" if random.random() < 0.1 else ""
    return f"conntrack -I -p {name} -s {source} -d {target} {ports} -t 600 {seen} {state} {mark} {zone} {moved}"


def source_of(lab: Lab, probe: Probe, family: int) -> str | None:
    """The address that the probe is sent from."""
    pods = [address for pod in lab.pods if pod.key == probe.source for address in pod.addresses]
    nodes = [
        node.address(family) for node in lab.nodes if f"node:{node.name}" == probe.source and family in lab.scenario.families
    ]
    given = [probe.source] if probe.enter else []
    return next((one for one in (*pods, *nodes, *given) if ipaddress.ip_address(one).version == family), None)


def translation(lab: Lab, probe: Probe, family: int, random: Random) -> str:
    """To a pod, to an address that nobody has, from a node, or none. Who asks by ICMPv6 takes an answer from anybody: its raw socket is not connected."""
    pods = [address for pod in lab.pods for address in pod.addresses if ipaddress.ip_address(address).version == family]
    dead = lab.nodes[0].pod_cidr(family).replace("0/24", "201") if family == 4 else f"{lab.nodes[0].pod_network(family)}c9"
    port = "" if probe.protocol == "ICMP" else f":{POD_PORTS[0]}"
    there = [f"--dst-nat {bracketed(address, port)}" for address in (*pods, dead)]
    back = f"--src-nat {random.choice(lab.nodes).address(family)}"
    if probe.protocol == "ICMP" and family == 6:
        return random.choice(("", back))
    return random.choice(("", back, random.choice(there), random.choice(there), f"{random.choice(there)} {back}"))


def bracketed(address: str, port: str) -> str:
    """The address with its port."""
    return f"[{address}]{port}" if ":" in address and port else f"{address}{port}"
