"""Packets around packets of the other IP version: VXLAN, Geneve, GRE and WireGuard between addresses of one version carry the other as well.

A program is about one family. What a packet of the other family does on its way is lowered for that family, and every point there has a name of its own
(``outer ...``); where the payload is taken out, the names are the program's own again. Its addresses are smaller numbers in the same fields, or wider ones:
``address_bits`` says how wide they get.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analyzer.addresses import Address
from analyzer.facts.links import Geneve, Tunnel, Vxlan
from analyzer.model.network import Namespace, Network
from analyzer.transfer.ir import (
    Alt,
    Call,
    Decapsulate,
    Deliver,
    Encapsulate,
    End,
    Exit,
    Goto,
    Hook,
    If,
    IfNoted,
    Leave,
    Point,
    Seq,
    Table,
    Transfer,
    Translate,
    Unknown,
)

OUTER = "outer "


def address_bits(network: Network, family: int) -> int:
    """How wide addresses get in a program of a family: packets of IPv4 may be carried between addresses of IPv6."""
    return 128 if family == 6 or any(map(between_six, network.namespaces.values())) else 32


def between_six(space: Namespace) -> bool:
    """Whether a tunnel of a namespace leads to an address of IPv6."""
    found: list[Address | None] = [fact.destination for fact in space.forwarding]
    found += [fact.endpoint for fact in space.wireguard_peers]
    for link in space.links.values():
        match link.kind:
            case Vxlan(remote=remote, group=group):
                found += [remote, group]
            case Geneve(remote=remote) | Tunnel(remote=remote):
                found.append(remote)
            case _:
                pass
    ports = (port for switch in space.switches.values() for port in switch.ports.values())
    return any(end is not None and end.family == 6 for end in found) or any(":" in port.option("remote_ip") for port in ports)


def outer(transfer: Transfer) -> Transfer:
    """What happens to a packet of the other version, up to where its payload is taken out."""
    return around(transfer)[0]


def around(transfer: Transfer) -> tuple[Transfer, bool]:
    """The same with the points of the other version; and whether the payload is out at its end."""
    match transfer:
        case End(exit, at):
            return End(leaving(exit), at), False
        case Call(point):
            return Call(named(point)), False
        case Encapsulate():
            return End(Unknown("a packet in packets of both IP versions is not followed")), False
        case Decapsulate():
            return transfer, True
        case Seq(parts):
            return in_order(parts)
        case If(match, then, otherwise, at):
            return If(match, outer(then), outer(otherwise), at), False
        case IfNoted(scope, values, then, otherwise, at):
            return IfNoted(scope, values, outer(then), outer(otherwise), at), False
        case Alt(branches, at):
            return Alt(tuple(map(outer, branches)), at), False
        case Hook(body):
            return Hook(outer(body)), False
        case Translate(scope, destination, rules):
            return Translate(scope, destination, outer(rules)), False
        case Table(parts, select):
            return Table(Parts(parts), select), False
        case _:
            return transfer, False


def in_order(parts: Sequence[Transfer]) -> tuple[Transfer, bool]:
    """One after the other: what follows the taking out is the payload's."""
    done: list[Transfer] = []
    for index, part in enumerate(parts):
        found, taken = around(part)
        done.append(found)
        if taken:
            return Seq((*done, *parts[index + 1 :])), True
    return Seq(tuple(done)), False


def leaving(exit: Exit) -> Exit:
    """An exit of a packet of the other version, which is nothing but a tunnel's."""
    match exit:
        case Goto(point):
            return Goto(named(point))
        case Deliver(scope) | Leave(scope):
            return Unknown(f"the packet of a tunnel, which is of the other IP version, ends at {scope}, where no tunnel takes it")
        case _:
            return exit


def named(point: Point) -> Point:
    """A point of the other version."""
    return point._replace(stage=OUTER + point.stage)


class Parts(Sequence[Transfer]):
    """Parts of a table, made when they are first looked at."""

    def __init__(self, parts: Sequence[Transfer]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return [outer(part) for part in self.parts[index]] if isinstance(index, slice) else outer(self.parts[index])

    def __iter__(self) -> Iterator[Transfer]:
        return map(outer, self.parts)
