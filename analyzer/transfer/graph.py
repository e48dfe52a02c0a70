"""The whole network as one program: stages by name, each made when a packet first gets there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from analyzer.model.network import Interface, Network
from analyzer.source import Scope
from analyzer.transfer import bridge, discovery, frames, internet, ipvs, neighbour, routing, teaching, underlay, vxlan, wireguard
from analyzer.transfer.cilium import ports as cilium_ports
from analyzer.transfer.cilium import programs as cilium
from analyzer.transfer.cilium import uplink as cilium_uplink
from analyzer.transfer.ir import End, Point, Transfer, Unknown
from analyzer.transfer.netfilter import hooks as netfilter
from analyzer.transfer.nft import tables as nft
from analyzer.transfer.other_version import OUTER, address_bits, outer
from analyzer.transfer.ovs import asking as ovs_asking
from analyzer.transfer.ovs import pipeline as ovs
from analyzer.transfer.ovs import ports as ovs_ports
from analyzer.transfer.space import Context

Stage = Callable[[Context, Scope, str], Transfer]
STAGES: Mapping[str, Stage] = {
    "choose source and send": internet.node_stage,
    "choose source": routing.source_stage,
    "send": internet.send_stage,
    "route output": routing.output_stage,
    "post": internet.post_stage,
    "leave": internet.leave_stage,
    "transmit": internet.transmit_stage,
    "resolved": internet.resolved_stage,
    "answers": neighbour.answers_stage,
    "asked": discovery.asked_stage,
    "frame": frames.frame_stage,
    "far end": vxlan.far_stage,
    "wireguard in": wireguard.taken_stage,
    "from wire": frames.wire_stage,
    "receive": frames.receive_stage,
    "host": frames.host_stage,
    "switch table": ovs.table_stage,
    "switch up": frames.up_stage,
    "switch tunnel": ovs_ports.tunnel_stage,
    "switch answers": ovs_asking.answers_stage,
    "bridge": bridge.port_stage,
    "bridge filter": bridge.filter_stage,
    "bridge filtered": bridge.filtered_stage,
    "bridge routed": bridge.routed_stage,
    "bridge up": bridge.up_stage,
    "bridged": bridge.bridged_stage,
    "bridge forward": bridge.forward_stage,
    "behind routers": underlay.behind_stage,
    "looped": internet.looped_stage,
    "ip receive": internet.receive_stage,
    "arrived": internet.arrived_stage,
    "input route": internet.input_stage,
    "way back": routing.reverse_stage,
    "route input": routing.input_stage,
    "forward": internet.forward_stage,
    "local in": internet.local_stage,
    "balanced": ipvs.balanced_stage,
    "direct": ipvs.direct_stage,
    "route server": ipvs.server_stage,
    "deliver": internet.deliver_stage,
    "hook": netfilter.hook_stage,
    "chain": netfilter.chain_stage,
    "nft chain": nft.chain_stage,
    "from outside": teaching.outside_stage,
    "cilium sockets": cilium_uplink.sockets_stage,
    "cilium port": cilium_ports.port_stage,
    "cilium remote": cilium.remote_stage,
    "cilium from": cilium.from_stage,
    "cilium route": cilium.route_stage,
    "cilium hop": cilium.hop_stage,
    "cilium overlay": cilium.overlay_stage,
    "cilium node": cilium.node_stage,
    "cilium taken": cilium.taken_stage,
    "cilium host": cilium.host_stage,
    "cilium sender": cilium.sender_stage,
    "cilium to": cilium.to_stage,
    "cilium container": cilium.container_stage,
    "cilium endpoint": cilium.endpoint_stage,
}


class NetworkProgram:
    """A captured network as a program (``ir.Program``) for one family.

    A packet of a pod, or with a given source, starts at ``start``; one of a host whose source the kernel chooses at ``start_of_host``;
    one that arrives at an interface at ``arrival``. Fields that are not named start as 0; TTL must be given, since 0 stands for a tunnel's packet. ``assumptions`` are what was taken for
    granted in the stages that were made so far.
    """

    def __init__(self, network: Network, family: int) -> None:
        self.network = network
        self.family = family
        self.address_bits = address_bits(network, family)
        self.context = Context(network, family)
        self._made: dict[Point, Transfer] = {}
        self._granted: dict[Point, tuple[str, ...]] = {}

    def at(self, point: Point) -> Transfer:
        """The transfer of a point. The same point gives the same term each time."""
        made = self._made.get(point)
        if made is None:
            before, self.context.assumptions = self.context.assumptions, {}
            made = self._made[point] = self._lowered(point)
            if self.context.assumptions:
                self._granted[point] = tuple(self.context.assumptions)
            self.context.assumptions = before | self.context.assumptions
        return made

    def assumptions_at(self, points: Iterable[Point]) -> Iterator[str]:
        """What was taken for granted at these points."""
        return (text for point in points for text in self._granted.get(point, ()))

    def _lowered(self, point: Point) -> Transfer:
        stage = STAGES.get(point.stage.removeprefix(OUTER))
        if stage is None or point.scope not in self.network.namespaces:
            return End(Unknown(f"{point} is not in the capture"))
        if not point.stage.startswith(OUTER):
            return stage(self.context, point.scope, point.detail)
        self.context.other.assumptions = self.context.assumptions
        return outer(stage(self.context.other, point.scope, point.detail))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was taken for granted so far, each once, in order."""
        return tuple(self.context.assumptions)

    def interface(self, device: str) -> int:
        """The number of an interface's name, the same in every namespace."""
        return self.context.names.number(device)

    @staticmethod
    def start(scope: Scope) -> Point:
        """Where a packet with a given source starts that a namespace sends."""
        return Point(scope, "send")

    @staticmethod
    def start_unbound(scope: Scope) -> Point:
        """Where a packet starts whose source the kernel has chosen, for who keeps the route by which it did."""
        return Point(scope, "send", "unbound")

    @staticmethod
    def start_of_host(scope: Scope) -> Point:
        """Where a packet starts whose source the kernel chooses."""
        return Point(scope, "choose source and send")

    def arrival(self, at: Interface) -> Point:
        """Where a packet starts that arrives at an interface as one for its host: with the frame's MAC as it should be."""
        stage = "from outside" if teaching.doubts_outside(self.context, at) else "from wire"
        return Point(at.scope, stage, at.device)
