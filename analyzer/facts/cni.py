"""CNI configuration files, host-local leases and installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analyzer.addresses import Address
from analyzer.facts.base import Fact
from analyzer.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class CniConfigFact(Fact):
    """One file of ``/etc/cni/net.d``. ``file`` is its name; ``plugins`` the plugin objects in order (a single-plugin
    file is one); ``problem`` says why the runtime would reject the file (it then goes on to the next), ``problem_path`` which value is meant."""

    file: str
    name: str
    version: str
    plugins: tuple[Mapping[str, Any], ...]
    places: Mapping[tuple[str | int, ...], Span] = field(default_factory=dict, compare=False, repr=False)
    problem: str = ""
    problem_path: tuple[str | int, ...] = field(default=(), compare=False, repr=False)

    @property
    def problem_at(self) -> Span:
        """The place of the value that the problem is about, or of the nearest around it."""
        path = self.problem_path
        return next((self.places[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.places), self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFact(Fact):
    """A lease of ``host-local``: ``/var/lib/cni/networks/<network>/<address>`` with the container and interface inside."""

    network: str
    address: Address
    container: str
    interface: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseCursorFact(Fact):
    """``last_reserved_ip.<range>`` of host-local."""

    network: str
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFact(Fact):
    """A plugin binary that is installed (``opt_cni_bin``)."""

    name: str
