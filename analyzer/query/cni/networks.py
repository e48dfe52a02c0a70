"""What CNI configurations hand out, and which of their records know of each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analyzer.model.embedded import Path
from analyzer.query.cni.address_ranges import AddressRange, host_local, whereabouts
from analyzer.query.cni.configs import Config
from analyzer.query.cni.plugin import Call
from analyzer.source import Span

SEGMENTS = ("macvlan", "ipvlan", "vlan")


@dataclass(frozen=True, slots=True)
class Pool:
    """One range of a configuration. ``record`` names the IPAM plugin. ``shared_segment``: the plugin puts pods on a segment outside the node."""

    config: Config
    range: AddressRange
    record: str
    call: Call
    path: Path

    @property
    def at(self) -> Span:
        """Where the range is written."""
        return self.config.place(self.path)

    @property
    def shared_segment(self) -> bool:
        """Whether pods of several nodes share the layer-2 network."""
        return self.call.text("type") in SEGMENTS

    @property
    def segment(self) -> tuple[str, str, int]:
        """What pods of the network share on a node: a bridge, or a device and VLAN below."""
        kind = self.call.text("type")
        if kind == "bridge":
            return "bridge", self.call.text("bridge") or "cni0", self.call.number("vlan")
        return (
            ("device", self.call.text("master"), self.call.number("vlanId")) if kind in SEGMENTS else (kind, self.config.title, 0)
        )

    @property
    def routed(self) -> bool:
        """Whether the node has a route to the pods' addresses."""
        return self.call.text("type") == "ptp" or self.call.truth("isGateway") or self.call.truth("isDefaultGateway")

    def meets(self, other: Pool) -> bool:
        """Whether the two could give one address to pods that share a segment or are routed by one node; bridges by themselves keep apart."""
        apart = self.config.node and other.config.node and self.config.node != other.config.node
        together = self.segment == other.segment or (self.routed and other.routed)
        return not apart and together and self.range.overlaps(other.range)


def pools(config: Config) -> Iterator[Pool]:
    """The ranges that a configuration hands out; what is named by ``routes`` or given by other plugins is not known here."""
    for call, path in config.calls:
        kind, ipam = call.text("ipam", "type"), call.get("ipam")
        readers = {"host-local": host_local, "whereabouts": whereabouts}
        if kind in readers and isinstance(ipam, Mapping):
            for item in readers[kind](ipam):
                yield Pool(config, item, kind, call, (*path, *item.path, "range" if kind == "whereabouts" else "subnet"))


def overlapping(found: Iterable[Pool]) -> Iterator[tuple[Pool, Pool]]:
    """The pairs whose ranges share addresses, in the order of addresses."""
    reaching: list[Pool] = []
    usable = (pool for pool in found if pool.range.first <= pool.range.last)
    for pool in sorted(usable, key=lambda item: (item.range.subnet.family, item.range.first, item.config.title)):
        family = pool.range.subnet.family
        reaching = [one for one in reaching if one.range.subnet.family == family and one.range.last >= pool.range.first]
        yield from ((one, pool) for one in reaching)
        reaching.append(pool)


def share_no_record(one: Pool, two: Pool) -> bool:
    """Whether neither sees what the other gave. whereabouts reserves each address for the cluster, unless overlapping ranges are off or the
    networks are named differently; host-local knows what its network's name and folder hold."""
    if one.record != two.record:
        return True
    if one.record == "host-local":
        keys = [(item.config.name, item.call.text("ipam", "dataDir")) for item in (one, two)]
        return keys[0] != keys[1]
    names = {item.call.text("ipam", "network_name") for item in (one, two)}
    off = any(item.call.get("ipam", "enable_overlapping_ranges") is False for item in (one, two))
    return len(names) == 2 or (off and one.range.subnet != two.range.subnet)
