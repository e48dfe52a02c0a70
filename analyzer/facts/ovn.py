"""OVN: the logical network of the northbound database, and what the southbound one knows of chassis and logical flows."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalPortFact(Fact):
    """A port of a logical switch or router (``router``). ``owner``: the switch or router, by its name; empty where the text does not say.

    ``addresses``: of a switch's port, each a MAC with addresses, or ``router``, ``unknown``, ``dynamic``. ``networks``: of a router's port.
    ``kind``: ``router``, ``localnet``, ``virtual`` …, empty for a pod's. ``peer``: the router's port that a switch's port leads to.
    """

    name: str
    owner: str = ""
    router: bool = False
    kind: str = ""
    addresses: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    mac: str = ""
    networks: tuple[str, ...] = ()
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalObjectFact(Fact):
    """A row of another table: ACL, NAT, Load_Balancer, Address_Set, Port_Group, Logical_Router_Static_Route, Logical_Router_Policy, Logical_Switch, Logical_Router …

    ``columns`` as name and value, sorted; sets with their values separated by blanks, maps as ``key=value``.
    """

    table: str
    name: str = ""
    columns: tuple[tuple[str, str], ...] = ()

    def column(self, name: str) -> str:
        """A column's value; empty where it has none."""
        return next((value for key, value in self.columns if key == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChassisFact(Fact):
    """A chassis (``ovn-sbctl show``): its name is the node's ``system-id``. ``encapsulations`` as kind and address; ``ports`` are those bound to it."""

    name: str
    hostname: str = ""
    encapsulations: tuple[tuple[str, str], ...] = ()
    ports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalFlowFact(Fact):
    """A logical flow of a datapath (its name) and pipeline, ``ingress`` or ``egress``."""

    datapath: str
    pipeline: str
    table: int
    stage: str
    priority: int
    match: str
    action: str
