"""What flannel wrote for its CNI plugin on a node is not what the cluster says, or makes the plugin masquerade.

## What it finds
A `subnet.env` whose `FLANNEL_SUBNET` is not the node's pod network, or overlaps that of another node's file; whose `FLANNEL_NETWORK` is not in `net-conf.json`; that lacks a variable; whose MTU is larger than
the tunnel's; and `FLANNEL_IPMASQ=false` beside a delegate without `ipMasq`, which then masquerades by itself.

## Why it matters
New pods get addresses that nobody routes to this node, or that another node gives out too. A plugin that masquerades hides pods' addresses from pods of other nodes.

## Example
    FLANNEL_SUBNET=10.244.3.1/24          # and node n1 has podCIDR 10.244.1.0/24

## How to mend
Restart flanneld on the node, remove cni0 when it keeps its old address, and recreate the node's pods; run flanneld with `--ip-masq`.

## Sources
flannel-io/flannel pkg/subnet/subnet.go (WriteSubnetFile); flannel-io/cni-plugin flannel.go (loadFlannelSubnetEnv), flannel_linux.go (doCmdAdd); flannel-io/flannel#1224.
"""

from collections.abc import Iterator, Mapping

from analyzer.query.cni.configs import Holder, configs
from analyzer.query.plan import node_of, prefix, ranges
from analyzer.query.state import root_of
from analyzer.rule import Finding, Network, Prefix, Rule, Severity, Span

NEEDED = (
    ("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"),
    ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET"),
    ("FLANNEL_MTU",),
    ("FLANNEL_IPMASQ",),
)


def check(network: Network) -> Iterator[Finding]:
    seen: list[tuple[str, Prefix, Span]] = []
    for node, files in sorted(network.files.items()):
        if files.subnet_file is None:
            continue
        at, values = files.subnet_file.at, dict(files.subnet_file.values)
        for names in NEEDED:
            if not any(name in values for name in names):
                yield RULE.finding(at, f"subnet.env of {node} lacks {' and '.join(names)}: the plugin refuses it")
        yield from own_network(network, node, at, values)
        yield from told_network(network, node, at, values)
        yield from mtu(network, node, at, values)
        yield from masquerade(network, node, at, values)
        mine = prefix(values.get("FLANNEL_SUBNET", ""))
        for other, taken, place in seen if mine is not None else ():
            if mine is not None and taken.overlaps(mine):
                yield RULE.finding(
                    at, f"{node} hands out {mine}, and {other} hands out {taken}", related=[(place, f"subnet.env of {other}")]
                )
        if mine is not None:
            seen.append((node, mine, at))


def own_network(network: Network, node: str, at: Span, values: Mapping[str, str]) -> Iterator[Finding]:
    """The subnet against the node's pod network."""
    fact, mine = node_of(network, node), prefix(values.get("FLANNEL_SUBNET", ""))
    wanted = [item for item in fact.pod_cidrs if item.family == 4] if fact else []
    if fact and mine and wanted and mine not in wanted:
        yield RULE.finding(
            at,
            f"{node} hands out {mine} by subnet.env, and its pod network is {wanted[0]}",
            related=[(fact.place("spec", "podCIDRs", 0), f"the pod network of {node}")],
            help="restart flanneld on the node and recreate its pods",
        )


def told_network(network: Network, node: str, at: Span, values: Mapping[str, str]) -> Iterator[Finding]:
    """The cluster's network against flannel's own configuration."""
    told = prefix(values.get("FLANNEL_NETWORK", ""))
    known = [
        item for item in ranges(network, "pod") if "net-conf.json" in item.said_by and told and item.prefix.family == told.family
    ]
    if told and known and all(item.prefix != told for item in known):
        yield RULE.finding(
            at,
            f"subnet.env of {node} has the network {told}, and {known[0].said_by} says {known[0].prefix}",
            related=[(known[0].at, f"{known[0].said_by} says {known[0].prefix}")],
            help="restart flanneld on the node",
        )


def mtu(network: Network, node: str, at: Span, values: Mapping[str, str]) -> Iterator[Finding]:
    """The MTU of pods against the tunnel's."""
    yield from delegate_mtu(network, node, values)
    root, text = root_of(network, node), values.get("FLANNEL_MTU", "")
    link = root.links.get("flannel.1") if root is not None else None
    if link is not None and link.mtu and text.isdecimal() and int(text) > link.mtu:
        yield RULE.finding(
            at,
            f"subnet.env of {node} gives pods MTU {text}, and flannel.1 has {link.mtu}",
            related=[(link.at, f"flannel.1 of {node}")],
            severity=Severity.WARNING,
        )


def delegate_mtu(network: Network, node: str, values: Mapping[str, str]) -> Iterator[Finding]:
    """An MTU that the delegate sets by itself against what flannel has worked out."""
    text = values.get("FLANNEL_MTU", "")
    for config in configs(network):
        for call, path in config.calls:
            told = call.get("delegate", "mtu") if call.text("type") == "flannel" else None
            if config.node == node and isinstance(told, int) and text.isdecimal() and told > int(text):
                yield RULE.finding(
                    config.place((*path, "delegate", "mtu")),
                    f"{config.title}: the delegate gives pods MTU {told}, and flannel has worked out {text}",
                    severity=Severity.WARNING,
                )


def masquerade(network: Network, node: str, at: Span, values: Mapping[str, str]) -> Iterator[Finding]:
    """Without masquerading by flanneld, the plugin lets the bridge do it."""
    if values.get("FLANNEL_IPMASQ", "true") == "true" or len(network.cluster.nodes) == 1:
        return
    for config in configs(network):
        for call, path in config.calls:
            delegate = call.get("delegate")
            if (
                config.node == node
                and config.holder is Holder.FILE
                and call.text("type") == "flannel"
                and not (isinstance(delegate, dict) and "ipMasq" in delegate)
            ):
                yield RULE.finding(
                    at,
                    f"flanneld of {node} does not masquerade, so the bridge plugin does: pods reach pods of other nodes with the node's address",
                    related=[(config.place(path), "the delegate does not set ipMasq")],
                    help="run flanneld with --ip-masq, or set ipMasq to false in the delegate",
                )


RULE = Rule("flannel-subnet-file-stale", Severity.ERROR, __doc__, check)
