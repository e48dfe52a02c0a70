"""Look-ups over tunnels between nodes, and over where pods' interfaces end on their node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from analyzer.addresses import Address
from analyzer.facts.links import Bridge, Geneve, LinkFact, OtherKind, Tunnel, Vxlan, Wireguard, in_datapath
from analyzer.facts.neighbours import ForwardingFact
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.facts.system import Mirred
from analyzer.model.network import Attachment, Interface, Namespace, Network
from analyzer.query.once import Whole
from analyzer.query.plan import uplinks
from analyzer.query.state import pods_on, roots
from analyzer.source import Scope

__all__ = ["Bridge", "ForwardingFact", "Geneve", "LinkFact", "Overlay", "RouteTable", "Tunnel", "Vxlan", "Wireguard"]
NAMES = (
    "flannel",
    "vxlan.calico",
    "vxlan-v6.calico",
    "cilium_vxlan",
    "cilium_geneve",
    "genev_sys",
    "wireguard.cali",
    "weave",
    "kube-bridge",
)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A tunnel device in a node's root namespace. ``endpoint`` is the outer address that it sends from, where that is known,
    ``lower`` the device that its outer packets leave by."""

    interface: Interface
    link: LinkFact
    kind: Vxlan | Tunnel | Geneve | Wireguard
    endpoint: Address | None
    lower: LinkFact | None


def overlays(network: Network, by_name: bool = False) -> Iterator[Overlay]:
    """Every tunnel device of the nodes' root namespaces; ``by_name``: also those whose kind is told by their name only, as network systems name them,
    with the settings that these give them by default."""
    for root in roots(network):
        for link in root.links.values():
            match link.kind or (named_kind(link) if by_name and not link.detailed else None):
                case Vxlan() | Tunnel() | Geneve() | Wireguard() as kind:
                    at = Interface(root.scope, link.name)
                    yield Overlay(at, link, kind, endpoint_of(network, root, at, kind), lower_of(network, root, at, kind))
                case _:
                    continue


def named_kind(link: LinkFact) -> Vxlan | Tunnel | Geneve | Wireguard | None:
    """The kind of a tunnel whose text does not print it (no ``-d``, ifconfig): flannel (backend/vxlan), Calico (FelixConfiguration), Cilium (tunnel-port) and
    OVN (encap) give these names, and ``link/ipip`` is the kind itself; flannel and Cilium leave the port to the kernel's default."""
    if link.link_type in ("ipip", "sit", "gre") or link.name == "tunl0":
        return Tunnel(link.link_type if link.link_type in ("ipip", "sit", "gre") else "ipip")
    name = link.name
    if name.startswith(("flannel.", "flannel-v6.")):
        return Vxlan(None, learning=False)
    if name in ("vxlan.calico", "vxlan-v6.calico"):
        return Vxlan(4096, port=4789, learning=False)
    if name == "cilium_vxlan":
        return Vxlan(None, external=True)
    if name == "cilium_geneve" or name.startswith("genev_sys"):
        return Geneve(None, external=True)
    return Wireguard() if name in ("flannel-wg", "flannel-wg-v6", "wireguard.cali", "wg-v6.cali", "cilium_wg0") else None


def vxlans(network: Network) -> Iterator[tuple[Overlay, Vxlan]]:
    """The VXLAN devices of the nodes' root namespaces."""
    for item in overlays(network):
        match item.kind:
            case Vxlan() as kind:
                yield item, kind
            case _:
                continue


def endpoint_of(network: Network, root: Namespace, at: Interface, kind: Vxlan | Tunnel | Geneve | Wireguard) -> Address | None:
    """The outer source address: ``local``, else the first address of the tunnel's device."""
    match kind:
        case Vxlan(local=Address() as local) | Tunnel(local=Address() as local):
            return local
        case _:
            under = network.lower.get(at)
            found = (fact.address for fact in root.addresses if under is not None and fact.device == under.device)
            return next((one for one in found if one.family == 4), None)


def lower_of(network: Network, root: Namespace, at: Interface, kind: Vxlan | Tunnel | Geneve | Wireguard) -> LinkFact | None:
    """The device that outer packets leave by: ``dev``, else the one with the endpoint's address, else that of the default route."""
    under = network.lower.get(at)
    if under is not None:
        return network.namespaces[under.scope].links.get(under.device)
    endpoint = endpoint_of(network, root, at, kind)
    held = next((fact.device for fact in root.addresses if fact.address == endpoint), None)
    if held is None and endpoint is None:
        routes = root.routes.get(4, {}).get(254, ())
        held = next((hop.device for route in routes if route.destination.length == 0 for hop in route.next_hops), None)
        if not routes:
            names = uplinks(root)
            held = names.pop() if len(names) == 1 else None
    return root.links.get(held or "")


def overhead(kind: Vxlan | Tunnel | Geneve | Wireguard, family: int) -> int:
    """The bytes that the tunnel puts before an inner IP packet, without Geneve's options: outer IP header, its own, and an inner Ethernet header."""
    outer = 20 if family == 4 else 40
    match kind:
        case Vxlan():
            return outer + 8 + 8 + 14
        case Geneve():
            return outer + 8 + 8 + 14
        case Wireguard():
            return outer + 8 + 32
        case Tunnel():
            return outer + kind.header


def expected_tunnel(name: str) -> bool:
    """Whether a device has the name of a CNI's tunnel."""
    return name.startswith(NAMES)


@dataclass(frozen=True, slots=True)
class RouteTable:
    """The main table of a node for look-ups of many addresses: routes by prefix length, the longest first."""

    root: Namespace
    by_length: Mapping[int, Mapping[int, RouteFact]]

    @classmethod
    def of(cls, root: Namespace) -> RouteTable:
        """The table of IPv4 routes; of several to one network the one with the lowest metric, then the first listed."""
        found: dict[int, dict[int, RouteFact]] = {}
        for route in sorted(root.routes.get(4, {}).get(MAIN, ()), key=lambda route: (route.metric, route.order)):
            found.setdefault(route.destination.length, {}).setdefault(route.destination.value, route)
        return cls(root, dict(sorted(found.items(), reverse=True)))

    def find(self, to: Address) -> RouteFact | None:
        """The route for an IPv4 address."""
        for length, routes in self.by_length.items():
            if (route := routes.get(to.value >> (32 - length) << (32 - length))) is not None:
                return route
        return None


@dataclass(frozen=True, slots=True)
class HostEnd:
    """The end of a pod's veth pair on its node, and the bridge it is a port of, if any. ``device`` is where packets
    from the pod meet the node's IP: the bridge, else the end itself."""

    pod: Attachment
    inside: LinkFact
    end: LinkFact
    bridge: LinkFact | None

    @property
    def device(self) -> LinkFact:
        """The device whose addresses and switches matter for the pod's packets."""
        return self.bridge or self.end


def host_ends(network: Network, root: Namespace) -> Iterator[HostEnd]:
    """The ends of the node's pods' interfaces, by pod."""
    return iter(every_host_end(Whole(network)).get(root.scope, ()))


@lru_cache(maxsize=2)
def every_host_end(whole: Whole) -> Mapping[Scope, tuple[HostEnd, ...]]:
    """The same of every node, once for all who ask."""
    spaces = whole.network.namespaces
    return {scope: tuple(ends_on(whole.network, root)) for scope, root in spaces.items() if not scope.namespace}


def ends_on(network: Network, root: Namespace) -> Iterator[HostEnd]:
    """The same of one node, found."""
    for pod in pods_on(network, root.scope.node):
        inside = network.namespaces.get(pod.scope)
        for link in inside.links.values() if inside else ():
            peer = network.peers.get(Interface(pod.scope, link.name))
            if peer is not None and peer.scope == root.scope:
                end = root.links[peer.device]
                master = root.links.get(end.master or "")
                yield HostEnd(pod, link, end, master if master is not None and bridged(end, master) else None)


def addresses_by(network: Network, end: HostEnd) -> list[Address]:
    """The pod's addresses that this interface has, of several, or that none of its interfaces is known to have."""
    by = Interface(end.pod.scope, end.inside.name)
    held = [[one for one in network.owners.get(own, ()) if one.scope == by.scope] for own in end.pod.addresses]
    return [own for own, at in zip(end.pod.addresses, held, strict=True) if by in at or not at]


def bridged(end: LinkFact, master: LinkFact) -> bool:
    """Whether the master is a bridge of the kernel."""
    if isinstance(master.kind, OtherKind) and master.kind.name == "openvswitch":
        return False
    return end.master_kind in (None, "bridge") and not in_datapath(end)


def redirected_to(space: Namespace, device: str) -> str | None:
    """The device that tc takes every incoming packet of a device to; None when it does not."""
    for fact in space.filters.get(device, ()):
        if fact.hook == "ingress" and fact.everything:
            for action in fact.actions:
                if isinstance(action, Mirred) and action.redirect:
                    return action.device
    return None


def switched(end: LinkFact) -> bool:
    """Whether a device is a port of Open vSwitch."""
    return in_datapath(end)
