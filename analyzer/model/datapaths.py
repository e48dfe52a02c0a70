"""Which devices are ports of a datapath of Open vSwitch, whose flows say where frames go."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.facts.links import LinkFact, OtherKind, in_datapath
from analyzer.model.network import Interface, Namespace
from analyzer.model.switches import switch_port as switch_port_of
from analyzer.source import Scope


def inner_port(link: LinkFact) -> bool:
    """Whether a device is an internal port of Open vSwitch: what it sends goes to the switch."""
    return isinstance(link.kind, OtherKind) and link.kind.name == "openvswitch" and link.name != "ovs-system"


def switched(spaces: Mapping[Scope, Namespace], at: Interface) -> bool:
    """Whether an interface is a port of a switch whose flows are not known."""
    link = spaces[at.scope].links.get(at.device)
    return link is not None and in_datapath(link) and not modelled(spaces[at.scope], at.device)


def modelled(space: Namespace, device: str) -> bool:
    """Whether a device is a port of a switch whose flows are known: what goes in comes out by them."""
    return switch_port_of(space.switches, device) is not None
