"""Bridges: ports, VLANs, the forwarding table, flooding, hairpin, and br_netfilter.

After net/bridge/{br_input,br_device,br_forward,br_fdb,br_vlan,br_netfilter_hooks}.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address, hardware_text
from analyzer.facts.links import Bridge, LinkFact
from analyzer.facts.neighbours import BridgePortFact, BridgeVlanFact, ForwardingFact
from analyzer.model.network import Interface
from analyzer.solve.walk import bridge_filters, discovery, internet, links, resolution, stacked
from analyzer.solve.walk.index import Space
from analyzer.solve.walk.netfilter.hooks import Hook, HookPacket
from analyzer.solve.walk.route_answers import Route
from analyzer.solve.walk.route_lookup import route_of
from analyzer.solve.walk.state import HEADER, Answered, Dropped, Endings, Frame, Left, Question, Undecided, Walk
from analyzer.source import Span

LOCAL = ""
FIXED = frozenset({"permanent", "sticky"})
KEPT = FIXED | {"static", "extern_learn"}
"""Entries that no frame changes, and those that do not age, which move to the port where their MAC is heard (br_fdb.c ``br_fdb_update``)."""
CLOSED = frozenset({"disabled", "blocking", "listening", "learning"})
KEYS = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}


def enter(walk: Walk, space: Space, bridge: str, port: str, frame: Frame) -> Endings:
    """A frame comes in at a port (``br_handle_frame``, ``br_handle_frame_finish``)."""
    at = Interface(space.scope, bridge)
    fact, link = space.namespace.ports.get(port), space.links[bridge]
    if not link.up:
        return walk.drop(at.scope, f"{at} is down", link.at)
    if fact is not None and fact.state in CLOSED:
        return walk.drop(at.scope, f"port {port} of {at} is {fact.state}", fact.at)
    walk.taken_for_granted(space, "bridge-link")
    seen = bridge_filters.passed(walk, space, "prerouting", frame, port, "")
    if not isinstance(seen, Frame):
        return seen
    frame, load = seen, seen.filtered
    if load is not None and calls_iptables(walk, space, bridge, load.packet.family):
        passed = prerouting(walk, space, bridge, port, frame, load)
        if not isinstance(passed, Frame):
            return passed
        frame = passed
    number = ingress_vlan(space, bridge, port, frame)
    if number is None:
        return walk.drop(
            at.scope, f"port {port} of {at} is not in VLAN {frame.vlan or 'of untagged frames'}", vlan_place(space, port)
        )
    if fact is not None and fact.locked and not admitted(walk, space, at, port, number, frame):
        text = f"port {port} of {at} is locked, and {hardware_text(frame.source)} has no entry there in the bridge's table"
        return walk.drop(at.scope, text, fact.at)
    if fact is None or fact.learning is not False:
        walk.learned[at, frame.source, number] = port
    if fact is not None and fact.proxy_arp and isinstance(frame.load, Question) and frame.load.target.family == 4:
        return answered_here(walk, at, port, frame.load, fact)
    return switch(walk, space, at, port, number, frame)


def answered_here(walk: Walk, at: Interface, port: str, asked: Question, fact: BridgePortFact) -> Endings:
    """What a port with proxy_arp asks, the bridge may answer from its host's neighbours (br_arp_nd_proxy.c ``br_do_proxy_suppress_arp``)."""
    words = f"{at} answers for {asked.target} at its port {port}, which has proxy_arp"
    return walk.undecided(words, fact.at, f"ip neigh show dev {at.device} of {at.scope}, and the frames that follow")


def admitted(walk: Walk, space: Space, at: Interface, port: str, number: int, frame: Frame) -> bool:
    """Whether a locked port takes a frame: its source must have an entry there, which is no address of the host's own (BR_PORT_LOCKED in br_input.c
    ``br_handle_frame_finish``)."""
    learned = walk.learned.get((at, frame.source, number))
    if learned is not None:
        return learned == port
    if "bridge-fdb" in (*space.namespace.missing, *space.namespace.assumed):
        words = f"the table of {at} has {hardware_text(frame.source)} at {port}"
        return walk.oracle.test(words, None, f"bridge fdb show br {at.device} of {space.place}")
    wanted = number if at.device in space.filtering else 0
    return any(
        fact.device == port and (fact.vlan or 0) == wanted and fact.flags.isdisjoint(("permanent", "locked"))
        for fact in space.bridged.get((at.device, frame.source), ())
    )


def vlan_place(space: Space, port: str) -> Span | None:
    """Where a port's VLANs stand."""
    facts = space.namespace.vlans.get(port, ())
    return facts[0].at if facts else space.address_at(port)


def switch(walk: Walk, space: Space, at: Interface, port: str, number: int, frame: Frame) -> Endings:
    """Up to the host, to one port, or to all."""
    link = space.links[at.device]
    if frame.to_all:
        return links.branches(walk, everywhere(walk, space, at, port, number, frame))
    if frame.destination == space.links[port].mac:
        frame = frame.towards(link.mac or frame.destination, frame.said, frame.said_at)
    found = find(walk, space, at, frame.destination, number)
    if found is None:
        spread = everywhere if stacked.takes(walk, at, frame.destination) else flooded
        return links.branches(walk, spread(walk, space, at, port, number, frame))
    target, fact = found
    if target == LOCAL:
        return pass_up(walk, space, at, port, number, frame)
    what = f"{at.device} has {hardware_text(frame.destination)} at {target}"
    walk.tell(at.scope, "bridge", what, fact.at if fact else None, links.packet_of(frame))
    return to_port(walk, space, at, port, target, number, frame, False)


def everywhere(walk: Walk, space: Space, at: Interface, port: str, number: int, frame: Frame) -> Iterator[Endings]:
    """A broadcast, and what a bridge that devices made promiscuous does not know, is for the host and for every other port."""
    yield pass_up(walk, space, at, port, number, frame)
    yield from flooded(walk, space, at, port, number, frame)


def flooded(walk: Walk, space: Space, at: Interface, port: str | None, number: int, frame: Frame) -> Iterator[Endings]:
    """``br_flood``: every port that takes such frames, but the one it came by. A frame that comes back to a bridge while that floods it goes around for ever, and
    its later copies come to nobody else."""
    lap = at, number, frame.source, frame.destination, frame.load
    if lap in walk.flooding:
        yield walk.drop(at.scope, f"the frame loops through {at}", space.links[at.device].at, True)
        return
    walk.flooding.add(lap)
    yield from to_ports(walk, space, at, port, number, frame)
    walk.flooding.discard(lap)


def to_ports(walk: Walk, space: Space, at: Interface, port: str | None, number: int, frame: Frame) -> Iterator[Endings]:
    """Every port that takes a flooded frame, but the one it came by."""
    for name in space.ports.get(at.device, ()):
        fact = space.namespace.ports.get(name)
        wanted = floods(fact, frame, port is None) if fact is not None else True
        if wanted is False or (name == port and not returned(space, name, frame)):
            continue
        yield to_port(walk, space, at, port, name, number, frame, True)


def floods(fact: BridgePortFact, frame: Frame, own: bool) -> bool | None:
    """The port's switch for such frames; what the host sends to all (``own``) goes to every port, but to none with proxy_arp, to which nothing is flooded."""
    if fact.proxy_arp or (frame.to_all and own):
        return not fact.proxy_arp
    return {"unicast": fact.flood, "multicast": fact.multicast_flood, "broadcast": fact.broadcast_flood}[frame.kind]


def hairpin(space: Space, port: str) -> bool | None:
    """Whether a port sends back what came by it; None: it is not known, as only `bridge -d link` and `ip -d link` show it."""
    fact = space.namespace.ports.get(port)
    return fact.hairpin if fact is not None else None


def returned(space: Space, port: str, frame: Frame) -> bool:
    """Whether a flooded frame may go back to the port that it came by. Nobody there answers to a broadcast of its own segment."""
    found = hairpin(space, port)
    return found is True or (found is None and not frame.to_all)


def turns_back(walk: Walk, space: Space, at: Interface, port: str) -> bool:
    """``hairpin``, where it decides: not known is the kernel's default (off) only where defaults are assumed."""
    known = hairpin(space, port)
    if known is not None or "bridge-link" in space.namespace.assumed:
        return bool(known)
    return walk.oracle.test(
        f"hairpin is on at port {port} of {at}", space.address_at(port), f"bridge -d link show of {space.place}"
    )


def pass_up(walk: Walk, space: Space, at: Interface, port: str, number: int, frame: Frame) -> Endings:
    """``br_pass_frame_up``."""
    bridge = space.links[at.device]
    tag = number
    if at.device in space.filtering:
        own = membership(space, at.device, at.device, number)
        if own is None:
            return walk.drop(at.scope, f"{at} itself is not in VLAN {number}", bridge.at)
        tag = 0 if own.untagged else number
    seen = bridge_filters.passed(walk, space, "input", frame, port, "")
    return links.arrive(walk, at, seen._replace(vlan=tag)) if isinstance(seen, Frame) else seen


def from_bridge(walk: Walk, space: Space, at: Interface, frame: Frame) -> Endings:
    """The host sends by the bridge (``br_dev_xmit``)."""
    number = frame.vlan
    if at.device in space.filtering and not number:
        number = default_of(space, at.device, at.device)
    walk.taken_for_granted(space, "bridge-fdb")
    if frame.to_all:
        return links.branches(walk, flooded(walk, space, at, None, number, frame))
    found = find(walk, space, at, frame.destination, number)
    if found is None:
        return links.branches(walk, flooded(walk, space, at, None, number, frame))
    target, fact = found
    if target == LOCAL:
        target = port_of(space, at, frame.destination, fact)
    if target == LOCAL:
        mac = hardware_text(frame.destination)
        return walk.drop(at.scope, f"{at} takes {mac} for its own and sends the frame nowhere", fact.at if fact else None)
    what = f"{at.device} has {hardware_text(frame.destination)} at {target}"
    walk.tell(at.scope, "bridge", what, fact.at if fact else None, links.packet_of(frame))
    return to_port(walk, space, at, None, target, number, frame, False)


def find(walk: Walk, space: Space, at: Interface, mac: int, number: int) -> tuple[str, ForwardingFact | None] | None:
    """``br_fdb_find_rcu``: the port of a MAC, LOCAL for the host (its own, and those of the ports: ``fdb_add_local``); None: not known. Without VLAN
    filtering only entries without a VLAN count."""
    wanted = number if at.device in space.filtering else 0
    facts = space.bridged.get((at.device, mac), ())
    facts = tuple(fact for fact in facts if (fact.vlan or 0) == wanted) if facts else ()
    learned = walk.learned.get((at, mac, number))
    for fact in facts:
        if not fact.flags.isdisjoint(FIXED) or (learned is None and not fact.flags.isdisjoint(KEPT)):
            return (LOCAL if "permanent" in fact.flags else fact.device), fact
    if mac == space.links[at.device].mac or port_of(space, at, mac, None) != LOCAL:
        return LOCAL, None
    if learned is not None:
        return heard_last(walk, space, at, mac, learned), None
    return (heard_last(walk, space, at, mac, facts[0].device), facts[0]) if facts else None


def port_of(space: Space, at: Interface, mac: int, fact: ForwardingFact | None) -> str:
    """The port whose own MAC it is, to which the host's frames for it go (``br_dev_xmit``); LOCAL: none."""
    if fact is not None and fact.device in space.ports.get(at.device, ()):
        return fact.device
    return space.port_macs.get((at.device, mac), LOCAL)


def heard_last(walk: Walk, space: Space, at: Interface, mac: int, port: str) -> str:
    """Of a MAC that several interfaces have, a bridge knows the port where it was heard last (``br_fdb_update``)."""
    if walk.index.times(mac) < 2:
        return port
    ways = [
        port,
        *(name for name in space.ports.get(at.device, ()) if name != port and faces(walk, Interface(at.scope, name), mac)),
    ]
    return ways[walk.oracle.choose(len(ways), f"{hardware_text(mac)} was heard last by one of {len(ways)} ports of {at}")]


def faces(walk: Walk, port: Interface, mac: int) -> bool:
    """Whether an interface at the other end of a port's wire has the MAC."""
    network = walk.index.network
    peer, segment = network.peers.get(port), network.segment_of.get(port)
    ends = [peer] if peer is not None else segment.members if segment is not None else ()
    return any((link := walk.index.link(end)) is not None and link.up and link.mac == mac for end in ends if end != port)


def to_port(
    walk: Walk, space: Space, at: Interface, port: str | None, target: str, number: int, frame: Frame, copy: bool
) -> Endings:
    """``__br_forward``: whether a port takes the frame, br_netfilter, the tag, and out."""
    fact = space.namespace.ports.get(target)
    link = space.links.get(target)
    if link is None:
        return walk.undecided(f"port {target} of {at} is no interface of the capture", fact.at if fact else None, "ip -d link")
    if not link.up or (fact is not None and fact.state in CLOSED):
        state = fact.state if fact is not None and fact.state in CLOSED else "down"
        return walk.drop(at.scope, f"port {target} of {at} is {state}", fact.at if fact else None, copy)
    if port == target and not turns_back(walk, space, at, target):
        text = f"{at} does not send a frame back to port {target}, by which it came (hairpin is off)"
        return walk.drop(at.scope, text, fact.at if fact else link.at, copy)
    if port is not None and isolated(space, port) and isolated(space, target):
        return walk.drop(at.scope, f"ports {port} and {target} of {at} are isolated", fact.at if fact else None, copy)
    tag = egress_tag(space, at.device, target, number)
    if tag is None:
        return walk.drop(at.scope, f"port {target} of {at} is not in VLAN {number}", vlan_place(space, target), copy)
    seen = leaving(walk, space, port, target, frame)
    if not isinstance(seen, Frame):
        return seen
    hooked = seen.prerouted and port is not None
    frame = cut(seen, link) if hooked else seen
    if (refused := links.longer(walk, Interface(at.scope, target), link, frame, 0 if hooked else 4)) is not None:
        return refused
    load = frame.filtered
    if hooked and load is not None and port is not None:
        passed = bridged(walk, space, at, port, target, load)
        if not isinstance(passed, HookPacket):
            return passed
        frame = frame.carrying(passed, True)
    if load is None and port is not None and space.switch("net.bridge.bridge-nf-call-arptables"):
        asked = frame.load
        refused = discovery.judged_arp(walk, space, "forward", asked, port, target) if isinstance(asked, Question) else None
        if refused is not None:
            return refused
        walk.assume(f"arptables of {space.place}, as far as it was captured, lets ARP between the ports of {at.device} pass")
    return links.transmit(walk, Interface(at.scope, target), frame if frame.vlan == tag else frame._replace(vlan=tag))


def leaving(walk: Walk, space: Space, port: str | None, target: str, frame: Frame) -> Frame | Endings:
    """Past the bridge's own chains on the way out."""
    seen = bridge_filters.passed(walk, space, "forward" if port is not None else "output", frame, port or "", target)
    return bridge_filters.passed(walk, space, "postrouting", seen, "", target) if isinstance(seen, Frame) else seen


def cut(frame: Frame, link: LinkFact) -> Frame:
    """``br_nf_dev_queue_xmit``: what br_netfilter has put together again is cut again; what must not be cut has to fit without a VLAN header."""
    packet = links.packet_of(frame)
    if packet is None or packet.size is None or not packet.fragments or not link.mtu or not isinstance(frame.load, HookPacket):
        return frame
    size = min(packet.size, link.mtu - HEADER[packet.family])
    return frame.carrying(frame.load.with_packet(packet._replace(size=size)), frame.prerouted)


def isolated(space: Space, port: str) -> bool:
    """Whether a port is isolated."""
    fact = space.namespace.ports.get(port)
    return bool(fact and fact.isolated)


def vlans_of(space: Space, bridge: str, port: str) -> tuple[BridgeVlanFact, ...]:
    """A port's VLANs; the bridge's default one where the list was not captured."""
    facts = space.namespace.vlans.get(port)
    if facts is None and "bridge-vlan" in (*space.namespace.missing, *space.namespace.assumed):
        link = space.links[bridge]
        number = link.kind.default_vlan if isinstance(link.kind, Bridge) and link.kind.default_vlan is not None else 1
        return (BridgeVlanFact(at=link.at, device=port, first=number, last=number, pvid=True, untagged=True),)
    return facts or ()


def membership(space: Space, bridge: str, port: str, number: int) -> BridgeVlanFact | None:
    """The port's entry for a VLAN."""
    return next((fact for fact in vlans_of(space, bridge, port) if fact.first <= number <= fact.last), None)


def default_of(space: Space, bridge: str, port: str) -> int:
    """The VLAN of a port's untagged frames; 0: there is none."""
    return next((fact.first for fact in vlans_of(space, bridge, port) if fact.pvid), 0)


def ingress_vlan(space: Space, bridge: str, port: str, frame: Frame) -> int | None:
    """``br_allowed_ingress``: the frame's VLAN; None: it is not let in."""
    if bridge not in space.filtering:
        return frame.vlan
    number = frame.vlan or default_of(space, bridge, port)
    return number if number and membership(space, bridge, port, number) else None


def egress_tag(space: Space, bridge: str, port: str, number: int) -> int | None:
    """``br_allowed_egress`` and ``br_handle_vlan``: the tag that the frame leaves with; None: it does not."""
    if bridge not in space.filtering:
        return number
    fact = membership(space, bridge, port, number)
    return None if fact is None else 0 if fact.untagged else number


def calls_iptables(walk: Walk, space: Space, bridge: str, family: int) -> bool:
    """Whether bridged packets pass iptables: the namespace's switch, or the bridge's own."""
    kind = space.links[bridge].kind
    if isinstance(kind, Bridge) and (kind.nf_call_iptables if family == 4 else kind.nf_call_ip6tables):
        return True
    value = space.switch(KEYS[family])
    if value is None and "sysctl" in space.namespace.missing:
        walk.assume(f"{space.namespace.missing['sysctl']}: bridged packets of {space.place} are taken to pass iptables")
        return bool(space.namespace.rulesets)
    return bool(value)


def prerouting(walk: Walk, space: Space, bridge: str, port: str, frame: Frame, load: HookPacket) -> Frame | Endings:
    """``br_nf_pre_routing``: PREROUTING at the bridge; a packet with a new destination is routed at once."""
    at = load.bridged(bridge, port, frame.source, frame.kind)
    passed = internet.run(walk, space, Hook.PREROUTING, at)
    if not isinstance(passed, HookPacket):
        return passed
    frame = frame.carrying(passed, True)
    if passed.packet.destination == load.packet.destination:
        return frame
    return translated(walk, space, bridge, frame, passed)


def translated(walk: Walk, space: Space, bridge: str, frame: Frame, at: HookPacket) -> Frame | Endings:
    """``br_nf_pre_routing_finish``: to a neighbour on the bridge the frame is bridged on, else it goes up to the host; so it does where
    IPv4 is not forwarded (``ip_route_input`` then finds no way out)."""
    found = route_of(walk, space, at.packet, bridge)
    mac = space.links[bridge].mac or 0
    closed = at.packet.family == 4 and space.switch(f"net.ipv4.conf.{bridge.replace('.', '/')}.forwarding") == 0
    if closed or not isinstance(found, Route) or found.kind != "unicast" or found.ways[0].device != bridge:
        return frame.towards(mac, "", None)
    here = Interface(space.scope, bridge)
    target = found.ways[0].via or Address(at.packet.family, at.packet.destination)
    entry = space.neighbours.get((bridge, target))
    if entry is not None and entry.mac is not None and entry.states & resolution.USED:
        return frame.towards(entry.mac, f"the neighbour entry of {space.place} for {target}", entry.at)
    match resolution.ask(walk, space, here, target, at.packet):
        case Answered(found_mac, by, place):
            return frame.towards(found_mac, resolution.told(walk, by, target, found_mac)[1], place)
        case Dropped(reason, place):
            return walk.drop(space.scope, reason, place)
        case Undecided(reason, place, settle):
            return walk.undecided(reason, place, settle)
        case Left():
            return walk.undecided(f"who has {target} on {here} is not known", None, "the other hosts of that network")


def bridged(walk: Walk, space: Space, at: Interface, port: str, target: str, load: HookPacket) -> HookPacket | Endings:
    """``br_nf_forward_ip`` and ``br_nf_post_routing``: FORWARD and POSTROUTING of a bridged packet."""
    going = load.across(at.device, port, target)
    passed = internet.run(walk, space, Hook.FORWARD, going)
    if not isinstance(passed, HookPacket):
        return passed
    return internet.run(walk, space, Hook.POSTROUTING, passed.between("", passed.out_device))
