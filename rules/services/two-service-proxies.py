"""Two programs translate the same services.

## What it finds
kube-proxy beside kube-router with `--run-service-proxy=true`, or beside Cilium that replaces kube-proxy (`kube-proxy-replacement: "true"` or `strict`), on DaemonSets or pods.

## Why it matters
Whichever rule a packet meets first decides; stale rules of the other keep sending connections to pods that are gone.

## Example
    DaemonSet kube-proxy          DaemonSet kube-router: --run-service-proxy=true

## How to mend
Delete kube-proxy's DaemonSet and clear its rules (`kube-proxy --cleanup`), or switch the other's proxy off.

## Sources
cloudnativelabs/kube-router docs/user-guide.md; cilium/cilium Documentation/network/kubernetes/kubeproxy-free.rst.
"""

from collections.abc import Iterator

from analyzer.query.systems.kubernetes import settings
from analyzer.query.systems.proxies import kube_proxy
from analyzer.rule import Finding, Network, Rule, Severity

OTHERS = (
    ("kube-router", "service-proxy", ("true",)),
    ("cilium", "kube-proxy-replacement", ("true", "strict")),
)


def check(network: Network) -> Iterator[Finding]:
    own = kube_proxy(network)
    for system, key, values in OTHERS:
        for item in settings(network, system, key)[:1]:
            if own is not None and item.value in values:
                yield RULE.finding(
                    item.at,
                    f"{system} translates services ({item.said_by}), and kube-proxy does as well",
                    related=[(own.at, f"{own.kind} {own.name}")],
                    help="remove kube-proxy and its rules, or switch the other off",
                )


RULE = Rule("two-service-proxies", Severity.WARNING, __doc__, check)
