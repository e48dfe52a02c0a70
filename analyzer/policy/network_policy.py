"""The meaning of NetworkPolicy (networking.k8s.io/v1) for traffic between two pods.

Follows the API's documentation and defaulting (pkg/apis/networking/v1/defaults.go, types.go): a pod is isolated in a direction
when a policy that selects it has that type; isolated traffic needs a rule of some such policy in that direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import prefix
from analyzer.facts.kubernetes import OtherObjectFact, PodFact
from analyzer.model.cluster import Cluster
from analyzer.ranges import EMPTY, Ranges, intersection, union

ALL_PORTS: Ranges = ((0, 65535),)
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may pass: destination ports by protocol number, and whether other protocols (ICMP) may; None where the API does not
    say, since a rule with ports admits the pair on those ports only. ``policies`` are those that isolate. ``readable`` False: a policy
    holds something that is no NetworkPolicy's, and nothing is known."""

    ports: Mapping[int, Ranges]
    other: bool | None
    policies: tuple[OtherObjectFact, ...] = ()
    readable: bool = True

    @property
    def everything(self) -> bool:
        """No policy stands between the two."""
        return self.other is True and all(ranges == ALL_PORTS for ranges in self.ports.values())


EVERYTHING = Admitted(dict.fromkeys(PROTOCOLS.values(), ALL_PORTS), True)
NOTHING = Admitted(dict.fromkeys(PROTOCOLS.values(), EMPTY), False)


def policies_of(cluster: Cluster) -> tuple[OtherObjectFact, ...]:
    """The NetworkPolicies of the cluster."""
    return tuple(item for item in cluster.others if item.kind == "NetworkPolicy" and item.api_version == "networking.k8s.io/v1")


def admitted(cluster: Cluster, source: PodFact, destination: PodFact) -> Admitted:
    """What policies admit from one pod to the other. A pod always reaches itself; policies do not apply to hostNetwork pods."""
    if (source.namespace, source.name) == (destination.namespace, destination.name):
        return EVERYTHING
    try:
        return between(cluster, source, destination)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Admitted(NOTHING.ports, None, policies_of(cluster), readable=False)


def may_refuse(cluster: Cluster, pod: PodFact) -> bool:
    """Whether a policy stands before a pod's ports; also where one cannot be read."""
    try:
        return not pod.host_network and any(isolates(policy, pod, "ingress") for policy in policies_of(cluster))
    except (ValueError, LookupError, TypeError, AttributeError):
        return True


def between(cluster: Cluster, source: PodFact, destination: PodFact) -> Admitted:
    """What both directions admit; raises for a policy whose parts have the wrong shape."""
    leaving = direction(cluster, source, destination, destination, "egress")
    entering = direction(cluster, destination, source, destination, "ingress")
    ports = {number: intersection(leaving.ports[number], entering.ports[number]) for number in leaving.ports}
    return Admitted(ports, both(leaving.other, entering.other), leaving.policies + entering.policies)


def both(left: bool | None, right: bool | None) -> bool | None:
    """Three-valued "and"."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def direction(cluster: Cluster, subject: PodFact, peer: PodFact, target: PodFact, name: str) -> Admitted:
    """What the policies that select ``subject`` admit in one direction; ports are those of ``target``."""
    if subject.host_network:
        return EVERYTHING
    chosen = tuple(item for item in policies_of(cluster) if isolates(item, subject, name))
    if not chosen:
        return EVERYTHING
    rules = [(item, rule) for item in chosen for rule in spec(item).get(name) or []]
    granted = [ports_of(rule, target) for item, rule in rules if admits_peer(cluster, item, rule, peer, name)]
    return sum_of(granted, chosen)


def sum_of(granted: Iterable[Admitted], policies: tuple[OtherObjectFact, ...]) -> Admitted:
    """The union of what rules admit. Other protocols: admitted by a rule without ports, unspecified by one with ports."""
    ports, other = dict(NOTHING.ports), False
    unspecified = False
    for item in granted:
        ports = {number: union(ports[number], item.ports[number]) for number in ports}
        other = other or item.other is True
        unspecified = unspecified or item.other is None
    return Admitted(ports, True if other else (None if unspecified else False), policies)


def spec(policy: OtherObjectFact) -> Mapping[str, Any]:
    """The policy's spec."""
    found = policy.document.get("spec")
    return found if isinstance(found, Mapping) else {}


def isolates(policy: OtherObjectFact, pod: PodFact, name: str) -> bool:
    """Whether the policy selects the pod and has the direction's type, after the API server's defaulting."""
    body = spec(policy)
    types = body.get("policyTypes") or (["Ingress", "Egress"] if body.get("egress") else ["Ingress"])
    same = policy.namespace == pod.namespace
    return same and name.capitalize() in types and selects(body.get("podSelector"), pod.labels)


def admits_peer(cluster: Cluster, policy: OtherObjectFact, rule: Mapping[str, Any], peer: PodFact, name: str) -> bool:
    """Whether the rule's peers include the pod; no peers means everyone."""
    peers = rule.get("from" if name == "ingress" else "to") or []
    return not peers or any(is_peer(cluster, policy, item, peer) for item in peers)


def is_peer(cluster: Cluster, policy: OtherObjectFact, item: Mapping[str, Any], pod: PodFact) -> bool:
    """Whether one peer of a rule includes the pod. Selectors never match hostNetwork pods; an ipBlock matches by address."""
    if (block := item.get("ipBlock")) is not None:
        return any(in_block(block, address) for address in map(str, pod.addresses))
    if pod.host_network or ("podSelector" not in item and "namespaceSelector" not in item):
        return False
    namespaces = item.get("namespaceSelector")
    if namespaces is None:
        return pod.namespace == policy.namespace and selects(item.get("podSelector"), pod.labels)
    return selects(namespaces, namespace_labels(cluster, pod.namespace)) and selects(item.get("podSelector"), pod.labels)


def in_block(block: Mapping[str, Any], text: str) -> bool:
    """Whether an address is in ``cidr`` and in none of ``except``."""
    host = prefix(text)
    return prefix(block["cidr"]).covers(host) and not any(prefix(hole).covers(host) for hole in block.get("except") or [])


def namespace_labels(cluster: Cluster, name: str) -> Mapping[str, str]:
    """A namespace's labels, with the name label that the API server adds to each."""
    for item in cluster.others:
        if item.kind == "Namespace" and item.name == name:
            return {**item.labels, "kubernetes.io/metadata.name": name}
    return {"kubernetes.io/metadata.name": name}


def ports_of(rule: Mapping[str, Any], target: PodFact) -> Admitted:
    """The ports that a rule admits on the target pod; no ports means everything."""
    listed = rule.get("ports") or []
    if not listed:
        return EVERYTHING
    ports = dict(NOTHING.ports)
    for item in listed:
        number = PROTOCOLS[item.get("protocol") or "TCP"]
        for low, high in port_ranges(item, number, target):
            ports[number] = union(ports[number], ((low, high),))
    return Admitted(ports, None)


def port_ranges(item: Mapping[str, Any], protocol: int, target: PodFact) -> Iterator[tuple[int, int]]:
    """One port of a rule: a number, a range to ``endPort``, a name that the target's containers give, or all."""
    port = item.get("port")
    if port is None:
        yield ALL_PORTS[0]
    elif isinstance(port, int) or str(port).isdecimal():
        yield int(port), int(item.get("endPort") or port)
    else:
        yield from ((found.port, found.port) for found in target.ports if found.name == port and found.protocol == protocol)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether the selector matches the labels: matchLabels and matchExpressions must all hold; an empty selector matches
    everything, and so does null where a field's zero value stands for it. An operator that is not known raises ValueError."""
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(holds(item, labels) for item in expressions)


def holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether one requirement holds; NotIn and DoesNotExist hold where the label is absent."""
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"{operator!r} is no operator of a label selector")
