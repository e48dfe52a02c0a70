"""What EgressNetworkPolicy of OpenShift SDN and EgressFirewall of OVN-Kubernetes mean, as the flows and ACLs that their controllers write: slow, plain, and apart from everything in the analyzer.

openshift/sdn, pkg/network/node/ovscontroller.go; ovn-kubernetes, go-controller/pkg/ovn/controller/egressfirewall/egressfirewall.go.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import NamedTuple

from tests.naive_policy import NO, OPEN, YES, Answers, Object, selects

HIGHEST = 1001


class Packet(NamedTuple):
    """The first packet of a connection of IPv4."""

    protocol: str
    port: int


class Cluster(NamedTuple):
    """Pods and nodes, policies, and the networks of namespaces."""

    objects: list[Object]

    def of(self, kind: str, namespace: str | None = None) -> list[Object]:
        found = [item for item in self.objects if item["kind"] == kind]
        return [item for item in found if namespace is None or item["metadata"].get("namespace") == namespace]

    def network(self, namespace: str) -> object:
        """Its number: that of ``default`` is 0; of whom it is not told it is a number of its own."""
        numbers = {item["metadata"]["name"]: item["netid"] for item in self.of("NetNamespace")} | {"default": 0}
        return numbers.get(namespace, namespace)


def leaves(cluster: Cluster, pod: Object, other: Object | None, address: str, packet: Packet) -> Answers:
    """Whether what a pod sends to another pod, a node or an address passes."""
    if other is not None and other["kind"] == "Pod":
        return YES
    space = pod["metadata"]["namespace"]
    return (
        sdn(cluster, pod, space, other, address, packet)
        if cluster.of("EgressNetworkPolicy")
        else ovn(cluster, space, other, address, packet)
    )


def sdn(cluster: Cluster, pod: Object, space: str, other: Object | None, address: str, packet: Packet) -> Answers:
    """Table 101, for the number of the pod's network."""
    number = cluster.network(space)
    sharing = [name for name in ("default", "a", "b", "c", "d") if cluster.network(name) == number]
    policies = [item for name in sharing for item in cluster.of("EgressNetworkPolicy", name)]
    own = other is not None and other["metadata"]["name"] == pod["spec"]["nodeName"]
    flows: list[tuple[int, Answers, bool]] = []
    if own and packet.protocol in ("TCP", "UDP") and packet.port == 53:
        flows.append((HIGHEST, YES, True))
    if number == 0 or not policies:
        pass
    elif len(sharing) > 1 or len(policies) > 1:
        flows.append((1, YES, False))
    else:
        rules = policies[0]["spec"]["egress"]
        flows += [(len(rules) - i, hits(rule["to"], address), rule["type"] == "Allow") for i, rule in enumerate(rules)]
    return decided(sorted(flows, key=lambda flow: -flow[0]))


def hits(to: Object, address: str) -> Answers:
    """Whether a rule's flow is about an address; a name has no flow for what it has not been told."""
    if "dnsName" in to:
        return OPEN
    if to["cidrSelector"] in ("0.0.0.0/0", "0.0.0.0/32"):
        return YES
    return YES if ip_address(address) in ip_network(to["cidrSelector"]) else NO


def ovn(cluster: Cluster, space: str, other: Object | None, address: str, packet: Packet) -> Answers:
    """ACLs in the order of the rules, for addresses that are not of the cluster's pods."""
    rules = [rule for item in cluster.of("EgressFirewall", space) for rule in item["spec"]["egress"]]
    return decided([(0, acl(rule, other, address, packet), rule["type"] == "Allow") for rule in rules])


def acl(rule: Object, other: Object | None, address: str, packet: Packet) -> Answers:
    """Whether an ACL matches; one without a port is about everything."""
    wanted = [(port["protocol"], port["port"]) for port in rule.get("ports") or []]
    if wanted and tuple(packet) not in wanted:
        return NO
    to = rule["to"]
    if "nodeSelector" in to:
        return YES if other is not None and selects(to["nodeSelector"], other["metadata"]["labels"]) else NO
    return hits(to, address) if "dnsName" in to or ip_address(address) in ip_network(to["cidrSelector"]) else NO


def decided(flows: list[tuple[int, Answers, bool]]) -> Answers:
    """The first that matches; what none is about passes."""
    found = set[bool]()
    for _, answers, passes in flows:
        if True in answers:
            found.add(passes)
        if False not in answers:
            return frozenset(found)
    return frozenset({*found, True})
