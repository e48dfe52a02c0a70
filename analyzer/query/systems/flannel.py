"""Flannel's ``net-conf.json``: what flanneld refuses, and what its backends do not take (flannel-io/flannel pkg/subnet/config.go, pkg/backend/*)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.kubernetes import ConfigMapFact
from analyzer.model.embedded import Inside, Path, inside
from analyzer.model.network import Network
from analyzer.query.cni.fields import NATURAL, NUMBER, TEXT, TRUTH, Fields, Kind, is_network, unfit
from analyzer.query.refusals import Refusal, host_bits, network_in
from analyzer.source import Span

KEY = "net-conf.json"
BACKENDS: Mapping[str, Mapping[str, Kind]] = {
    "udp": {"Port": NUMBER},
    "vxlan": {"VNI": NUMBER, "Port": NUMBER, "MTU": NUMBER, "GBP": TRUTH, "Learning": TRUTH, "DirectRouting": TRUTH},
    "host-gw": {},
    "ipip": {"DirectRouting": TRUTH},
    "wireguard": {"PSK": TEXT, "ListenPort": NUMBER, "ListenPortV6": NUMBER, "MTU": NUMBER, "Mode": TEXT},
    "ipsec": {"PSK": TEXT, "UDPEncap": TRUTH},
    "extension": {},
    "alloc": {},
}
CLOUDS = ("ali-vpc", "aws-vpc", "gce", "tencent-vpc")
TOP = Fields(
    {
        "EnableIPv4": TRUTH,
        "EnableIPv6": TRUTH,
        "EnableNFTables": TRUTH,
        "Network": TEXT,
        "IPv6Network": TEXT,
        "SubnetLen": NATURAL,
        "SubnetMin": TEXT,
        "SubnetMax": TEXT,
        "IPv6SubnetLen": NATURAL,
    }
)


def documents(network: Network) -> Iterator[tuple[ConfigMapFact, Inside, Span]]:
    """Each ``net-conf.json`` with its ConfigMap."""
    for _, fact in sorted(network.cluster.config_maps.items()):
        if (located := fact.data.get(KEY)) is not None:
            yield fact, inside(located.value, located.at, network.sources.get(located.at.path)), located.at


def refusals(network: Network) -> Iterator[Refusal]:
    """What makes flanneld end, and options that are not heeded."""
    for _, found, at in documents(network):
        value = found.value
        if not isinstance(value, dict):
            yield Refusal(found.places.get((), at), f"{KEY} is no JSON object{': ' + found.problem if found.problem else ''}")
            continue
        wrong = [*unfit(value, TOP), *backend_types(value)]
        for problem in wrong:
            yield Refusal(place(found, problem.path, at), problem.message)
        if not wrong:
            yield from (Refusal(place(found, path, at), text, certain) for path, text, certain in statements(value))


def place(found: Inside, path: Path, at: Span) -> Span:
    """The place of a value, or of the nearest around it."""
    return next((span for end in range(len(path), -1, -1) if (span := found.places.get(path[:end])) is not None), at)


def backend_types(value: Mapping[str, Any]) -> Iterator[Any]:
    """Options of the backend that cannot be decoded."""
    backend = value.get("Backend")
    if isinstance(backend, dict):
        yield from unfit(backend, Fields({"Type": TEXT, **BACKENDS.get(str(backend.get("Type", "udp")), {})}), ("Backend",))


def statements(value: Mapping[str, Any]) -> Iterator[tuple[Path, str, bool]]:
    """What is wrong: the path, the words, and whether flanneld ends of it."""
    yield from networks(value)
    backend = value.get("Backend")
    if not isinstance(backend, dict) or "Type" not in backend:
        yield ("Backend",), "without Backend.Type flannel takes the slow udp backend, not vxlan", False
        return
    kind = str(backend["Type"])
    if kind not in BACKENDS and kind not in CLOUDS:
        yield ("Backend", "Type"), f"the backend {kind!r} is none of {', '.join(sorted(BACKENDS))}", True
    vni, port = backend.get("VNI", 1), backend.get("Port", 0)
    if kind == "vxlan" and isinstance(vni, int) and not 0 < vni < 1 << 24:
        yield ("Backend", "VNI"), f"VNI {vni} is not between 1 and {(1 << 24) - 1}", True
    if isinstance(port, int) and not 0 <= port < 65536:
        yield ("Backend", "Port"), f"port {port} is not between 0 and 65535", True
    if kind == "wireguard" and backend.get("Mode", "separate") not in ("separate", "auto", "ipv4", "ipv6"):
        yield ("Backend", "Mode"), f"the mode {backend['Mode']!r} is none of separate, auto, ipv4, ipv6", True


def networks(value: Mapping[str, Any]) -> Iterator[tuple[Path, str, bool]]:
    """The networks of each family that is on."""
    pairs = (("Network", value.get("EnableIPv4") is not False, 4), ("IPv6Network", value.get("EnableIPv6") is True, 6))
    for key, on, family in pairs:
        text = value.get(key)
        if not on:
            if text and family == 6:
                yield (key,), "IPv6Network is not heeded: EnableIPv6 is not true", False
        elif not isinstance(text, str) or not is_network(text) or (6 if ":" in text else 4) != family:
            yield (key,) if key in value else (), f"{key} must be a network of IPv{family}", True
        elif host_bits(text):
            yield (key,), f"{key} {text} has host bits set: flannel takes {network_in(text)}", False
