"""OVN's logical network held against what nodes have of it: which node a chassis is, which interface a logical port is, what flows make of services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.addresses import Address, address, hardware_text
from analyzer.facts.openflow import Action, Clone, Conntrack, FieldTest, Group, Load, WriteActions
from analyzer.facts.openvswitch import FlowFact, SwitchPortFact
from analyzer.facts.ovn import ChassisFact
from analyzer.model.network import Namespace, Network
from analyzer.model.switches import INTEGRATION, Switch
from analyzer.query.state import roots
from analyzer.source import Span

__all__ = ["Balanced", "ChassisFact", "FlowFact", "Namespace", "Place", "Switch", "SwitchPortFact", "address", "hardware_text"]
IDENTIFIER, NEIGHBOURS = "iface-id", "66"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
REGISTERS = ("reg0", "reg1", "reg2", "reg3")
Place = tuple[Address, int]


def node_of(network: Network, chassis: ChassisFact) -> Namespace | None:
    """The captured node that a chassis is, by its host name or its own."""
    found = {root.scope.node: root for root in roots(network)}
    return found.get(chassis.hostname) or found.get(chassis.name)


def integration(root: Namespace) -> Switch | None:
    """The switch that OVN fills, where a node has it."""
    return root.switches.get(INTEGRATION)


def interfaces(switch: Switch) -> dict[str, SwitchPortFact]:
    """The interfaces of a switch by the logical port that they are; empty where the listing does not say (``ovs-vsctl show``)."""
    return {name: port for port in switch.ports.values() if (name := port.identifier(IDENTIFIER))}


def of_hosts(network: Network) -> set[str]:
    """The logical ports behind which pods and hosts are: those of switches, without a kind."""
    return {port.name for port in network.logical_ports if not port.router and not port.kind}


@dataclass(frozen=True, slots=True)
class Balanced:
    """An address of a load balancer, as the northbound database has it."""

    name: str
    place: Place
    protocol: int
    backends: frozenset[Place]
    at: Span

    def __str__(self) -> str:
        return written(self.place)


def balanced(network: Network) -> Iterator[Balanced]:
    """Every address of the load balancers, with its backends."""
    for row in network.logical_objects:
        if row.table.lower() != "load_balancer":
            continue
        protocol = PROTOCOLS.get(row.column("protocol") or "tcp", 0)
        for pair in row.column("vips").split():
            key, _, values = pair.partition("=")
            place, ends = place_of(key), [place_of(text) for text in values.split(",") if text]
            if place is not None and protocol and all(end is not None for end in ends):
                yield Balanced(row.name, place, protocol, frozenset(end for end in ends if end is not None), row.at)


def place_of(text: str) -> Place | None:
    """``10.96.0.10:80`` or ``[fd00::a]:80``; None for an address alone, and for what is none."""
    host, _, port = text.strip('"').rpartition(":")
    try:
        return (address(host.strip("[]")), int(port)) if host and port.isdecimal() else None
    except ValueError:
        return None


def written(place: Place) -> str:
    """An address and port, as they are written."""
    host = str(place[0]) if place[0].family == 4 else f"[{place[0]}]"
    return f"{host}:{place[1]}"


def translations(switch: Switch) -> Iterator[tuple[Place, int, frozenset[Place] | None, FlowFact]]:
    """The flows that send an address to backends: the address, the protocol, the backends (None: their group was not captured) and the flow."""
    for flow in switch.flows or ():
        tests = {test.field: test for test in flow.match}
        place, protocol = destination(tests), tests.get("ip_proto")
        if place is None or protocol is None:
            continue
        ends = list(ends_of(switch, flow.actions))
        if ends:
            known = None if None in ends else frozenset(end for end in ends if end is not None)
            yield place, protocol.value, known, flow


def destination(tests: dict[str, FieldTest]) -> Place | None:
    """The one address and port that a flow is about: those of the packet, or of its connection as it was."""
    port = tests.get("tp_dst") or tests.get("ct_tp_dst")
    for name, family in (("nw_dst", 4), ("ct_nw_dst", 4), ("ipv6_dst", 6), ("ct_ipv6_dst", 6)):
        test = tests.get(name)
        if test is not None and port is not None and test.mask == (1 << (32 if family == 4 else 128)) - 1:
            return Address(family, test.value), port.value
    return None


def ends_of(switch: Switch, actions: tuple[Action, ...]) -> Iterator[Place | None]:
    """The backends that actions translate to; None for a group that was not captured, or a range."""
    for action in actions:
        match action:
            case Conntrack(commit=True, nat=nat) if nat is not None and nat.source is False and nat.addresses is not None:
                low, high = nat.addresses
                yield (Address(nat.family, low), nat.ports[0] if nat.ports else 0) if low == high else None
            case Group(number):
                group = switch.groups.get(number)
                if group is None:
                    yield None
                    continue
                for bucket in group.buckets:
                    yield from ends_of(switch, bucket.actions)
            case Clone(inner) | WriteActions(inner):
                yield from ends_of(switch, inner)
            case _:
                continue


def neighbours(switch: Switch) -> Iterator[tuple[Address, int, FlowFact]]:
    """The neighbours that the routers of OVN know (OFTABLE_MAC_BINDING): the address and its MAC."""
    for flow in switch.flows or ():
        if flow.table != NEIGHBOURS:
            continue
        tests = {test.field: test.value for test in flow.match if test.mask == 0xFFFFFFFF}
        mac = next((action.value for action in flow.actions if isinstance(action, Load) and action.field == "eth_dst"), None)
        if mac is None or "reg0" not in tests:
            continue
        words = [tests[name] for name in REGISTERS if name in tests]
        if len(words) == 4:
            yield Address(6, words[0] << 96 | words[1] << 64 | words[2] << 32 | words[3]), mac, flow
        elif len(words) == 1:
            yield Address(4, words[0]), mac, flow
