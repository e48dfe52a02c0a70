"""Neighbour discovery of IPv6 in the language: the question and the answer are packets that pass the netfilter hooks of both hosts.

While they are under way the packet itself is saved, as in a tunnel. Conntrack leaves them UNTRACKED (nf_conntrack_icmpv6_error).
"""

from __future__ import annotations

from analyzer.model.network import Interface
from analyzer.ranges import Ranges, single
from analyzer.source import Scope
from analyzer.transfer.ir import (
    UNTRACKED,
    Assign,
    Copy,
    Decapsulate,
    Encapsulate,
    Field,
    If,
    In,
    Transfer,
)
from analyzer.transfer.space import Context, by_value, call, seq

ICMPV6, SOLICITATION, ADVERTISEMENT = 58, 135, 136
ALL_NODES = 0x333300000001
GROUP = 0xFF0200000000000000000001FF000000


def solicited(context: Context, at: Interface, host: Interface, value: int, mac: int) -> Transfer:
    """The answer of a host for an address that it holds: in IPv4 (ARP) by itself, in IPv6 where the hooks let both packets pass.

    On the way back nobody asks: who was asked has learnt the MAC of who asked (ndisc_recv_ns).
    """
    known = Assign(Field.DESTINATION_MAC, mac)
    if context.family == 4 or not (filters(context, at.scope) or filters(context, host.scope)):
        return known
    sent = passes(context, at, ("OUTPUT", "POSTROUTING"), 0)
    heard = (Assign(Field.DESTINATION_MAC, ALL_NODES), *passes(context, host, ("PREROUTING", "INPUT"), 1))
    answered = (turned(value), *passes(context, host, ("OUTPUT", "POSTROUTING"), 0))
    learnt = passes(context, at, ("PREROUTING", "INPUT"), 1)
    asking = seq(question(context, at, value), *sent, *heard, *answered, *learnt, Decapsulate(), known)
    return If(In(Field.DIRECTION, single(1)), known, asking)


def filters(context: Context, scope: Scope) -> bool:
    """Whether a namespace's hooks could do anything to such a packet."""
    space = context.space(scope)
    chains = (chain for fact in space.rulesets if fact.family == 6 for table in fact.tables.values() for chain in table.values())
    return any(len(chain.rules) or chain.policy == "DROP" for chain in chains) or any(not fact.inert for fact in space.nft_chains)


def question(context: Context, at: Interface, value: int) -> Transfer:
    """The solicitation, from the packet's own source where that is the device's, else from the device's link-local address (ndisc_solicit)."""
    own = [fact.address.value for fact in context.held.get(at, ())]
    local = next((address for address in own if address >> 118 == 0x3FA), own[0] if own else 0)
    return by_value(Field.SOURCE, {address: asked(address, value) for address in own}, asked(local, value))


def asked(source: int, value: int) -> Transfer:
    """The solicitation from an address."""
    fields: tuple[tuple[Field, Ranges], ...] = (
        (Field.SOURCE, single(source)),
        (Field.DESTINATION, single(GROUP | value & 0xFFFFFF)),
        (Field.PROTOCOL, single(ICMPV6)),
        (Field.ICMP_TYPE, single(SOLICITATION)),
        (Field.TTL, single(255)),
        (Field.STATE, single(UNTRACKED)),
    )
    return seq(Encapsulate(fields), Assign(Field.MARK, 0))


def passes(context: Context, at: Interface, hooks: tuple[str, ...], incoming: int) -> tuple[Transfer, ...]:
    """The hooks of one host, with the device."""
    number = context.names.number(at.device)
    devices = (Assign(Field.IN_INTERFACE, number if incoming else 0), Assign(Field.OUT_INTERFACE, 0 if incoming else number))
    return (*devices, *(call(at.scope, "hook", f"{hook} asking") for hook in hooks), Assign(Field.MARK, 0))


def turned(value: int) -> Transfer:
    """The advertisement."""
    return seq(
        Copy(Field.NEXT_HOP, Field.SOURCE),
        Assign(Field.SOURCE, value),
        Copy(Field.DESTINATION, Field.NEXT_HOP),
        Assign(Field.ICMP_TYPE, ADVERTISEMENT),
        Assign(Field.DESTINATION_MAC, 0),
    )
