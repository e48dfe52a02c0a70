"""What connects interfaces: veth pairs, the devices under others, and the namespaces in which tunnels keep their sockets.

``link-netnsid`` is a number that each namespace gives to another (net/core/net_namespace.c, peernet2id); ``link-netns`` is a name of
/run/netns. Which captured namespace they mean is learned from the pairs that only fit in one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.facts.links import (
    Geneve,
    Ipvlan,
    LinkFact,
    Macvlan,
    NamespaceIdFact,
    OtherKind,
    Tunnel,
    Vlan,
    Vxlan,
    Wireguard,
)
from analyzer.model.network import Interface
from analyzer.source import Gap, Scope

Links = Mapping[Scope, Mapping[str, LinkFact]]
Token = tuple[Scope, int] | tuple[str, str]
PAIRED = frozenset({"veth", "netkit", "vxcan"})


@dataclass(slots=True)
class Pairs:
    """What was resolved, both ways for ``peers``."""

    peers: dict[Interface, Interface] = field(default_factory=dict)
    lower: dict[Interface, Interface] = field(default_factory=dict)
    sockets: dict[Interface, Scope] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


def pairs(links: Links, ids: list[NamespaceIdFact]) -> Pairs:
    """Resolves everything that names another interface or namespace."""
    known = named_namespaces(links, ids)
    result = Pairs()
    pair_up(links, known, result)
    for scope, here in sorted(links.items()):
        for link in here.values():
            at = Interface(scope, link.name)
            if (under := lower_of(links, known, scope, link)) is not None and under != at:
                result.lower[at] = under
            if isinstance(link.kind, Vxlan | Tunnel | Geneve | Wireguard):
                result.sockets[at] = other_namespace(known, scope, link)
    return result


def named_namespaces(links: Links, ids: list[NamespaceIdFact]) -> dict[Token, Scope]:
    """The namespaces whose folder has the name of /run/netns, and the ids that ``ip netns list`` tells of them."""
    known: dict[Token, Scope] = {}
    for scope in links:
        if scope.namespace:
            known[scope.node, scope.namespace] = scope
    for fact in ids:
        if fact.scope is not None and fact.netnsid is not None:
            target = known.get((fact.scope.node, fact.name))
            if target is not None:
                known[fact.scope, fact.netnsid] = target
    return known


def token(scope: Scope, link: LinkFact) -> Token | None:
    """How a link names the namespace of its other end; None: it does not."""
    if link.netns_name is not None:
        return scope.node, link.netns_name
    return None if link.netnsid is None else (scope, link.netnsid)


def may_be_paired(link: LinkFact) -> bool:
    """Whether a link could be one end of a pair: of that kind, or of none that is known."""
    return link.kind is None or (isinstance(link.kind, OtherKind) and link.kind.name in PAIRED)


def pair_up(links: Links, known: dict[Token, Scope], result: Pairs) -> None:
    """Pairs ends that name each other's index; each pair that only fits in one way teaches what ids and names mean, until no more is learned."""
    by_index = indexed(links)
    open_ends = {
        Interface(scope, link.name): link
        for scope, here in sorted(links.items())
        for link in here.values()
        if may_be_paired(link) and (link.peer_index is not None or link.parent is not None)
    }
    progress = True
    while progress:
        progress = False
        for end, link in open_ends.items():
            if end in result.peers:
                continue
            found = [other for other in candidates(links, by_index, known, end, link) if other not in result.peers]
            if len(found) == 1 and mutual(links, by_index, known, result, found[0], end):
                connect(links, known, result, end, found[0])
                progress = True
    for end, link in open_ends.items():
        if end not in result.peers:
            found = [other for other in candidates(links, by_index, known, end, link) if other not in result.peers]
            if len(found) > 1:
                names = ", ".join(str(other) for other in found)
                text = (
                    f"the other end of {end} could be each of {names}: capture `ip netns list` and ip_-d_addr of every namespace"
                )
                result.gaps.append(Gap(link.at, text, "ip-addr", end.scope, device=link.name))


def indexed(links: Links) -> dict[tuple[str, int], list[Interface]]:
    """The interfaces of each node by index."""
    result: dict[tuple[str, int], list[Interface]] = {}
    for scope, here in sorted(links.items()):
        for link in here.values():
            if link.index is not None:
                result.setdefault((scope.node, link.index), []).append(Interface(scope, link.name))
    return result


def candidates(
    links: Links,
    by_index: Mapping[tuple[str, int], list[Interface]],
    known: Mapping[Token, Scope],
    end: Interface,
    link: LinkFact,
) -> Iterator[Interface]:
    """The interfaces that could be the other end: each names the other, and the namespaces that are known agree."""
    if link.parent is not None and link.netnsid is None:
        other = links[end.scope].get(link.parent)
        if other is not None and may_be_paired(other) and other.parent == link.name:
            yield Interface(end.scope, other.name)
        return
    means = token(end.scope, link)
    for found in by_index.get((end.scope.node, link.peer_index if link.peer_index is not None else -1), ()):
        other = links[found.scope][found.device]
        if found == end or other.peer_index != link.index or not may_be_paired(other):
            continue
        if means is not None and (found.scope == end.scope or known.get(means, found.scope) != found.scope):
            continue
        back = token(found.scope, other)
        if back is None or known.get(back, end.scope) == end.scope:
            yield found


def mutual(
    links: Links,
    by_index: Mapping[tuple[str, int], list[Interface]],
    known: Mapping[Token, Scope],
    result: Pairs,
    other: Interface,
    end: Interface,
) -> bool:
    """Whether the other end, too, fits only here."""
    link = links[other.scope][other.device]
    return [one for one in candidates(links, by_index, known, other, link) if one not in result.peers] == [end]


def connect(links: Links, known: dict[Token, Scope], result: Pairs, one: Interface, two: Interface) -> None:
    """Records a pair and what it teaches."""
    result.peers[one], result.peers[two] = two, one
    for here, there in ((one, two), (two, one)):
        means = token(here.scope, links[here.scope][here.device])
        if means is not None:
            known.setdefault(means, there.scope)


def other_namespace(known: Mapping[Token, Scope], scope: Scope, link: LinkFact) -> Scope:
    """The namespace that a link's id or name means: the link's own where it has none. One that nothing tells is the
    node's root, where tunnels and parents of pods' devices are made."""
    means = token(scope, link)
    if means is None:
        return scope
    return known.get(means, Scope(scope.node))


def lower_of(links: Links, known: Mapping[Token, Scope], scope: Scope, link: LinkFact) -> Interface | None:
    """The device under a vlan, macvlan, ipvlan, or that of a tunnel (``dev``), where it was captured."""
    match link.kind:
        case Vlan() | Macvlan() | Ipvlan():
            return parent_of(links, known, scope, link)
        case Vxlan(device=str() as device) | Tunnel(device=str() as device):
            return device_of_tunnel(links, other_namespace(known, scope, link), scope, device)
        case None if link.parent is not None and "." in link.name:
            return parent_of(links, known, scope, link)
        case _:
            return None


def parent_of(links: Links, known: Mapping[Token, Scope], scope: Scope, link: LinkFact) -> Interface | None:
    """The parent by name in the same namespace, else by index in the namespace that the link names."""
    if link.parent is not None and link.parent in links[scope]:
        return Interface(scope, link.parent)
    if link.peer_index is None:
        return None
    return by_number(links, other_namespace(known, scope, link), link.peer_index)


def device_of_tunnel(links: Links, home: Scope, scope: Scope, device: str) -> Interface | None:
    """The device of a tunnel in its socket's namespace.

    ``ip`` looks the number up in the namespace where it runs, so for a tunnel that was moved the name is that of another device with the same index.
    """
    if home == scope:
        return Interface(scope, device) if device in links[scope] else None
    here = links[scope].get(device)
    number = here.index if here is not None else int(device[2:]) if device.startswith("if") and device[2:].isdecimal() else None
    if number is not None:
        return by_number(links, home, number)
    return Interface(home, device) if device in links.get(home, {}) else None


def by_number(links: Links, scope: Scope, index: int) -> Interface | None:
    """The interface of a namespace by its index."""
    found = (link.name for link in links.get(scope, {}).values() if link.index == index)
    name = next(found, None)
    return Interface(scope, name) if name else None
