"""Docker's own records of its networks and containers."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class DockerEndpoint:
    """A container in a network: its name, its MAC, and its addresses there."""

    name: str
    mac: int | None
    addresses: tuple[Address, ...]
    at: Span = field(compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerNetworkFact(Fact):
    """A network: ``subnets`` with the gateway of each, ``device`` the bridge of a network of the driver ``bridge``, empty for others."""

    name: str
    identifier: str
    driver: str
    subnets: tuple[tuple[Prefix, Address | None], ...] = ()
    device: str = ""
    internal: bool = False
    endpoints: tuple[DockerEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the host that leads to one of a container. ``address`` None: every address of the host."""

    port: int
    target: int
    protocol: int
    address: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerContainerFact(Fact):
    """A container of ``docker ps`` or ``docker inspect``: its name, its networks, the ports that it publishes, and (of the latter) its addresses."""

    identifier: str
    name: str
    networks: tuple[str, ...] = ()
    published: tuple[PublishedPort, ...] = ()
    running: bool = True
    addresses: tuple[Address, ...] = ()
