"""The layer-2 networks outside the capture: which interfaces lead there, and which of them are taken to share one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from analyzer.addresses import Address, Prefix
from analyzer.facts.links import Bond, LinkFact, Vrf
from analyzer.model.datapaths import inner_port, modelled, switched
from analyzer.model.network import Interface, Namespace, Segment, Wire
from analyzer.model.unread import incomplete
from analyzer.model.wires import Paths, Spaces, addresses_of, facing, has_address, is_pair_end, leads_on, reached, witnessed

VIRTUAL = (
    "docker",
    "br-",
    "virbr",
    "lxdbr",
    "cni",
    "cbr",
    "flannel",
    "vxlan",
    "tunl",
    "sit",
    "gre",
    "erspan",
    "ip6tnl",
    "kube-",
    "cilium_",
    "cali",
    "weave",
    "genev_sys",
    "dummy",
    "nodelocaldns",
    "wg",
    "tun",
    "tap",
    "ifb",
    "vrf",
    "lo",
)


def may_be_unread(space: Namespace, link: LinkFact) -> bool:
    """Whether the other end of a pair may be on the same node: a pod's is, and that of a node which is no way out of it."""
    return bool(space.scope.namespace) or not (has_address(space, link.name) or leads_on(space, link.name))


def of_no_kind(space: Namespace, link: LinkFact) -> bool:
    """Whether a pod's device may be over another one of the node (macvlan, ipvlan), which looks like the end of a pair without ``-d``."""
    return bool(space.scope.namespace) and link.kind is None and not link.detailed


def outside(spaces: Spaces, peers: Mapping[Interface, Interface]) -> frozenset[Interface]:
    """The interfaces whose other end is not in the capture. Where that of a pair may stand on a line that was not understood, nobody knows where it leads."""
    unread = {scope.node for scope, space in spaces.items() if incomplete(space.gaps.get("ip-addr", ())) is not None}
    found: set[Interface] = set()
    for scope, space in spaces.items():
        for link in space.links.values():
            at = Interface(scope, link.name)
            peer = peers.get(at)
            if peer is None:
                inner = inner_port(link) and not modelled(space, link.name)
                hidden = of_no_kind(space, link) or (scope.node in unread and may_be_unread(space, link))
                leads_out = physical(link, space) or (is_pair_end(link) and not hidden) or inner
            else:
                leads_out = switched(spaces, peer)
            if leads_out:
                found.add(at)
    return frozenset(found)


def physical(link: LinkFact, space: Namespace) -> bool:
    """Whether a link is a physical device (or a bond): of no kind. Without ``-d`` well-known names and bridges are told apart by what they are."""
    if link.link_type not in ("ether", "infiniband") or "LOOPBACK" in link.flags or link.name == "lo":
        return False
    master = space.links.get(link.master or "")
    if link.master_kind == "bond" or (master is not None and "MASTER" in master.flags and not isinstance(master.kind, Vrf)):
        return False
    if isinstance(link.kind, Bond):
        return True
    if link.kind is not None or link.parent is not None or link.peer_index is not None:
        return False
    if link.detailed:
        return True
    is_master = any(other.master == link.name for other in space.links.values())
    if link.name.startswith("br-ex"):
        return True
    return not is_master and not link.name.startswith(VIRTUAL)


def segments(known: Paths, edge: Iterable[Interface], found: Mapping[Interface, Wire]) -> tuple[Segment, ...]:
    """Outside interfaces that share a network: each has an address in the other's, or a table says that it heard what is behind the other.

    Interfaces that hold the same address share nothing: they are private networks that look alike.
    """
    held = {at: tuple(item for one in reached(known, at, False) for item in addresses_of(known, one)) for at in sorted(edge)}
    heard = {(one, two): text for one, two, text in chain(witnessed(known, found), facing(known, found))}
    result: list[Segment] = []
    for members in connected(held, heard):
        prefixes = sorted({prefix for at in members for _, prefix in held[at]})
        shared = [prefix for prefix in prefixes if sum(any(prefix.covers(own) for own, _ in held[at]) for at in members) > 1]
        name = ", ".join(str(prefix) for prefix in shared[:2])
        because = f"each has an address in {name}" if shared else next(text for (one, _), text in heard.items() if one in members)
        text = f"{', '.join(str(at) for at in members[:4])}{' …' if len(members) > 4 else ''} share one layer-2 network, since {because}"
        result.append(Segment(name or str(members[0]), members, text))
    return tuple(result)


def connected(
    held: Mapping[Interface, tuple[tuple[Address, Prefix], ...]], heard: Iterable[tuple[Interface, Interface]]
) -> list[tuple[Interface, ...]]:
    """Groups of two and more interfaces, joined where each has an address in the other's network, or has heard the other."""
    holders: dict[Address, list[Interface]] = {}
    for at, found in held.items():
        for own, _ in found:
            holders.setdefault(own, []).append(at)
    parents = {at: at for at in held}

    def root(at: Interface) -> Interface:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    alone = {at: [item for item in found if len(holders[item[0]]) == 1] for at, found in held.items()}
    for one, two in chain(neighbours(alone), heard):
        first, second = sorted((root(one), root(two)))
        parents[second] = first
    groups: dict[Interface, list[Interface]] = {}
    for at in sorted(held):
        groups.setdefault(root(at), []).append(at)
    return [tuple(members) for members in groups.values() if len(members) > 1]


def neighbours(held: Mapping[Interface, list[tuple[Address, Prefix]]]) -> Iterator[tuple[Interface, Interface]]:
    """Pairs of interfaces whose addresses lie in each other's networks: equal networks first, then those that overlap."""
    by_prefix: dict[Prefix, list[tuple[Interface, Address]]] = {}
    for at, found in held.items():
        for own, prefix in found:
            by_prefix.setdefault(prefix, []).append((at, own))
    for members in by_prefix.values():
        yield from ((members[0][0], other) for other, _ in members[1:])
    prefixes = sorted(by_prefix)
    for position, wide in enumerate(prefixes):
        for narrow in prefixes[position + 1 :]:
            if not wide.overlaps(narrow):
                break
            for at, own in by_prefix[wide]:
                if narrow.covers(own):
                    yield at, by_prefix[narrow][0][0]
