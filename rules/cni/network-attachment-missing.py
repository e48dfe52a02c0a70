"""A pod asks for a second network that does not exist, or that it may not use.

## What it finds
Names in the annotation `k8s.v1.cni.cncf.io/networks` without a NetworkAttachmentDefinition of that name; networks of another namespace where multus isolates
namespaces; elements that cannot be understood.

## Why it matters
Multus ends with an error: the pod stays in ContainerCreating.

## Example
    k8s.v1.cni.cncf.io/networks: storage/fast@net1          # and namespace storage has no "fast"

## How to mend
Create the NetworkAttachmentDefinition, or correct the name.

## Sources
Kubernetes Network Custom Resource Definition De-facto Standard v1.3; k8snetworkplumbingwg/multus-cni pkg/k8sclient/k8sclient.go (isValidNamespaceReference).
"""

from collections.abc import Iterator

from analyzer.query.cni.attachments import Request, requests
from analyzer.query.cni.configs import Holder, configs
from analyzer.query.wanted_pods import Workload, workloads
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    defined = {
        (item.namespace or "default", item.name) for item in network.cluster.others if item.kind == "NetworkAttachmentDefinition"
    }
    isolated = isolation(network)
    for workload in workloads(network):
        for request in requests(workload):
            yield from wrong(workload, request, defined, isolated)


def wrong(
    workload: Workload, request: Request, defined: set[tuple[str, str]], isolated: frozenset[str] | None
) -> Iterator[Finding]:
    """What is wrong with one request. Where no definition was captured at all, none is known to be missing."""
    if request.problem:
        yield RULE.finding(request.at, f"{workload.title}: {request.problem}")
    elif isolated is not None and request.namespace not in isolated | {workload.namespace}:
        yield RULE.finding(
            request.at,
            f"{workload.title} may not use the network {request.name} of namespace {request.namespace}: multus isolates namespaces",
            help="put the NetworkAttachmentDefinition into the pod's namespace, or the namespace into globalNamespaces",
        )
    elif defined and (request.namespace, request.name) not in defined:
        yield RULE.finding(
            request.at,
            f"{workload.title} asks for the network {request.namespace}/{request.name}, which is not defined",
            help="create the NetworkAttachmentDefinition, or correct the name",
            certain=any(one[0] == request.namespace for one in defined),
        )


def isolation(network: Network) -> frozenset[str] | None:
    """The namespaces that all may use, where multus isolates namespaces; None where it does not."""
    for config in configs(network):
        for call, _ in config.calls:
            if (
                config.holder is not Holder.ATTACHMENT
                and call.text("type").startswith("multus")
                and call.truth("namespaceIsolation")
            ):
                named = call.text("globalNamespaces") or "default"
                return frozenset(part.strip() for part in named.split(","))
    return None


RULE = Rule("network-attachment-missing", Severity.ERROR, __doc__, check, absence=True)
