"""What the ports of services lead to, as their endpoints say."""

from __future__ import annotations

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.source import Span

End = tuple[Address, int]
"""An address and a port."""


def endpoints(network: Network, key: tuple[str, str], name: str, protocol: int) -> tuple[dict[End, Span], dict[End, Span]]:
    """The endpoints of a service's port: all, and those that are ready."""
    every: dict[End, Span] = {}
    ready: dict[End, Span] = {}
    for item in network.cluster.endpoints.get(key, ()):
        numbers = [number for own, kind, number in item.ports if own == name and kind == protocol and number]
        for endpoint in item.endpoints:
            for number in numbers:
                every[endpoint.address, number] = endpoint.at
                if endpoint.ready:
                    ready[endpoint.address, number] = endpoint.at
    return every, ready
