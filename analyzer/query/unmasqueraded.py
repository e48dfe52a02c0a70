"""What configuration says about masquerading what pods send to the outside: Calico's pools and flanneld's flags.

Sources: projectcalico/calico api/pkg/apis/projectcalico/v3/ippool.go (``natOutgoing``, false where it is absent), operator
api/v1/installation_types.go (``natOutgoing``, Enabled where it is absent); flannel-io/flannel main.go (``--ip-masq``, ``FLANNELD_IP_MASQ``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.model.systems.programs import programs
from analyzer.model.systems.reading import listing, mapping, prefixes
from analyzer.query.refusals import spec_of
from analyzer.query.systems.calico import Pool, pools
from analyzer.source import Span

OFF = ("false", "0")


class Said(NamedTuple):
    """That something of a network system does not masquerade, and where it is said."""

    at: Span
    words: str


def by_system(network: Network, address: Address) -> Iterator[Said]:
    """Why packets of a pod with this address are not masqueraded."""
    for pool in pools(network):
        if pool.prefix.covers(address) and spec_of(pool.fact).get("natOutgoing") is not True:
            yield of_pool(pool)
    for fact in network.cluster.others:
        spec = mapping(spec_of(fact).get("calicoNetwork")) if fact.kind == "Installation" else {}
        for index, item in enumerate(map(mapping, listing(spec.get("ipPools")))):
            if item.get("natOutgoing") == "Disabled" and any(one.covers(address) for one in prefixes(item.get("cidr") or "")):
                at = fact.place("spec", "calicoNetwork", "ipPools", index, "natOutgoing")
                yield Said(at, f"Installation {fact.name} has natOutgoing off")
    yield from of_flannel(network)


def of_pool(pool: Pool) -> Said:
    """A pool without it."""
    there = "natOutgoing" in spec_of(pool.fact)
    at = pool.fact.place("spec", "natOutgoing") if there else pool.fact.place("spec", "cidr")
    return Said(at, f"IPPool {pool.fact.name} has natOutgoing {'off' if there else 'not set, which is off'}")


def of_flannel(network: Network) -> Iterator[Said]:
    """Workloads that start flanneld without the flag, by their first flag."""
    for program in programs((*network.cluster.others, *network.cluster.pods.values())):
        told = program.flags.get("--ip-masq") or program.flags.get("-ip-masq") or program.environment.get("FLANNELD_IP_MASQ")
        daemon = program.container == "kube-flannel" and bool(program.flags)
        if daemon and (told is None or told.value in OFF):
            at = told.at if told is not None else min(found.at for found in program.flags.values())
            yield Said(at, f"flanneld of {program.title} is started {'with --ip-masq off' if told else 'without --ip-masq'}")


def unrouted_pools(network: Network) -> Iterator[Said]:
    """Pools for pods without it, where no router is told of pods: of IPv6 those of unique local addresses only, which nobody outside routes."""
    if any(fact.kind == "BGPPeer" for fact in network.cluster.others):
        return
    for pool in pools(network):
        local = pool.prefix.family == 4 or pool.prefix.value >> 121 == 0xFC >> 1
        if pool.for_pods and local and spec_of(pool.fact).get("natOutgoing") is not True:
            yield of_pool(pool)
