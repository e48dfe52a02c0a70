"""Fields that hold one of a few words, by their paths: of pods and their templates, of workloads, and of others that packets depend on.

Sources: Kubernetes pkg/apis/core/validation (validateRestartPolicy, validatePullPolicy, validateHTTPGetAction, ValidateTolerations,
ValidateTopologySpreadConstraints, ValidateNodeSelectorRequirement), pkg/apis/apps/validation (ValidateDeploymentStrategy, ValidateStatefulSetSpec,
ValidateDaemonSetUpdateStrategy, and that templates of apps restart Always), pkg/apis/batch/validation (validateJobSpec, validateCronJobSpec),
pkg/apis/discovery/validation (ValidateEndpointSliceCreate), apimachinery pkg/apis/meta/v1/validation (ValidateLabelSelectorRequirement);
Gateway API apis/v1 (FromNamespaces).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.query.validation.values import Key, Refused, word
from analyzer.query.workloads import listed, mapping

EACH = "*"
Table = Mapping[tuple[str, ...], tuple[str, ...]]

SCHEMES = ("HTTP", "HTTPS")
ROLLING = ("RollingUpdate", "OnDelete")
SELECTS = ("In", "NotIn", "Exists", "DoesNotExist")
NODE_SELECTS = (*SELECTS, "Gt", "Lt")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
CONTAINER: Table = {
    ("imagePullPolicy",): ("Always", "IfNotPresent", "Never"),
    ("terminationMessagePolicy",): ("File", "FallbackToLogsOnError"),
    **{(probe, "httpGet", "scheme"): SCHEMES for probe in PROBES},
}
POD: Table = {
    ("restartPolicy",): ("Always", "OnFailure", "Never"),
    ("tolerations", EACH, "operator"): ("Exists", "Equal", "Lt", "Gt"),
    ("tolerations", EACH, "effect"): ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    ("topologySpreadConstraints", EACH, "whenUnsatisfiable"): ("DoNotSchedule", "ScheduleAnyway"),
    ("affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms", EACH, "matchExpressions", EACH, "operator"): NODE_SELECTS,
    ("affinity", "nodeAffinity", PREFERRED, EACH, "preference", "matchExpressions", EACH, "operator"): NODE_SELECTS,
    **{(kind, EACH, *path): words for kind in ("initContainers", "containers") for path, words in CONTAINER.items()},
}
RESTARTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), ("Always",)),
    **dict.fromkeys(("Job", "CronJob"), ("OnFailure", "Never")),
}
OBJECTS: Mapping[tuple[str, str], Table] = {
    ("apps/v1", "Deployment"): {
        ("spec", "strategy", "type"): ("RollingUpdate", "Recreate"),
        ("spec", "selector", "matchExpressions", EACH, "operator"): SELECTS,
    },
    ("apps/v1", "StatefulSet"): {
        ("spec", "updateStrategy", "type"): ROLLING,
        ("spec", "podManagementPolicy"): ("OrderedReady", "Parallel"),
        ("spec", "selector", "matchExpressions", EACH, "operator"): SELECTS,
    },
    ("apps/v1", "DaemonSet"): {
        ("spec", "updateStrategy", "type"): ROLLING,
        ("spec", "selector", "matchExpressions", EACH, "operator"): SELECTS,
    },
    ("batch/v1", "Job"): {("spec", "completionMode"): ("NonIndexed", "Indexed")},
    ("batch/v1", "CronJob"): {("spec", "concurrencyPolicy"): ("Allow", "Forbid", "Replace")},
    ("discovery.k8s.io/v1", "EndpointSlice"): {("addressType",): ("IPv4", "IPv6", "FQDN")},
    ("gateway.networking.k8s.io/v1", "Gateway"): {
        ("spec", "listeners", EACH, "allowedRoutes", "namespaces", "from"): ("All", "Selector", "Same", "None"),
        ("spec", "listeners", EACH, "tls", "mode"): ("Terminate", "Passthrough"),
    },
}


def of_pod(spec: Mapping[str, Any], path: tuple[Key, ...], kind: str) -> Iterator[Refused]:
    """The words of a pod's specification, which is at ``path`` in an object of a kind."""
    yield from words(spec, path, {**POD, ("restartPolicy",): RESTARTS.get(kind, POD[("restartPolicy",)])})


def of_document(version: str, kind: str, document: Mapping[str, Any]) -> Iterator[Refused]:
    """The words of an object, its pods' apart."""
    yield from words(document, (), OBJECTS.get((version, kind), {}))


def words(value: Any, path: tuple[Key, ...], table: Table) -> Iterator[Refused]:
    """The fields of a value, which is at ``path``, that hold none of their words."""
    for pattern, among in table.items():
        for found, inner in places(value, pattern):
            yield from word(found, among, (*path, *inner))


def places(value: Any, pattern: tuple[str, ...]) -> Iterator[tuple[Any, tuple[Key, ...]]]:
    """The values at the paths of a pattern, each with its path."""
    if not pattern:
        yield value, ()
        return
    first, rest = pattern[0], pattern[1:]
    found = enumerate(listed(value)) if first == EACH else [(first, mapping(value).get(first))]
    for key, inside in found:
        yield from ((one, (key, *path)) for one, path in places(inside, rest)) if inside is not None else ()
