"""Who may ask the cluster's DNS: its pods, their port, and what NetworkPolicies admit."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import OtherObjectFact, PodFact, ServiceFact
from analyzer.model.network import Network
from analyzer.policy.network_policy import admitted, policies_of, spec
from analyzer.query.state import backends
from analyzer.ranges import contains

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


def kept_from_dns(network: Network) -> Iterator[tuple[OtherObjectFact, PodFact]]:
    """The policies that let pods send something and no question to any DNS pod, each with a pod that it selects."""
    answering = list(dns_pods(network))
    told: set[tuple[str, str]] = set()
    if not answering or not policies_of(network.cluster):
        return
    for _, pod in sorted(network.cluster.pods.items()):
        if pod.finished or pod.host_network or pod.dns_policy == "None" or pod in [one for one, _ in answering]:
            continue
        found = [(admitted(network.cluster, pod, one), port) for one, port in answering]
        if any(not given.readable or contains(given.ports[UDP], port) for given, port in found):
            continue
        policy = next((item for item in found[0][0].policies if sends_something(item) and item.namespace == pod.namespace), None)
        if policy is not None and (policy.namespace, policy.name) not in told:
            told.add((policy.namespace, policy.name))
            yield policy, pod


def sends_something(policy: OtherObjectFact) -> bool:
    """Whether the policy has a rule for packets of its pods: one without any is meant to cut them off."""
    return bool(spec(policy).get("egress"))
