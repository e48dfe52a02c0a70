"""A tunnel leaves checksums to a device that may get them wrong.

## What it finds
`tx-checksum-ip-generic: on` for a VXLAN device (`ethtool -k`), on a node where kube-proxy's rules translate sources (`KUBE-POSTROUTING`).

## Why it matters
Some kernels (before 5.7) and network cards (VMware's among them) send wrong checksums for translated packets inside a tunnel: services answer only after
a delay of 63 seconds, or not at all, while pods' addresses work. It is a risk, not a fault by itself.

## Example
    tx-checksum-ip-generic: on        # flannel.1

## How to mend
`ethtool -K flannel.1 tx-checksum-ip-generic off`; Calico: `ChecksumOffloadBroken=true` in the feature detection override.

## Sources
kubernetes/kubernetes#88986, projectcalico/calico#3145, flannel-io/flannel#1282; nf_nat_udp_manip_pkt ("never update the UDP checksum when it's 0", Linux 5.7).
"""

from collections.abc import Iterator

from analyzer.query.tables import chain
from analyzer.query.tunnels import vxlans
from analyzer.rule import Finding, Network, Rule, Severity

FEATURE = "tx-checksum-ip-generic"


def check(network: Network) -> Iterator[Finding]:
    for item, _ in vxlans(network):
        root = network.namespaces[item.interface.scope]
        if "netfilter/4" not in root.missing and not any(True for _ in chain(root, "nat", "KUBE-POSTROUTING")):
            continue
        for fact in root.offloads:
            if fact.device == item.link.name and fact.feature == FEATURE and fact.enabled:
                yield RULE.finding(
                    fact.at,
                    f"{item.link.name} on {root.scope.node} leaves checksums to the network card ({FEATURE}: on)",
                    related=[(item.link.at, f"{item.link.name} carries translated packets")],
                    note="harmless with most kernels from 5.7 on and most cards",
                    help=f"if services answer only after a minute: ethtool -K {item.link.name} {FEATURE} off",
                    certain=False,
                )


RULE = Rule("tunnel-checksum-offload", Severity.NOTE, __doc__, check)
