"""Look-up tables of a network for the walk: made once for each network, on demand, and never changed by a walk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from analyzer.addresses import WIDTH, Address
from analyzer.facts.links import AddressFact, Bond, Bridge, LinkFact, OtherKind, Vrf, in_datapath
from analyzer.facts.neighbours import ForwardingFact, NeighbourFact
from analyzer.facts.system import FilterFact
from analyzer.model import hardware
from analyzer.model.early_chains import watched
from analyzer.model.first_ttl import first_ttl
from analyzer.model.network import Attachment, Interface, Namespace, Network, Segment
from analyzer.model.routing import own_local_routes
from analyzer.solve.walk.cilium.maps import CiliumMaps
from analyzer.solve.walk.claimed import claims
from analyzer.solve.walk.grouping import by_scope, gathered
from analyzer.solve.walk.ipvs_table import VirtualTable
from analyzer.solve.walk.levels import Levels, levels
from analyzer.solve.walk.netfilter.hooks import HookTables
from analyzer.solve.walk.ovs.tables import Switches
from analyzer.solve.walk.route_answers import Memory
from analyzer.source import Scope, Span


class Space:
    """One namespace with its tables prepared."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.scope = namespace.scope
        self.place = str(namespace.scope)
        self._tables: dict[tuple[int, int], Levels] = {}
        self._hooks: dict[int, HookTables] = {}
        self._virtual: dict[int, VirtualTable] = {}
        self._switches: dict[str, int | None] = {}
        self._settings: dict[tuple[int, str, str], tuple[int, int | None]] = {}
        self._ttls: dict[tuple[int, str], int] = {}
        self.memories: dict[int, Memory] = {}

    def table(self, family: int, table: int) -> Levels:
        """The routes of a table by prefix length, the longest first; among equal prefixes the kernel's order."""
        key = (family, table)
        if key not in self._tables:
            self._tables[key] = levels(self.namespace.routes.get(family, {}).get(table, ()), WIDTH[family])
        return self._tables[key]

    def hooks(self, family: int) -> HookTables:
        """The netfilter hooks of the family."""
        if family not in self._hooks:
            self._hooks[family] = HookTables.of(self.namespace, family)
        return self._hooks[family]

    def virtual(self, family: int) -> VirtualTable:
        """The virtual servers of the family."""
        if family not in self._virtual:
            self._virtual[family] = VirtualTable.of(self.namespace, family)
        return self._virtual[family]

    @cached_property
    def cilium(self) -> CiliumMaps | None:
        """Cilium's maps."""
        state = self.namespace.cilium
        return CiliumMaps(state, self.links) if state is not None else None

    @cached_property
    def granted(self) -> dict[str, str]:
        """What is taken for granted of the tables that were not captured, where the kernel's default is taken: the words for it by the table's key."""
        by_default = {
            kind: f"{words}; taken as the kernel has it by default" for kind, words in self.namespace.missing.items() if words
        }
        return {**self.namespace.assumed, **by_default}

    @cached_property
    def links(self) -> dict[str, LinkFact]:
        """The interfaces by name."""
        found = self.namespace.links.items()
        return {name: hardware.with_mac(Interface(self.scope, name), link) for name, link in found}

    @cached_property
    def port_macs(self) -> dict[tuple[str, int | None], str]:
        """The port of a bridge whose own MAC it is."""
        return {(bridge, self.links[port].mac): port for bridge, ports in self.ports.items() for port in reversed(ports)}

    @cached_property
    def addresses(self) -> dict[str, tuple[AddressFact, ...]]:
        """The addresses of each device, in listing order."""
        found: dict[str, list[AddressFact]] = defaultdict(list)
        for fact in self.namespace.addresses:
            found[fact.device].append(fact)
        return {device: tuple(facts) for device, facts in found.items()}

    @cached_property
    def own(self) -> dict[Address, AddressFact]:
        """The namespace's own addresses."""
        return {fact.address: fact for fact in reversed(self.namespace.addresses)}

    @cached_property
    def neighbours(self) -> dict[tuple[str, Address], NeighbourFact]:
        """Neighbour entries by device and address."""
        facts = self.namespace.neighbours
        return {(fact.device or "", fact.address): fact for fact in reversed(facts) if not fact.proxy}

    @cached_property
    def proxied(self) -> dict[tuple[str, Address], NeighbourFact]:
        """Addresses that are answered for, by device (``ip neigh show proxy``)."""
        return {(fact.device or "", fact.address): fact for fact in self.namespace.neighbours if fact.proxy}

    @cached_property
    def ports(self) -> dict[str, tuple[str, ...]]:
        """The ports of each bridge, bond, VRF or switch, by name."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self.links):
            if name in self.masters:
                found[self.masters[name]].append(name)
        return {master: tuple(names) for master, names in found.items()}

    @cached_property
    def masters(self) -> dict[str, str]:
        """What each device belongs to: as its link says, else as its port does."""
        ports = {name: port.master for name, port in self.namespace.ports.items() if port.master}
        return {**ports, **{name: link.master for name, link in self.links.items() if link.master}}

    @cached_property
    def bridged(self) -> dict[tuple[str, int], tuple[ForwardingFact, ...]]:
        """Entries of the bridges' tables, by bridge and MAC."""
        found: dict[tuple[str, int], list[ForwardingFact]] = defaultdict(list)
        for fact in self.namespace.forwarding:
            if fact.master and fact.destination is None:
                found[fact.master, fact.mac].append(fact)
        return {key: tuple(facts) for key, facts in found.items()}

    @cached_property
    def tunnelled(self) -> dict[tuple[str, int], tuple[ForwardingFact, ...]]:
        """Entries of the tunnel devices' own tables, by device and MAC."""
        found: dict[tuple[str, int], list[ForwardingFact]] = defaultdict(list)
        for fact in self.namespace.forwarding:
            if fact.destination is not None or fact.next_hop_id is not None:
                found[fact.device, fact.mac].append(fact)
        return {key: tuple(facts) for key, facts in found.items()}

    @cached_property
    def filters(self) -> dict[tuple[str, str], tuple[FilterFact, ...]]:
        """tc filters by device and hook, by preference."""
        found: dict[tuple[str, str], list[FilterFact]] = defaultdict(list)
        for device, facts in self.namespace.filters.items():
            for fact in facts:
                found[device, fact.hook].append(fact)
        return {key: tuple(sorted(facts, key=lambda fact: fact.preference)) for key, facts in found.items()}

    @cached_property
    def switching(self) -> Switches:
        """The switches of Open vSwitch whose flows are known."""
        return Switches(self.namespace.switches)

    @cached_property
    def own_rules(self) -> bool:
        """Whether there are IPv4 routing rules besides those that the kernel makes."""
        return any(rule.priority not in (0, 32766, 32767) for rule in self.namespace.rules.get(4, ()))

    @cached_property
    def own_locals(self) -> bool:
        """Whether there are local routes of IPv4 besides those that the kernel makes."""
        return own_local_routes(self.namespace.routes.get(4, {}))

    def switch(self, key: str) -> int | None:
        """A kernel switch as a number; None when it was not captured or is none."""
        if key not in self._switches:
            text = (self.namespace.sysctl(key) or "").split()
            self._switches[key] = int(text[0]) if text and text[0].lstrip("-").isdecimal() and len(text[0]) < 12 else None
        return self._switches[key]

    def setting(self, family: int, device: str, name: str) -> int | None:
        """``net.ipvN.conf.DEVICE.NAME``; what ``default`` says where the device's own was not captured."""
        return self._pair(family, device, name)[1]

    def whole(self, family: int, name: str) -> int:
        """``net.ipvN.conf.all.NAME``, 0 when it was not captured."""
        return self._pair(family, "all", name)[0]

    def either(self, family: int, device: str, name: str) -> bool:
        """IN_DEV_ORCONF of include/linux/inetdevice.h: the switch of all or of the device."""
        whole, own = self._pair(family, device, name)
        return bool(whole or own)

    def greater(self, family: int, device: str, name: str) -> int:
        """IN_DEV_MAXCONF: the greater of the two."""
        whole, own = self._pair(family, device, name)
        return max(whole, own or 0)

    def _pair(self, family: int, device: str, name: str) -> tuple[int, int | None]:
        """The switch of all and that of the device; what ``default`` says where the device's own was not captured."""
        key = (family, device, name)
        found = self._settings.get(key)
        if found is None:
            base = f"net.ipv{family}.conf"
            own = self.switch(f"{base}.{device.replace('.', '/')}.{name}")
            own = own if own is not None else self.switch(f"{base}.default.{name}")
            found = self._settings[key] = (self.switch(f"{base}.all.{name}") or 0, own)
        return found

    def first_ttl(self, family: int, device: str) -> int:
        """What a packet starts with that leaves by a device, where the route says nothing."""
        found = self._ttls.get((family, device))
        if found is None:
            found = self._ttls[family, device] = first_ttl(self.namespace, family, device)
        return found

    def where(self, key: str) -> Span | None:
        """The place of a kernel switch."""
        fact = self.namespace.sysctls.get(key)
        return fact.at if fact else None

    def address_at(self, device: str) -> Span | None:
        """The place of a device."""
        link = self.links.get(device)
        return link.at if link else None

    def master_of(self, device: str) -> str | None:
        """The bridge, bond, VRF or switch that a device belongs to."""
        return self.masters.get(device)

    def vrf_of(self, device: str) -> tuple[str, int] | None:
        """The VRF that a device is or belongs to, with its table."""
        for name in (device, self.master_of(device)):
            link = self.links.get(name or "")
            if link is not None and isinstance(link.kind, Vrf):
                return link.name, link.kind.table
        return None

    @cached_property
    def filtering(self) -> frozenset[str]:
        """The bridges that filter VLANs."""
        kinds = ((name, link.kind) for name, link in self.links.items())
        return frozenset(name for name, kind in kinds if isinstance(kind, Bridge) and kind.vlan_filtering)

    @cached_property
    def bridges(self) -> frozenset[str]:
        """The bridges of the kernel: by their kind, or, where that was not printed, by what their ports are."""
        return frozenset(name for name, link in self.links.items() if self._bridges(link))

    def _bridges(self, link: LinkFact) -> bool:
        if link.kind is not None:
            return isinstance(link.kind, Bridge)
        return bool(self.ports.get(link.name)) and not self.is_switch(link.name) and not is_bond(link)

    @cached_property
    def bonds(self) -> frozenset[str]:
        """The bonds."""
        return frozenset(name for name, link in self.links.items() if is_bond(link))

    def is_bridge(self, device: str) -> bool:
        """Whether a device is a bridge of the kernel."""
        return device in self.bridges

    def is_bond(self, device: str) -> bool:
        """Whether a device is a bond."""
        return device in self.bonds

    def sends_on(self, device: str) -> bool:
        """Whether a device with a peer simply hands on what it sends: up, with a carrier, of no kind that does something else, not filtered."""
        link = self.links.get(device)
        if link is None or not link.carrier or "LOOPBACK" in link.flags or self.filters.get((device, "egress")):
            return False
        if watched(self.namespace, device, "egress"):
            return False
        if self.cilium is not None and self.cilium.programmed(device):
            return False
        plain = link.kind is None or link.kind == OtherKind("veth")
        return plain and not self.is_bridge(device) and not self.is_bond(device)

    def takes_in(self, device: str) -> bool:
        """Whether what comes in on a device goes straight to its bridge or its host: up, not filtered, no port of anything else."""
        link = self.links.get(device)
        if link is None or not link.up or self.filters.get((device, "ingress")) or watched(self.namespace, device, "ingress"):
            return False
        if in_datapath(link) or self.switching.port(device) or (self.cilium is not None and self.cilium.programmed(device)):
            return False
        master = self.master_of(device)
        return master is None or self.is_bridge(master)

    def is_switch(self, device: str) -> bool:
        """Whether a device is Open vSwitch's own."""
        return device == "ovs-system"


def is_bond(link: LinkFact) -> bool:
    """Whether a device is a bond: by its kind, or, where that was not printed, by its flag."""
    return isinstance(link.kind, Bond) or (link.kind is None and "MASTER" in link.flags)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two ends of a veth pair that are up and that no traffic control filters, from one of them: what comes out at the far end goes into
    ``bridge``, or, where that is empty, up to the far host. ``granted``: what is assumed of the traffic control of both."""

    near: Space
    far: Space
    peer: Interface
    link: LinkFact
    bridge: str
    said: str
    granted: tuple[str, ...]


@dataclass(slots=True)
class WalkIndex:
    """A network's spaces, and what links interfaces of different ones. ``claimed``: who has an address by the API, and whether that was captured.
    ``known``: what neighbours answered, by question (walk_state.Known); ``answers``: how that is told, for a MAC."""

    network: Network
    spaces: dict[Scope, Space]
    uppers: dict[Interface, tuple[Interface, ...]]
    tunnels: dict[Scope, tuple[Interface, ...]]
    claimed: dict[Address, tuple[str, bool]]
    attached: dict[Scope, tuple[Attachment, ...]]
    known: dict[tuple[object, ...], object] = field(default_factory=dict)
    answers: dict[tuple[Interface | None, Address, int], tuple[str, str]] = field(default_factory=dict)
    pairs: dict[Interface, Pair | None] = field(default_factory=dict)
    macs: dict[int, dict[int | None, list[Interface]]] = field(default_factory=dict)
    hardware: Counter[int] | None = None

    @staticmethod
    def of(network: Network) -> WalkIndex:
        """Prepares a network."""
        spaces = {scope: Space(space) for scope, space in network.namespaces.items()}
        uppers, tunnels = gathered(network.lower.items()), gathered(network.sockets.items())
        return WalkIndex(network, spaces, uppers, tunnels, claims(network), by_scope(network.attachments))

    def pair(self, at: Interface) -> Pair | None:
        """The pair of which an interface is a plain end; None: what it sends goes another way, or must be looked at on its way."""
        if (found := self.pairs.get(at)) is None and at not in self.pairs:
            found = self.pairs[at] = self._pair_of(at)
        return found

    def _pair_of(self, at: Interface) -> Pair | None:
        peer = self.network.peers.get(at)
        near, far = self.spaces.get(at.scope), self.spaces.get(peer.scope) if peer else None
        if peer is None or near is None or far is None or not (near.sends_on(at.device) and far.takes_in(peer.device)):
            return None
        if self.uppers.get(peer):
            return None
        master = far.master_of(peer.device)
        bridge = master if master is not None and far.is_bridge(master) else ""
        granted = tuple(text for text in (near.granted.get("tc-filter"), far.granted.get("tc-filter")) if text is not None)
        return Pair(near, far, peer, far.links[peer.device], bridge, f"{at.device} is paired with {peer}", granted)

    def with_mac(self, segment: Segment, mac: int) -> Sequence[Interface]:
        """The members of a layer-2 network that have this MAC."""
        found = self.macs.get(id(segment))
        if found is None:
            found = self.macs[id(segment)] = defaultdict(list)
            for one in segment.members:
                inner = [Interface(one.scope, name) for name in self.spaces[one.scope].switching.behind(one.device)]
                for own in {link.mac if (link := self.link(at)) else None for at in (one, *inner)}:
                    found[own].append(one)
        return found.get(mac, ())

    def times(self, mac: int) -> int:
        """How many captured interfaces have a MAC."""
        if self.hardware is None:
            self.hardware = hardware.held(self.network)
        return self.hardware[mac]

    def link(self, at: Interface) -> LinkFact | None:
        """The link at an interface."""
        space = self.spaces.get(at.scope)
        return space.links.get(at.device) if space else None


class Identity:
    """A network as a key: two are the same when they are one object."""

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __hash__(self) -> int:
        return id(self.network)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.network is self.network


@lru_cache(maxsize=4)
def _index(key: Identity) -> WalkIndex:
    return WalkIndex.of(key.network)


def index_of(network: Network) -> WalkIndex:
    """The index of a network, made when it is first asked for."""
    return _index(Identity(network))
