"""What kube-proxy refuses in its configuration (``KubeProxyConfiguration``), in a file or in a ConfigMap.

Follows kubernetes pkg/proxy/apis/config/validation/validation.go, with the defaults of pkg/proxy/apis/config/v1alpha1/defaults.go: an empty value and a duration
of zero are the default, an address without a port gets one (``AppendPortIfNeeded``). Versions differ in what they check where it is not used; only what
each of them refuses is told. Which schedulers there are the kernel says (net/netfilter/ipvs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.embedded import Inside, Path, yaml_inside
from analyzer.model.network import Network
from analyzer.query.cni.fields import dotted, is_address, is_network
from analyzer.query.refusals import Refusal, network_in
from analyzer.query.validation.values import PLACEHOLDER, ZEROS
from analyzer.source import Span

KIND = "KubeProxyConfiguration"
LOCAL_MODES = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")
NEEDED = {"BridgeInterface": "bridgeInterface", "InterfaceNamePrefix": "interfaceNamePrefix"}
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh", "fo", "ovf", "twos")
PERIOD = 30.0
MASQUERADE_BITS = (0, 31)
SECTIONS = {"": "iptables", "iptables": "iptables", "ipvs": "ipvs", "nftables": "nftables"}
NOT_NEGATIVE = (
    *(
        ("conntrack", "maxPerCore"),
        ("conntrack", "min"),
        ("conntrack", "tcpEstablishedTimeout"),
        ("conntrack", "tcpCloseWaitTimeout"),
    ),
    *(("conntrack", "udpTimeout"), ("conntrack", "udpStreamTimeout")),
)
IPVS_TIMEOUTS = (("ipvs", "tcpTimeout"), ("ipvs", "tcpFinTimeout"), ("ipvs", "udpTimeout"))
ADDRESS_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:\[\]]*)")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
AMOUNT = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", re.ASCII)
DURATION = re.compile(rf"[-+]?(?:0|(?:{AMOUNT.pattern})+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration, with the place of each field."""

    value: Mapping[str, Any]
    place: Callable[[Path], Span]

    def at(self, *path: str | int) -> Any:
        """The value of a field; None where it is left out."""
        found: Any = self.value
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def text(self, *path: str | int) -> str:
        """The text of a field; empty where it is left out, is no text or is still to be filled in."""
        found = self.at(*path)
        return found if isinstance(found, str) and not PLACEHOLDER.search(found) else ""

    def refused(self, path: Path, why: str, certain: bool = True) -> Refusal:
        """A field that is refused."""
        return Refusal(self.place(path), f"{dotted(path)} {why}", certain)


def refusals(network: Network) -> Iterator[Refusal]:
    """What is wrong in each configuration."""
    for config in configs(network):
        yield from networks(config)
        yield from numbers(config)
        yield from periods(config)
        yield from local_mode(config)
        yield from addresses(config)
        if config.text("mode") == "ipvs":
            yield from ipvs(config)


def configs(network: Network) -> Iterator[Config]:
    """The configurations of the input: files, and texts of ConfigMaps."""
    yield from (of_file(fact) for fact in network.cluster.others if fact.kind == KIND)
    for _, item in sorted(network.cluster.config_maps.items()):
        for located in item.data.values():
            if KIND in located.value:
                found = yaml_inside(located.value, located.at, network.sources.get(located.at.path))
                yield from (
                    of_text(one, located.at) for one in found if isinstance(one.value, Mapping) and one.value.get("kind") == KIND
                )


def of_file(fact: OtherObjectFact) -> Config:
    """A configuration that is a file's."""
    return Config(fact.document, lambda path: fact.place(*path))


def of_text(found: Inside, at: Span) -> Config:
    """A configuration inside a text."""
    return Config(found.value, lambda path: found.places.get(path, at))


def seconds(text: object) -> float | None:
    """A duration, as Go writes it (``time.ParseDuration``: ``1m30s``); None where it is none."""
    if not isinstance(text, str) or not DURATION.fullmatch(text):
        return None
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * sum(float(number) * UNITS[unit] for number, unit in AMOUNT.findall(text))


def is_sloppy_network(text: str) -> bool:
    """Whether ``ParseCIDRSloppy`` takes it: zeros may lead."""
    return is_network(ZEROS.sub("", text))


def networks(config: Config) -> Iterator[Refusal]:
    """The pods' network where traffic is told by it, and the addresses that node ports are on."""
    text = config.text("clusterCIDR")
    parts = text.split(",") if text and config.text("detectLocalMode") in ("", "ClusterCIDR") else []
    wrong = next((part for part in parts if not is_sloppy_network(part)), None)
    families = [item.family for part in parts if (item := network_in(ZEROS.sub("", part))) is not None]
    if wrong is not None:
        yield config.refused(("clusterCIDR",), f"has {wrong!r}, which is no network such as 10.244.0.0/16")
    elif len(parts) > len(set(families)):
        yield config.refused(("clusterCIDR",), f"{text!r} may have one network, or one of each family")
    yield from listed(config, ("nodePortAddresses",), ("primary",))
    given = config.at("nodePortAddresses")
    if isinstance(given, list) and "primary" in given and len(given) > 1:
        yield config.refused(("nodePortAddresses", given.index("primary")), "primary cannot stand beside others")


def listed(config: Config, path: Path, words: tuple[str, ...] = ()) -> Iterator[Refusal]:
    """A list of networks."""
    given = config.at(*path)
    for index, item in enumerate(given if isinstance(given, list) else ()):
        if isinstance(item, str) and item not in words and not is_sloppy_network(item) and not PLACEHOLDER.search(item):
            yield config.refused((*path, index), f"{item!r} is no network")


def numbers(config: Config) -> Iterator[Refusal]:
    """The bit of marks, and limits that are below zero."""
    low, high = MASQUERADE_BITS
    for section in ("iptables", "nftables") if config.text("mode") == "nftables" else ("iptables",):
        bit = config.at(section, "masqueradeBit")
        if isinstance(bit, int) and not isinstance(bit, bool) and not low <= bit <= high:
            yield config.refused((section, "masqueradeBit"), f"{bit} is not between {low} and {high}")
    for path in NOT_NEGATIVE:
        yield from negative(config, path)


def negative(config: Config, path: Path) -> Iterator[Refusal]:
    """A number or a duration below zero."""
    value = config.at(*path)
    found = seconds(value) if isinstance(value, str) else value
    if isinstance(found, int | float) and found < 0:
        yield config.refused(path, f"{value} is less than 0")


def periods(config: Config) -> Iterator[Refusal]:
    """How often rules are written, in the part of the mode that is asked for; ``configSyncPeriod`` is for all."""
    yield from negative(config, ("configSyncPeriod",))
    section = SECTIONS.get(config.text("mode"))
    if section is None or (config.at("mode") and not config.text("mode")):
        return
    yield from negative(config, (section, "syncPeriod"))
    yield from negative(config, (section, "minSyncPeriod"))
    stated = config.at(section, "syncPeriod")
    most, least = (seconds(stated) if stated else PERIOD), seconds(config.at(section, "minSyncPeriod"))
    if most is not None and least is not None and most >= 0 and least > (most or PERIOD):
        words = f"{config.at(section, 'minSyncPeriod')} is more than syncPeriod, which is {stated if most and stated else '30s'}"
        yield config.refused((section, "minSyncPeriod"), words)


def local_mode(config: Config) -> Iterator[Refusal]:
    """How traffic of the node's own pods is told from others', and what that needs."""
    mode = config.text("detectLocalMode")
    if mode and mode not in LOCAL_MODES:
        yield config.refused(("detectLocalMode",), f"{mode!r} is none of {', '.join(LOCAL_MODES)}")
    key = NEEDED.get(mode)
    if key is not None and config.at("detectLocal", key) in (None, ""):
        yield config.refused(("detectLocalMode",), f"{mode} needs detectLocal.{key}, which is not set")
    if mode == "ClusterCIDR" and config.at("clusterCIDR") in (None, ""):
        yield config.refused(("detectLocalMode",), "ClusterCIDR has no effect without clusterCIDR", certain=False)


def addresses(config: Config) -> Iterator[Refusal]:
    """The addresses that kube-proxy listens at."""
    text = config.text("bindAddress")
    if text and not is_address(ZEROS.sub("", text)):
        yield config.refused(("bindAddress",), f"{text!r} is no address")
    for key in ("healthzBindAddress", "metricsBindAddress"):
        if (text := config.text(key)) and not is_address(ZEROS.sub("", text)) and (why := unfit(text)):
            yield config.refused((key,), f"{text!r} {why}")


def unfit(text: str) -> str:
    """What is wrong with an address and a port (``validateHostPort``)."""
    found = ADDRESS_AND_PORT.fullmatch(text)
    if found is None:
        return "is no address with a port"
    address = found[2] if found[1] is None else found[1]
    if not is_address(ZEROS.sub("", address)):
        return f"has no address before its port: {address!r}"
    number = found[3].removeprefix("+")
    fits = number.isascii() and number.isdecimal() and 0 < int(number[:9]) < 65536
    return "" if fits else f"has a port that is not between 1 and 65535: {found[3]!r}"


def ipvs(config: Config) -> Iterator[Refusal]:
    """What is for IPVS only."""
    scheduler = config.text("ipvs", "scheduler")
    if scheduler and scheduler not in SCHEDULERS:
        yield config.refused(("ipvs", "scheduler"), f"{scheduler!r} is none of {', '.join(SCHEDULERS)}")
    yield from listed(config, ("ipvs", "excludeCIDRs"))
    for path in IPVS_TIMEOUTS:
        yield from negative(config, path)
