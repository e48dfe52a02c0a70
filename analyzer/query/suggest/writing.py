"""Suggested policies as objects of the Kubernetes API, and as YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from analyzer.policy.world import NAME_LABEL
from analyzer.query.suggest.cidrs import Block
from analyzer.query.suggest.demands import PORTS, Ports
from analyzer.query.suggest.kept import Kept
from analyzer.query.suggest.planned import Peers, Planned, PlannedRule, PodPeer
from analyzer.query.suggest.selectors import Requirement, Selector

Value: TypeAlias = "str | int | list[Value] | dict[str, Value]"
# The same text, in a tenth of the time where libyaml is there.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
NAMES = {6: "TCP", 17: "UDP", 132: "SCTP"}


def written(item: Planned | Kept) -> str:
    """A policy as a document of YAML."""
    found = item.document if isinstance(item, Kept) else document(item)
    return yaml.dump(found, Dumper=DUMPER, sort_keys=False, width=1000, allow_unicode=True)


def document(item: Planned) -> dict[str, Value]:
    """One policy."""
    spec: dict[str, Value] = {"podSelector": selector(item.selector)}
    types: list[Value] = []
    for name, rules in (("Ingress", item.ingress), ("Egress", item.egress)):
        if rules is not None:
            types.append(name)
    spec["policyTypes"] = types
    for name, key, rules in (("ingress", "from", item.ingress), ("egress", "to", item.egress)):
        if rules:
            spec[name] = [rule(key, one) for one in rules]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": item.name, "namespace": item.namespace},
        "spec": spec,
    }


def rule(key: str, item: PlannedRule) -> dict[str, Value]:
    """One rule."""
    found: dict[str, Value] = {}
    if item.peers is not None:
        found[key] = list(peers(item.peers))
    if item.ports is not None:
        found["ports"] = list(ports(item.ports))
    return found


def peers(items: Peers) -> Iterator[Value]:
    """The peers of a rule."""
    for item in items:
        match item:
            case PodPeer(namespaces, labels):
                yield pod_peer(namespaces, labels)
            case Block(cidr, holes):
                block: dict[str, Value] = {"cidr": str(cidr)}
                if holes:
                    block["except"] = [str(hole) for hole in holes]
                yield {"ipBlock": block}


def pod_peer(namespaces: tuple[str, ...] | None, labels: Selector) -> dict[str, Value]:
    """Pods by their labels and namespaces; what selects all is left out where it can be."""
    found: dict[str, Value] = {}
    if namespaces is not None:
        found["namespaceSelector"] = selector((Requirement(NAME_LABEL, "In", namespaces),) if namespaces else ())
    if labels or namespaces is None:
        found["podSelector"] = selector(labels)
    return found


def selector(terms: Selector) -> dict[str, Value]:
    """A label selector: single values as ``matchLabels``."""
    found: dict[str, Value] = {}
    equal: dict[str, Value] = {term.key: term.values[0] for term in terms if term.operator == "In" and len(term.values) == 1}
    others = [term for term in terms if term.operator != "In" or len(term.values) != 1]
    if equal:
        found["matchLabels"] = equal
    if others:
        found["matchExpressions"] = [expression(term) for term in others]
    return found


def expression(term: Requirement) -> dict[str, Value]:
    """One of ``matchExpressions``."""
    found: dict[str, Value] = {"key": term.key, "operator": term.operator}
    if term.values:
        found["values"] = list(term.values)
    return found


def ports(items: Ports) -> Iterator[Value]:
    """The ports of a rule."""
    for protocol, ranges in items:
        if ranges == PORTS:
            yield {"protocol": NAMES[protocol]}
            continue
        for low, high in ranges:
            port: dict[str, Value] = {"protocol": NAMES[protocol], "port": low}
            yield port if low == high else port | {"endPort": high}
