"""kube-proxy's chains exist, but nothing jumps to them; or all of its rules are gone.

## What it finds
A nat table with KUBE-SERVICES whose PREROUTING or OUTPUT has no jump to it; `table ip kube-proxy` whose chain `services` no base chain goes to; and a node without any rule of kube-proxy, in iptables,
nftables or IPVS, where kube-proxy's DaemonSet or pods say that it runs and Cilium does not replace it.

## Why it matters
Services then work for nobody on the node (PREROUTING: for its pods; OUTPUT: for its own processes).

## Example
    :KUBE-SERVICES - [0:0]                # and no "-A PREROUTING … -j KUBE-SERVICES"

## How to mend
Restart kube-proxy, and find what flushes the chain (firewalld reload, `iptables-restore` of a saved file).

## Sources
projectcalico/calico#10538, kubernetes/kubernetes#80407, #61005, coreos/fedora-coreos-tracker#574; kubernetes pkg/proxy/nftables/proxier.go.
"""

from collections.abc import Iterator

from analyzer.query.native import reached, tables
from analyzer.query.state import roots
from analyzer.query.systems.kubernetes import settings
from analyzer.query.tables import chain, chains
from analyzer.query.workloads import pods_wanted
from analyzer.rule import Finding, Namespace, Network, Rule, Severity, Span

HOOKS = (("PREROUTING", "pods"), ("OUTPUT", "processes of the node"))


def check(network: Network) -> Iterator[Finding]:
    if not network.namespaces:
        return
    proxy = installed(network)
    for root in roots(network):
        yield from in_iptables(root)
        yield from in_nftables(root)
        if proxy is not None and nothing(root):
            yield from emptied(network, root, proxy)


def in_iptables(root: Namespace) -> Iterator[Finding]:
    """KUBE-SERVICES without a jump from the built-in chains."""
    for ruleset, services in chain(root, "nat", "KUBE-SERVICES"):
        for hook, whom in HOOKS if len(services.rules) else ():
            base = ruleset.tables["nat"].get(hook)
            if base is None or not any(getattr(rule.target, "chain", None) == "KUBE-SERVICES" for rule in base.rules):
                yield RULE.finding(
                    base.at if base else services.at,
                    f"nat {hook} on {root.scope.node} ({ruleset.backend}) has no jump to KUBE-SERVICES: services do not work for its {whom}",
                    related=[(services.at, f"KUBE-SERVICES has {len(services.rules)} rules")],
                    help=f"restart kube-proxy, or: iptables -t nat -I {hook} -j KUBE-SERVICES",
                    certain=not root.gaps.get("iptables-save"),
                )


def in_nftables(root: Namespace) -> Iterator[Finding]:
    """The chain of services in kube-proxy's own table, which no base chain of a hook goes to."""
    for table in tables(root, "kube-proxy"):
        services = table.chains.get("services")
        for hook, whom in HOOKS if services is not None and len(services.rules) else ():
            bases = [item for item in table.chains.values() if item.base and item.base.hook.upper() == hook]
            if services is not None and not any(services in reached(table, item.name) for item in bases):
                yield RULE.finding(
                    services.at,
                    f"no chain at hook {hook.lower()} of table {table.family} kube-proxy on {root.scope.node} goes to its chain services: services do not work for its {whom}",
                    help=f"restart kube-proxy on {root.scope.node}",
                    certain=not root.gaps.get("nft"),
                )


def installed(network: Network) -> Span | None:
    """What says that kube-proxy runs on every node; None where nothing does, or where something replaces it."""
    if any(item.value in ("true", "strict") for item in settings(network, "cilium", "kube-proxy-replacement")):
        return None
    for item in pods_wanted(network):
        if item.owner.name.startswith("kube-proxy") and item.namespace == "kube-system":
            return item.owner.at
    return None


def nothing(root: Namespace) -> bool:
    """Whether a node that was captured with its rules has none of kube-proxy's, in any mode."""
    captured = not {"netfilter/4", "nft"} & root.missing.keys() and (root.rulesets or root.nft_tables)
    made = any(True for table in TABLES for _ in chains(root, table, wanted=of_proxy))
    return bool(captured) and not made and not any(True for _ in tables(root, "kube-proxy")) and "kube-ipvs0" not in root.links


def of_proxy(chain: str) -> bool:
    """Whether kube-proxy makes chains of this name, and the kubelet does not."""
    return chain.startswith("KUBE-") and chain not in KUBELET


KUBELET = ("KUBE-FIREWALL", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-MARK-DROP")
TABLES = ("nat", "filter", "mangle")


def emptied(network: Network, root: Namespace, proxy: Span) -> Iterator[Finding]:
    """A node that kube-proxy runs on, and that has none of its rules."""
    services = [item for item in network.cluster.services.values() if item.cluster_addresses]
    at = next(item.at for item in (*(one for one in root.rulesets if one.tables), *root.nft_tables, *root.rulesets))
    yield RULE.finding(
        at,
        f"{root.scope.node} has no rules of kube-proxy, in iptables, nftables or IPVS: something flushed them, or kube-proxy does not run there",
        related=[
            (proxy, "kube-proxy, as it is wanted on the nodes"),
            *((item.at, "a service that needs them") for item in services[:1]),
        ],
        help=f"restart kube-proxy on {root.scope.node} (and the CNI's agent), and find what flushed the rules",
        certain=False,
    )


RULE = Rule("service-portal-missing", Severity.ERROR, __doc__, check, follows=("two-iptables-back-ends",))
