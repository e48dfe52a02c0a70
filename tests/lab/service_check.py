"""What policies say of packets to services, also masqueraded ones and those from outside, against what the kernel did, and against a plain reading of the API's text."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from analyzer.addresses import address as read_address
from analyzer.api import Capture
from analyzer.findings import Guarantee, Verdict
from analyzer.query.flows import PORTED, PORTS, Aim
from analyzer.query.reach import admission_of
from analyzer.query.seen_sources import entities_at, holders_of
from analyzer.query.service_admission import Ruling, verdict
from tests.lab import enforcement_breakages, policy_check
from tests.lab.build import Lab
from tests.lab.engines import answers, receiver
from tests.lab.plan import CLUSTER_CIDR, Pod, Service
from tests.lab.policies import PORTS as NAMED
from tests.lab.policies import Document, blocks, selects, version
from tests.lab.probes import Probe, Result

NUMBERS = {"TCP": 6, "UDP": 17}


def contradictions(
    lab: Lab, loaded: Capture, verdicts: Sequence[Guarantee], chosen: list[Probe], results: list[Result]
) -> Iterator[str]:
    """Probes to services whose endpoints policies admit or deny otherwise than the kernel did, or than the API's text says; and verdicts that should be proofs. Of networks that
    nothing breaks, whose enforcer is known; of those in which what enforces policies is broken, what arrives through services and is proved not to."""
    if lab.broken:
        yield from passed_over(lab, loaded, verdicts, chosen, results)
    if lab.broken or lab.scenario.enforcer == "plain":
        return
    yield from unproved(verdicts)
    for probe, result in zip(chosen, results, strict=True):
        if (service := asked(lab, probe)) is None:
            continue
        found = [(pod, own, source_at(lab, service, probe, pod)) for pod, own in ends(lab, service, probe)]
        said = {(pod.key, source): analysed(lab, loaded, probe, service, own, source) for pod, own, source in found}
        if lab.scenario.enforcer.startswith("felix"):
            plain = {(pod.key, source): admitted(lab, service, probe, pod, own, source) for pod, own, source in found}
            if said != plain:
                yield f"{probe}: policies say {said}, by the API's text {plain}"
        if None in said.values():
            yield f"{probe}: it is not known what policies say: {said}"
        if set(said.values()) == {not result.answered}:
            yield f"{probe}\n  kernel: {result}\n  policies of its endpoints: {said}"


def passed_over(
    lab: Lab, loaded: Capture, verdicts: Sequence[Guarantee], chosen: list[Probe], results: list[Result]
) -> Iterator[str]:
    """Probes that every endpoint of a service is to be kept from, under whatever source, and that are answered although ``policy-enforced`` is proved."""
    if not {one.__name__ for one in enforcement_breakages.ALL}.issuperset(lab.broken):
        return
    proved = any(one.id == "policy-enforced" and one.verdict is Verdict.PROVED for one in verdicts)
    for probe, result in zip(chosen, results, strict=True) if proved else ():
        if not result.answered or (service := asked(lab, probe)) is None:
            continue
        found = ends(lab, service, probe)
        who = (
            probe.source
            if probe.enter
            else next(one for one in sender(lab, probe).addresses if version(one) == version(probe.target))
        )
        said = {
            analysed(lab, loaded, probe, service, own, source)
            for pod, own in found
            for source in (who, source_at(lab, service, probe, pod))
        }
        if said == {False} and all(pod.key != probe.source for pod, _ in found):
            yield f"policy-enforced is proved, but {probe}: {result}"


def denied(lab: Lab, loaded: Capture, probe: Probe) -> bool:
    """Whether policies keep a probe from arriving, or may."""
    if not lab.policies or (service := asked(lab, probe)) is None or lab.scenario.enforcer == "plain":
        return policy_check.denied(lab, loaded, probe)
    found = [(pod, own, source_at(lab, service, probe, pod)) for pod, own in ends(lab, service, probe)]
    return any(analysed(lab, loaded, probe, service, own, source) is not True for _, own, source in found)


def unproved(verdicts: Sequence[Guarantee]) -> Iterator[str]:
    """Verdicts on services that are left open, or refuted."""
    for one in verdicts:
        if one.id in ("pod-to-service", "outside-to-service") and one.verdict in (Verdict.UNDECIDED, Verdict.REFUTED):
            yield f"{one.id} is {one.verdict} on a network that does what its policies say: {one.reason}"


def asked(lab: Lab, probe: Probe) -> Service | None:
    """The service that a pod asks for at an address of its own, or a host outside at that or a node port; None where it is none that is to answer."""
    if probe.size or probe.source.startswith("node:") or receiver(lab, probe) not in ("service", "node port"):
        return None
    for service in lab.services:
        own = (*service.addresses.values(), *service.external_addresses, *service.balancer_addresses)
        if probe.target in own and probe.port == service.port and probe.protocol in service.protocols:
            return service
    return next((service for service in lab.services if probe.enter and answers(lab, service, probe)), None)


def ends(lab: Lab, service: Service, probe: Probe) -> list[tuple[Pod, str]]:
    """The endpoints that may answer a probe."""
    found = [pod for pod in lab.pods if service.ready and pod.labels.get("app") == service.selector]
    inside = probe.target in service.addresses.values()
    policy = service.internal_policy if inside else service.external_policy if probe.enter else "Cluster"
    near = [pod for pod in found if policy != "Local" or pod.node == translating(lab, probe)]
    return [(pod, own) for pod in near for own in pod.addresses if version(own) == version(probe.target)]


def translating(lab: Lab, probe: Probe) -> str:
    """The node that translates a probe: where it comes in, or where its sender is."""
    if probe.enter:
        return probe.enter.removeprefix("node:").partition("/")[0]
    return next(pod.node for pod in lab.pods if pod.key == probe.source)


def source_at(lab: Lab, service: Service, probe: Probe, pod: Pod) -> str:
    """The source that rules in FORWARD on an endpoint's node see: that of the node that translates, where this one masquerades and is another."""
    family = version(probe.target)
    own = probe.source if probe.enter else next(one for one in sender(lab, probe).addresses if version(one) == family)
    node = lab.node(translating(lab, probe))
    inside = probe.target in service.addresses.values()
    strange = ipaddress.ip_address(own) not in ipaddress.ip_network(CLUSTER_CIDR[family])
    masked = (lab.scenario.masquerade_all or strange) if inside else service.external_policy == "Cluster"
    if not masked or node.name == pod.node:
        return own
    tunnel = lab.scenario.overlay in ("vxlan", "canal") and not pod.host_network
    return node.pod_network(family) if tunnel else node.address(family)


def sender(lab: Lab, probe: Probe) -> Pod:
    """The pod that sends."""
    return next(pod for pod in lab.pods if pod.key == probe.source)


def analysed(lab: Lab, loaded: Capture, probe: Probe, service: Service, own: str, source: str) -> bool | None:
    """What the analyzer says of a packet at an endpoint."""
    network, family = loaded.given.network, version(own)
    admission = admission_of(network, family)
    if admission is None:
        return True
    ruling = Ruling(network, admission, Aim(family, PORTED, PORTS, {}, {}), ())
    seen, end = read_address(source).value, read_address(own).value
    who = entities_at(network, admission, seen)[0] if probe.enter else admission.policies.world.by_name[probe.source]
    same = not probe.enter and source in sender(lab, probe).addresses
    receivers, protocol = holders_of(admission, end), NUMBERS[probe.protocol]
    found = {verdict(ruling, who, (one,), receivers, protocol, service.target) for one in ((None, seen) if same else (seen,))}
    return found.pop() if len(found) == 1 else None


def admitted(lab: Lab, service: Service, probe: Probe, pod: Pod, own: str, source: str) -> bool:
    """What the policies say, by the API's text, of a packet at an endpoint that has this source."""
    mine = None if probe.enter else sender(lab, probe)
    out = mine is None or passes(lab, mine, "Egress", own, pod, service.target, probe.protocol)
    return out and (pod.host_network or passes(lab, pod, "Ingress", source, pod, service.target, probe.protocol))


def passes(lab: Lab, subject: Pod, kind: str, peer: str, end: Pod, port: int, protocol: str) -> bool:
    """Whether the policies of a pod in a direction let a flow pass."""
    chosen = [item for item in lab.policies if selects(item, subject) and kind in item["spec"]["policyTypes"]]
    field, key = ("ingress", "from") if kind == "Ingress" else ("egress", "to")
    return not chosen or any(
        is_of(lab, item, rule.get(key), peer) and any(is_port(one, end, port, protocol) for one in rule.get("ports") or [{}])
        for item in chosen
        for rule in item["spec"].get(field) or []
    )


def is_of(lab: Lab, policy: Document, peers: list[Document] | None, address: str) -> bool:
    """Whether an address is of a rule's peers."""
    own = ipaddress.ip_address(address)
    return any(
        not block or (own in ipaddress.ip_network(block) and not any(own in ipaddress.ip_network(hole) for hole in holes))
        for block, holes, _ in blocks(lab, policy, peers, own.version)
    )


def is_port(given: Document, end: Pod, port: int, protocol: str) -> bool:
    """Whether a port is one that a rule names; none: every one."""
    if not given:
        return True
    if given.get("protocol", "TCP") != protocol:
        return False
    first = given.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return not end.host_network and NAMED[first] == (port, protocol)
    last = given.get("endPort") or first
    return bool(first <= port <= last)
