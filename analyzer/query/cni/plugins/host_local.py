"""``host-local``: addresses of one node, kept in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from analyzer.addresses import WIDTH, Address
from analyzer.addresses import prefix as read_prefix
from analyzer.model.embedded import Path
from analyzer.query.cni.address_ranges import addressed, host_local, of
from analyzer.query.cni.fields import ADDRESS, NETWORK, NUMBER, TEXT, Fields, Kind, Many, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.route_gateways import astray

ROUTE = Fields(
    {"dst": NETWORK, "gw": ADDRESS, "mtu": NUMBER, "advmss": NUMBER, "priority": NUMBER, "table": NUMBER, "scope": NUMBER}
)
RANGE: Mapping[str, Kind] = {"subnet": NETWORK, "rangeStart": ADDRESS, "rangeEnd": ADDRESS, "gateway": ADDRESS}
OLD = ("", "0.1.0", "0.2.0")
POD_CIDR = ("usePodCidr", "usePodCidrIPv6")


def refusals(call: Call) -> Iterator[Problem]:
    """``LoadIPAMConfig`` and ``Canonicalize``. Calico's plugin writes the node's network for ``usePodCidr`` before it calls;
    kube-router writes it into its file."""
    ipam = call.get("ipam")
    if not isinstance(ipam, Mapping) or pod_cidr(ipam):
        return
    sets = of(ipam, "ranges")
    single = isinstance(of(ipam, "subnet"), str)
    given = call.get("capabilities", "ipRanges") is True or call.text("bridge") == "kube-bridge"
    if not single and not sets and not given:
        yield Problem(("ipam",), "host-local needs a subnet or ranges")
    found = list(each_range(ipam, single, sets))
    for path, item in found:
        yield from one_range(item, path)
    for index, group in enumerate(sets if isinstance(sets, list) else ()):
        if group == []:
            yield Problem(("ipam", "ranges", index), "the range set is empty")
    yield from together(ipam)
    yield from per_family(call, ipam)


def pod_cidr(ipam: Mapping[str, Any]) -> bool:
    """Whether another plugin fills in the node's own networks."""
    sets = of(ipam, "ranges")
    items = [ipam, *(item for group in sets or () if isinstance(group, list) for item in group if isinstance(item, Mapping))]
    return any(of(item, "subnet") in POD_CIDR for item in items)


def each_range(ipam: Mapping[str, Any], single: bool, sets: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects that are ranges, with their paths."""
    if single:
        yield ("ipam",), ipam
    for index, group in enumerate(sets if isinstance(sets, list) else ()):
        for place, item in enumerate(group if isinstance(group, list) else ()):
            if isinstance(item, Mapping):
                yield ("ipam", "ranges", index, place), item


def one_range(item: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """What is wrong with one range by itself."""
    text = of(item, "subnet")
    if text is None:
        yield Problem(path, "the range has no subnet")
    if not isinstance(text, str):
        return
    if not is_network(text):
        yield Problem((*path, "subnet"), f"subnet {text!r} is no network such as 10.0.0.0/24")
        return
    subnet = read_prefix(text)
    host = addressed({"a": text.partition("/")[0]}, "a")
    if subnet.length > WIDTH[subnet.family] - 2:
        yield Problem((*path, "subnet"), f"{text} is too small to hand out addresses of")
        return
    if host is not None and host.value != subnet.value:
        yield Problem((*path, "subnet"), f"{text} has host bits set: the network is {subnet}")
    first, last = addressed(item, "rangeStart"), addressed(item, "rangeEnd")
    for key, found in (("rangeStart", first), ("rangeEnd", last)):
        if found is not None and not subnet.covers(found):
            yield Problem((*path, key), f"{key} {found} is not in {subnet}")
    begin = first.value if first and first.family == subnet.family else subnet.value + 1
    if last and subnet.covers(last) and last.value < begin:
        yield Problem((*path, "rangeEnd"), f"rangeEnd {last} lies before the first address, {Address(subnet.family, begin)}")


def together(ipam: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with ranges beside each other."""
    for one, two in combinations(host_local(ipam), 2):
        if one.group == two.group and one.subnet.family != two.subnet.family:
            yield Problem(two.path, f"the range set mixes families: {one.subnet} and {two.subnet}")
        elif one.overlaps(two):
            yield Problem(two.path, f"the range {two} overlaps {one}")


def per_family(call: Call, ipam: Mapping[str, Any]) -> Iterator[Problem]:
    """Before version 0.3.0 a pod has one address of a family."""
    groups = {item.group: item for item in host_local(ipam)}
    families = [item.subnet.family for item in groups.values()]
    if call.version in OLD and len(families) != len(set(families)):
        yield Problem(
            ("ipam",),
            f"cniVersion {call.version or 'that is absent'} has one address of a family, and there are several range sets of one",
        )


def advice(call: Call) -> Iterator[Problem]:
    """What host-local takes and what yet breaks the pods' network."""
    ipam = call.get("ipam")
    ranges = list(host_local(ipam)) if isinstance(ipam, Mapping) and not pod_cidr(ipam) else []
    if call.get("capabilities", "ipRanges") is not True:
        yield from astray(call, list(dict.fromkeys(item.subnet for item in ranges)))
    for item in ranges:
        if item.first > item.last:
            words = f"rangeStart {Address(item.subnet.family, item.first)} lies behind the last address"
            yield Problem((*item.path, "rangeStart"), f"{words}: host-local hands out addresses beyond {item.subnet}")
            continue
        if item.gateway is not None and not item.subnet.covers(item.gateway):
            yield Problem((*item.path, "gateway"), f"the gateway {item.gateway} is not in {item.subnet}: pods cannot reach it")
        for value, words in ((item.subnet.value, "network"), (item.subnet.last, "broadcast")):
            if item.subnet.family == 4 and item.first <= value <= item.last:
                text = Address(4, value)
                yield Problem(item.path, f"the range {item} hands out {text}, the {words} address of {item.subnet}")


PLUGIN = Plugin(
    types=("host-local",),
    role=Role.IPAM,
    source="containernetworking/plugins plugins/ipam/host-local/backend/allocator/{config,range,range_set}.go",
    fields={
        **RANGE,
        "subnet": TEXT,
        "ranges": Many(Many(Fields({**RANGE, "subnet": TEXT}))),
        "routes": Many(ROUTE),
        "dataDir": TEXT,
        "resolvConf": TEXT,
    },
    refusals=refusals,
    advice=advice,
)
