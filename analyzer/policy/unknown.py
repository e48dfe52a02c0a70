"""Objects of a group of policies whose kind the group does not have: nobody would enforce them, and they look as if somebody did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from analyzer.model.cluster import Cluster
from analyzer.policy.reading import Complaint, group_of

# All kinds of the groups of Kubernetes itself, and of its policies for administrators.
WHOLE: Mapping[str, frozenset[str]] = {
    "networking.k8s.io": frozenset({"NetworkPolicy", "Ingress", "IngressClass", "IPAddress", "ServiceCIDR", "ClusterCIDR"}),
    "policy.networking.k8s.io": frozenset({"AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"}),
}
NEAR = 0.84
NEAR_GROUP = 0.7


def unknown_kinds(cluster: Cluster, known: Collection[str]) -> Iterator[Complaint]:
    """The objects whose kind there is not. ``known`` are the kinds that are read, as ``group/kind``; of groups of which not all kinds are known here, only what is
    nearly one of them."""
    kinds: dict[str, set[str]] = {}
    for name in known:
        group, _, kind = name.rpartition("/")
        kinds.setdefault(group, set()).add(kind)
    said: dict[tuple[str, str], str] = {}
    for item in cluster.others:
        key = group_of(item), item.kind
        if key[0] in WHOLE or key[0] in kinds:
            if key not in said:
                said[key] = wrong(*key, WHOLE.get(key[0], frozenset(kinds.get(key[0], ()))))
            if said[key]:
                yield Complaint(item.place("kind"), said[key], rejected=True)


def strangers(cluster: Cluster, known: Collection[str]) -> Iterator[Complaint]:
    """The objects of a kind of policy whose group is nearly one that has it, and is none that is known."""
    groups: dict[str, set[str]] = {}
    for name in known:
        group, _, kind = name.rpartition("/")
        groups.setdefault(kind, set()).add(group)
    every = {group for found in groups.values() for group in found}
    for item in cluster.others:
        own = group_of(item)
        if item.kind in groups and own not in every:
            near = get_close_matches(own, sorted(groups[item.kind]), 1, NEAR_GROUP)
            if near:
                yield Complaint(item.place("apiVersion"), f"there is no group {own!r}: did you mean {near[0]}?", rejected=True)


def wrong(group: str, kind: str, kinds: frozenset[str]) -> str:
    """What is wrong with a kind; empty where nothing is known to be."""
    near = get_close_matches(kind, sorted(kinds), 1, NEAR) if kind not in kinds else []
    if kind.removesuffix("List") in kinds or not (near or group in WHOLE):
        return ""
    meant = f": did you mean {near[0]}?" if near else f": it has {', '.join(sorted(kinds))}"
    return f"{group} has no kind {kind}{meant}"
