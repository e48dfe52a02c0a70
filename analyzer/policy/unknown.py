"""Objects of a group of policies whose kind the group does not have: nobody would enforce them, and they look as if somebody did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.policy.reading import Complaint, group_of

# All kinds of the groups of Kubernetes itself, and of its policies for administrators.
WHOLE: Mapping[str, frozenset[str]] = {
    "networking.k8s.io": frozenset({"NetworkPolicy", "Ingress", "IngressClass", "IPAddress", "ServiceCIDR", "ClusterCIDR"}),
    "policy.networking.k8s.io": frozenset({"AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"}),
}
NEAR = 0.84


def unknown_kinds(cluster: Cluster, known: Collection[str]) -> Iterator[Complaint]:
    """The objects whose kind there is not. ``known`` are the kinds that are read, as ``group/kind``; of groups of which not all kinds are known here, only what is
    nearly one of them."""
    kinds: dict[str, set[str]] = {}
    for name in known:
        group, _, kind = name.rpartition("/")
        kinds.setdefault(group, set()).add(kind)
    for item in cluster.others:
        group = group_of(item)
        if group in WHOLE or group in kinds:
            yield from of_object(item, group, WHOLE.get(group, frozenset(kinds.get(group, ()))))


def of_object(item: OtherObjectFact, group: str, kinds: frozenset[str]) -> Iterator[Complaint]:
    """One object."""
    if item.kind in kinds:
        return
    near = get_close_matches(item.kind, sorted(kinds), 1, NEAR)
    if near or group in WHOLE:
        meant = f": did you mean {near[0]}?" if near else f": it has {', '.join(sorted(kinds))}"
        yield Complaint(item.place("kind"), f"{group} has no kind {item.kind}{meant}", rejected=True)
