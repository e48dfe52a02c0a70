"""The layer-2 networks outside the capture: which interfaces lead there, and which of them are taken to share one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.facts.links import AddressFact, Bond, Ipvlan, LinkFact, Macvlan, OtherKind, Vlan, Vrf
from analyzer.facts.neighbours import BridgePortFact
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.network import Interface, Namespace, Segment
from analyzer.model.switches import switch_port as switch_port_of
from analyzer.source import Scope

Spaces = Mapping[Scope, Namespace]
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


def outside(spaces: Spaces, peers: Mapping[Interface, Interface]) -> frozenset[Interface]:
    """The interfaces whose other end is not in the capture."""
    found: set[Interface] = set()
    for scope, space in spaces.items():
        for link in space.links.values():
            at = Interface(scope, link.name)
            peer = peers.get(at)
            if peer is None:
                inner = switch_port(link) and not modelled(space, link.name)
                leads_out = physical(link, space) or is_pair_end(link) or inner
            else:
                leads_out = bool(scope.namespace) and switched(spaces, peer)
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


def is_pair_end(link: LinkFact) -> bool:
    """Whether a link is an end of a veth pair, by its kind or its ``@if``."""
    if isinstance(link.kind, OtherKind):
        return link.kind.name in ("veth", "netkit")
    return link.kind is None and link.peer_index is not None and link.peer_index != link.index


def switch_port(link: LinkFact) -> bool:
    """Whether a link is an internal port of Open vSwitch: what it sends goes to the switch."""
    return isinstance(link.kind, OtherKind) and link.kind.name == "openvswitch" and link.name != "ovs-system"


def switched(spaces: Spaces, at: Interface) -> bool:
    """Whether an interface is a port of Open vSwitch."""
    link = spaces[at.scope].links.get(at.device)
    if modelled(spaces[at.scope], at.device):
        return False
    return link is not None and (link.master_kind == "openvswitch" or link.master == "ovs-system")


def modelled(space: Namespace, device: str) -> bool:
    """Whether a device is a port of a switch whose flows are known: what goes in comes out by them."""
    return switch_port_of(space.switches, device) is not None


def inner_ports(space: Namespace, device: str) -> Iterator[str]:
    """The own ports into the host of the switch that a device is a port of."""
    for switch in space.switches.values():
        if switch.flows is not None and device in switch.ports and switch.ports[device].kind == "":
            yield from (name for name, port in switch.ports.items() if port.kind == "internal")


def segments(
    spaces: Spaces, edge: Iterable[Interface], lower: Mapping[Interface, Interface]
) -> tuple[tuple[Segment, ...], dict[Interface, Segment]]:
    """Outside interfaces by the on-link prefixes that they share: each has an address in the other's network.

    Interfaces that hold the same address share nothing: they are private networks that look alike.
    """
    above = uppers(lower)
    held = {at: tuple(on_link(spaces, above, at)) for at in sorted(edge)}
    groups = connected({at: found for at, found in held.items() if found})
    result: list[Segment] = []
    for members in groups:
        prefixes = sorted({prefix for at in members for _, prefix in held[at]})
        shared = [prefix for prefix in prefixes if sum(any(prefix.covers(own) for own, _ in held[at]) for at in members) > 1]
        name = ", ".join(str(prefix) for prefix in shared[:2])
        text = f"{', '.join(str(at) for at in members[:4])}{' …' if len(members) > 4 else ''} share one layer-2 network, since each has an address in {name}"
        result.append(Segment(name, members, text))
    return tuple(result), {at: segment for segment in result for at in segment.members}


def uppers(lower: Mapping[Interface, Interface]) -> dict[Interface, list[Interface]]:
    """The devices over each device."""
    result: dict[Interface, list[Interface]] = {}
    for upper, under in sorted(lower.items()):
        result.setdefault(under, []).append(upper)
    return result


def on_link(spaces: Spaces, above: Mapping[Interface, list[Interface]], at: Interface) -> Iterator[tuple[Address, Prefix]]:
    """The addresses that use an interface, with their networks: its own, its bridge's, and those of vlan, macvlan and ipvlan devices over it."""
    queue, seen = [at], {at}
    while queue:
        current = queue.pop(0)
        space = spaces[current.scope]
        for fact in space.addresses:
            if fact.device == current.device and (prefix := shareable(fact)) is not None:
                yield fact.address, prefix
        further = [upper for upper in above.get(current, ()) if stacked(spaces, upper)]
        further += [Interface(current.scope, name) for name in inner_ports(space, current.device)]
        port = space.ports.get(current.device)
        if port is not None and port.master and uplink_bridge(space, at, port):
            further.append(Interface(current.scope, port.master))
        for upper in further:
            if upper not in seen and upper.device in spaces[upper.scope].links:
                seen.add(upper)
                queue.append(upper)


def stacked(spaces: Spaces, upper: Interface) -> bool:
    """Whether a device sends its frames through the one under it as they are (a tunnel does not)."""
    link = spaces[upper.scope].links.get(upper.device)
    return link is not None and (link.kind is None or isinstance(link.kind, Vlan | Macvlan | Ipvlan))


def uplink_bridge(space: Namespace, at: Interface, port: BridgePortFact) -> bool:
    """Whether a bridge leads outside: through a physical port, or, through a veth, since the default route leaves by it."""
    link = space.links.get(at.device)
    if link is not None and not is_pair_end(link):
        return True
    routes: Sequence[RouteFact] = [*space.routes.get(4, {}).get(MAIN, ()), *space.routes.get(6, {}).get(MAIN, ())]
    return any(route.destination.length == 0 and any(hop.device == port.master for hop in route.next_hops) for route in routes)


def shareable(fact: AddressFact) -> Prefix | None:
    """The network of an address, where others can be on it: no host, link-local or loopback network."""
    width = WIDTH[fact.address.family]
    if not 0 < fact.length < width or fact.peer is not None or fact.scope_name in ("link", "host"):
        return None
    prefix = prefix_of(fact.address, fact.length)
    link_local = (0xA9FE, 16) if prefix.family == 4 else (0xFE80 >> 6, 10)
    return None if prefix.value >> (width - link_local[1]) == link_local[0] else prefix


def connected(held: Mapping[Interface, tuple[tuple[Address, Prefix], ...]]) -> list[tuple[Interface, ...]]:
    """Groups of two and more interfaces, joined where each has an address in the other's network."""
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

    for one, two in neighbours({at: [item for item in found if len(holders[item[0]]) == 1] for at, found in held.items()}):
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
