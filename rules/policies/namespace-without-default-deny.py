"""A namespace has policies, and pods that none of them isolates.

## What it finds
Namespaces of the input in which some pods are isolated by NetworkPolicies and others by none, for ingress (and with the option `egress`, for egress). Namespaces without any policy are only told with the option `everywhere`.

## Why it matters
Whoever writes policies for a namespace usually wants all of its pods closed: a new or forgotten pod is open to everybody.

## Example
    kind: NetworkPolicy
    spec: {podSelector: {matchLabels: {app: db}}}           # and the pods of app: web are open

## How to mend
Add a policy with an empty `podSelector` and no rules: what other policies admit stays admitted.

## Sources
Kubernetes documentation "Network Policies", default policies. Namespaces of the cluster itself (kube-system …) are left out.
"""

from collections.abc import Iterator

from analyzer.query.policy_findings import BUILT_IN, open_pods
from analyzer.rule import Finding, Network, Options, Severity, tunable


def check(network: Network, options: Options) -> Iterator[Finding]:
    for direction in ("ingress", "egress") if options["egress"] else ("ingress",):
        for namespace, pods, policy in open_pods(network, direction):
            if namespace in BUILT_IN or not (policy or options["everywhere"]):
                continue
            more = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
            at = pods[0].at or (policy.at if policy else None)
            if at is not None:
                yield RULE.finding(
                    at,
                    f"no policy isolates {pods[0].name}{more} for {direction}"
                    + (f", though {policy} isolates others" if policy else ""),
                    related=[(policy.at, "a policy of the namespace")] if policy else [],
                    help=f"a policy of {namespace} with podSelector: {{}} and policyTypes: [{direction.capitalize()}]",
                )


RULE = tunable("namespace-without-default-deny", Severity.NOTE, __doc__, check, {"egress": False, "everywhere": False})
