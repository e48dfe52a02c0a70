"""Native nft chains that see what comes in or goes out before all other hooks do (``hook ingress`` and ``hook egress``): of which devices."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import Bridge
from analyzer.facts.netfilter import NftChainFact
from analyzer.model.network import Namespace

EARLY = ("ingress", "egress")
FAMILIES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}


def lets_pass(space: Namespace, fact: NftChainFact) -> str:
    """What is asked of a chain that is not walked."""
    return f"the nft chain {fact.family} {fact.table} {fact.name} of {space.scope} lets the packet pass unchanged"


def named(space: Namespace, fact: NftChainFact) -> frozenset[str]:
    """The devices that a chain is for; none where they are not told."""
    tables = (table for table in space.nft_tables if (table.family, table.name) == (fact.family, fact.table))
    bases = (table.chains[fact.name].base for table in tables if fact.name in table.chains)
    return frozenset(device for base in bases if base is not None for device in base.devices)


def plain(space: Namespace, fact: NftChainFact) -> frozenset[str] | None:
    """The devices that a chain is for, where what they bring comes in by them for the IP layer too; ports of bridges are left out at ingress, which bridges
    ask about. None where one is a port of something else, has devices over it, or is not told."""
    devices = named(space, fact)
    under = {link.parent for link in space.links.values()}
    ports = frozenset(device for device in devices if fact.hook.lower() == "ingress" and is_port(space, device))
    rest = devices - ports
    known = all(device in space.links and space.links[device].master is None and device not in under for device in rest)
    return rest if devices and known else None


def is_port(space: Namespace, device: str) -> bool:
    """Whether a device is a port of a bridge."""
    link = space.links.get(device)
    master = space.links.get(link.master) if link is not None and link.master else None
    return master is not None and isinstance(master.kind, Bridge)


def chains_of(space: Namespace, family: int, device: str, hook: str) -> Iterator[NftChainFact]:
    """The chains that see what comes in or goes out by a device, or of which the devices are not told, and may do more than accept."""
    for fact in space.nft_chains:
        if fact.hook.lower() != hook or fact.inert or fact.family not in FAMILIES[family]:
            continue
        devices = named(space, fact)
        if not devices or device in devices:
            yield fact


def watched(space: Namespace, device: str, hook: str) -> bool:
    """Whether a chain may do more than accept with what comes in or goes out by a device."""
    return any(True for family in FAMILIES for _ in chains_of(space, family, device, hook))
