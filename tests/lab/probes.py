"""Which packets are sent through a network of the lab, and what the kernel did with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from tests.lab.build import Lab
from tests.lab.plan import GATEWAY, NODE_PORTS, POD_PORTS, Node
from tests.lab.tunnelled import BRIDGED

OUTSIDE = "outside"
SIZES = (100, 1272, 1380, 1381, 1410, 1430, 1431, 1452, 1480, 1481, 3000)
SIZED = 0.25
WITHOUT_ROUTES = ("macvlan", "peer-pods", "switched", *BRIDGED)
"""Networks whose nodes do not lead to their pods."""
VXLAN_PORT = 8472
"""That of flannel's tunnels, whose socket the kernel reads itself."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet to send. ``source`` and ``target`` are endpoints as the analyzer takes them; ``agent`` sends it to the address
    ``target``. ``enter``: where a packet from outside comes in. ``size``: bytes of IP payload, 0 when it does not matter."""

    source: str
    target: str
    protocol: str
    port: int
    source_port: int
    enter: str = ""
    size: int = 0

    @property
    def agent(self) -> str:
        """The name of the agent that sends it."""
        return OUTSIDE if self.enter else self.source.removeprefix("node:")

    def __str__(self) -> str:
        extra = f" size={self.size}" if self.size else ""
        extra += f" enter={self.enter}" if self.enter else ""
        return f"{self.source} {self.target} {self.protocol} {self.port} from={self.source_port}{extra}"


@dataclass(frozen=True, slots=True)
class Result:
    """What the kernel did: whether an answer came back, where the packet arrived (None: nowhere seen) and the source seen there."""

    answered: bool
    at: str | None = None
    source: str | None = None
    said: str = ""

    def __str__(self) -> str:
        return f"{'answered' if self.answered else 'lost'} {self.at or '-'} {self.source or '-'}"


@dataclass(frozen=True, slots=True)
class Target:
    """An address and a port to send to; ``only``: the protocols that make sense there."""

    address: str
    port: int
    enter: str = ""
    only: tuple[str, ...] = ("TCP", "UDP", "ICMP")


def choose(lab: Lab, random: Random, limit: int) -> list[Probe]:
    """At most ``limit`` of all pairs of endpoints over all protocols, each with a source port of its own."""
    everything = [
        (source, target, protocol)
        for family in lab.scenario.families
        for target in targets(lab, family)
        for source in sources(lab, family, target)
        for protocol in target.only
    ]
    chosen = everything if len(everything) <= limit else sorted(random.sample(everything, limit), key=everything.index)
    return [_probe(source, target, protocol, 20000 + number, random) for number, (source, target, protocol) in enumerate(chosen)]


def _probe(source: str, target: Target, protocol: str, source_port: int, random: Random) -> Probe:
    """One packet; an ICMP echo now and then with a size, which may be too large for the way."""
    outside = source in GATEWAY.values()
    size = random.choice(SIZES) if protocol == "ICMP" and not outside and random.random() < SIZED else 0
    return Probe(
        source,
        target.address,
        protocol,
        0 if protocol == "ICMP" else target.port,
        source_port,
        target.enter if outside else "",
        size,
    )


def sources(lab: Lab, family: int, target: Target) -> Iterator[str]:
    """Who can send to the target: every pod, every node, and the outside host where it has a way in."""
    yield from (pod.key for pod in lab.pods if not pod.host_network)
    yield from (f"node:{node.name}" for node in lab.members)
    if target.enter:
        yield GATEWAY[family]


def targets(lab: Lab, family: int) -> Iterator[Target]:
    """Every address that something in the network answers for, some that nothing answers for, and ports nobody listens on."""
    for pod in lab.pods:
        for address in (a for a in pod.addresses if (":" in a) == (family == 6)):
            yield Target(address, POD_PORTS[0], _enter(lab, lab.node(pod.node)))
            if lab.policies:
                yield Target(address, POD_PORTS[1], "", ("TCP", "UDP"))
    for node in lab.members:
        yield from _node_targets(lab, node, family)
    for service in lab.services:
        if family in service.addresses:
            for protocol in ("TCP", "UDP"):
                enter = _enter(lab, lab.nodes[0]) if protocol in service.protocols else ""
                yield Target(service.addresses[family], service.port, enter, (protocol,))
            for address in (*service.external_addresses, *service.balancer_addresses) if family == 4 else ():
                yield Target(address, service.port, _enter(lab, lab.entrance(address)), ("TCP", "UDP"))
    if lab.services and family in lab.services[0].addresses:
        yield Target(lab.services[0].addresses[family], 81, "", ("TCP", "ICMP"))
    if lab.scenario.default_route:
        yield Target("203.0.113.9" if family == 4 else "2001:db8::9", 443)
    yield Target(GATEWAY[family], 80)


def _node_targets(lab: Lab, node: Node, family: int) -> Iterator[Target]:
    address, enter = node.address(family), _enter(lab, node)
    yield Target(address, NODE_PORTS[0], enter)
    yield Target(address, 81, enter, ("TCP", "UDP"))
    if lab.scenario.overlay == "vxlan":
        yield Target(address, VXLAN_PORT, enter, ("UDP",))
    for service in lab.services:
        if service.node_port and family in service.addresses:
            yield Target(address, service.node_port, enter, ("TCP", "UDP"))
    for pod in lab.pods:
        if pod.node == node.name:
            yield from (Target(address, host_port, enter, (protocol,)) for host_port, _, protocol in pod.host_ports)
    if lab.scenario.overlay not in WITHOUT_ROUTES:
        unused = node.pod_cidr(family).replace("0/24", "200") if family == 4 else node.pod_cidr(family).replace(":/64", ":c8")
        yield Target(unused, POD_PORTS[0], "", ("TCP", "ICMP"))
        yield Target(
            node.pod_cidr(family).replace("0/24", "1") if family == 4 else node.pod_cidr(family).replace(":/64", ":1"),
            NODE_PORTS[0],
        )


def _enter(lab: Lab, node: Node) -> str:
    """Where a packet from outside comes in; nowhere for pods that stand beside the node's uplink."""
    return "" if lab.scenario.overlay in WITHOUT_ROUTES else f"node:{node.name}/eth0"


def send(lab: Lab, probes: list[Probe], timeout: float) -> list[Result]:
    """Sends the probes, all agents at once, and gathers what was answered and what arrived."""
    batches: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, probe in enumerate(probes):
        fields = {key: value for key, value in asdict(probe).items() if key in ("protocol", "port", "source_port")}
        batches[probe.agent].append(
            {**fields, "to": probe.target, "token": f"t{number}", **({"size": probe.size} if probe.size else {})}
        )
    lab.machine.ask_all({name: {"do": "seen"} for name in lab.machine.agents})
    answers = lab.machine.ask_all({name: {"do": "probe", "probes": batch, "timeout": timeout} for name, batch in batches.items()})
    seen = lab.machine.ask_all({name: {"do": "seen"} for name in lab.machine.agents})
    return [_result(lab, probe, f"t{number}", answers[probe.agent][f"t{number}"], seen) for number, probe in enumerate(probes)]


def _result(lab: Lab, probe: Probe, token: str, answer: list[Any], seen: dict[str, dict[str, list[str]]]) -> Result:
    answered = answer[0] == "answered"
    if answered and len(answer) > 1:
        return Result(True, endpoint(lab, answer[1]), answer[2])
    said = str(answer[1]) if len(answer) > 1 else answer[0]
    keys = (f"tcp:{probe.source_port}", f"syn:{probe.target}:{probe.port}") if probe.protocol == "TCP" else (token,)
    arrivals = [(name, notes[key]) for key in keys for name, notes in seen.items() if key in notes]
    if arrivals:
        name, (source, _) = arrivals[0]
        return Result(answered, endpoint(lab, name), source, said)
    return Result(answered, said=said)


def endpoint(lab: Lab, agent: str) -> str:
    """An agent's endpoint as the analyzer names it."""
    return f"node:{agent}" if any(node.name == agent for node in lab.machines) else agent
