"""``whereabouts``: addresses of the whole cluster, kept in objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.addresses import address as read_address
from analyzer.addresses import prefix as read_prefix
from analyzer.model.embedded import Path
from analyzer.query.cni.address_ranges import addressed, excluded, of, whereabouts
from analyzer.query.cni.fields import (
    ADDRESS,
    ANYTHING,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    Fields,
    Kind,
    Many,
    Problem,
    is_address,
    is_network,
)
from analyzer.query.cni.plugin import Call, Plugin, Role

RANGE: Mapping[str, Kind] = {"range": TEXT, "range_start": ADDRESS, "range_end": ADDRESS, "exclude": TEXTS}


def refusals(call: Call) -> Iterator[Problem]:
    """``LoadIPAMConfig``."""
    for path, item in items(call):
        text = of(item, "range")
        if isinstance(text, str) and text:
            yield from wrong_range(text, (*path, "range"))
        elif "ipRanges" in path:
            yield Problem(path, "this item of ipRanges has no range: each needs a network such as 10.0.0.0/24")
        found = of(item, "exclude")
        for index, one in enumerate(found if isinstance(found, list) else ()):
            if isinstance(one, str) and not is_network(one) and not is_address(one):
                yield Problem((*path, "exclude", index), f"{one!r} is no network")
    gateway = call.text("ipam", "gateway")
    if gateway and not is_address(gateway):
        yield Problem(("ipam", "gateway"), f"gateway {gateway!r} is no address")


def items(call: Call) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects that have a range."""
    ipam = call.get("ipam")
    if not isinstance(ipam, Mapping):
        return
    yield ("ipam",), ipam
    more = of(ipam, "ipRanges")
    for index, item in enumerate(more if isinstance(more, list) else ()):
        if isinstance(item, Mapping):
            yield ("ipam", "ipRanges", index), item


def wrong_range(text: str, path: Path) -> Iterator[Problem]:
    """What is wrong with ``network`` or ``first-last/length``."""
    start, dash, network = text.rpartition("-")
    if not is_network(network):
        yield Problem(path, f"range {text!r} is no network")
    elif dash and not is_address(start):
        yield Problem(path, f"range {text!r} begins with no address")
    elif dash and not read_prefix(network).covers(read_address(start)):
        yield Problem(path, f"range {text!r} begins outside {read_prefix(network)}")


def advice(call: Call) -> Iterator[Problem]:
    """What is not heeded, silently (``GetIPRange``), and a gateway that pods can get."""
    ipam = call.get("ipam")
    found = {item.path: item for item in whereabouts(ipam)} if isinstance(ipam, Mapping) else {}
    if isinstance(ipam, Mapping) and not any(of(ipam, key) for key in ("range", "ipRanges", "configuration_path", "addresses")):
        yield Problem(
            ("ipam",), "whereabouts has no range and no ipRanges: pods get no address, unless its whereabouts.conf has one"
        )
    for path, item in items(call):
        known = found.get(path)
        if known is None:
            continue
        for key, used in (("range_start", known.first), ("range_end", known.last)):
            told = addressed(item, key)
            if told is not None and "-" not in str(of(item, "range")) and told.value != used:
                yield Problem((*path, key), f"{key} {told} is not heeded: pods get addresses from {known}")
        for index, prefix in excluded(item):
            if not prefix.overlaps(known.subnet):
                yield Problem((*path, "exclude", index), f"{prefix} is not in {known.subnet}: it excludes nothing")
        gateway = addressed(item, "gateway")
        free = gateway is not None and not any(prefix.covers(gateway) for _, prefix in excluded(item))
        if gateway and free and gateway.family == known.subnet.family and known.first <= gateway.value <= known.last:
            yield Problem((*path, "gateway"), f"the gateway {gateway} is in the range and not excluded: a pod can get it")


PLUGIN = Plugin(
    types=("whereabouts",),
    role=Role.IPAM,
    source="k8snetworkplumbingwg/whereabouts pkg/config/config.go, pkg/iphelpers/iphelpers.go",
    fields={
        **RANGE,
        "ipRanges": Many(Fields(RANGE)),
        "gateway": TEXT,
        "network_name": TEXT,
        "node_slice_size": TEXT,
        "enable_overlapping_ranges": TRUTH,
        "kubernetes": Fields({"kubeconfig": TEXT, "k8s_api_root": TEXT}),
        "configuration_path": TEXT,
        "log_file": TEXT,
        "log_level": TEXT,
        "sleep_for_race": NUMBER,
        "leader_lease_duration": NUMBER,
        "leader_renew_deadline": NUMBER,
        "leader_retry_period": NUMBER,
        "routes": Many(ANYTHING),
        "addresses": Many(ANYTHING),
    },
    refusals=refusals,
    advice=advice,
)
