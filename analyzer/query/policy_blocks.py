"""Blocks of NetworkPolicies that lie inside the cluster's own networks: looked up here for a rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.addresses import Prefix
from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Range
from analyzer.model.network import Network
from analyzer.policy.blocks import cidr
from analyzer.policy.reading import group_of
from analyzer.query.plan import ranges
from analyzer.query.policies import profile_of
from analyzer.query.workloads import listed, mapping
from analyzer.source import Span

__all__ = ["Inside", "blocks_inside", "system"]


class Inside(NamedTuple):
    """A block of a policy, the network of the cluster that holds it, and the direction of the rule."""

    item: OtherObjectFact
    at: Span
    block: Prefix
    within: Range
    direction: str


def blocks_inside(network: Network) -> Iterator[Inside]:
    """The blocks of NetworkPolicies that a pod or service network of the cluster holds. What ``except`` takes out is no block."""
    known = [*ranges(network, "pod"), *ranges(network, "service")]
    for item in network.cluster.others if known else ():
        if item.kind != "NetworkPolicy" or group_of(item) not in ("networking.k8s.io", "extensions"):
            continue
        for direction, at, block in blocks(item):
            if (within := next((one for one in known if one.prefix.covers(block)), None)) is not None:
                yield Inside(item, at, block, within, direction)


def blocks(item: OtherObjectFact) -> Iterator[tuple[str, Span, Prefix]]:
    """The blocks of a NetworkPolicy with their directions and places."""
    spec = mapping(item.document.get("spec"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(listed(spec.get(direction))):
            for index, peer in enumerate(listed(mapping(rule).get(peers))):
                text = mapping(mapping(peer).get("ipBlock")).get("cidr")
                if isinstance(text, str) and (block := readable(text)) is not None:
                    yield direction, item.place("spec", direction, number, peers, index, "ipBlock", "cidr"), block


def readable(text: str) -> Prefix | None:
    """A CIDR; None where it is none."""
    try:
        return cidr(text)
    except ValueError:
        return None


def system(network: Network) -> tuple[str, bool | None]:
    """The network system's name, and whether its blocks match pods; None where it is not known."""
    profile = profile_of(network)
    return profile.name, profile.blocks_match_pods
