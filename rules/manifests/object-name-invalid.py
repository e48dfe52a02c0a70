"""An object without a name, or whose name or namespace is none.

## What it finds
Objects of Kubernetes' own kinds, and of the networking kinds that are read here, without `metadata.name` (and without `generateName`); with a name that is no DNS subdomain, a Namespace or a Service whose name is no DNS label, a Service whose name begins with a digit (before 1.36), and a `metadata.namespace` that is none.

## Why it matters
The API server refuses the object. In a folder of manifests, several objects without a name also look like one.

## Example
    kind: NetworkPolicy
    metadata: {name: Default_Deny}       # upper case and underscores are in no name

## How to mend
Give a name of lower-case letters, digits, `-` and (but for namespaces and services) `.`, which begins and ends with a letter or a digit.

## Sources
Kubernetes "Object Names and IDs"; apimachinery/pkg/api/validation (ValidateObjectMeta, NameIsDNSSubdomain), pkg/apis/core/validation (ValidateNamespaceName, ValidateServiceName), KEP-5311. Objects that come from an API server are left out, and names with placeholders (`{{ }}`, `${ }`, `< >`).
"""

import re
from collections.abc import Iterator

from analyzer.query.manifests import ObjectFact, written
from analyzer.query.workloads import mapping
from analyzer.rule import Finding, Network, Rule, Severity, Span

GROUPS = {
    "",
    "apps",
    "batch",
    "discovery",
    "extensions",
    "networking",
    "gateway.networking",
    "policy.networking",
    "k8s.cni.cncf.io",
}
OTHERS = ("projectcalico.org", "crd.projectcalico.org", "cilium.io", "security.istio.io", "k8s.ovn.org", "crd.antrea.io")
# Of the group without a name: what has no metadata.
WITHOUT = ("Config", "List", "Status")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PLACEHOLDER = re.compile(r"[{}<>$%]|__")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def check(network: Network) -> Iterator[Finding]:
    for item in written(network):
        if item.kind in WITHOUT or item.kind.endswith("List") or not known(item):
            continue
        for at, text in wrong(item):
            yield RULE.finding(at, text)
        name = mapping(item.document.get("metadata")).get("name")
        if is_service(item) and isinstance(name, str) and LABEL.fullmatch(name) and name[0].isdecimal():
            text = f"{name!r} is no name for a Service before Kubernetes 1.36: it must begin with a letter"
            yield RULE.finding(item.place("metadata", "name"), text, certain=False)


def is_service(item: ObjectFact) -> bool:
    """Whether an object is a Service: its name is that of a host, without dots (ValidateServiceName; RelaxedServiceNameValidation lets it begin with a
    digit, from 1.36 on without being asked to)."""
    return item.kind == "Service" and item.api_version == "v1"


def known(item: ObjectFact) -> bool:
    """Whether an object is of a kind that an API server checks the names of in this way."""
    group = item.api_version.rpartition("/")[0]
    return group in OTHERS or group.removesuffix(".k8s.io") in GROUPS or group in GROUPS


def wrong(item: ObjectFact) -> Iterator[tuple[Span, str]]:
    """What is wrong with an object's names."""
    metadata = mapping(item.document.get("metadata"))
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name is None and not metadata.get("generateName"):
        where = f" in namespace {namespace}" if namespace else ""
        yield item.at, f"a {item.kind}{where} has no name"
    pattern, what = (LABEL, "DNS label") if item.kind == "Namespace" or is_service(item) else (SUBDOMAIN, "DNS subdomain")
    if isinstance(name, str) and not pattern.fullmatch(name) and not PLACEHOLDER.search(name):
        yield item.place("metadata", "name"), f"{name!r} is no name for a {item.kind}: it must be a {what}, in lower case"
    if isinstance(namespace, str) and namespace and not (LABEL.fullmatch(namespace) or PLACEHOLDER.search(namespace)):
        yield (
            item.place("metadata", "namespace"),
            f"{namespace!r} is no name of a namespace: it must be a DNS label, in lower case",
        )


RULE = Rule("object-name-invalid", Severity.ERROR, __doc__, check)
