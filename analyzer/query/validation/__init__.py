"""What the API server refuses of services, pods and routes beyond the types of their fields: numbers out of range, words that are none of a few, names that
are none, addresses that cannot be read. Looked up here for ``rules/manifests/manifest-value-refused.py``.

Values that are not of their field's type are passed over (``manifest-value-mistyped`` tells them), and so are texts with placeholders of templates.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import ObjectFact, PodFact, ServiceFact
from analyzer.model.network import Network
from analyzer.policy.planes import kinds
from analyzer.policy.reading import group_of
from analyzer.query.manifests import named, written
from analyzer.query.validation.routes import ingress
from analyzer.query.validation.services import service
from analyzer.query.validation.templates import template, template_labels, workload_selector
from analyzer.query.validation.values import Refused, labels
from analyzer.query.validation.words import of_document, of_pod
from analyzer.query.workloads import Template, mapping, pods_wanted

__all__ = ["Refused", "named", "refused"]


def refused(network: Network) -> Iterator[tuple[ObjectFact, Refused]]:
    """The values that the API server refuses, each with its object."""
    made = {id(item.owner): item for item in pods_wanted(network)}
    for item in written(network):
        yield from ((item, one) for one in of_object(item, made.get(id(item))))


def is_policy(item: ObjectFact) -> bool:
    """Whether an object is a policy, of which ``policy-rejected`` tells what is refused."""
    return f"{group_of(item)}/{item.kind}" in kinds()


def of_object(item: ObjectFact, made: Template | None) -> Iterator[Refused]:
    """The same of one object; ``made`` are the pods that it would make."""
    spec = mapping(item.document.get("spec"))
    if not is_policy(item):
        yield from labels(mapping(item.document.get("metadata")).get("labels"), ("metadata", "labels"))
    yield from of_document(item.api_version, item.kind, item.document)
    if isinstance(item, ServiceFact):
        yield from service(spec)
    elif isinstance(item, PodFact):
        yield from template(spec, ("spec",))
        yield from of_pod(spec, ("spec",), item.kind)
    elif item.kind == "Ingress" and item.api_version == "networking.k8s.io/v1":
        yield from ingress(spec)
    elif made is not None and item.api_version in ("apps/v1", "batch/v1"):
        yield from template(made.spec, made.path)
        yield from of_pod(made.spec, made.path, item.kind)
        yield from template_labels(made)
        yield from workload_selector(item.api_version, spec, made)
