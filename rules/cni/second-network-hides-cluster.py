"""A pod's second network covers addresses of the cluster.

## What it finds
Ranges of NetworkAttachmentDefinitions (host-local, whereabouts, static addresses, routes) that overlap the pod or service network, or a node's address.

## Why it matters
The second interface has a connected route for its network, which is longer than the default route of the first: what the pod sends to those services, pods or nodes leaves by the wrong interface.
A network wider than the pods' is told as possible: some systems give pods a route for the pod network, which is longer.

## Example
    ipam: {"type": "whereabouts", "range": "10.96.0.0/16"}           # services: 10.96.0.0/12

## How to mend
Use another range for the second network.

## Sources
k8snetworkplumbingwg/multus-cni docs; Linux fib lookup: the longest prefix wins.
"""

from collections.abc import Iterator

from analyzer.query.cni.configs import Config, Holder, configs
from analyzer.query.cni.networks import pools
from analyzer.query.plan import prefix, ranges
from analyzer.query.state import node_addresses
from analyzer.rule import Finding, Network, Prefix, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    held = [*ranges(network, "pod"), *ranges(network, "service")]
    nodes = node_addresses(network)
    for config in configs(network):
        if config.holder is not Holder.ATTACHMENT:
            continue
        for path, found in networks(config):
            other = next((item for item in held if item.prefix.overlaps(found)), None)
            node = next((name for address, name in sorted(nodes.items()) if found.covers(address)), None)
            if other is not None:
                yield RULE.finding(
                    config.place(path),
                    f"{config.title}: {found} overlaps the {other.purpose} network {other.prefix}: pods send there by their second interface",
                    related=[(other.at, f"{other.said_by} says {other.prefix}")],
                    help="use another range",
                    certain=other.purpose != "pod" or other.prefix.covers(found),
                )
            elif node is not None and segment(config) is None:
                yield RULE.finding(
                    config.place(path), f"{config.title}: {found} covers an address of node {node}", severity=Severity.WARNING
                )


def segment(config: Config) -> str | None:
    """The plugin that puts pods on the nodes' own segment, where nodes may well be in the range."""
    return next(
        (kind for call, _ in config.calls if (kind := call.text("type")) in ("macvlan", "ipvlan", "vlan", "host-device")), None
    )


def networks(config: Config) -> Iterator[tuple[tuple[str | int, ...], Prefix]]:
    """Path and network of those that pods get a connected route for, and the routes that the IPAM plugin adds, the default route left out."""
    for pool in pools(config):
        yield pool.path, pool.range.subnet
    for call, path in config.calls:
        for key, field in (("addresses", "address"), ("routes", "dst")):
            found = call.get("ipam", key)
            for index, item in enumerate(found if isinstance(found, list) else ()):
                one = prefix(str(item.get(field))) if isinstance(item, dict) else None
                if one is not None and one.length:
                    yield (*path, "ipam", key, index, field), one


RULE = Rule("second-network-hides-cluster", Severity.ERROR, __doc__, check)
