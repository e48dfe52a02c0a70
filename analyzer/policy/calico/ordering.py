"""Which of Calico's policies of one order is asked first: by their names, of which versions compare different ones.

Follows felix/calc/policy_sorter.go (PolKVLess): since v3.31 name, namespace and kind are compared, before that the names under which policies were kept
(libcalico-go lib/names and lib/backend/k8s/conversion): ``TIER.NAME`` behind the namespace, and ``NAMESPACE/knp.default.NAME`` for those of Kubernetes.
Where the version is not known, policies that versions ask in different orders have one place together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.memory import Same
from analyzer.model.cluster import Cluster
from analyzer.parsers._view import View
from analyzer.policy.calico.endpoints import GROUPS
from analyzer.policy.images import images_of
from analyzer.policy.reading import group_of, view_of

DEFAULT_TIER = "default"
# What a NetworkPolicy of Kubernetes is to Calico, and its order there.
KUBERNETES = "KubernetesNetworkPolicy"
OF_KUBERNETES = (DEFAULT_TIER, 1000.0)
KINDS = ("NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy")
WITH_KINDS = (3, 31)
IMAGE = re.compile(r"(?:^|/)calico/(?:node|calico):v?(\d{1,3})\.(\d{1,3})(?:\.|@|-|$)")
VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})\b")


class Named(NamedTuple):
    """What versions compare of a policy: until v3.30, and since v3.31."""

    kept: str
    own: str


def named(kind: str, namespace: str, name: str, tier: str) -> Named:
    """The names of a policy."""
    short = name.removeprefix(f"{DEFAULT_TIER}.") if tier == DEFAULT_TIER else name
    kept = f"knp.default.{name}" if kind == KUBERNETES else name if name.startswith(f"{tier}.") else f"{tier}.{name}"
    return Named(f"{namespace}/{kept}" if namespace else kept, f"{short}/{namespace}/{kind}")


def place_in_order(cluster: Cluster, fact: OtherObjectFact, namespace: str, spec: View) -> str:
    """The place of a policy of Calico among those of its tier and order: a text that sorts them."""
    at = tier_and_order(spec)
    own = named(fact.kind, namespace, fact.name, at[0])
    return places(Same(cluster)).get(at, {}).get(own, own.own)


def place_of_kubernetes(cluster: Cluster, namespace: str, name: str) -> str:
    """The same of a NetworkPolicy of Kubernetes, beside which only those of Calico may do otherwise."""
    found = places(Same(cluster)).get(OF_KUBERNETES)
    own = named(KUBERNETES, namespace, name, DEFAULT_TIER)
    return f"{namespace}/{name}" if found is None else found.get(own, own.own)


def beside_kubernetes(cluster: Cluster) -> bool:
    """Whether policies of Calico have the order that those of Kubernetes have."""
    return OF_KUBERNETES in places(Same(cluster))


def tier_and_order(spec: View) -> tuple[str, float | None]:
    """The tier of a policy and its order there."""
    value = spec.value.get("order")
    return spec.text("tier") or DEFAULT_TIER, float(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=2)
def places(key: Same[Cluster]) -> Mapping[tuple[str, float | None], Mapping[Named, str]]:
    """The places of policies by tier and order."""
    found: dict[tuple[str, float | None], list[Named]] = {}
    for item in key.value.others:
        if item.kind in KINDS and group_of(item) in GROUPS:
            at = tier_and_order(view_of(item).part("spec"))
            namespace = "" if "Global" in item.kind else item.namespace or "default"
            found.setdefault(at, []).append(named(item.kind, namespace, item.name, at[0]))
    if OF_KUBERNETES in found:
        found[OF_KUBERNETES] += of_kubernetes(key.value)
    version = version_of(key.value) if found else None
    return {at: dict(sorted_names(names, version)) for at, names in found.items()}


def of_kubernetes(cluster: Cluster) -> Iterator[Named]:
    """The names of the NetworkPolicies of Kubernetes."""
    for item in cluster.others:
        if item.kind == "NetworkPolicy" and group_of(item) in ("networking.k8s.io", "extensions"):
            yield named(KUBERNETES, item.namespace or "default", item.name, DEFAULT_TIER)


def sorted_names(names: Iterable[Named], version: tuple[int, int] | None) -> Iterator[tuple[Named, str]]:
    """Each with its place; where the version is not known a new one begins where both orders agree about all before."""
    if version is not None:
        yield from ((name, name.own if version >= WITH_KINDS else name.kept) for name in names)
        return
    kept = sorted(set(names))
    later = {name: place for place, name in enumerate(sorted(kept, key=lambda name: name.own))}
    highest, group = -1, 0
    for place, name in enumerate(kept):
        if highest == place - 1:
            group = place
        highest = max(highest, later[name])
        yield name, f"{group:07}"


def version_of(cluster: Cluster) -> tuple[int, int] | None:
    """Calico's version: of its ClusterInformation, else of its agents' images; None where it is not given, or they differ."""
    stated = [item for item in cluster.others if item.kind == "ClusterInformation" and group_of(item) in GROUPS]
    texts = [VERSION.match(view_of(item).part("spec").text("calicoVersion")) for item in stated]
    matches = [match for match in texts if match] or [
        match for image in images_of(cluster, "calico-node", "canal") if (match := IMAGE.search(image))
    ]
    found = {(int(match[1]), int(match[2])) for match in matches}
    return found.pop() if len(found) == 1 else None
