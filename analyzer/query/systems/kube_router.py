"""kube-router's flags and its nodes' annotations: what makes it end (cloudnativelabs/kube-router pkg/controllers/routing/network_routes_controller.go,
``NewNetworkRoutingController``, and pkg/tunnels ``ParseEncapType``)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.network import Network
from analyzer.model.systems.programs import programs
from analyzer.query.cni.fields import is_address
from analyzer.query.refusals import Refusal
from analyzer.query.systems import kube_router_flags
from analyzer.query.systems.kubernetes import settings

PRIVATE = ((64512, 65535), (4200000000, 4294967294))
ENCAPSULATIONS = ("ipip", "fou")
NODE_AS = "kube-router.io/node.asn"
PEERS = ("kube-router.io/peer.ips", "kube-router.io/peer.asns")


def refusals(network: Network) -> Iterator[Refusal]:
    """What is refused in flags and annotations."""
    for item in settings(network, "kube-router", "as-number"):
        if not private(item.value):
            yield Refusal(
                item.at, f"--cluster-asn {item.value} is no private AS number: 64512 to 65535, or 4200000000 to 4294967294"
            )
    for item in settings(network, "kube-router", "backend"):
        if item.value not in ENCAPSULATIONS:
            yield Refusal(item.at, f"--overlay-encap {item.value!r} is none of {', '.join(ENCAPSULATIONS)}")
    for item in settings(network, "kube-router", "overlay-type"):
        if item.value not in ("subnet", "full"):
            yield Refusal(item.at, f"--overlay-type {item.value!r} is not known: it counts as subnet", certain=False)
    for item in settings(network, "kube-router", "port"):
        if not item.value.isdecimal() or not 0 < int(item.value[:9]) < 65536:
            yield Refusal(item.at, f"--overlay-encap-port {item.value!r} is no port")
    for item in settings(network, "kube-router", "peers"):
        for part in item.value.split(","):
            if not is_address(part.strip()):
                yield Refusal(item.at, f"--peer-router-ips: {part.strip()!r} is no address")
    for program in programs((*network.cluster.others, *network.cluster.pods.values())):
        if program.container == "kube-router":
            yield from kube_router_flags.refusals(program)
    yield from nodes(network)


def private(text: str) -> bool:
    """Whether a text is a private AS number."""
    return text.isdecimal() and len(text) < 11 and any(low <= int(text) <= high for low, high in PRIVATE)


def nodes(network: Network) -> Iterator[Refusal]:
    """Annotations: an AS number, and as many AS numbers of peers as there are peers."""
    for _, node in sorted(network.cluster.nodes.items()):
        told = node.annotations.get(NODE_AS)
        if told is not None and not (told.isdecimal() and 0 < int(told[:11]) < 2**32):
            yield Refusal(
                node.place("metadata", "annotations", NODE_AS),
                f"{NODE_AS} of node {node.name} is {told!r}, which is no AS number",
            )
        peers, numbers = (node.annotations.get(key) for key in PEERS)
        if peers is not None and len((numbers or "").split(",")) != len(peers.split(",")):
            yield Refusal(
                node.place("metadata", "annotations", PEERS[0]),
                f"node {node.name} names {len(peers.split(','))} peers and other than as many AS numbers",
            )
