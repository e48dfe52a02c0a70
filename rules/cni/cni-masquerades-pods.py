"""The CNI plugin of a node masquerades what its pods send to pods of other nodes.

## What it finds
bridge or ptp with `ipMasq` in the configuration that a node takes, where host-local hands out a network smaller than the cluster's pod network, and flannel with `ipMasq` in its delegate.

## Why it matters
The plugin spares only the network that it hands out. What a pod sends to a pod of another node gets the node's address: the receiver does not see the pod, and policies by its address fail.

## Example
    {"type": "bridge", "ipMasq": true, "ipam": {"type": "host-local", "subnet": "10.244.1.0/24"}}       # pods: 10.244.0.0/16

## How to mend
Set `ipMasq` to false and let one component of the node masquerade what leaves the cluster (flanneld `--ip-masq`, ip-masq-agent).

## Sources
containernetworking/plugins pkg/ip/ipmasq_iptables_linux.go (SetupIPMasqForNetworks); measured on a kernel.
"""

from collections.abc import Iterator

from analyzer.query.cni.address_ranges import host_local
from analyzer.query.cni.configs import Config, Holder, configs
from analyzer.query.plan import ranges
from analyzer.rule import Finding, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    if len(network.cluster.nodes) == 1:
        return
    wide = [item.prefix for item in ranges(network, "pod") if not item.said_by.startswith("Node ")]
    for config in configs(network):
        if config.holder is Holder.FILE:
            yield from masquerading(config, wide)


def masquerading(config: Config, wide: list[Prefix]) -> Iterator[Finding]:
    """The plugins of a configuration that masquerade between nodes."""
    for call, path in config.calls:
        if call.text("type") not in ("bridge", "ptp") or not call.truth("ipMasq"):
            continue
        ipam = call.get("ipam")
        own = [item.subnet for item in host_local(ipam)] if isinstance(ipam, dict) else []
        narrow = [(one, other) for one in own for other in wide if other.covers(one) and other != one]
        if narrow:
            words = f"spares only {narrow[0][0]}, and pods of other nodes are in {narrow[0][1]}"
        elif path[-1:] == ("delegate",):
            words = "spares only the node's own network, which flannel hands to it"
        else:
            continue
        yield RULE.finding(
            config.place((*path, "ipMasq")),
            f"{config.title}: ipMasq {words}: pods reach pods of other nodes with the node's address",
            help="set ipMasq to false",
        )


RULE = Rule("cni-masquerades-pods", Severity.ERROR, __doc__, check)
