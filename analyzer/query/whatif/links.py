"""``ip link set`` as an edit of facts: a link that goes down takes its routes and neighbours with it, and the carrier of its peer.

A bridge whose address nobody set has the least of its ports' (net/bridge/br_stp_if.c, br_stp_recalculate_bridge_id); whether somebody did is not in a capture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from analyzer.addresses import WIDTH, Address, Prefix, host_prefix, prefix_of, short_hardware_address
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, Bridge, LinkFact, Vxlan
from analyzer.facts.neighbours import BridgePortFact, BridgeVlanFact, ForwardingFact, NeighbourFact
from analyzer.facts.routes import LOCAL, NextHop, NextHopFact, RouteFact
from analyzer.facts.system import ListenerFact
from analyzer.model.network import Interface
from analyzer.query.whatif.state import NodeState, Run
from analyzer.source import Scope

SETTINGS = "up, down, mtu N (68 to 65535), address MAC, master BRIDGE or nomaster"
GOING = frozenset({"UP", "LOWER_UP", "NO-CARRIER"})


def link(state: NodeState, run: Run) -> NodeState:
    """``ip link set [dev] X …``, ``ip link del [dev] X``."""
    match [word for word in run.words if word != "dev"]:
        case ["del" | "delete" | "d", device]:
            return deleted(state, run, device)
        case _:
            return link_set(state, run)


def deleted(state: NodeState, run: Run, device: str) -> NodeState:
    """A link that is no more, with all that is about it; a veth takes its other end with it (drivers/net/veth.c, veth_dellink). Links that are made
    upon it go as well, which is not followed."""
    own = next((one for one in state.of(LinkFact, run.scope) if one.name == device), None)
    if own is None:
        raise run.wrong(f"there is no device {device} in the capture of {run.scope} (Cannot find device)")
    peer = state.peers.get(Interface(run.scope, device))
    others = [one for one in state.of(LinkFact, run.scope) if peer != Interface(run.scope, one.name)]
    if any(device in (one.parent, getattr(one.kind, "device", None), one.master) for one in others):
        raise run.wrong(f"other links are made upon {device}, or are its ports: what becomes of them is not followed")
    if own.master is not None and own.master_kind in ("bridge", None):
        follows(state, run, own.master, own.mac)
    ends = [Interface(run.scope, device), *filter(None, [peer])]
    for end in ends:
        state = down(state, replace(run, scope=end.scope), end.device)
        state = state.without([fact for fact in state.facts if about(fact, end)])
    return state


def about(fact: Fact, end: Interface) -> bool:
    """Whether a fact is about a link, and of no other."""
    if fact.scope != end.scope:
        return False
    if isinstance(fact, RouteFact):
        return own_address(fact) and all(hop.device == end.device for hop in fact.next_hops)
    return getattr(fact, "name" if isinstance(fact, LinkFact) else "device", None) == end.device


def link_set(state: NodeState, run: Run) -> NodeState:
    """``ip link set [dev] X up|down|mtu N …``."""
    words = [word for word in run.words if word != "dev"]
    if len(words) < 3 or words[0] not in ("set", "s"):
        raise run.wrong(f"expected ip link set dev DEVICE and {SETTINGS}")
    device, rest = words[1], words[2:]
    if not any(link.name == device for link in state.of(LinkFact, run.scope)):
        raise run.wrong(f"there is no device {device} in the capture of {run.scope} (Cannot find device)")
    while rest:
        match rest:
            case ["up", *behind]:
                state = up(state, run, device)
            case ["down", *behind]:
                state = down(state, run, device)
            case ["mtu", number, *behind] if number.isdecimal() and 68 <= int(number) <= 65535:
                state = resized(state, run, device, int(number))
            case ["address", mac, *behind]:
                state = renamed(state, run, device, short_hardware_address(mac))
            case ["master", bridge, *behind]:
                state = joining(leaving(state, run, device), run, device, bridge)
            case ["nomaster", *behind]:
                state = leaving(state, run, device)
            case _:
                raise run.wrong(f"{' '.join(rest)!r} is not understood: expected {SETTINGS}")
        rest = behind
    return state


def resized(state: NodeState, run: Run, device: str, mtu: int) -> NodeState:
    """A link that carries larger or smaller packets."""
    return with_link(state, run.scope, device, lambda link: replace(link, mtu=mtu, at=run.at))


def renamed(state: NodeState, run: Run, device: str, mac: int) -> NodeState:
    """A link with another hardware address, in its bridge's table too (net/bridge/br_fdb.c, br_fdb_changeaddr and br_fdb_change_mac_address)."""
    link = next(one for one in state.of(LinkFact, run.scope) if one.name == device)
    if link.master is not None:
        follows(state, run, link.master, mac, link.mac)

    def change(fact: Fact) -> Fact:
        if not isinstance(fact, ForwardingFact) or fact.scope != run.scope or fact.device != device or fact.own:
            return fact
        return replace(fact, mac=mac) if fact.mac == link.mac and "permanent" in fact.flags else fact

    return with_link(state.changed(change), run.scope, device, lambda one: replace(one, mac=mac, at=run.at))


def follows(state: NodeState, run: Run, bridge: str, *macs: int | None) -> None:
    """Refuses what may change a bridge's own address: that of a port that has it, or may have the least."""
    own = next((one.mac for one in state.of(LinkFact, run.scope) if one.name == bridge), None)
    if own is None or any(mac is None or mac <= own for mac in macs):
        raise run.wrong(
            f"whether {bridge} takes another address then is not known: a capture does not tell whether its own was set"
        )


def leaving(state: NodeState, run: Run, device: str) -> NodeState:
    """A link that is no port any more: its switches are gone, and what its bridge learnt of it."""
    link = next(one for one in state.of(LinkFact, run.scope) if one.name == device)
    if link.master is None:
        return state
    if link.master_kind in ("bridge", None):
        follows(state, run, link.master, link.mac)
    state = with_link(state, run.scope, device, lambda one: replace(one, master=None, master_kind=None, at=run.at))
    return state.without(
        [
            fact
            for fact in state.facts
            if fact.scope == run.scope
            and (
                (isinstance(fact, ForwardingFact) and fact.device == device and not fact.own)
                or (isinstance(fact, BridgePortFact | BridgeVlanFact) and fact.device == device)
            )
        ]
    )


def joining(state: NodeState, run: Run, device: str, bridge: str) -> NodeState:
    """A link that is a port of a bridge, with what a new port has: it forwards, learns and floods (net/bridge/br_if.c, new_nbp)."""
    link = next(one for one in state.of(LinkFact, run.scope) if one.name == device)
    found = next((one for one in state.of(LinkFact, run.scope) if one.name == bridge), None)
    if found is None or not isinstance(found.kind, Bridge):
        raise run.wrong(f"{bridge} is no bridge in the capture of {run.scope}")
    if found.kind.vlan_filtering:
        raise run.wrong(f"{bridge} filters VLANs: which a new port has is not known")
    follows(state, run, bridge, link.mac)
    at = run.at
    state = with_link(state, run.scope, device, lambda one: replace(one, master=bridge, master_kind="bridge", at=at))
    port = BridgePortFact(
        at=at,
        scope=run.scope,
        device=device,
        master=bridge,
        state="forwarding" if link.carrier else "disabled",
        hairpin=False,
        learning=True,
        flood=True,
        multicast_flood=True,
        broadcast_flood=True,
        isolated=False,
        neighbour_suppression=False,
        vlan_tunnel=False,
    )
    assert link.mac is not None
    entry = ForwardingFact(at=at, scope=run.scope, mac=link.mac, device=device, master=bridge, flags=frozenset({"permanent"}))
    return state.joined(port, entry)


def with_link(state: NodeState, scope: Scope, device: str, change: Callable[[LinkFact], LinkFact]) -> NodeState:
    """The state with a link altered, in every text that tells of it."""
    return state.changed(
        lambda fact: change(fact) if isinstance(fact, LinkFact) and fact.scope == scope and fact.name == device else fact
    )


def down(state: NodeState, run: Run, device: str) -> NodeState:
    """A link that is down: no routes through it but those to its own addresses of IPv4 (fib_disable_ip), no next-hop objects (nexthop_flush_dev), no
    neighbours, no IPv6 addresses (addrconf_ifdown), and its peer has no carrier."""
    scope, at = run.scope, run.at
    state = with_link(state, scope, device, lambda link: replace(link, flags=link.flags - GOING, state="DOWN", at=at))
    closed = sockets(state, scope, device)
    state = state.without([fact for fact in state.of(ListenerFact, scope) if heard(fact) in closed])
    state = state.changed(lambda fact: None if fact.scope == scope and lost(fact, device) else without_way(fact, scope, device))
    state = with_port(without_objects(state, scope, device), scope, device, "disabled")
    peer = state.peers.get(Interface(scope, device))
    if peer is None:
        return state
    state = with_link(state, peer.scope, peer.device, lambda link: carrier(link, lost=True))
    return with_port(state, peer.scope, peer.device, "disabled")


def with_port(state: NodeState, scope: Scope, device: str, new: str) -> NodeState:
    """The state of a bridge's port, which follows its link (net/bridge/br_if.c, br_port_carrier_check), or its bridge's (br_stp_disable_bridge)."""

    def change(fact: Fact) -> Fact:
        port = isinstance(fact, BridgePortFact) and fact.scope == scope and device in (fact.device, fact.master)
        return replace(fact, state=new) if port and isinstance(fact, BridgePortFact) else fact

    return state.changed(change)


def sockets(state: NodeState, scope: Scope, device: str) -> set[tuple[int, int]]:
    """The family and the UDP port that a tunnel listens on while it is up, and no other does."""
    links = [one for one in state.of(LinkFact, scope) if isinstance(one.kind, Vxlan)]
    others = {end for one in links if one.name != device and one.up for end in ends_of(one)}
    return {end for one in links if one.name == device for end in ends_of(one)} - others


def heard(fact: ListenerFact) -> tuple[int, int] | None:
    """The family and port of a socket that the kernel itself listens on by UDP."""
    any_address = fact.address is not None and not fact.address.value
    return (fact.address.family, fact.port) if fact.address and any_address and fact.protocol == 17 and not fact.process else None


def ends_of(link: LinkFact) -> set[tuple[int, int]]:
    """The sockets of a VXLAN device: of its outer packets' family, or of both (drivers/net/vxlan/vxlan_core.c, vxlan_sock_add)."""
    assert isinstance(link.kind, Vxlan)
    outer = link.kind.local or link.kind.remote or link.kind.group
    families = (4, 6) if link.kind.external else (outer.family if outer is not None else 4,)
    return {(family, link.kind.port) for family in families}


def lost(fact: Fact, device: str) -> bool:
    """Whether a fact goes with the link."""
    match fact:
        case RouteFact(next_hops=ways):
            return bool(ways) and not own_address(fact) and all(hop.device == device for hop in ways)
        case NeighbourFact(device=name):
            return name == device
        case AddressFact(device=name, address=address):
            return name == device and address.family == 6
        case _:
            return False


def without_objects(state: NodeState, scope: Scope, device: str) -> NodeState:
    """Without the next-hop objects of a device, and what is in no group any more (net/ipv4/nexthop.c, nexthop_flush_dev)."""
    known = list(state.of(NextHopFact, scope))
    gone = {fact.identifier for fact in known if fact.next_hop is not None and fact.next_hop.device == device}

    def change(fact: Fact) -> Fact | None:
        if not isinstance(fact, NextHopFact) or fact.scope != scope:
            return fact
        group = tuple(member for member in fact.group if member[0] not in gone)
        empty = bool(fact.group) and not group
        return None if fact.identifier in gone or empty else replace(fact, group=group)

    return state.changed(change) if gone else state


def own_address(fact: RouteFact) -> bool:
    """A route to an address of this host, of IPv4: its ways are of scope nowhere, which fib_sync_down_dev leaves alone."""
    return fact.kind == "local" and fact.destination.family == 4


def without_way(fact: Fact, scope: Scope, device: str) -> Fact:
    """A route of several ways without those through the device, which the kernel keeps as dead."""
    if (
        not isinstance(fact, RouteFact)
        or fact.scope != scope
        or own_address(fact)
        or all(hop.device != device for hop in fact.next_hops)
    ):
        return fact
    ways = tuple(replace(hop, flags=hop.flags | {"dead"}) if hop.device == device else hop for hop in fact.next_hops)
    return replace(fact, next_hops=ways)


def carrier(link: LinkFact, *, lost: bool) -> LinkFact:
    """A link whose peer went down, or came up."""
    if not link.up:
        return link
    flags = link.flags - {"LOWER_UP"} | {"NO-CARRIER"} if lost else link.flags - {"NO-CARRIER"} | {"LOWER_UP"}
    return replace(link, flags=flags, state="LOWERLAYERDOWN" if lost else "UP")


def up(state: NodeState, run: Run, device: str) -> NodeState:
    """A link that is up again: its own and its network's routes come back, and both ends have a carrier where both are up."""
    if all(link.up for link in state.of(LinkFact, run.scope) if link.name == device):
        return state
    peer = state.peers.get(Interface(run.scope, device))
    far = [link for link in state.of(LinkFact, peer.scope) if link.name == peer.device] if peer is not None else []
    connected = all(link.up for link in far)
    state = with_link(
        state,
        run.scope,
        device,
        lambda link: carrier(replace(link, flags=link.flags | {"UP"}), lost=not connected),
    )
    if peer is not None:
        state = with_link(state, peer.scope, peer.device, lambda link: carrier(link, lost=False))
        state = with_port(state, peer.scope, peer.device, "forwarding")
    if connected:
        state = with_port(state, run.scope, device, "forwarding")
    for family, port in sorted(sockets(state, run.scope, device)):
        state = state.joined(ListenerFact(at=run.at, scope=run.scope, protocol=17, address=Address(family, 0), port=port))
    held = [fact for fact in state.of(AddressFact, run.scope) if fact.device == device]
    found = [item for fact in held for item in own_routes(run, fact, primary(fact, held))]
    known = {(fact.destination, fact.table, fact.next_hops) for fact in state.of(RouteFact, run.scope)}
    return state.joined(*(item for item in found if (item.destination, item.table, item.next_hops) not in known))


def primary(fact: AddressFact, held: Sequence[AddressFact]) -> AddressFact:
    """The first address of the same network on a device, of which its other addresses are secondary."""
    alike = (one for one in held if prefix_of(one.address, one.length) == prefix_of(fact.address, fact.length))
    return next((one for one in alike if "secondary" not in one.flags), fact) if "secondary" in fact.flags else fact


def own_routes(run: Run, fact: AddressFact, first: AddressFact) -> Iterator[RouteFact]:
    """The routes that the kernel makes for an address: to itself, and to its network where it is the first there (fib_frontend.c, fib_add_ifaddr)."""
    way = (NextHop(None, fact.device),)
    at, address = run.at, fact.address
    scope = "host" if address.family == 4 else None
    yield RouteFact(
        at=at,
        scope=run.scope,
        destination=host_prefix(address),
        kind="local",
        table=LOCAL,
        next_hops=way,
        source=first.address,
        scope_name=scope,
        protocol="kernel",
    )
    if first is fact and fact.length < WIDTH[address.family] and "noprefixroute" not in fact.flags:
        network: Prefix = prefix_of(address, fact.length)
        metric = 0 if address.family == 4 else 256
        link = "link" if address.family == 4 else None
        yield RouteFact(
            at=at,
            scope=run.scope,
            destination=network,
            next_hops=way,
            source=address if address.family == 4 else None,
            scope_name=link,
            protocol="kernel",
            metric=metric,
        )
        if address.family == 4 and fact.length < WIDTH[4] - 1:
            yield RouteFact(
                at=at,
                scope=run.scope,
                destination=host_prefix(Address(4, network.last)),
                kind="broadcast",
                table=LOCAL,
                next_hops=way,
                source=address,
                scope_name="link",
                protocol="kernel",
            )
