"""kube-proxy's chains exist, but nothing jumps to them.

## What it finds
A nat table with KUBE-SERVICES whose PREROUTING or OUTPUT has no jump to it; and a rule that jumps to a chain that does not exist.

## Why it matters
Services then work for nobody on the node (PREROUTING: for its pods; OUTPUT: for its own processes).

## Example
    :KUBE-SERVICES - [0:0]                # and no "-A PREROUTING … -j KUBE-SERVICES"

## How to mend
Restart kube-proxy, and find what flushes the chain (firewalld reload, `iptables-restore` of a saved file).

## Sources
projectcalico/calico#10538, kubernetes/kubernetes#80407, #61005.
"""

from collections.abc import Iterator

from analyzer.query.state import chain, roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for ruleset, services in chain(root, "nat", "KUBE-SERVICES"):
            if not len(services.rules):
                continue
            for hook, whom in (("PREROUTING", "pods"), ("OUTPUT", "processes of the node")):
                base = ruleset.tables["nat"].get(hook)
                if base is None or not any(getattr(rule.target, "chain", None) == "KUBE-SERVICES" for rule in base.rules):
                    yield RULE.finding(
                        base.at if base else services.at,
                        f"nat {hook} on {root.scope.node} ({ruleset.backend}) has no jump to KUBE-SERVICES: services do not work for its {whom}",
                        related=[(services.at, f"KUBE-SERVICES has {len(services.rules)} rules")],
                        help=f"restart kube-proxy, or: iptables -t nat -I {hook} -j KUBE-SERVICES",
                        certain=not root.gaps.get("iptables-save"),
                    )


RULE = Rule("service-portal-missing", Severity.ERROR, __doc__, check)
