"""What Cilium's agent refuses in ``cilium-config``.

Follows cilium/cilium pkg/option/config.go (``Validate``, ``validateIPv4…``), pkg/datapath/tunnel/tunnel.go, pkg/clustermesh/types/option.go (``ClusterInfo.Validate``), pkg/ipam/option/option.go,
daemon/cmd/{daemon_main.go,kube_proxy_replacement.go} and pkg/policy (``enable-policy``): the agent ends where it finds one of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from analyzer.facts.kubernetes import ConfigMapFact
from analyzer.model.network import Network
from analyzer.query.refusals import Refusal

WORDS: Mapping[str, tuple[str, ...]] = {
    "routing-mode": ("native", "tunnel"),
    "tunnel-protocol": ("vxlan", "geneve"),
    "tunnel": ("vxlan", "geneve", "disabled"),
    "enable-policy": ("default", "always", "never"),
    "kube-proxy-replacement": ("true", "false", "strict", "partial", "probe", "disabled"),
    "bpf-lb-mode": ("snat", "dsr", "hybrid"),
    "bpf-lb-algorithm": ("random", "maglev"),
    "bpf-lb-dsr-dispatch": ("opt", "ipip", "geneve"),
    "identity-allocation-mode": ("crd", "kvstore", "doublewrite-readkvstore", "doublewrite-readcrd"),
    "ipam": (
        *("kubernetes", "cluster-pool", "multi-pool", "crd", "eni", "azure", "alibabacloud", "delegated-plugin"),
        *("cluster-pool-v2beta", "hostscope-legacy", "operator"),
    ),
    "policy-cidr-match-mode": ("nodes",),
}
"""The words that some version takes; an empty value is the default. ``enable-policy`` is read whatever its case."""
LARGEST = ("255", "511")


def refusals(network: Network) -> Iterator[Refusal]:
    """What is wrong in the ConfigMap of each cluster."""
    for (_, name), fact in sorted(network.cluster.config_maps.items()):
        if name == "cilium-config":
            yield from words(fact)
            yield from numbers(fact)
            yield from together(fact)


def words(fact: ConfigMapFact) -> Iterator[Refusal]:
    """Values that must be one of a few words."""
    for key, known in WORDS.items():
        found = fact.data.get(key)
        value = found.value.strip() if found is not None else ""
        if found is not None and value and (value.lower() if key == "enable-policy" else value) not in known:
            yield Refusal(found.at, f"{key} {value!r} is none of {', '.join(known)}")


def numbers(fact: ConfigMapFact) -> Iterator[Refusal]:
    """The cluster's number in a mesh."""
    found, most = fact.data.get("cluster-id"), fact.data.get("max-connected-clusters")
    largest = most.value.strip() if most is not None and most.value.strip() else LARGEST[0]
    if most is not None and largest not in LARGEST:
        yield Refusal(most.at, f"max-connected-clusters {largest!r} is neither 255 nor 511")
    elif found is not None and found.value.strip():
        value = found.value.strip()
        if not value.isdecimal() or int(value) > int(largest):
            yield Refusal(found.at, f"cluster-id {value!r} is not between 0 and {largest}")


def together(fact: ConfigMapFact) -> Iterator[Refusal]:
    """Routes to other nodes' pods beside a tunnel that takes all of their packets."""
    direct, routing, old = (fact.data.get(key) for key in ("auto-direct-node-routes", "routing-mode", "tunnel"))
    tunnelled = next(
        (one for one, values in ((routing, ("tunnel",)), (old, ("vxlan", "geneve"))) if one and one.value.strip() in values), None
    )
    if direct is not None and direct.value.strip() == "true" and tunnelled is not None:
        mode = f"with the tunnel that {'routing-mode' if tunnelled is routing else 'tunnel'} asks for"
        yield Refusal(direct.at, f"auto-direct-node-routes cannot be on {mode}: it is for the routing mode native")
