"""What is said outside of Kubernetes' objects, and policies refer to: addresses of names, security groups and network interfaces of a cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.facts.base import Fact
from analyzer.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFact(Fact):
    """The addresses that a DNS name has, or that somebody was told for it. ``name`` is in lower case, without the dot at its end."""

    name: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupFact(Fact):
    """A security group of Amazon's cloud: its identifier, and the object as ``describe-security-groups`` gives it."""

    group: str
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInterfaceFact(Fact):
    """A network interface of a virtual machine. ``checked``: the cloud's network drops there what is neither for nor from ``addresses`` or ``passed``."""

    name: str
    addresses: tuple[Address, ...]
    passed: tuple[Prefix, ...] = ()
    checked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRouteFact(Fact):
    """A route of a cloud's own network. ``table`` is the identifier of what holds it, empty where none is named; ``via`` the address that it leads to,
    ``machine`` the name or identifier of the machine or interface. ``active`` is false where the cloud says that it leads to nothing any more."""

    destination: Prefix
    provider: str
    table: str = ""
    via: Address | None = None
    machine: str = ""
    active: bool = True
