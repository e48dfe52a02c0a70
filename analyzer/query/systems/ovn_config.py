"""What OVN-Kubernetes refuses in its configuration: the text ``ovnkube.conf`` of its ConfigMap, and its flags.

Follows ovn-kubernetes go-controller/pkg/config/config.go (``buildGatewayConfig``, ``buildOvnKubeNodeConfig``) and utils.go (``ParseClusterSubnetEntries``); which encapsulations there
are OVN says (controller/chassis.c), VLANs are those of a logical port's ``tag`` (ovn-nb(5)). An empty value is the default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from analyzer.addresses import WIDTH
from analyzer.facts.kubernetes import ConfigMapFact, Located
from analyzer.model.embedded import part_of
from analyzer.model.network import Network
from analyzer.model.systems.programs import programs
from analyzer.query.refusals import Refusal, network_in
from analyzer.query.validation.values import PLACEHOLDER
from analyzer.source import Source

MAPS, TEXTS = ("ovnkube-config", "ovn-config"), ("ovnkube.conf", "ovn_k8s.conf")
SECTION = re.compile(r"[ \t]*\[[ \t]*([\w-]+)[ \t]*\]")
LINE = re.compile(r"[ \t]*([\w-]+)[ \t]*=[ \t]*(?:\"([^\"\n]*)\"|([^\s;#\"][^;#\n]*?))?[ \t\r]*(?:[;#].*)?")
FLAGS = {
    "--cluster-subnets": ("default", "cluster-subnets"),
    "--encap-type": ("default", "encap-type"),
    "--gateway-mode": ("gateway", "mode"),
    "--gateway-vlanid": ("gateway", "vlan-id"),
    "--ovnkube-node-mode": ("ovnkubenode", "mode"),
}
HOST_LENGTH = {4: 24, 6: 64}
Key = tuple[str, str]


def refusals(network: Network) -> Iterator[Refusal]:
    """What is wrong in the configuration of each cluster."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        if name in MAPS:
            yield from wrong(of_map(fact, network))
    for program in programs((*network.cluster.others, *network.cluster.pods.values())):
        if program.container.startswith("ovn"):
            yield from wrong({key: found for flag, key in FLAGS.items() if (found := program.flags.get(flag)) is not None})


def of_map(fact: ConfigMapFact, network: Network) -> Mapping[Key, Located]:
    """The values of a ConfigMap: those of its text, or the pods' network that scripts hand on (``net_cidr``)."""
    scripts = fact.data.get("net_cidr")
    found = {("default", "cluster-subnets"): scripts} if scripts is not None else {}
    for name in TEXTS:
        if (located := fact.data.get(name)) is not None:
            found.update(values(located, network.sources.get(located.at.path)))
    return found


def values(located: Located, source: Source | None) -> Iterator[tuple[Key, Located]]:
    """The lines ``name=value`` of a text that are looked at, by their section and name, with their places."""
    section, begin = "", 0
    for line in located.value.split("\n"):
        if (head := SECTION.match(line)) is not None:
            section = head[1]
        elif (found := LINE.fullmatch(line)) is not None and (section, found[1]) in CHECKS and (text := found[2] or found[3]):
            start = begin + found.start(2 if found[2] else 3)
            yield (section, found[1]), Located(text, part_of(located.value, located.at, source, start, start + len(text)))
        begin += len(line) + 1


def wrong(found: Mapping[Key, Located]) -> Iterator[Refusal]:
    """What is refused among the values that are known."""
    known = {key: item for key, item in found.items() if item.value and not PLACEHOLDER.search(item.value)}
    for key, reason in CHECKS.items():
        if (item := known.get(key)) is not None and (words := reason(item.value)):
            yield Refusal(item.at, f"{key[1]} of [{key[0]}] {words}")
    mode, vlan = known.get(("gateway", "mode")), known.get(("gateway", "vlan-id"))
    if mode is not None and mode.value == "local" and vlan is not None and vlan.value != "0":
        yield Refusal(vlan.at, "vlan-id of [gateway] is for the mode shared: newer versions refuse it with local", certain=False)


def one_of(*words: str) -> Callable[[str], str]:
    """A word must be one of a few."""
    return lambda text: "" if text in words else f"{text!r} is none of {', '.join(words)}"


def number(low: int, high: int) -> Callable[[str], str]:
    """A number must lie between two."""

    def reason(text: str) -> str:
        fits = text.isascii() and text.isdecimal() and low <= int(text[:9]) <= high
        return "" if fits else f"{text!r} is no number from {low} to {high}"

    return reason


def encapsulations(text: str) -> str:
    """Encapsulations with commas between; OVN leaves out what it does not know, and has no tunnels then."""
    unknown = [part for part in text.split(",") if part not in ("geneve", "vxlan", "stt")]
    return f"{unknown[0]!r} is none of geneve, vxlan, stt" if unknown else ""


def cluster_subnets(text: str) -> str:
    """Networks with commas between, each with the length of a node's part behind it where that is not 24 (IPv4) or 64."""
    return next((words for part in text.split(",") if (words := subnet(part.strip()))), "")


def subnet(text: str) -> str:
    """What is wrong with one network of the pods."""
    parts = text.split("/")
    found = network_in("/".join(parts[:2]))
    if found is None or len(parts) > 3:
        return f"{text!r} is no network with a length for nodes, such as 10.128.0.0/14/23"
    told = parts[2] if len(parts) == 3 else str(HOST_LENGTH[found.family])
    if not (told.isascii() and told.isdecimal()) or int(told[:9]) > WIDTH[found.family]:
        return f"{text!r}: {told!r} is no length for a node's part"
    if found.family == 6 and told != "64":
        return f"{text!r}: nodes' parts of IPv6 are of length 64"
    return f"{text!r}: a node's part of length {told} must be smaller than the network" if int(told) <= found.length else ""


CHECKS: Mapping[Key, Callable[[str], str]] = {
    ("default", "cluster-subnets"): cluster_subnets,
    ("default", "encap-type"): encapsulations,
    ("default", "encap-port"): number(1, 65535),
    ("default", "mtu"): number(0, 65535),
    ("gateway", "mode"): one_of("shared", "local"),
    ("gateway", "vlan-id"): number(0, 4095),
    ("ovnkubenode", "mode"): one_of("full", "dpu", "dpu-host"),
}
