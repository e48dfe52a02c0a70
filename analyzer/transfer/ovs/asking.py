"""Who answers a question for a neighbour that goes through switches of Open vSwitch: the flows themselves (OVN's ARP responder), or a host behind a port.

All of an ARP packet or a neighbour solicitation is known, so it is run through the flows as it is. What comes back to the asker is the answer. In IPv6 OVN's
controller makes it (``nd_na``), and the flow says what it does with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.addresses import Address, prefix_of
from analyzer.facts.links import LinkFact
from analyzer.facts.openflow import (
    ADVERTISING,
    REFUSING,
    Action,
    ClearConntrack,
    Clone,
    Conntrack,
    Controller,
    Goto,
    Group,
    Load,
    Move,
    Output,
    Pop,
    Push,
    Resubmit,
    Subfield,
)
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.model.network import Interface
from analyzer.model.switches import switch_port
from analyzer.source import Scope
from analyzer.transfer.discovery import OUTSIDER
from analyzer.transfer.ir import Alt, Assign, End, Field, If, In, Transfer, Unknown
from analyzer.transfer.ovs.conntrack import without
from analyzer.transfer.ovs.index import Flows
from analyzer.transfer.ovs.knowledge import Known, Value, parts_of, put, read, write
from analyzer.transfer.ovs.learning import by_neighbours
from analyzer.transfer.ovs.ports import OF_SWITCH
from analyzer.transfer.ovs.spots import QUIET, flows_of
from analyzer.transfer.reach import flood
from analyzer.transfer.refusing import refuses
from analyzer.transfer.space import BROADCAST, Context, by_value, call, drop

ARP, MANY, NOBODY = 0x806, 4096, 1
SOLICITATION, ADVERTISEMENT, OF_CONTROLLER = 135, 136, 0xFFFD
SOLICITED = 0xFF0200000000000000000001FF000000
LINK_LOCAL = (0xFE80 << 112, (0xFEC0 << 112) - 1)
GROUPS = 0xFF
DISCOVERY: Known = {"eth_type": 0x86DD, "ip_proto": 58, "nw_ttl": 255, "icmp_code": 0, "vlan_tci": 0}
"""What every solicitation and advertisement is (RFC 4861, 4.3 and 4.4)."""


class Asker(NamedTuple):
    """Who asks: its interface, its MAC and address, and the port by which its frames come into a switch."""

    at: Interface
    mac: int
    address: int
    scope: Scope
    port: SwitchPortFact


@dataclass
class Heard:
    """What came of a question. ``outside``: it left the capture; ``unknown``: why more may have heard it."""

    macs: dict[int, None] = field(default_factory=dict)
    outside: bool = False
    unknown: dict[str, None] = field(default_factory=dict)
    budget: int = MANY


def asker_of(context: Context, at: Interface, link: LinkFact) -> Asker | None:
    """The interface as one that asks through a switch; None: its frames go another way."""
    found = answered_at(context, at)
    if found is None:
        return None
    own = next((fact.address.value for fact in context.held.get(at, ())), 0)
    return Asker(at, link.mac or 0, own, *found)


def port_at(context: Context, at: Interface) -> SwitchPortFact | None:
    """The port that an interface is, of a switch whose flows are known."""
    return switch_port(context.space(at.scope).switches, at.device)


def resolution(context: Context, at: Interface, link: LinkFact) -> Transfer | None:
    """Who answers for NEXT_HOP, by the flows; None: no switch with flows is there."""
    asker = asker_of(context, at, link)
    if asker is None:
        return None
    if context.family == 6 and refuses(context, at.scope):
        return End(
            Unknown(f"what the rules of {at.scope} do about neighbour discovery through {asker.port.bridge} is not followed")
        )
    rows: dict[int, Transfer] = {value: call(at.scope, "switch answers", f"{at.device} {value}") for value in likely(context, at)}
    rest: Transfer = call(at.scope, "switch answers", f"{at.device} {NOBODY}")
    if context.family == 6:
        lost = End(Unknown(f"who has a link-local address beyond {at} is not followed"))
        rest = If(In(Field.NEXT_HOP, (LINK_LOCAL,)), lost, rest)
    return by_value(Field.NEXT_HOP, rows, rest)


def likely(context: Context, at: Interface) -> list[int]:
    """The addresses that may be asked for: gateways of routes, and those on the interface's networks that somebody has."""
    networks = [prefix_of(fact.address, fact.length) for fact in context.held.get(at, ()) if not near(fact.address)]
    found = {
        hop.via.value
        for table in context.space(at.scope).routes.get(context.family, {}).values()
        for route in table
        for hop in route.next_hops
        if hop.via is not None and hop.via.family == context.family and hop.device == at.device
    }
    wide = any(
        route.kind == "unicast" and any(hop.device == at.device and hop.via is None for hop in route.next_hops)
        for table in context.space(at.scope).routes.get(context.family, {}).values()
        for route in table
        if route.destination.value >> 120 != GROUPS and not any(network.covers(route.destination) for network in networks)
    )
    found |= {
        own.value
        for own in context.network.owners
        if own.family == context.family and not near(own) and (wide or any(network.covers(own) for network in networks))
    }
    return sorted(found)


def near(own: Address) -> bool:
    """An address of the host itself, or of one link: 127.0.0.0/8, ::1, fe80::/10."""
    return own.value >> 24 == 127 if own.family == 4 else own.value == 1 or LINK_LOCAL[0] <= own.value <= LINK_LOCAL[1]


def answers_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """The answer of one address (``DEVICE VALUE``)."""
    device, _, value = detail.rpartition(" ")
    at = Interface(scope, device)
    link = context.link(at)
    asker = asker_of(context, at, link) if link is not None else None
    assert asker is not None
    heard = Heard()
    into(context, asker.scope, asker.port, question(context.family, asker, int(value)), asker, heard)
    found = [Assign(Field.DESTINATION_MAC, mac) for mac in heard.macs]
    if found:
        return found[0] if len(found) == 1 else Alt(tuple(found))
    if heard.unknown:
        return End(Unknown(next(iter(heard.unknown))))
    if heard.outside:
        return Assign(Field.DESTINATION_MAC, OUTSIDER)
    return drop(f"nobody on the network of {at} answers for the next hop")


def question(family: int, asker: Asker, target: int) -> Known:
    """The ARP request or neighbour solicitation."""
    if family == 6:
        ends = {
            "ipv6_src": asker.address,
            "ipv6_dst": SOLICITED | target & 0xFFFFFF,
            "icmp_type": SOLICITATION,
            "nd_sll": asker.mac,
        }
        frame = {"eth_src": asker.mac, "eth_dst": 0x3333FF000000 | target & 0xFFFFFF}
        return {**DISCOVERY, **frame, **ends, "nd_target": target}
    packet: Known = {"eth_type": ARP, "eth_src": asker.mac, "eth_dst": BROADCAST, "vlan_tci": 0, "arp_op": 1, "arp_tha": 0}
    return {**packet, "arp_spa": asker.address, "arp_tpa": target, "arp_sha": asker.mac}


def answer_to(family: int, asker: Asker, target: int, mac: int) -> Known:
    """A host's ARP reply or neighbour advertisement."""
    if family == 6:
        ends = {"ipv6_src": target, "ipv6_dst": asker.address, "icmp_type": ADVERTISEMENT, "nd_tll": mac}
        return {**DISCOVERY, "eth_src": mac, "eth_dst": asker.mac, **ends, "nd_target": target}
    packet: Known = {"eth_type": ARP, "eth_src": mac, "eth_dst": asker.mac, "vlan_tci": 0, "arp_op": 2, "arp_tha": asker.mac}
    return {**packet, "arp_spa": target, "arp_tpa": asker.address, "arp_sha": mac}


def into(context: Context, scope: Scope, port: SwitchPortFact, packet: Known, asker: Asker, heard: Heard) -> None:
    """The packet comes in at a port."""
    heard.budget -= 1
    if heard.budget < 0:
        heard.unknown[f"questions through {port.bridge} of {scope} go in circles"] = None
        return
    flows = flows_of(context, scope, port.bridge)
    number = flows.numbers.get(port.name)
    if number is None or flows.switch.unread:
        heard.unknown[f"what {port.bridge} of {scope} does with frames from {port.name} is not known"] = None
        return
    start = {name: value for name, value in packet.items() if not name.startswith(OF_SWITCH)}
    run = Run(flows, {**start, "in_port": number})
    run.table("0", 0)
    if run.unknown:
        heard.unknown[f"{port.bridge} of {scope}: {run.unknown}"] = None
    for name, left in run.left:
        for other in ports_of(flows, name, number):
            leave(context, scope, other, left, asker, heard)


def ports_of(flows: Flows, name: str, came: int) -> Iterator[SwitchPortFact]:
    """The ports that a word or number means."""
    if name in ("NORMAL", "FLOOD", "ALL"):
        yield from (port for number, port in flows.by_number.items() if number != came)
        return
    number = came if name == "IN_PORT" else flows.number(name)
    if number is not None and number in flows.by_number:
        yield flows.by_number[number]


def leave(context: Context, scope: Scope, port: SwitchPortFact, packet: Known, asker: Asker, heard: Heard) -> None:
    """The packet leaves by a port: to the asker, to hosts that may answer, to another switch, or outside."""
    at = Interface(scope, port.name)
    if port.kind == "patch":
        peer = port_at(context, Interface(scope, port.option("peer")))
        if peer is not None and peer.option("peer") == port.name:
            into(context, scope, peer, packet, asker, heard)
        return
    if port.kind not in ("", "internal"):
        heard.unknown.setdefault(f"who answers beyond tunnel port {port.name} of {scope} is not followed")
        return
    if port.kind == "internal":
        met(context, at, packet, asker, heard)
        return
    reach = flood(context, ("frame", at, 0))
    heard.outside |= bool(reach.outside)
    for host in reach.hosts:
        met(context, host, packet, asker, heard)
    for stage, there, _ in reach.came:
        other = port_at(context, there) if stage == "receive" else None
        if other is not None and there != at:
            into(context, there.scope, other, packet, asker, heard)


def met(context: Context, host: Interface, packet: Known, asker: Asker, heard: Heard) -> None:
    """A host has the packet: the asker its answer, another the question, which it answers for its own address."""
    link = context.link(host)
    six = context.family == 6
    if packet.get("icmp_type" if six else "arp_op") == (ADVERTISEMENT if six else 2):
        mac = packet.get("nd_tll" if six else "arp_sha", 0)
        if host == asker.at and isinstance(mac, int):
            heard.macs[mac] = None
        return
    target = packet.get("nd_target" if six else "arp_tpa", 0)
    if not isinstance(target, int):
        return
    own = any(fact.address.value == target for at, facts in context.held.items() if at.scope == host.scope for fact in facts)
    if link is None or link.mac is None or not link.up or not own or host == asker.at:
        return
    if six and refuses(context, host.scope):
        heard.unknown[f"what the rules of {host.scope} do about neighbour discovery is not followed"] = None
        return
    back, answer = answered_at(context, host), answer_to(context.family, asker, target, link.mac)
    if back is not None:
        into(context, back[0], back[1], answer, asker, heard)


def answered_at(context: Context, host: Interface) -> tuple[Scope, SwitchPortFact] | None:
    """The port by which a host's frames come into a switch; None: they go another way."""
    own = port_at(context, host)
    if own is not None and own.kind == "internal":
        return host.scope, own
    near = context.network.peers.get(host)
    found = port_at(context, near) if near is not None else None
    return (near.scope, found) if near is not None and found is not None and not found.kind else None


@dataclass
class Run:
    """A packet of which all is known, in the flows of a switch. ``left``: the ports and words that it leaves by, as it is then."""

    flows: Flows
    known: Known
    left: list[tuple[str, Known]] = field(default_factory=list)
    stack: list[Value] = field(default_factory=list)
    unknown: str = ""
    count: int = 0

    def table(self, table: str, depth: int) -> None:
        """One table."""
        self.count += 1
        if depth > 200 or self.count > MANY:
            self.unknown = "its flows lead in circles"
            return
        if by_neighbours(self.flows, table):
            self.unknown = "whether a flow that it has learned takes the question is not followed"
        for candidate in self.flows.candidates(table, self.known):
            if candidate.match is not True:
                self.unknown = "what becomes of a question for a neighbour is not known"
                return
            self.perform(candidate.flow.actions, table, depth)
            return

    def perform(self, actions: Sequence[Action], table: str, depth: int) -> None:
        """Actions in their order."""
        for action in actions:
            match action:
                case Resubmit(port, to):
                    before = self.known.get("in_port", 0)
                    if port:
                        self.known["in_port"] = self.flows.number(port) or 0
                    self.table(to or table, depth + 1)
                    if port:
                        self.known["in_port"] = before
                case Goto(to):
                    self.table(to, depth + 1)
                case Conntrack(table=to) if to:
                    self.apart((), to, depth, {**without(self.known), "ct_state": 48})
                case Clone(inner):
                    self.apart(inner, table, depth, dict(self.known))
                case Controller():
                    self.to_controller(action, depth)
                case _:
                    self.simple(action)

    def to_controller(self, action: Controller, depth: int) -> None:
        """OVN's controller answers a solicitation, and the flow says where the answer goes; registers and metadata stay."""
        known = self.known
        if action.operation in ADVERTISING and action.answer and known.get("icmp_type") == SOLICITATION:
            kept = {name: value for name, value in known.items() if name.startswith(("reg", "metadata"))}
            frame = {
                "eth_src": known["eth_dst"],
                "eth_dst": known["eth_src"],
                "nd_tll": known["eth_dst"],
                "in_port": OF_CONTROLLER,
            }
            ends = {"ipv6_src": known["nd_target"], "ipv6_dst": known["ipv6_src"], "icmp_type": ADVERTISEMENT}
            self.apart(action.answer, "", depth, {**kept, **DISCOVERY, **frame, **ends, "nd_target": known["nd_target"]})
        elif action.operation not in QUIET | REFUSING:
            self.unknown = f"its controller (userdata {action.operation or 'none'}) gets the question, and may answer it"

    def apart(self, actions: Sequence[Action], table: str, depth: int, known: Known) -> None:
        """A copy of the packet."""
        own, stack = self.known, list(self.stack)
        self.known = known
        if actions:
            self.perform(actions, table, depth)
        else:
            self.table(table, depth + 1)
        self.known, self.stack = own, stack

    def simple(self, action: Action) -> None:
        """Actions that lead to no table."""
        match action:
            case Load(name, value, mask):
                width = 128 if name.startswith("xxreg") else 64 if name.startswith("xreg") else 0
                for part, _, _, base in parts_of(Subfield(name, 0, width)) if width else [(name, 0, 0, 0)]:
                    bits = mask >> base & 0xFFFFFFFF if width else mask
                    if bits:
                        put(self.known, part, value >> base & bits, bits, self.flows.family)
            case Move(origin, target):
                write(self.known, target, read(self.known, origin, self.flows.family), self.flows.family)
            case Push(origin):
                self.stack.append(read(self.known, origin, self.flows.family))
            case Pop(target):
                if self.stack:
                    write(self.known, target, self.stack.pop(), self.flows.family)
            case ClearConntrack():
                self.known = without(self.known)
            case Output(str(port)):
                self.left.append((port, dict(self.known)))
            case Output(Subfield() as part):
                self.left.append((str(read(self.known, part, self.flows.family)), dict(self.known)))
            case Group():
                self.unknown = "a group gets the question"
            case _:
                return
