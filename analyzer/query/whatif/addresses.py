"""``ip addr`` as an edit of facts: addresses, and the routes that the kernel makes of them.

After net/ipv4/devinet.c (``__inet_insert_ifa``: of one network the first is primary; ``__inet_del_ifa``: a primary address takes the others of its network
with it, unless promote_secondaries is on), net/ipv4/fib_frontend.c (``fib_add_ifaddr``, ``fib_del_ifaddr``; with the last address of IPv4 every route through the
device goes) and net/ipv4/fib_semantics.c (``fib_sync_down_addr``: routes that prefer an address that is gone).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from analyzer.addresses import WIDTH, Address, address, host_prefix, prefix_of
from analyzer.facts.base import Fact
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.facts.neighbours import NeighbourFact
from analyzer.facts.routes import RouteFact
from analyzer.facts.system import SysctlFact
from analyzer.query.whatif.links import own_routes
from analyzer.query.whatif.state import NodeState, Run, taken, value

VERBS = {
    "add": "add",
    "a": "add",
    "replace": "replace",
    "change": "replace",
    "del": "del",
    "delete": "del",
    "d": "del",
    "flush": "flush",
}
FLAGS = frozenset({"nodad", "noprefixroute", "home", "mngtmpaddr"})
GIVEN = ("dev", "brd", "broadcast", "scope", "label", "valid_lft", "preferred_lft", "metric")
SECONDARY = "secondary"


def address_of_device(state: NodeState, run: Run, told: int | None) -> NodeState:
    """``ip addr add|replace|del ADDRESS[/LENGTH] dev DEVICE …``, ``ip addr flush dev DEVICE``; ``told``: the family that is given."""
    verb = VERBS.get(run.words[0]) if run.words else None
    device = value(run.words, "dev")
    if verb is None or device is None:
        raise run.wrong("expected ip addr add or del ADDRESS/LENGTH dev DEVICE, or flush dev DEVICE")
    if not any(link.name == device for link in state.of(LinkFact, run.scope)):
        raise run.wrong(f"there is no device {device} in the capture of {run.scope} (Cannot find device)")
    if verb == "flush":
        return flushed(state, run, device, told, value(run.words, "scope"))
    wanted = written(run, device)
    same = [
        one
        for one in held(state, run, device, wanted.address.family)
        if (one.address, one.length) == (wanted.address, wanted.length)
    ]
    if verb == "del":
        if not same:
            raise run.wrong(f"{device} does not have {wanted.address}/{wanted.length} (Cannot assign requested address)")
        return without(state, run, same[0])
    if same and verb == "add":
        raise run.wrong(f"the kernel refuses it (File exists): {same[0].at}")
    return state if same else added(state, run, wanted)


def written(run: Run, device: str) -> AddressFact:
    """The address that is spoken of."""
    words = run.words[1:]
    scope = value(words, "scope") or "global"
    outlived = value(words, "preferred_lft") in ("0", "0sec")
    for key in GIVEN:
        words = taken(words, key)
    flags = frozenset(word for word in words if word in FLAGS) | ({"deprecated"} if outlived else frozenset())
    rest = [word for word in words if word not in FLAGS and word != "local"]
    if len(rest) != 1:
        raise run.wrong(f"expected one address, not {' '.join(rest) or 'none'}")
    text, slash, length = rest[0].partition("/")
    found = address(text)
    bits = int(length) if slash else WIDTH[found.family]
    if not 0 <= bits <= WIDTH[found.family]:
        raise run.wrong(f"{rest[0]} has no length from 0 to {WIDTH[found.family]}")
    return AddressFact(at=run.at, scope=run.scope, device=device, address=found, length=bits, scope_name=scope, flags=flags)


def held(state: NodeState, run: Run, device: str, family: int) -> list[AddressFact]:
    """The addresses of a device."""
    return [one for one in state.of(AddressFact, run.scope) if one.device == device and one.address.family == family]


def added(state: NodeState, run: Run, wanted: AddressFact) -> NodeState:
    """With another address, of IPv4 behind the others and of IPv6 before those of its scope (ipv6_link_dev_addr), and its routes where the device is up."""
    others = held(state, run, wanted.device, wanted.address.family)
    network = prefix_of(wanted.address, wanted.length)
    alike = [one for one in others if prefix_of(one.address, one.length) == network]
    first = next((one for one in alike if SECONDARY not in one.flags), None)
    later = wanted.address.family == 4 and first is not None
    made = replace(
        wanted,
        order=behind(others) if wanted.address.family == 4 else min([0, *(one.order for one in others)]) - 1,
        flags=wanted.flags | ({SECONDARY} if later else frozenset()),
    )
    up = all(link.up for link in state.of(LinkFact, run.scope) if link.name == wanted.device)
    routes = [one for one in own_routes(run, made, first if later and first is not None else made) if up or one.kind == "local"]
    known = {(fact.destination, fact.table, fact.next_hops) for fact in state.of(RouteFact, run.scope)}
    return state.joined(made, *(one for one in routes if (one.destination, one.table, one.next_hops) not in known))


def behind(others: list[AddressFact]) -> int:
    """The order of the next."""
    return max((one.order for one in others), default=-1) + 1


def without(state: NodeState, run: Run, gone: AddressFact) -> NodeState:
    """Without an address and what went with it."""
    network = prefix_of(gone.address, gone.length)
    others = [one for one in held(state, run, gone.device, gone.address.family) if one is not gone]
    alike = [one for one in others if prefix_of(one.address, one.length) == network and SECONDARY in one.flags]
    primary = gone.address.family == 4 and SECONDARY not in gone.flags
    if primary and alike and not promoted(state, run, gone.device):
        state, others = state.without(alike), [one for one in others if one not in alike]
        gone_with = [gone, *alike]
    else:
        gone_with = [gone]
    state = state.without([gone])
    for one in gone_with:
        state = state.without(list(routes_of(state, run, one)))
    if primary and alike and len(gone_with) == 1:
        return heir(state, run, alike)
    return state if others or gone.address.family == 6 else disabled(state, run, gone.device)


def promoted(state: NodeState, run: Run, device: str) -> bool:
    """Whether the next address of a network takes the place of its first (IN_DEV_PROMOTE_SECONDARIES: the switch of all, or the device's)."""
    keys = {f"net.ipv4.conf.{name}.promote_secondaries" for name in ("all", device.replace(".", "/"))}
    found = [fact for fact in state.of(SysctlFact, run.scope) if fact.key in keys]
    if not found:
        raise run.wrong("whether the network's other addresses stay depends on promote_secondaries, which was not captured")
    return any(fact.value != "0" for fact in found)


def heir(state: NodeState, run: Run, alike: list[AddressFact]) -> NodeState:
    """The first of the others is primary now, and the network's route has its address."""
    first = min(alike, key=lambda one: one.order)
    made = replace(first, flags=first.flags - {SECONDARY}, at=run.at)
    network = prefix_of(first.address, first.length)
    old = [one for one in state.of(RouteFact, run.scope) if one.protocol == "kernel" and one.destination == network]
    state = state.without([first, *(one for one in old if any(hop.device == first.device for hop in one.next_hops))]).joined(made)
    known = {(fact.destination, fact.table, fact.next_hops) for fact in state.of(RouteFact, run.scope)}
    rest = [replace(one, order=place) for place, one in enumerate(alike) if one is not first]
    routes = [route for one in (made, *rest) for route in own_routes(run, one, made)]
    return state.joined(*(one for one in routes if (one.destination, one.table, one.next_hops) not in known))


def routes_of(state: NodeState, run: Run, gone: AddressFact) -> Iterator[Fact]:
    """The routes that go with an address: its own, its network's where no other address has it, and those that prefer it as their source, unless
    another device has it."""
    elsewhere = any(one.address == gone.address for one in state.of(AddressFact, run.scope))
    network, family = prefix_of(gone.address, gone.length), gone.address.family
    alone = not any(prefix_of(one.address, one.length) == network for one in held(state, run, gone.device, family))
    broad = Address(family, network.last)
    for fact in state.of(RouteFact, run.scope):
        kernel = fact.protocol == "kernel" and any(hop.device == gone.device for hop in fact.next_hops)
        own = kernel and fact.kind in ("local", "anycast") and fact.destination == host_prefix(gone.address) and not elsewhere
        connected = kernel and (
            (fact.destination == network and fact.kind != "local")
            or (fact.kind == "broadcast" and fact.destination == host_prefix(broad))
        )
        preferred = family == 4 and fact.source == gone.address and not elsewhere
        if fact.destination.family == family and (own or (connected and alone) or preferred):
            yield fact


def disabled(state: NodeState, run: Run, device: str) -> NodeState:
    """With no address of IPv4 left a device has no routes and no neighbours of that family; routes by next-hop objects go with these only, when the device
    goes down (fib_sync_down_dev does not know them)."""

    def lost(fact: Fact) -> bool:
        match fact:
            case RouteFact(next_hops=ways, destination=destination, next_hop_id=None):
                return destination.family == 4 and bool(ways) and all(hop.device == device for hop in ways)
            case NeighbourFact(device=name, address=address):
                return name == device and address.family == 4
            case _:
                return False

    return state.without([fact for fact in state.facts if fact.scope == run.scope and lost(fact)])


def flushed(state: NodeState, run: Run, device: str, told: int | None, scope: str | None) -> NodeState:
    """Without the device's addresses, of a family or both."""
    for family in (told,) if told else (4, 6):
        # As ip does, until nothing is left: what takes the place of a first address goes as well (ip/ipaddress.c, ipaddr_flush).
        while found := [one for one in held(state, run, device, family) if scope in (None, one.scope_name)]:
            state = without(state, run, found[0])
    return state
