"""Policies held against the ACLs of OVN's northbound database, by the owners that OVN-Kubernetes writes beside them.

Follows ovn-kubernetes go-controller/pkg/libovsdb/ops/db_object_ids.go (``k8s.ovn.org/owner-type``, ``k8s.ovn.org/name``), pkg/ovn/gress_policy.go
(an ACL or more for each rule; without a peer that is known, none), and for Kube-OVN pkg/ovs/util.go (``GetSgPortGroupName``) and pkg/controller/security_group.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.kubernetes import ObjectFact
from analyzer.facts.ovn import LogicalObjectFact
from analyzer.model.network import Network
from analyzer.policy.world import listed, mapping
from analyzer.query.connectivity.gateways import selects
from analyzer.query.refusals import objects, spec_of

OWNER, NAME = "k8s.ovn.org/owner-type", "k8s.ovn.org/name"
KINDS = {
    "NetworkPolicy": "networking.k8s.io",
    "AdminNetworkPolicy": "policy.networking.k8s.io",
    "BaselineAdminNetworkPolicy": "policy.networking.k8s.io",
}
GROUP = "ovn.sg."


def identifiers(row: LogicalObjectFact) -> Mapping[str, str]:
    """What ``external_ids`` say."""
    pairs = (pair.partition("=") for pair in row.column("external_ids").split())
    return {key.strip('"'): value.strip('"') for key, _, value in pairs}


def acls(network: Network) -> list[tuple[LogicalObjectFact, Mapping[str, str]]]:
    """The ACLs, each with what its identifiers say."""
    return [(row, identifiers(row)) for row in network.logical_objects if row.table.lower() == "acl"]


def stale(network: Network) -> Iterator[tuple[LogicalObjectFact, str]]:
    """ACLs of policies that are not among the objects, one for each such policy, with its name."""
    seen: set[tuple[str, str]] = set()
    for row, told in acls(network):
        kind, name = told.get(OWNER, ""), told.get(NAME, "")
        if kind not in KINDS or kind not in network.cluster.known or not name or (kind, name) in seen:
            continue
        seen.add((kind, name))
        if name not in {named(fact) for fact in objects(network, kind, KINDS[kind])}:
            yield row, f"{kind} {name.replace(':', '/')}"


def named(fact: ObjectFact) -> str:
    """A policy's name as OVN-Kubernetes writes it."""
    return f"{fact.namespace}:{fact.name}" if fact.kind == "NetworkPolicy" else fact.name


def missing(network: Network) -> Iterator[ObjectFact]:
    """Policies with rules, of pods that run, of which the database has no ACL; where it names the owners of others."""
    found = acls(network)
    owned = {(told[OWNER], told.get(NAME, "")) for _, told in found if OWNER in told}
    for fact in objects(network, "NetworkPolicy", KINDS["NetworkPolicy"]) if owned else ():
        if ("NetworkPolicy", named(fact)) not in owned and ruled(spec_of(fact)) and concerns(network, fact):
            yield fact
    parents = {told["parent"] for _, told in found if told.get("parent", "").startswith(GROUP)}
    for fact in objects(network, "SecurityGroup", "kubeovn.io") if parents else ():
        if f"{GROUP}{fact.name}".replace("-", ".") not in parents:
            yield fact


def ruled(spec: Mapping[str, Any]) -> bool:
    """Whether a policy has a rule in a direction that it is about, for whomever or for blocks: peers by labels may be nobody."""
    types = listed(spec.get("policyTypes")) or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    rules = [
        (rule, key)
        for way, key in (("Ingress", "from"), ("Egress", "to"))
        if way in types
        for rule in listed(spec.get(way.lower()))
    ]
    return any(
        not listed(mapping(rule).get(key)) or any("ipBlock" in mapping(peer) for peer in listed(mapping(rule).get(key)))
        for rule, key in rules
    )


def concerns(network: Network, fact: ObjectFact) -> bool:
    """Whether a policy selects a pod that runs in a network of its own."""
    selector = mapping(spec_of(fact).get("podSelector"))
    pods = (pod for (space, _), pod in network.cluster.pods.items() if space == (fact.namespace or "default"))
    return any(not (pod.host_network or pod.finished) and selects(selector, pod.labels) for pod in pods)
