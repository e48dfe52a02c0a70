"""Open vSwitch: its bridges with their ports (``ovs-vsctl``, ``ovs-ofctl show``), flows and groups (``ovs-ofctl dump-flows``, ``dump-groups``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.facts.base import Fact
from analyzer.facts.openflow import Action, FieldTest


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchFact(Fact):
    """A bridge of Open vSwitch. ``fail_mode``: ``secure`` (only the controller's flows), ``standalone`` or empty; ``datapath``: ``netdev`` is that of
    user space, ``system`` or empty the kernel's."""

    name: str
    fail_mode: str = ""
    datapath: str = ""
    mac: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchPortFact(Fact):
    """What one text says of an interface of a switch. ``bridge`` and ``port`` are empty, the number None, where it does not say.

    ``kind``: ``internal``, ``patch``, ``geneve``, ``vxlan`` …, empty for a device of the host. ``number``: the OpenFlow port (-1: it could not be made).
    ``options`` and ``identifiers`` (external_ids) as key and value, sorted. ``cut``: the name may be cut off (``ovs-ofctl show`` prints 15 characters).
    """

    name: str
    bridge: str = ""
    port: str = ""
    kind: str = ""
    options: tuple[tuple[str, str], ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    tag: int | None = None
    trunks: tuple[int, ...] = ()
    vlan_mode: str = ""
    number: int | None = None
    error: str = ""
    cut: bool = False

    def option(self, name: str) -> str:
        """The value of an option; empty: it has none."""
        return next((value for key, value in self.options if key == name), "")

    def identifier(self, name: str) -> str:
        """The value of an external id; empty: it has none."""
        return next((value for key, value in self.identifiers if key == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFact(Fact):
    """A flow. Tables are as they are written, numbers or names. ``in_port`` is the port's number or name (empty: any); ``match`` has a test for each
    other field, by name. ``packets``: how many it had (None: not printed)."""

    bridge: str
    table: str = "0"
    priority: int = 32768
    in_port: str = ""
    match: tuple[FieldTest, ...] = ()
    actions: tuple[Action, ...] = ()
    cookie: int = field(default=0, compare=False)
    packets: int | None = field(default=None, compare=False)


class Bucket(NamedTuple):
    """A bucket of a group; ``weight`` 0: never chosen by ``select``. ``watched``: the port or group that must be alive, as it is written."""

    actions: tuple[Action, ...]
    weight: int = 1
    watched: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFact(Fact):
    """A group: ``all``, ``select``, ``indirect`` or ``fast_failover``."""

    bridge: str
    number: int
    kind: str
    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapathPortFact(Fact):
    """A port of a datapath (``ovs-dpctl show``): its number there is not OpenFlow's. ``kind``: ``internal``, ``geneve`` …, empty for a device of the host."""

    datapath: str
    name: str
    number: int
    kind: str = ""
