"""Several captures of one thing of a node become one: links, bridge ports, neighbours and addresses, with a gap where they contradict."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TypeVar

from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, Bridge, LinkFact, in_datapath
from analyzer.facts.neighbours import BridgePortFact, NeighbourFact
from analyzer.facts.system import WANTED, SysctlFact
from analyzer.source import Gap

F = TypeVar("F", bound=Fact)
DEVICE_KEY = re.compile(r"(?P<head>net\.ipv[46]\.(?:conf|neigh)\.)(?P<device>.+)(?P<tail>\.[^./]+)")


def grouped(facts: Iterable[F], key: Callable[[F], Hashable]) -> dict[Hashable, list[F]]:
    """The facts by key, in order."""
    result: dict[Hashable, list[F]] = {}
    for fact in facts:
        result.setdefault(key(fact), []).append(fact)
    return result


def merged_links(facts: Sequence[LinkFact]) -> tuple[dict[str, LinkFact], list[Gap]]:
    """One link for each name, the more detailed text first; what it does not say is taken from the others."""
    links: dict[str, LinkFact] = {}
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: fact.name).values():
        group.sort(key=lambda fact: (not fact.detailed, fact.index is None, fact.mac is None))
        link = group[0]
        for other in group[1:]:
            gaps += contradiction(link, other, f"{link.name}", ("index", "mac", "mtu", "master"), "ip-addr", link.name)
            link = completed(link, other, ())
        links[link.name] = link
    return links, gaps


def completed(first: F, other: F, keep: tuple[str, ...]) -> F:
    """The first fact with what only the other says: fields that are None or empty."""
    empty: tuple[object, ...] = (None, "", frozenset(), ())
    changes = {
        item.name: getattr(other, item.name)
        for item in fields(first)
        if item.name not in ("at", "scope", *keep)
        and getattr(first, item.name) in empty
        and getattr(other, item.name) not in empty
    }
    return replace(first, **changes) if changes else first


def contradiction(first: F, other: F, what: str, names: tuple[str, ...], subject: str, device: str = "") -> list[Gap]:
    """A gap for each field in which two captures of one thing differ."""
    gaps = []
    for name in names:
        one, two = getattr(first, name), getattr(other, name)
        if one is not None and two is not None and one != two:
            text = f"{what}: its {name.replace('_', ' ')} here is not the same as at {first.at}; that one is used"
            gaps.append(Gap(other.at, text, subject, other.scope, device=device))
    return gaps


def merged_ports(facts: Sequence[BridgePortFact], links: dict[str, LinkFact]) -> tuple[dict[str, BridgePortFact], list[Gap]]:
    """The ports of ``bridge link`` and of ``ip -d link`` by device, and those that only ``master`` tells."""
    ports: dict[str, BridgePortFact] = {}
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: fact.device).values():
        port = group[0]
        for other in group[1:]:
            gaps += contradiction(port, other, f"port {port.device}", ("master", "state", "hairpin"), "bridge-link")
            port = completed(port, other, ())
        ports[port.device] = port
    for link in links.values():
        if link.name not in ports and link.master and is_bridge_port(link, links.get(link.master)):
            ports[link.name] = BridgePortFact(at=link.at, scope=link.scope, device=link.name, master=link.master)
    return dict(sorted(ports.items())), gaps


def is_bridge_port(link: LinkFact, master: LinkFact | None) -> bool:
    """Whether the master is a bridge, also where the text was printed without ``-d`` (bonds and VRFs then show MASTER)."""
    if link.master_kind is not None:
        return link.master_kind == "bridge"
    if master is None:
        return False
    if master.kind is not None:
        return isinstance(master.kind, Bridge)
    return not master.detailed and "MASTER" not in master.flags and not in_datapath(link)


def merged_addresses(facts: Sequence[AddressFact]) -> tuple[AddressFact, ...]:
    """Each address of each device once."""
    groups = grouped(facts, lambda fact: (fact.device, fact.address, fact.length))
    return tuple(group[0] for group in groups.values())


def merged_neighbours(facts: Sequence[NeighbourFact]) -> tuple[tuple[NeighbourFact, ...], list[Gap]]:
    """Each entry once: ``ip neigh`` before ``arp``, which does not tell the states apart."""
    result: list[NeighbourFact] = []
    gaps: list[Gap] = []
    for group in grouped(facts, lambda fact: (fact.device, fact.address, fact.proxy)).values():
        group.sort(key=lambda fact: fact.at.path.rsplit("/", 1)[-1].startswith("arp"))
        entry = group[0]
        for other in group[1:]:
            gaps += contradiction(entry, other, f"neighbour {entry.address}", ("mac",), "ip-neigh")
            entry = completed(entry, other, ("states",))
        result.append(entry)
    return tuple(result), gaps


def other_names(key: str) -> Iterator[str]:
    """The key of a device with dots in its name, each way of writing it."""
    found = DEVICE_KEY.fullmatch(key)
    if found and ("/" in found["device"] or "." in found["device"]):
        for device in (found["device"].replace("/", "."), found["device"].replace(".", "/")):
            yield f"{found['head']}{device}{found['tail']}"


def merged_sysctls(facts: Sequence[SysctlFact]) -> tuple[dict[str, SysctlFact], list[Gap]]:
    """The switches by key. A device ``eth0.5`` is found under ``eth0/5`` (as sysctl prints it) and ``eth0.5``.

    ``net.ipv4.ip_forward`` and ``net.ipv4.conf.all.forwarding`` are one variable (net/ipv4/devinet.c, ctl_forward_entry).
    Files of /etc/sysctl.d and the like (sysctl.d(5)) say what is wanted, not what is: they are left out.
    """
    result: dict[str, SysctlFact] = {}
    gaps: list[Gap] = []
    for fact in facts:
        if WANTED.search(fact.at.path):
            continue
        first = result.setdefault(fact.key, fact)
        gaps += contradiction(first, fact, fact.key, ("value",), "sysctl")
    for key in list(result):
        for other in other_names(key):
            result.setdefault(other, result[key])
    one, two = "net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding"
    for known, other in ((one, two), (two, one)):
        if known in result:
            result.setdefault(other, result[known])
    return dict(sorted(result.items())), gaps
