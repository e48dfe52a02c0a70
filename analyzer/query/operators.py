"""Where operators may make pods that are not in the input: in the namespaces of the objects of kinds that are not Kubernetes' own.

What an object owns is of its namespace (metav1 OwnerReference), and what deploys elsewhere names where: Flux and K3s in ``spec.targetNamespace``, Argo CD in ``spec.destination.namespace``.
An object without a namespace, or one that deploys without naming any, may do so anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.planes import kinds
from analyzer.policy.reading import group_of
from analyzer.policy.world import mapping, pod_template
from analyzer.query.once import Identity

NO_PODS = (
    "cert-manager.io",
    "cilium.io",
    "cni.cncf.io",
    "constraints.gatekeeper.sh",
    "crd.antrea.io",
    "eksctl.io",
    "external-secrets.io",
    "istio.io",
    "k3d.io",
    "k8s.aws",
    "k8s.ovn.org",
    "keda.sh",
    "kind.x-k8s.io",
    "kubeovn.io",
    "kyverno.io",
    "linkerd.io",
    "metallb.io",
    "networking.gke.io",
    "projectcalico.org",
    "projectcontour.io",
    "templates.gatekeeper.sh",
    "traefik.containo.us",
    "traefik.io",
)
"""Groups of whose objects nobody makes pods that services and policies are written for."""
NO_PODS_OF = frozenset(
    {
        ("argoproj.io", "AppProject"),
        ("bitnami.com", "SealedSecret"),
        ("monitoring.coreos.com", "AlertmanagerConfig"),
        ("monitoring.coreos.com", "PodMonitor"),
        ("monitoring.coreos.com", "Probe"),
        ("monitoring.coreos.com", "PrometheusRule"),
        ("monitoring.coreos.com", "ScrapeConfig"),
        ("monitoring.coreos.com", "ServiceMonitor"),
    }
)
PODS_OF = frozenset({("keda.sh", "ScaledJob"), ("install.istio.io", "IstioOperator")})
"""Kinds of those groups that have pods made all the same."""
ANYWHERE = frozenset(
    {("argoproj.io", "Application"), ("argoproj.io", "ApplicationSet"), ("kustomize.toolkit.fluxcd.io", "Kustomization")}
)
"""Kinds that deploy what a repository has, wherever that says, unless they name a namespace."""


def operated(network: Network, namespace: str) -> bool:
    """Whether an operator may make pods and services of a namespace that are not in the input, or a chart has them that was not rendered; or pods are only listed."""
    makers = made_in(Identity(network.cluster))
    unrendered = any("Helm chart" in gap.reason for gap in network.gaps)
    return unrendered or bool(network.cluster.listed.pods) or "" in makers or (namespace or "default") in makers


@lru_cache(maxsize=4)
def made_in(key: Identity) -> frozenset[str]:
    """The namespaces in which operators may make pods; an empty name stands for all."""
    cluster: Cluster = key.cluster
    known = kinds()
    return frozenset(
        namespace
        for item in cluster.others
        if has_operator(item) and f"{group_of(item)}/{item.kind}" not in known and pod_template(item) is None
        for namespace in namespaces_of(item)
    )


def has_operator(item: OtherObjectFact) -> bool:
    """Whether an object is of a kind that is not Kubernetes' own, and of which pods may be made."""
    group = group_of(item)
    if "." not in group or group.endswith(".k8s.io"):
        return False
    if (group, item.kind) in PODS_OF:
        return True
    return (group, item.kind) not in NO_PODS_OF and not any(group == name or group.endswith(f".{name}") for name in NO_PODS)


def namespaces_of(item: OtherObjectFact) -> Iterator[str]:
    """The namespaces in which pods of an object may be; an empty name stands for all."""
    spec = mapping(item.document.get("spec"))
    named = [spec.get("targetNamespace"), mapping(spec.get("destination")).get("namespace")]
    elsewhere = [name for name in named if isinstance(name, str) and name]
    if not elsewhere and (group_of(item), item.kind) in ANYWHERE:
        yield ""
    yield from (item.namespace or "", *elsewhere)
