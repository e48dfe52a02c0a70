"""CoreDNS forwards to a resolver on a loopback address.

## What it finds
A Corefile with `forward . /etc/resolv.conf` while the node's resolv.conf names a server of 127.0.0.0/8.

## Why it matters
In the pod's namespace the loopback address is CoreDNS itself: queries loop, and the plugin `loop` ends the process.

## Example
    nameserver 127.0.0.53            # systemd-resolved

## How to mend
Point the kubelet's `resolvConf` at /run/systemd/resolve/resolv.conf.

## Sources
CoreDNS plugin/loop/README.md, coredns/coredns#2284.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    files = [
        found
        for key, item in sorted(network.cluster.config_maps.items())
        if "coredns" in key[1] or "dns" in key[1]
        for name, found in item.data.items()
        if name == "Corefile" and "/etc/resolv.conf" in found.value
    ]
    for node, resolver in network.resolvers.items():
        for server in resolver.servers:
            if files and server.family == 4 and server.value >> 24 == 127:
                yield RULE.finding(
                    resolver.at,
                    f"{node} resolves names at {server}, and CoreDNS forwards to the node's resolv.conf: it would ask itself",
                    related=[(files[0].at, "the Corefile forwards to /etc/resolv.conf")],
                    help="point the kubelet's resolvConf at /run/systemd/resolve/resolv.conf",
                    certain=False,
                )


RULE = Rule("dns-forwards-to-itself", Severity.WARNING, __doc__, check)
