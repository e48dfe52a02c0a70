"""The bits of packets' marks that systems use, by what of them is configured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.model.network import Network
from analyzer.query.systems.kubernetes import settings
from analyzer.query.systems.proxies import kube_proxy
from analyzer.source import Span

CALICO = 0xFFFF0000
KUBE_ROUTER = 0x30000
WEAVE = 0x40000
MASQUERADE_BIT = 14


@dataclass(frozen=True, slots=True)
class Marks:
    """The bits of one system, and where it is configured."""

    system: str
    bits: int
    at: Span


def marks(network: Network) -> Iterator[Marks]:
    """The systems that the input shows. Calico without a dataplane of iptables (eBPF) marks by other means and is left out."""
    ebpf = any(item.value == "true" for item in settings(network, "calico", "ebpf"))
    masks = settings(network, "calico", "mark-mask")
    calico = masks or [item for item in network.cluster.settings if item.system == "calico" and "calico-node" in item.said_by]
    if calico and not ebpf:
        found = number(masks[0].value) if masks else CALICO
        if found is not None:
            yield Marks("Calico", found, calico[0].at)
    for item in settings(network, "kube-router", "policies")[:1]:
        if item.value == "true":
            yield Marks("kube-router", KUBE_ROUTER, item.at)
    for stated in [one for one in network.cluster.ranges if one.system == "weave"][:1]:
        yield Marks("Weave", WEAVE, stated.at)
    proxy = kube_proxy(network)
    if proxy is not None:
        told = settings(network, "kubernetes", "masquerade-bit")
        bit = told[0].value if told else str(MASQUERADE_BIT)
        if bit.isdecimal() and int(bit) < 32:
            yield Marks("kube-proxy", 1 << int(bit), told[0].at if told else proxy.at)


def number(text: str) -> int | None:
    """A mask, decimal or hexadecimal; None where it is none."""
    try:
        return int(text, 0)
    except ValueError:
        return None
