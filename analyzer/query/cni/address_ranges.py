"""The ranges of addresses that ``host-local`` and ``whereabouts`` hand out, read as those plugins read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.addresses import address as read_address
from analyzer.addresses import prefix as read_prefix
from analyzer.model.embedded import Path
from analyzer.query.cni.fields import is_address, is_network, lookup


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Addresses from ``first`` to ``last`` (both included) of a subnet; ``group`` is the range set that it belongs to: a pod gets one address
    of each. ``gateway`` is never handed out by host-local. ``path`` is that of the object in the plugin's configuration."""

    subnet: Prefix
    first: int
    last: int
    gateway: Address | None
    group: int
    path: Path

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        inside = self.gateway is not None and self.first <= self.gateway.value <= self.last
        return max(self.last - self.first + 1 - inside, 0)

    def overlaps(self, other: AddressRange) -> bool:
        """Whether an end of the one lies in the other (host-local's ``Overlaps``): then both could hand out one address."""
        ends = ((self, other.first), (self, other.last), (other, self.first), (other, self.last))
        return self.subnet.family == other.subnet.family and any(one.first <= value <= one.last for one, value in ends)

    def __str__(self) -> str:
        return f"{Address(self.subnet.family, self.first)}-{Address(self.subnet.family, self.last)}"


def of(value: Mapping[str, Any], key: str) -> Any:
    """The value of a field, whatever the case of its name."""
    found = lookup(value, key)
    return found[1] if found else None


def addressed(value: Mapping[str, Any], key: str) -> Address | None:
    """The address of a field; None where there is none that can be read."""
    text = of(value, key)
    return read_address(text) if isinstance(text, str) and is_address(text) else None


def host_local(ipam: Mapping[str, Any]) -> Iterator[AddressRange]:
    """The ranges of host-local (allocator/config.go and range.go). What it would refuse is left out."""
    number = 0
    if isinstance(of(ipam, "subnet"), str) and (found := host_local_range(ipam, ("ipam",), number)):
        yield found
        number += 1
    sets = of(ipam, "ranges")
    for index, group in enumerate(sets if isinstance(sets, list) else ()):
        for place, item in enumerate(group if isinstance(group, list) else ()):
            path = ("ipam", "ranges", index, place)
            if isinstance(item, Mapping) and (found := host_local_range(item, path, number + index)):
                yield found


def host_local_range(item: Mapping[str, Any], path: Path, group: int) -> AddressRange | None:
    """One range: from the first address after the network's to the last before the broadcast address unless it says otherwise."""
    text = of(item, "subnet")
    if not isinstance(text, str) or not is_network(text):
        return None
    subnet = read_prefix(text)
    if subnet.length > WIDTH[subnet.family] - 2:
        return None
    first, last = addressed(item, "rangeStart"), addressed(item, "rangeEnd")
    if any(found is not None and not subnet.covers(found) for found in (first, last)):
        return None
    gateway = addressed(item, "gateway")
    return AddressRange(
        subnet=subnet,
        first=first.value if first else subnet.value + 1,
        last=last.value if last else subnet.last - (subnet.family == 4),
        gateway=gateway or Address(subnet.family, subnet.value + 1),
        group=group,
        path=path,
    )


def whereabouts(ipam: Mapping[str, Any]) -> Iterator[AddressRange]:
    """The ranges of whereabouts (pkg/config/config.go and pkg/iphelpers/iphelpers.go ``GetIPRange``)."""
    found = whereabouts_range(ipam, ("ipam",), 0)
    if found is not None:
        yield found
    more = of(ipam, "ipRanges")
    for index, item in enumerate(more if isinstance(more, list) else ()):
        one = whereabouts_range(item, ("ipam", "ipRanges", index), index + 1) if isinstance(item, Mapping) else None
        if one is not None:
            yield one


def whereabouts_range(item: Mapping[str, Any], path: Path, group: int) -> AddressRange | None:
    """One range. A start or end that lies outside is not heeded; without one, network and broadcast addresses are left out."""
    text = of(item, "range")
    if not isinstance(text, str):
        return None
    start, dash, network = text.rpartition("-")
    if not is_network(network) or (dash and not is_address(start)):
        return None
    subnet = read_prefix(network)
    small = subnet.length >= WIDTH[subnet.family] - 1
    low, high = subnet.value + (not small), subnet.last - (not small)
    first = read_address(start) if dash else addressed(item, "range_start")
    last = read_address(network.partition("/")[0]) if dash else addressed(item, "range_end")
    same = subnet.family
    first_value = first.value if first and first.family == same and low <= first.value <= high else low
    last_value = last.value if last and last.family == same and first_value <= last.value <= high else high
    return AddressRange(subnet, first_value, last_value, None, group, path)


def excluded(item: Mapping[str, Any]) -> Iterator[tuple[int, Prefix]]:
    """The networks that whereabouts leaves out, each with its place in the list."""
    found = of(item, "exclude")
    for index, text in enumerate(found if isinstance(found, list) else ()):
        if isinstance(text, str) and (is_network(text) or is_address(text)):
            yield index, read_prefix(text)
