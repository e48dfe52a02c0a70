"""Flannel."""

from __future__ import annotations

from tests.systems import System

SYSTEM = System(
    title="Flannel",
    order=1,
    parsers=(
        "cni-config",
        "subnet-env",
        "ip-addr",
        "ip-route",
        "ip-neigh",
        "bridge-fdb",
        "bridge-link",
        "iptables-save",
        "wg",
        "kubernetes",
    ),
    plugins=(
        "flannel",
        "bridge",
        "portmap",
    ),
    profile="flannel",
    settings=(
        "flannel",
        "kubernetes",
    ),
    rules=(
        "tunnel-*",
        "pod-network-*",
        "pod-networks-disagree",
        "node-pod-networks-overlap",
        "node-without-pod-network",
        "registered-address-wrong",
        "bridge-address-stale",
        "flannel-*",
        "cni-masquerades-pods",
        "overlay-port-shared",
        "cni-config-refused",
        "node-networks-exhausted",
        "addresses-not-enough",
        "pods-routed-without-tunnel",
        "pods-leave-unmasqueraded",
        "overlay-mtu-configured-too-large",
        "mtu-differs-between-nodes",
    ),
    decided=(
        "healthy/flannel-docker-nodelocaldns.txt",
        "healthy/k3s-kube-router.txt",
    ),
    samples=(
        "plan/flannel.yaml",
        "parsers/subnet-env/*.txt",
        "truth/flannel-*.txt",
        "truth/host-gw*.txt",
    ),
    scenarios=(
        "flannel-vxlan",
        "flannel-vxlan-services",
        "flannel-vxlan-services-legacy",
        "flannel-vxlan-hostport",
        "flannel-vxlan-3",
        "flannel-dual-stack",
        "flannel-dual-stack-policies",
        "host-gw",
        "host-gw-services",
        "host-gw-services-no-hairpin",
        "host-gw-policies",
        "flannel-vxlan-nftables",
        "tunnel-flannel-ipip",
    ),
    real=("manifests/flannel-io-flannel/**/*.yml",),
    limits="The udp backend's forwarding happens in flanneld and is not seen in any table; wireguard is held against a recording of a kernel that has it (wireguard.txt), and tried where the lab's has it; keys in etcd are not read.",
)
