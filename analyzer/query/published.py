"""Service ports at addresses for the world outside: ``externalIPs`` and those that a load balancer reports.

kube-proxy leads both to endpoints on every node (pkg/proxy/iptables/proxier.go ``syncProxyRules``): all endpoints for pods; for others, with
externalTrafficPolicy Local, the node's own ones. ``loadBalancerSourceRanges`` are who may ask at the load balancer's addresses (chains KUBE-FW).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.addresses import Address, Prefix
from analyzer.model.network import Network
from analyzer.query.parties import Portal, decidable
from analyzer.ranges import Ranges, intersection, normalised


class Published(NamedTuple):
    """A port of a service at an address for the world outside. ``sources``: who may ask; none: everybody."""

    portal: Portal
    sources: tuple[Prefix, ...]

    def admits(self, source: Address) -> bool:
        """Whether an address may ask."""
        return not self.sources or any(prefix.covers(source) for prefix in self.sources)

    def among(self, ranges: Ranges) -> Ranges:
        """Those of the addresses that may ask."""
        if not self.sources:
            return ranges
        return intersection(ranges, normalised((prefix.value, prefix.last) for prefix in self.sources))


def published(network: Network, family: int) -> Iterator[Published]:
    """The service ports of a family whose endpoints were captured, at each of their addresses for the world outside."""
    return at_published_addresses(decidable(network, family, ("Cluster", "Local")), family)


def at_published_addresses(portals: Sequence[Portal], family: int) -> Iterator[Published]:
    """The service ports at each of their addresses for the world outside, which listings do not show."""
    for portal in portals:
        service = portal.service
        if service is None:
            continue
        balanced = [one for one in service.load_balancer_addresses if one.family == family]
        ranges = tuple(prefix for prefix in service.source_ranges if prefix.family == family)
        for one in dict.fromkeys((*(one for one in service.external_addresses if one.family == family), *balanced)):
            at_balancer = one in balanced and one not in service.external_addresses
            refused = at_balancer and bool(service.source_ranges) and not ranges
            if not refused:
                yield Published(replace(portal, address=one), ranges if at_balancer else ())


def by_sources(found: Sequence[Published]) -> Iterator[tuple[Published, tuple[Portal, ...]]]:
    """The ports that are for the same sources, with one of them that tells who these are."""
    for sources in dict.fromkeys(one.sources for one in found):
        same = [one for one in found if one.sources == sources]
        yield same[0], tuple(one.portal for one in same)
