"""Two ports of one logical switch of OVN have the same address.

## What it finds
Ports of a logical switch (`ovn-nbctl show`) whose `addresses` name one IP address or one MAC twice.

## Why it matters
OVN answers questions for an address with the MAC of one of the ports, and delivers to the port of that MAC: one of the two pods gets no packets. It happens when a port was left behind by a pod that is gone and
its address was given out again.

## Example
    switch ovn-default
        port old.default
            addresses: ["00:00:00:AA:37:DF 10.16.0.23"]
        port new.default
            addresses: ["00:00:00:BB:12:34 10.16.0.23"]

## How to mend
Delete the port that no pod has: `ovn-nbctl lsp-del NAME`.

## Sources
OVN northd (build_lswitch_arp_nd_responder_known_ips: "Duplicate IP"); kube-ovn documentation, IP conflicts.
"""

from collections.abc import Iterator

from analyzer.rule import Finding, Network, Rule, Severity, Span


def check(network: Network) -> Iterator[Finding]:
    seen: dict[tuple[str, str], tuple[str, Span]] = {}
    for port in network.logical_ports:
        if port.router or not port.owner or port.kind in ("virtual", "router"):
            continue
        for word in sorted({word.lower() for text in port.addresses for word in text.split() if "." in word or ":" in word}):
            name, at = seen.setdefault((port.owner, word), (port.name, port.at))
            if name != port.name:
                text = f"the ports {name} and {port.name} of the logical switch {port.owner} both have {word}"
                yield RULE.finding(port.at, text, related=[(at, "the other")], help="ovn-nbctl lsp-del the one that no pod has")


RULE = Rule("logical-address-shared", Severity.ERROR, __doc__, check)
