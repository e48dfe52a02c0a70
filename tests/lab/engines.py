"""The other readings of a network, held against the kernel too: the lowered language, and the verdicts on the guarantees."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence

from analyzer.addresses import Address
from analyzer.api import Capture
from analyzer.findings import Guarantee, Verdict
from analyzer.query.endpoints import endpoints, entrance
from analyzer.solve.packet import Fate, Trace
from analyzer.solve.walk.concrete import Flow
from analyzer.transfer.graph import NetworkProgram
from tests.lab.build import Lab
from tests.lab.plan import NODE_PORTS, POD_PORTS, Service
from tests.lab.probes import OUTSIDE, Probe, Result
from tests.lowered import End, outcomes

OWN = "pod-sees-its-own-address"


def lowered(capture: Capture, programs: dict[int, NetworkProgram], probe: Probe, told: Trace) -> set[End]:
    """What the lowered network says of a probe, by the plain reading of the language."""
    packet = told.packet
    assert packet is not None
    network = capture.given.network
    program = programs.setdefault(packet.family, NetworkProgram(network, packet.family))
    scope = endpoints(network, probe.source)[0].scope
    start = scope or entrance(network, probe.enter, Address(packet.family, packet.destination))
    return outcomes(program, Flow(start, packet, packet.family == 6 and scope is not None, tracked=True))


def judge(ends: set[End], told: Trace, result: Result) -> str:
    """``agree``, ``unknown`` or ``wrong``. The language knows no sockets: where nothing listens, the host that has the packet counts.
    What leaves the capture it does not follow back, and so not the answers to questions for neighbours that come through a tunnel."""
    deaf = {outcome.delivered_to for outcome in told.outcomes if "nothing listens" in outcome.reason}
    if any(end.at in deaf for end in ends) or any(agrees(end, result) for end in ends):
        return "agree"
    open_end = any(end.fate is Fate.UNKNOWN or end.at == OUTSIDE for end in ends)
    return "unknown" if open_end else "wrong"


def agrees(end: End, result: Result) -> bool:
    """Whether the kernel did what an end says."""
    if end.fate is Fate.UNREACHABLE:
        return not result.answered
    if end.fate is not Fate.REACHABLE or end.at != result.at or end.source != result.source:
        return False
    return result.answered or end.at == OUTSIDE


def contradictions(
    lab: Lab,
    capture: Capture,
    verdicts: Sequence[Guarantee],
    probes: list[Probe],
    results: list[Result],
    denied: Callable[[Lab, Capture, Probe], bool],
) -> Iterator[str]:
    """Where a guarantee is said to be proved and the kernel broke it, or where the analyzer contradicts itself; what policies deny, or may, is
    let pass."""
    for guarantee in verdicts:
        if "internal error" in guarantee.reason:
            yield f"{guarantee.id}: {guarantee.reason}"
        if guarantee.verdict is not Verdict.PROVED:
            continue
        for probe, result in zip(probes, results, strict=True):
            if (text := broken(lab, guarantee.id, probe, result)) is not None and not denied(lab, capture, probe):
                yield f"{guarantee.id} is proved ({guarantee.scope}), but {text}: {probe}; kernel: {result}"


def broken(lab: Lab, guarantee: str, probe: Probe, result: Result) -> str | None:
    """How a result breaks a guarantee, in words; None when it does not, or is about something else: one who has the address as well
    talks to itself."""
    kinds = {
        "pod-to-pod": ("pod", "pod"),
        OWN: ("pod", "pod"),
        "node-to-pod": ("node", "pod"),
        "pod-to-node": ("pod", "node"),
        "pod-to-service": ("pod", "service"),
        "outside-to-service": (OUTSIDE, "node port"),
    }
    plain = guarantee.removesuffix("-without-nat")
    if result.at == probe.source:
        return None
    if plain not in kinds or probe.size or (sender(probe), receiver(lab, probe)) != kinds[plain]:
        return None
    if guarantee == OWN:
        known = next(pod.addresses for pod in lab.pods if pod.key == probe.source)
        return f"the source is {result.source}" if result.at not in (None, OUTSIDE) and result.source not in known else None
    if plain != guarantee and result.at not in (None, OUTSIDE) and result.source not in own(lab, probe):
        return f"the source is {result.source}"
    if plain.endswith("-to-service") and result.at == OUTSIDE:
        return "it was answered outside"
    return None if result.answered or plain != guarantee else "it was not answered"


def sender(probe: Probe) -> str:
    """What kind of endpoint sends."""
    return OUTSIDE if probe.enter else "node" if probe.source.startswith("node:") else "pod"


def receiver(lab: Lab, probe: Probe) -> str:
    """What kind of endpoint a probe is for, where something is there to answer."""
    asked = probe.protocol == "ICMP"
    if any(probe.target in pod.addresses and not pod.host_network for pod in lab.pods):
        return "pod" if asked or probe.port in POD_PORTS else ""
    for service in lab.services:
        if probe.port == service.port and probe.protocol in service.protocols:
            if probe.target in service.addresses.values():
                return "service" if ends(lab, service, probe, service.internal_policy) else ""
            if probe.target in (*service.external_addresses, *service.balancer_addresses):
                return published(lab, service, probe)
    if any(answers(lab, service, probe) for service in lab.services):
        return "node port"
    nodes = {node.address(family) for node in lab.nodes for family in lab.scenario.families}
    return "node" if probe.target in nodes and (asked or probe.port in NODE_PORTS) else ""


def ends(lab: Lab, service: Service, probe: Probe, policy: str) -> bool:
    """Whether a service has an endpoint for who sends or, from outside, for the node where that comes in."""
    found = {pod.node for pod in lab.pods if service.ready and pod.labels.get("app") == service.selector}
    senders = {pod.node for pod in lab.pods if pod.key == probe.source} | {probe.source.removeprefix("node:")}
    here = {probe.enter.removeprefix("node:").partition("/")[0]} if probe.enter else senders
    return bool(found & here if policy == "Local" else found)


def published(lab: Lab, service: Service, probe: Probe) -> str:
    """What a service is at an address for the world outside, for who may ask there."""
    if probe.target in service.balancer_addresses and service.source_ranges:
        source = next((pod.addresses[0] for pod in lab.pods if pod.key == probe.source), probe.source)
        if source.startswith("node:") or not any(within(source, network) for network in service.source_ranges):
            return ""
    if not probe.enter:
        return "service" if ends(lab, service, probe, "Cluster") else ""
    return "node port" if ends(lab, service, probe, service.external_policy) else ""


def within(address: str, network: str) -> bool:
    """Whether an address is of a network."""
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def answers(lab: Lab, service: Service, probe: Probe) -> bool:
    """Whether a probe is for a node port of the service, on a node that is to answer there."""
    if not service.ready or probe.port != service.node_port or probe.protocol not in service.protocols:
        return False
    asked = {node.name for node in lab.nodes for family in lab.scenario.families if node.address(family) == probe.target}
    ends = {pod.node for pod in lab.pods if pod.labels.get("app") == service.selector}
    return bool(asked and ends) and (service.external_policy != "Local" or bool(asked & ends))


def own(lab: Lab, probe: Probe) -> set[str]:
    """The sender's own addresses."""
    if probe.source.startswith("node:"):
        node = lab.node(probe.source.removeprefix("node:"))
        family = 6 if ":" in probe.target else 4
        network = ipaddress.ip_network(node.pod_cidr(family))
        return {node.address(family), node.second_address(), str(network[0]), str(network[1])}
    return {address for pod in lab.pods if pod.key == probe.source for address in (*pod.addresses, *lab.more.get(pod.key, ()))}
