"""Services that listen on a node's 127.0.0.1 can be reached from other machines of its network.

## What it finds
`route_localnet = 1` without a netfilter rule that drops packets to 127.0.0.0/8 (kubelet's and kube-proxy's `KUBE-FIREWALL`).

## Why it matters
With `route_localnet` the kernel no longer treats 127.0.0.0/8 from outside as martian (CVE-2020-8558): whoever shares a network with the node reaches what it believes to be local only.

## Example
    net.ipv4.conf.all.route_localnet = 1      # and no  -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 ... -j DROP

## How to mend
Let kube-proxy install its rule, set `iptables.localhostNodePorts: false` and `route_localnet` 0, or drop such packets yourself.

## Sources
ip_route_input_slow (net/ipv4/route.c, IN_DEV_NET_ROUTE_LOCALNET); CVE-2020-8558, kubernetes/kubernetes#92315.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.query.tables import chains
from analyzer.rule import Finding, Namespace, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        fact = root.sysctls.get("net.ipv4.conf.all.route_localnet")
        if fact is None or fact.value != "1" or "netfilter/4" in root.missing or guarded(root):
            continue
        certain = not {"nft", "netfilter-legacy"} & set(root.missing) and all(fact.inert for fact in root.nft_chains)
        yield RULE.finding(
            fact.at,
            f"{root.scope.node} routes 127.0.0.0/8 from outside ({fact.key} = 1), and no rule drops such packets",
            help="let kube-proxy install its rule for martians, or set iptables.localhostNodePorts: false and route_localnet 0",
            certain=certain,
        )


def guarded(root: Namespace) -> bool:
    """Whether a rule drops packets to 127.0.0.0/8, in any table that has such rules."""
    wanted = (" -d 127.0.0.0/8 ", " -j DROP")
    tables = ("raw", "mangle", "filter")
    texts = (
        rule.text + " " for table in tables for _, chain in chains(root, table) if len(chain.rules) <= 64 for rule in chain.rules
    )
    return any(wanted[0] in text and wanted[1] in text for text in texts)


RULE = Rule("loopback-routable", Severity.WARNING, __doc__, check)
