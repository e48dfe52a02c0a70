"""Whether the nodes do what NetworkPolicies say, shown by single packets: it can refute, and proves nothing.

For each pair of pods that a policy isolates, one TCP packet to a port that the policies admit and one to a port that they do not are walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.findings import Counterexample, Guarantee, Verdict
from analyzer.model.network import Network
from analyzer.policy.network_policy import ALL_PORTS, Admitted, admitted, policies_of
from analyzer.query.causes import Broken
from analyzer.query.parties import Party, families, pods
from analyzer.query.replay import UNHEARD
from analyzer.ranges import Ranges, contains, difference
from analyzer.solve.concrete import Flow, walk
from analyzer.solve.packet import SYN, TCP, Fate, Packet, Trace

WALKS = 400
USUAL = (80, 443, 8080, 53, 22, 5432, 9090)
ID = "policy-enforced"
NOT_ALL = "one packet of each kind was walked for each pair, not all packets"


@dataclass(frozen=True, slots=True)
class Trial:
    """A packet between two pods, and whether the policies admit it."""

    source: Party
    target: Party
    packet: Packet
    allowed: bool
    policies: tuple[OtherObjectFact, ...]


def policy_enforced(network: Network) -> tuple[Guarantee, tuple[Broken, ...]]:
    """The verdict: refuted where a node lets pass what no policy admits, or cuts what they admit; else undecided."""
    found = list(islice(trials(network), WALKS + 1))
    scope = f"{len(policies_of(network.cluster))} policies, {len(found[:WALKS])} packets between pods"
    broken = tuple(item for trial in found[:WALKS] if (item := attempt(network, trial)) is not None)
    if broken:
        first = broken[0]
        reason = f"{first.source} to {first.target}: {first.reason}"
        return Guarantee(ID, Verdict.REFUTED, scope, reason, first.counterexample, (), len(broken), len(found)), broken
    return Guarantee(
        ID, Verdict.UNDECIDED, scope, NOT_ALL if found else "no policy isolates a captured pod", checked=len(found)
    ), ()


def trials(network: Network) -> Iterator[Trial]:
    """The packets to try, by name."""
    for family in families(network):
        parties = [party for party in pods(network, family) if party.pod is not None]
        for source in parties:
            for target in parties:
                if source.pod is not None and target.pod is not None and source != target:
                    given = admitted(network.cluster, source.pod, target.pod)
                    if given.policies and given.readable:
                        yield from of_pair(source, target, given)


def of_pair(source: Party, target: Party, given: Admitted) -> Iterator[Trial]:
    """One packet that is admitted and one that is not, where there are such."""
    declared = tuple(port.port for port in target.pod.ports if port.protocol == TCP) if target.pod else ()
    for ports, allowed in ((given.ports[TCP], True), (difference(ALL_PORTS, given.ports[TCP]), False)):
        number = port_of(ports, declared)
        if number is not None:
            packet = Packet(source.address.family, source.address.value, target.address.value, TCP, 40000, number, tcp_flags=SYN)
            yield Trial(source, target, packet, allowed, given.policies)


def port_of(ports: Ranges, declared: tuple[int, ...]) -> int | None:
    """The most ordinary port of a set: one that the pod declares, a well-known one, the lowest."""
    usual = next((port for port in (*declared, *USUAL) if contains(ports, port)), None)
    lowest = next((max(low, 1) for low, high in ports if high >= 1), None)
    return usual if usual is not None else lowest


def attempt(network: Network, trial: Trial) -> Broken | None:
    """What is wrong with what the nodes do to the packet; None where it is right, or not known."""
    trace = walk(network, Flow(trial.source.scope, trial.packet))
    arrived = [outcome for outcome in trace.outcomes if outcome.fate is Fate.REACHABLE or outcome.reason.startswith(UNHEARD)]
    if trial.allowed:
        lost = [outcome for outcome in trace.outcomes if outcome.fate is Fate.UNREACHABLE and outcome not in arrived]
        if not lost or trace.fate is Fate.UNKNOWN:
            return None
        return broken(trial, trace, f"the policies admit the packet, but {lost[0].reason}", trace.outcomes.index(lost[0]))
    if not arrived:
        return None
    named = f"{trial.policies[0].namespace}/{trial.policies[0].name}"
    return broken(
        trial, trace, f"no policy admits the packet ({named} isolates), but it arrives", trace.outcomes.index(arrived[0])
    )


def broken(trial: Trial, trace: Trace, reason: str, position: int) -> Broken:
    """A pair whose packet shows that policies are not enforced as they are written."""
    outcome = trace.outcomes[position]
    at = outcome.at if trial.allowed and outcome.at else trial.policies[0].place("spec")
    shown = Counterexample(trace.packet or trial.packet, outcome.hops, reason, at, outcome.assumptions)
    return Broken(ID, trial.source.name, trial.target.name, reason, at, shown)
