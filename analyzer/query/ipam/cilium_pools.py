"""Who asks Cilium's pools for addresses, where ``ipam`` is ``multi-pool``.

Documentation/network/concepts/ipam/multi-pool.rst: the annotation ``ipam.cilium.io/ip-pool`` of the pod chooses its pool, else that of its namespace, else pools' selectors, else the
default pool (``ipam-default-ip-pool``). Nodes take blocks of ``maskSize`` out of a pool's ``cidrs``, so that what all pods together can have is at most the pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.refusals import network_in, objects, spec_of
from analyzer.query.wanted_pods import Workload
from analyzer.ranges import Ranges, normalised

KEY = "ipam.cilium.io/ip-pool"
OF_FAMILY = {4: "ipam.cilium.io/ipv4-pool", 6: "ipam.cilium.io/ipv6-pool"}
SELECTORS = ("podSelector", "namespaceSelector")


def several_pools(network: Network) -> bool:
    """Whether Cilium hands out addresses of its pools."""
    return setting(network, "ipam") == "multi-pool"


def setting(network: Network, key: str) -> str:
    """A value of Cilium's configuration; empty where it is not said."""
    return next((item.value for item in network.cluster.settings if item.system == "cilium" and item.key == key), "")


def pool_of(network: Network, item: Workload, family: int, pools: Sequence[ObjectFact]) -> tuple[ObjectFact, str] | None:
    """The pool of a workload's pods, with the annotation of the pods that chose it; None where it is not there, or pools' selectors may choose another."""
    spaces = {one.name: one.annotations for one in network.cluster.others if one.kind == "Namespace"}
    by_name = {pool.name: pool for pool in pools}
    for said in (item.annotations, spaces.get(item.namespace, {})):
        for key in (OF_FAMILY[family], KEY):
            if named := said.get(key, ""):
                return (by_name[named], key if said is item.annotations else "") if named in by_name else None
    if any(spec_of(pool).get(key) for pool in pools for key in SELECTORS):
        return None
    default = by_name.get(setting(network, "ipam-default-ip-pool") or "default")
    return (default, "") if default is not None else None


def wanted(network: Network, item: Workload) -> Iterator[tuple[int, Ranges, str]]:
    """Per family, the addresses that a workload's pods could have, and the annotation that says so."""
    pools = list(objects(network, "CiliumPodIPPool", "cilium.io"))
    for family in (4, 6):
        found = pool_of(network, item, family, pools)
        networks = list(of_pool(found[0], family)) if found is not None else []
        if found is not None and networks:
            yield family, normalised((one.value, one.last) for one in networks), found[1]


def of_pool(pool: ObjectFact, family: int) -> Iterator[Prefix]:
    """The networks of a pool, of one family. Nothing where one cannot be read: how many addresses there are is then not known."""
    inner = spec_of(pool).get(f"ipv{family}")
    listed = inner.get("cidrs") if isinstance(inner, dict) else None
    found = [network_in(text) for text in listed] if isinstance(listed, list) else []
    if all(one is not None and one.family == family for one in found):
        yield from (one for one in found if one is not None)
