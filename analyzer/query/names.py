"""Who may ask the cluster's DNS: its pods, their port, and what NetworkPolicies admit."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import PodFact, ServiceFact
from analyzer.model.network import Network
from analyzer.policy.decision import decide
from analyzer.policy.entities import Flow
from analyzer.policy.tiers import Direction, Policy
from analyzer.query.policies import Policies, of_network
from analyzer.query.state import backends

SERVICES = frozenset({"kube-dns", "coredns", "rke2-coredns-rke2-coredns", "dns-default"})
LOCAL = ("node-local-dns", "nodelocaldns")
UDP = 17


def dns_services(network: Network) -> dict[tuple[str, str], ServiceFact]:
    """The services of the cluster's DNS."""
    found = network.cluster.services.items()
    return {key: service for key, service in found if key[1] in SERVICES or service.labels.get("k8s-app") == "kube-dns"}


def dns_pods(network: Network) -> Iterator[tuple[PodFact, int]]:
    """The pods of the cluster's DNS with the port they answer on; none where a cache on each node answers instead."""
    if any(name.startswith(LOCAL) for _, name in network.cluster.pods):
        return
    for service in dns_services(network).values():
        for pod in backends(network, service):
            for port in service.ports:
                if port.protocol == UDP and port.port == 53 and (number := number_of(pod, port.target)):
                    yield pod, number


def number_of(pod: PodFact, target: int | str) -> int | None:
    """The number of a target port."""
    if isinstance(target, int):
        return target
    return next((port.port for port in pod.ports if port.name == target and port.protocol == UDP), None)


def kept_from_dns(network: Network) -> Iterator[tuple[Policy, PodFact]]:
    """The policies that let pods send something and no question to any DNS pod, each with a pod that it selects."""
    answering = list(dns_pods(network))
    policies = of_network(network)
    told: set[str] = set()
    if not answering or policies.none:
        return
    for _, pod in sorted(network.cluster.pods.items()):
        if pod.finished or pod.host_network or pod.dns_policy == "None" or pod in [one for one, _ in answering]:
            continue
        if any(may_ask(policies, pod, one, port) for one, port in answering):
            continue
        policy = next(filter(sends_something, isolating(policies, pod)), None)
        if policy is not None and str(policy) not in told:
            told.add(str(policy))
            yield policy, pod


def may_ask(policies: Policies, pod: PodFact, answering: PodFact, port: int) -> bool:
    """Whether policies admit a pod's questions to another pod, or may."""
    known = policies.world.by_name
    ends = [known[name] for one in (pod, answering) if (name := f"{one.namespace}/{one.name}") in known]
    families = {address.family for address in answering.addresses} or {4}
    return len(ends) < 2 or any(
        decide(policies.all, ends[0], ends[1], Flow(family, UDP, port)).admitted is not False for family in families
    )


def isolating(policies: Policies, pod: PodFact) -> Iterator[Policy]:
    """The policies of the pod's namespace that isolate what it sends."""
    entity = policies.world.by_name[f"{pod.namespace}/{pod.name}"]
    for tier in policies.all.selecting(entity, pod.addresses[0].family if pod.addresses else 4, Direction.EGRESS):
        yield from (item.policy for item in tier if item.rules.isolates and item.policy.namespace == pod.namespace)


def sends_something(policy: Policy) -> bool:
    """Whether the policy has a rule for packets of its pods: one without any is meant to cut them off."""
    return policy.egress is not None and bool(policy.egress.rules)
