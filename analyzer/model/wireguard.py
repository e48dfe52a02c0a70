"""WireGuard's devices and peers, each of what several listings say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from analyzer.facts.links import WireguardFact, WireguardPeerFact


def merged_peers(facts: Iterable[WireguardPeerFact]) -> tuple[WireguardPeerFact, ...]:
    """One fact for each peer of a device; of two listings the first counts, for what it says."""
    found: dict[tuple[str, str], WireguardPeerFact] = {}
    for fact in facts:
        first = found.setdefault((fact.device, fact.public_key), fact)
        if fact.located and not first.located:
            first = replace(first, endpoint=fact.endpoint, port=fact.port, located=True)
        if first.allowed is None:
            first = replace(first, allowed=fact.allowed)
        found[fact.device, fact.public_key] = first
    return tuple(found.values())


def merged_devices(facts: Iterable[WireguardFact]) -> dict[str, WireguardFact]:
    """What is known of each device."""
    found: dict[str, WireguardFact] = {}
    for fact in facts:
        first = found.setdefault(fact.device, fact)
        found[fact.device] = replace(
            first,
            public_key=first.public_key if first.public_key is not None else fact.public_key,
            port=first.port if first.port is not None else fact.port,
            mark=first.mark if first.mark is not None else fact.mark,
        )
    return found
