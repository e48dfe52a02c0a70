"""What a file of ``plugins/`` states about a CNI plugin, and the call that it is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from analyzer.query.cni.fields import ANYTHING, TEXT, TEXTS, TRUTH, Fields, Kind, Problem, Table, lookup


class Role(StrEnum):
    """MAIN makes an interface. META changes what an earlier plugin made. IPAM hands out addresses and is called by another plugin."""

    MAIN = "main"
    META = "meta"
    IPAM = "ipam"


@dataclass(frozen=True, slots=True)
class Call:
    """One plugin of a configuration as its binary reads it. ``value`` is the plugin's object (of an IPAM plugin: that of the plugin that calls
    it), ``index`` its place in the chain, ``name`` and ``version`` those of the whole configuration."""

    value: Mapping[str, Any]
    index: int = 0
    name: str = ""
    version: str = ""

    def get(self, *path: str) -> Any:
        """The value of a field; None where it is absent."""
        found: Any = self.value
        for part in path:
            pair = lookup(found, part) if isinstance(found, Mapping) else None
            found = pair[1] if pair else None
        return found

    def text(self, *path: str) -> str:
        """A string; empty where it is absent or something else."""
        found = self.get(*path)
        return found if isinstance(found, str) else ""

    def number(self, *path: str) -> int:
        """A whole number; 0 where it is absent or something else."""
        found = self.get(*path)
        return found if isinstance(found, int) and not isinstance(found, bool) else 0

    def truth(self, *path: str) -> bool:
        """Whether it is true."""
        return self.get(*path) is True


Check = Callable[[Call], Iterator[Problem]]


def nothing(_: Call) -> Iterator[Problem]:
    """No constraints but the types of the fields."""
    return iter(())


COMMON: Mapping[str, Kind] = {
    "cniVersion": TEXT,
    "name": TEXT,
    "type": TEXT,
    "capabilities": Table(TRUTH),
    "ipam": Fields({"type": TEXT}),
    "dns": Fields({"nameservers": TEXTS, "domain": TEXT, "search": TEXTS, "options": TEXTS}),
    "prevResult": Table(ANYTHING),
}
"""The fields that every plugin reads (containernetworking/cni pkg/types/types.go, PluginConf)."""
RESERVED = frozenset({"args", "runtimeConfig", "cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "plugins"})


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one CNI plugin accepts.

    ``types`` are the names that its binary goes by. ``fields`` are those that it decodes besides ``COMMON`` (of an IPAM plugin: inside
    ``ipam``). ``refusals`` yields what makes it end with an error, ``advice`` what it takes and what is yet hardly meant. ``oldest`` is the first
    version of the specification that it supports. ``chained``: it ends with an error unless an earlier plugin gave a result.
    ``capability`` is the runtime's argument that it is for. ``source`` is where the constraints were read.
    """

    types: tuple[str, ...]
    role: Role
    source: str
    fields: Mapping[str, Kind] = field(default_factory=dict)
    refusals: Check = nothing
    advice: Check = nothing
    oldest: str = "0.1.0"
    chained: bool = False
    capability: str = ""

    def decoded(self) -> Fields:
        """All fields that the plugin reads of its object."""
        if self.role is Role.IPAM:
            return Fields({**COMMON, "ipam": Fields({"type": TEXT, **self.fields})})
        return Fields({**COMMON, **self.fields})
