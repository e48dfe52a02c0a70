"""The devices of captured nodes that CNI plugins build on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.model.network import Network
from analyzer.query.state import roots


@dataclass(frozen=True, slots=True)
class Device:
    """The devices of one node: their MTUs (0 where not listed), and those whose kind is known and no bridge's."""

    node: str
    mtus: Mapping[str, int]
    others: frozenset[str]


def devices(network: Network) -> Iterator[Device]:
    """The nodes whose interfaces were captured without a gap."""
    if not network.namespaces:
        return
    from analyzer.facts.links import Bridge

    for root in roots(network):
        if root.links and "ip-addr" not in root.missing and not root.gaps.get("ip-addr"):
            others = {
                name
                for name, link in root.links.items()
                if link.detailed and link.kind is not None and not isinstance(link.kind, Bridge)
            }
            yield Device(root.scope.node, {name: link.mtu or 0 for name, link in root.links.items()}, frozenset(others))
