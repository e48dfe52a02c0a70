"""Native nft chains of devices in the language: what their rules do where these decide; else they are asked about where they may see a packet."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import LinkFact
from analyzer.facts.netfilter import NftChainFact
from analyzer.model.early_chains import EARLY, FAMILIES, chains_of, lets_pass, ordered, plain, read
from analyzer.model.network import Interface, Namespace
from analyzer.ranges import normalised, single
from analyzer.transfer.ir import KEEP, All, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.nft.tables import Native, entered
from analyzer.transfer.space import Context, seq

FIRST = -1 << 33
"""The chains of devices are before all others at ingress, and behind all at egress."""
NO_PORT = All((In(Field.PHYSICAL_IN, single(0)), In(Field.PHYSICAL_OUT, single(0))))


def asked(context: Context, space: Namespace, fact: NftChainFact, field: Field) -> Transfer:
    """A chain that is not read: asked about what comes in, or goes out, by its devices."""
    found = deciding(context, space, fact)
    devices = plain(space, fact) if fact.hook.lower() in EARLY else None
    if devices is None:
        return unread(space, fact)
    if not devices:
        return KEEP
    numbers = [context.names.number(device) for device in sorted(devices)]
    ours = In(field, normalised((number, number) for number in numbers))
    bridged = any(link.master in devices for link in space.links.values())
    return If(ours, If(NO_PORT, found, unread(space, fact)) if bridged else found, KEEP)


def deciding(context: Context, space: Namespace, fact: NftChainFact) -> Transfer:
    """What a chain's rules do, where these decide."""
    table = read(space, fact, context.family)
    chain = table.chains[fact.name] if table is not None else None
    if table is None or chain is None or chain.base is None:
        return unread(space, fact)
    return entered(space.scope, Native(table, chain, chain.base))


def at_hook(context: Context, space: Namespace, hook: str) -> Iterator[tuple[int, Transfer]]:
    """The chains of devices at a hook of IP, each with its place among the steps."""
    side = {"PREROUTING": "ingress", "POSTROUTING": "egress"}.get(hook)
    field, first = (Field.IN_INTERFACE, FIRST) if side == "ingress" else (Field.OUT_INTERFACE, -FIRST)
    for fact in ordered(space):
        if fact.hook.lower() == side and not fact.inert and fact.family in FAMILIES[context.family]:
            yield first + fact.priority, asked(context, space, fact, field)


def unread(space: Namespace, fact: NftChainFact) -> Transfer:
    """Whether the chain lets a packet pass."""
    words = lets_pass(space, fact)
    return If(Opaque(words, fact.at), KEEP, End(Unknown(f"it is not known whether {words}"), fact.at))


def passing(context: Context, at: Interface, link: LinkFact, hook: str) -> Transfer:
    """The chains of a port, or of a device with others over it, which see frames that no hook of IP does."""
    if not (link.master or context.uppers.get(at)):
        return KEEP
    space = context.space(at.scope)
    return seq(*(at_device(context, space, fact, hook) for fact in chains_of(space, context.family, at.device, hook)))


def at_device(context: Context, space: Namespace, fact: NftChainFact, hook: str) -> Transfer:
    """One chain of a device; a tag that is to be sent stands before the packet's header there, or beside it."""
    found, doubt = deciding(context, space, fact), unread(space, fact)
    return If(In(Field.VLAN, single(0)), found, doubt) if hook == "egress" and found != doubt else found
