"""``ip link set`` as an edit of facts: a link that goes down takes its routes and neighbours with it, and the carrier of its peer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from analyzer.addresses import WIDTH, Prefix, host_prefix, prefix_of
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.routes import LOCAL, NextHop, RouteFact
from analyzer.model.network import Interface
from analyzer.query.whatif.edits import place_of
from analyzer.query.whatif.state import NodeState, Run
from analyzer.source import Scope

GOING = frozenset({"UP", "LOWER_UP", "NO-CARRIER"})


def link_set(state: NodeState, run: Run) -> NodeState:
    """``ip link set [dev] X up|down|mtu N …``."""
    words = [word for word in run.words if word != "dev"]
    if len(words) < 3 or words[0] not in ("set", "s"):
        raise run.wrong("expected ip link set dev DEVICE up, down or mtu N")
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
            case _:
                raise run.wrong(f"{' '.join(rest)!r} is not understood: expected up, down or mtu N (68 to 65535)")
        rest = behind
    return state


def resized(state: NodeState, run: Run, device: str, mtu: int) -> NodeState:
    """A link that carries larger or smaller packets."""
    return with_link(state, run.scope, device, lambda link: replace(link, mtu=mtu, at=place_of(run.edit)))


def with_link(state: NodeState, scope: Scope, device: str, change: Callable[[LinkFact], LinkFact]) -> NodeState:
    """The state with a link altered, in every text that tells of it."""
    return state.changed(
        lambda fact: change(fact) if isinstance(fact, LinkFact) and fact.scope == scope and fact.name == device else fact
    )


def down(state: NodeState, run: Run, device: str) -> NodeState:
    """A link that is down: no routes through it, no neighbours, no IPv6 addresses (addrconf_ifdown), and its peer has no carrier."""
    scope, at = run.scope, place_of(run.edit)
    state = with_link(state, scope, device, lambda link: replace(link, flags=link.flags - GOING, state="DOWN", at=at))
    state = state.changed(lambda fact: None if fact.scope == scope and lost(fact, device) else without_way(fact, scope, device))
    peer = state.peers.get(Interface(scope, device))
    if peer is None:
        return state
    return with_link(state, peer.scope, peer.device, lambda link: carrier(link, lost=True))


def lost(fact: Fact, device: str) -> bool:
    """Whether a fact goes with the link."""
    match fact:
        case RouteFact(next_hops=ways):
            return bool(ways) and all(hop.device == device for hop in ways)
        case NeighbourFact(device=name):
            return name == device
        case AddressFact(device=name, address=address):
            return name == device and address.family == 6
        case _:
            return False


def without_way(fact: Fact, scope: Scope, device: str) -> Fact:
    """A route of several ways without those through the device, which the kernel keeps as dead."""
    if not isinstance(fact, RouteFact) or fact.scope != scope or all(hop.device != device for hop in fact.next_hops):
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
    found = [item for fact in state.of(AddressFact, run.scope) if fact.device == device for item in own_routes(run, fact)]
    known = {(fact.destination, fact.table, fact.next_hops) for fact in state.of(RouteFact, run.scope)}
    return state.joined(*(item for item in found if (item.destination, item.table, item.next_hops) not in known))


def own_routes(run: Run, fact: AddressFact) -> Iterator[RouteFact]:
    """The routes that the kernel makes for an address: to itself, and to its network."""
    way = (NextHop(None, fact.device),)
    at, address = place_of(run.edit), fact.address
    scope = "host" if address.family == 4 else None
    yield RouteFact(
        at=at,
        scope=run.scope,
        destination=host_prefix(address),
        kind="local",
        table=LOCAL,
        next_hops=way,
        source=address,
        scope_name=scope,
        protocol="kernel",
    )
    if fact.length < WIDTH[address.family] and "noprefixroute" not in fact.flags:
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
