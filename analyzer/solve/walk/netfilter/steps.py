"""The steps of a netfilter hook, and which of them route a packet again that they changed."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.facts.netfilter import NftChainFact
from analyzer.solve.packet import Packet
from analyzer.solve.walk.netfilter.tables import ReadyChain, Table
from analyzer.solve.walk.nft.tables import NativeChain


@dataclass(frozen=True, slots=True)
class TableStep:
    """The base chain of a table that is no nat table."""

    table: Table
    base: ReadyChain


@dataclass(frozen=True, slots=True)
class TrackStep:
    """Conntrack looks at the packet."""


@dataclass(frozen=True, slots=True)
class NativeStep:
    """A native base chain that is no nat chain."""

    native: NativeChain


@dataclass(frozen=True, slots=True)
class TranslateStep:
    """The nat chains with their priorities, in their order: whatever these are, the kernel calls all of them at one priority
    (nf_nat_core.c ``nf_nat_register_fn``)."""

    destination: bool
    chains: tuple[tuple[int, TableStep | NativeStep], ...]


@dataclass(frozen=True, slots=True)
class ConfirmStep:
    """The packet's new connection is stored."""


@dataclass(frozen=True, slots=True)
class UnreadStep:
    """Something that sees the packet and is not walked: a native nft chain of devices (None: of any), or a ruleset that was not captured."""

    words: str
    settle: str
    fact: NftChainFact | None = None
    devices: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class EarlyStep:
    """A native nft chain of devices that is decided; what a bridge's ports bring is asked about."""

    native: NativeChain
    devices: frozenset[str]
    doubt: UnreadStep


@dataclass(frozen=True, slots=True)
class BalanceStep:
    """IPVS looks at the packet: whether it is a real server's answer (``ip_vs_out_hook``), or is to be balanced (``ip_vs_in_hook``)."""

    answers: bool


Step = TableStep | NativeStep | TrackStep | TranslateStep | ConfirmStep | UnreadStep | EarlyStep | BalanceStep


def routes_again(step: Step, before: Packet, after: Packet) -> bool:
    """Whether a step of OUTPUT routes the packet again (``ip_route_me_harder``): mangle and nft's chains of type route where its addresses, its mark or its type of
    service changed (iptable_mangle.c ``ipt_mangle_out``, nft_chain_route.c ``nf_route_table_hook4``), address translation where its destination did (nf_nat_proto.c
    ``nf_nat_ipv4_local_fn``). A mark that another chain sets changes no route."""
    match step:
        case TranslateStep():
            return before.destination != after.destination
        case TableStep(table):
            acts = table.name == "mangle"
        case NativeStep(native):
            acts = native.base.kind == "route"
        case _:
            return False
    return acts and routed_by(before) != routed_by(after)


def routed_by(packet: Packet) -> tuple[int, int, int, int | None]:
    """What of a packet is looked at for whether it is routed again."""
    return packet.source, packet.destination, packet.mark, packet.service
