"""A version of a kind that Kubernetes does not serve any more.

## What it finds
Objects of versions that were removed: extensions/v1beta1 and networking.k8s.io/v1beta1, apps/v1beta1 and v1beta2, batch/v1beta1, discovery.k8s.io/v1beta1, policy/v1beta1 and others. Where the version that replaced it has the same shape,
`--fix` writes it.

## Why it matters
An API server since that release answers "no matches for kind": the object is not applied.

## Example
    apiVersion: extensions/v1beta1
    kind: NetworkPolicy

## How to mend
Use the version that the message names; `kubectl convert` rewrites what has changed.

## Sources
Kubernetes "Deprecated API Migration Guide". An Ingress of v1 names services and ports otherwise, an EndpointSlice of v1 has no topology: they are not rewritten.
"""

from collections.abc import Iterator

from analyzer.query.manifests import named, written
from analyzer.rule import Edit, Finding, Network, Rule, Severity

WORKLOADS = ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
# The version and kind, the release that removed it, what replaced it, and whether the shape is the same.
REMOVED = {
    ("extensions/v1beta1", "Ingress"): ("1.22", "networking.k8s.io/v1", False),
    ("networking.k8s.io/v1beta1", "Ingress"): ("1.22", "networking.k8s.io/v1", False),
    ("networking.k8s.io/v1beta1", "IngressClass"): ("1.22", "networking.k8s.io/v1", True),
    ("extensions/v1beta1", "NetworkPolicy"): ("1.16", "networking.k8s.io/v1", True),
    ("batch/v1beta1", "CronJob"): ("1.25", "batch/v1", True),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): ("1.25", "discovery.k8s.io/v1", False),
    ("policy/v1beta1", "PodDisruptionBudget"): ("1.25", "policy/v1", False),
    ("policy/v1beta1", "PodSecurityPolicy"): ("1.25", "", False),
    ("extensions/v1beta1", "PodSecurityPolicy"): ("1.16", "", False),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): ("1.25", "autoscaling/v2", False),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): ("1.26", "autoscaling/v2", True),
    **{
        (version, kind): ("1.16", "apps/v1", False)
        for version in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
        for kind in WORKLOADS
    },
}


def check(network: Network) -> Iterator[Finding]:
    for item in written(network):
        found = REMOVED.get((item.api_version, item.kind))
        if found is None:
            continue
        release, instead, same = found
        at = item.place("apiVersion")
        help = f"apiVersion: {instead}" if instead else "nothing replaced it; Pod Security Admission does its work"
        note = "" if same or not instead else f"{item.kind} of {instead} has another shape: kubectl convert rewrites it"
        edits = [Edit(at, instead, item.api_version)] if same and at.end_column else []
        yield RULE.finding(
            at, f"{named(item)} is of {item.api_version}, which Kubernetes {release} removed", note=note, help=help, edits=edits
        )


RULE = Rule("api-version-removed", Severity.ERROR, __doc__, check)
