"""CoreDNS forwards to a resolver on a loopback address.

## What it finds
A Corefile with `forward . /etc/resolv.conf` while the node's resolv.conf names a server of 127.0.0.0/8 and no kubelet's `resolvConf` names another file; a Corefile that forwards to a loopback address at
CoreDNS' own port, or to the address of its own service. What NodeLocal DNS forwards to is its business.

## Why it matters
In the pod's namespace the loopback address is CoreDNS itself: queries loop, and the plugin `loop` ends the process.

## Example
    nameserver 127.0.0.53            # systemd-resolved

## How to mend
Point the kubelet's `resolvConf` at /run/systemd/resolve/resolv.conf.

## Sources
CoreDNS plugin/loop/README.md, coredns/coredns#2284.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from analyzer.query.workloads import Located, others, part_of_text
from analyzer.rule import Address, Finding, Network, Rule, Severity, Span

FORWARD = re.compile(r"^[ \t]*(?:forward|proxy)[ \t]+\S+[ \t]+([^{}#\n]+)", re.MULTILINE)
HEAD = re.compile(r"^[ \t]*(?:dns://)?\S*?(?::(\d+))?[ \t]*\{", re.MULTILINE)
SERVER = re.compile(r"(?:dns://)?\[?([0-9a-fA-F.:]+?)\]?(?::(\d+))?")
WORD = re.compile(r"\S+")
STUB = "/etc/resolv.conf"


def check(network: Network) -> Iterator[Finding]:
    files = [
        (key, found)
        for key, item in sorted(network.cluster.config_maps.items())
        if ("coredns" in key[1] or "dns" in key[1]) and "local" not in key[1]
        for name, found in item.data.items()
        if name == "Corefile"
    ]
    own = {address: key for key, item in network.cluster.services.items() for address in item.cluster_addresses if of_dns(key)}
    for key, found in files:
        for targets in FORWARD.finditer(found.value):
            for server in WORD.finditer(targets[1]):
                at = part_of_text(network, found, targets.start(1) + server.start(), targets.start(1) + server.end())
                yield from to_itself(at, f"ConfigMap {key[0]}/{key[1]}", server[0], port_of(found.value), own)
    asked = [found for _, found in files if STUB in found.value]
    yield from by_the_node(network, stub(network, asked[0])) if asked else ()


def stub(network: Network, found: Located) -> Span:
    """Where a Corefile names the node's resolv.conf."""
    start = found.value.index(STUB)
    return part_of_text(network, found, start, start + len(STUB))


def by_the_node(network: Network, corefile: Span) -> Iterator[Finding]:
    """Nodes whose resolv.conf, which CoreDNS gets, leads to a loopback address. The kubelet may be told another file."""
    elsewhere = {
        node_of(item.at.path) for item in others(network, "KubeletConfiguration") if item.document.get("resolvConf", STUB) != STUB
    }
    for node, resolver in network.resolvers.items():
        for server in resolver.servers:
            if loopback(server) and not elsewhere & {node, ""}:
                yield RULE.finding(
                    resolver.at,
                    f"{node} resolves names at {server}, and CoreDNS forwards to the node's resolv.conf: it would ask itself",
                    related=[(corefile, "the Corefile forwards to /etc/resolv.conf")],
                    help="point the kubelet's resolvConf at /run/systemd/resolve/resolv.conf",
                    certain=False,
                )


def to_itself(at: Span, name: str, text: str, port: str, own: Mapping[Address, tuple[str, str]]) -> Iterator[Finding]:
    """A server that the Corefile names, where it is CoreDNS itself: by a loopback address, or by its own service's."""
    found = SERVER.fullmatch(text)
    server = parsed(found[1]) if found else None
    if found is None or server is None:
        return
    if loopback(server) and (found[2] or "53") == port:
        yield RULE.finding(
            at, f"{name} forwards to {text}, where CoreDNS itself listens", help="name a server outside the cluster"
        )
    elif server in own:
        service = "/".join(own[server])
        yield RULE.finding(
            at, f"{name} forwards to {text}, its own service {service}: it asks itself", help="name a server outside the cluster"
        )


def port_of(corefile: str) -> str:
    """The port of the first server block."""
    found = HEAD.search(corefile)
    return (found[1] if found else "") or "53"


def parsed(text: str) -> Address | None:
    """An address; None where the text is none."""
    try:
        value = ip_address(text)
    except ValueError:
        return None
    return Address(value.version, int(value))


def loopback(server: Address) -> bool:
    """Whether it is of 127.0.0.0/8, or ::1."""
    return server.value >> 24 == 127 if server.family == 4 else server.value == 1


def of_dns(key: tuple[str, str]) -> bool:
    """Whether a service is the cluster's DNS, by the names that it has."""
    return key[0] == "kube-system" and "dns" in key[1] and "upstream" not in key[1]


def node_of(path: str) -> str:
    """The node that a file was captured on; empty where it speaks of the cluster."""
    parts = path.split("/")
    return parts[parts.index("nodes") + 1] if "nodes" in parts[:-2] else ""


RULE = Rule("dns-forwards-to-itself", Severity.WARNING, __doc__, check)
