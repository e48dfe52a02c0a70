"""Policies against what the kernel did with the rules that enforce them, and the verdict on ``policy-enforced``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.api import Capture
from analyzer.findings import Guarantee, Verdict
from analyzer.policy.profiles import UNKNOWN_SYSTEM, Profile, profile_named, with_switches
from analyzer.query.policy_trace import policy_trace
from analyzer.solve.packet import Fate, Trace
from tests.lab.build import Lab
from tests.lab.plan import POD_PORTS
from tests.lab.policies import selects
from tests.lab.probes import Probe, Result

NUMBERS = {"TCP": 6, "UDP": 17, "ICMP": 1}


def profile(lab: Lab) -> Profile:
    """How the enforcer of the network reads what systems read differently."""
    if lab.scenario.enforcer != "plain":
        return profile_named("calico" if lab.scenario.enforcer.startswith("felix") else lab.scenario.enforcer)
    return with_switches(UNKNOWN_SYSTEM, {"port-rules-admit-other-protocols": "no", "own-service-admitted": "no"})


def contradictions(
    lab: Lab, loaded: Capture, told: Sequence[Guarantee], chosen: list[Probe], results: list[Result]
) -> Iterator[str]:
    """What policies say against what the kernel did, on a network that nothing else breaks; and the verdict on ``policy-enforced``."""
    wrong = []
    for probe, result in zip(chosen, results, strict=True):
        if decides(lab, probe) and (answer := differs(said(lab, loaded, probe), result)):
            wrong.append(f"{probe}\n  kernel: {result}\n  policies: {answer}")
    verdicts = {item.id: item for item in told}
    verdict, services = verdicts["policy-enforced"], verdicts["pod-to-service"]
    if not lab.broken:
        yield from wrong
        if services.verdict is Verdict.REFUTED:
            yield f"pod-to-service is refuted on a network that does what its policies say: {services.reason}"
        if verdict.verdict in (Verdict.REFUTED, Verdict.UNDECIDED):
            yield f"policy-enforced is {verdict.verdict} on a network that does what its policies say: {verdict.reason}"
    elif wrong and verdict.verdict is Verdict.PROVED:
        yield f"policy-enforced is proved ({verdict.scope}), but {wrong[0]}"


def decides(lab: Lab, probe: Probe) -> bool:
    """Whether policies alone decide over a probe, as far as manifests tell; on a network that something else breaks, the pairs that the verdict is about."""
    if lab.broken:
        return direct(lab, probe) and selected(lab, probe)
    return direct(lab, probe) or (to_service(lab, probe) and not lab.scenario.masquerade_all)


def said(lab: Lab, loaded: Capture, probe: Probe) -> Trace:
    """What the policies say of a probe."""
    return policy_trace(loaded.given.network, probe.source, probe.target, NUMBERS[probe.protocol], probe.port, profile(lab))


def denied(lab: Lab, loaded: Capture, probe: Probe) -> bool:
    """Whether policies keep a probe from arriving, or may."""
    return bool(lab.policies) and said(lab, loaded, probe).fate is not Fate.REACHABLE


def direct(lab: Lab, probe: Probe) -> bool:
    """Whether a probe is from a pod to a pod that listens, so that policies alone decide over it."""
    pods = {address for pod in lab.pods if not pod.host_network for address in pod.addresses}
    return from_pod(probe) and probe.target in pods and (probe.protocol == "ICMP" or probe.port in POD_PORTS)


def to_service(lab: Lab, probe: Probe) -> bool:
    """Whether a probe is from a pod to a service's port."""
    return from_pod(probe) and any(
        probe.target in item.addresses.values() and probe.port == item.port and probe.protocol in item.protocols
        for item in lab.services
        if any(pod.labels["app"] == item.selector for pod in lab.pods)
    )


def from_pod(probe: Probe) -> bool:
    """Whether a pod sends a packet that is small enough for every way."""
    return not probe.size and not probe.enter and not probe.source.startswith("node:")


def selected(lab: Lab, probe: Probe) -> bool:
    """Whether a policy selects one of the ends in its direction."""
    return any(
        selects(policy, pod) and kind in policy["spec"]["policyTypes"]
        for policy in lab.policies
        for pod in lab.pods
        for kind, end in (("Egress", pod.key == probe.source), ("Ingress", probe.target in pod.addresses))
        if end
    )


def differs(told: Trace, result: Result) -> str:
    """What the policies say where the kernel did something else; empty where it did what one of the outcomes says."""
    fates = {outcome.fate for outcome in told.outcomes}
    right = Fate.UNKNOWN in fates or (Fate.REACHABLE if result.answered else Fate.UNREACHABLE) in fates
    return "" if right else f"{told.fate} ({'; '.join(outcome.reason for outcome in told.outcomes)})"
