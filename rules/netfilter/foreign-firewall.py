"""An nftables base chain that iptables did not make may drop or change pod traffic.

## What it finds
A base chain of another table (firewalld, ufw, Docker, a service mesh) at a hook that pod traffic passes, which can drop, reject or lead packets elsewhere, or
has rules that are not understood. What only marks, counts or masquerades is left to other rules.

## Why it matters
Every base chain at a hook must accept a packet; an `ACCEPT` in iptables does not overrule a `reject` in `table inet firewalld`.

## Example
    table inet firewalld { chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; … reject } }

## How to mend
Trust the pods' interfaces and networks in that firewall, or disable it on Kubernetes nodes. Tables of kube-proxy's nftables mode and of the CNI are expected.

## Sources
flannel-io/flannel#2055, coredns/coredns#4714, kubernetes/kubeadm#1056; nf_tables_core.c (each base chain gives its own verdict).
"""

from collections.abc import Iterator

from analyzer.query.native import effect
from analyzer.query.state import roots
from analyzer.rule import Finding, Namespace, Network, Rule, Severity

EXPECTED = ("kube-", "flannel", "calico", "cilium", "cni_", "cni-", "kube-router", "antrea", "kindnet", "docker")
HOOKS = ("forward", "input", "prerouting", "postrouting", "output")


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for found in root.nft_chains:
            if found.inert or found.table.startswith(EXPECTED) or found.hook not in HOOKS:
                continue
            does = doing(root, found.family, found.table, found.name)
            if does:
                yield RULE.finding(
                    found.at,
                    f"table {found.family} {found.table} on {root.scope.node} {does} at hook {found.hook} too (chain {found.name}, {found.rules} rules, policy {found.policy})",
                    note="what other tables accept, it may still drop or change; verdicts take its rules into account",
                    help=f"accept pod traffic in table {found.table}, or disable that firewall on Kubernetes nodes",
                    certain=False,
                )


def doing(root: Namespace, family: str, table: str, chain: str) -> str:
    """What the chain can do to a packet's way. Marks and sources that it changes are other rules' business."""
    known = next((item for item in root.nft_tables if (item.family, item.name) == (family, table)), None)
    return effect(known, chain) if known is not None else "filters"


RULE = Rule("foreign-firewall", Severity.WARNING, __doc__, check)
