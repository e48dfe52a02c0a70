"""Native nft chains of devices in the language: they are not read, and asked about where they may see a packet."""

from __future__ import annotations

from analyzer.facts.links import LinkFact
from analyzer.facts.netfilter import NftChainFact
from analyzer.model.early_chains import EARLY, chains_of, lets_pass, plain
from analyzer.model.network import Interface, Namespace
from analyzer.ranges import normalised
from analyzer.transfer.ir import KEEP, End, Field, If, In, Opaque, Transfer, Unknown
from analyzer.transfer.space import Context, seq


def asked(context: Context, space: Namespace, fact: NftChainFact, field: Field) -> Transfer:
    """A chain that is not read: asked about what comes in, or goes out, by its devices."""
    found = unread(space, fact)
    devices = plain(space, fact) if fact.hook.lower() in EARLY else None
    if devices is None:
        return found
    if not devices:
        return KEEP
    numbers = [context.names.number(device) for device in sorted(devices)]
    return If(In(field, normalised((number, number) for number in numbers)), found, KEEP)


def unread(space: Namespace, fact: NftChainFact) -> Transfer:
    """Whether the chain lets a packet pass."""
    words = lets_pass(space, fact)
    return If(Opaque(words, fact.at), KEEP, End(Unknown(f"it is not known whether {words}"), fact.at))


def passing(context: Context, at: Interface, link: LinkFact, hook: str) -> Transfer:
    """The chains of a port, or of a device with others over it, which see frames that no hook of IP does."""
    if not (link.master or context.uppers.get(at)):
        return KEEP
    space = context.space(at.scope)
    return seq(*(unread(space, fact) for fact in chains_of(space, context.family, at.device, hook)))
