"""Services that manifests name in their texts, and what is monitored: what is to be there, and whether it is sure that it is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from analyzer.model.network import Network
from analyzer.query.connectivity.gateways import selects
from analyzer.query.once import Whole
from analyzer.query.operators import operated
from analyzer.query.workloads import Located, listed, mapping, part_of_text, wanted
from analyzer.source import Span

__all__ = ["API_SERVER", "Named", "complete", "named", "selects"]
API_SERVER = ("default", "kubernetes")
"""The service that the API server makes of itself (pkg/controlplane/controller/kubernetesservice)."""
NAME = re.compile(
    r"(?<![\w.$}-])((?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\.){2,3})svc(?:\.cluster\.local\.?)?(?![\w-]|\.[\w$])(?::(\d{1,5})(?!\d))?"
)
SIGN = ".svc"
LONGEST = 1 << 16
COMMENT = re.compile(r"^\s*(?:#|//|;)|\s#\s")


class Named(NamedTuple):
    """A service that a text names, with the port where it has one (0: none), where in the text that is, and what has the text."""

    namespace: str
    name: str
    port: int
    text: Located
    begin: int
    end: int
    said_by: str

    def at(self, network: Network) -> Span:
        """The place of the name."""
        return part_of_text(network, self.text, self.begin, self.end)


def complete(network: Network, namespaces: Collection[str]) -> bool:
    """Whether what is not in the input is likely not to be there: each namespace has services here, and neither charts that were not rendered nor objects of
    other kinds than Kubernetes' own, whose operators may make more. What is in ``kube-system`` comes with the cluster."""
    return bool(namespaces) and set(namespaces) <= complete_ones(Whole(network))


@lru_cache(maxsize=2)
def complete_ones(whole: Whole) -> frozenset[str]:
    """The namespaces that are so, once for all who ask."""
    there = {namespace for namespace, _ in whole.network.cluster.services} - {"kube-system"}
    return frozenset(namespace for namespace in there if not operated(whole.network, namespace))


def named(network: Network) -> Iterator[Named]:
    """The services that environment variables, commands and ConfigMaps name in full: ``NAME.NAMESPACE.svc``, or a pod's name before that."""
    for text, said_by in texts(network):
        for found in NAME.finditer(text.value) if len(text.value) <= LONGEST else ():
            before = text.value[text.value.rfind("\n", 0, found.start()) + 1 : found.start()]
            labels = found[1].split(".")[:-1]
            if not COMMENT.search(before):
                yield Named(labels[-1], labels[-2], int(found[2] or 0), text, *found.span(), said_by)


def texts(network: Network) -> Iterator[tuple[Located, str]]:
    """The texts in which a service is named, and what has them."""
    for item in wanted(network).every:
        for key in ("containers", "initContainers"):
            for number, container in enumerate(listed(item.spec.get(key))):
                for path, value in of_container(mapping(container)):
                    yield Located(value, item.place(key, number, *path)), str(item)
    for fact in network.cluster.config_maps.values():
        for located in fact.data.values():
            if SIGN in located.value:
                yield located, f"ConfigMap {fact.namespace}/{fact.name}"


def of_container(container: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The texts of a container with their paths in it."""
    for index, one in enumerate(listed(container.get("env"))):
        value = mapping(one).get("value")
        if isinstance(value, str) and SIGN in value:
            yield ("env", index, "value"), value
    for key in ("command", "args"):
        for index, value in enumerate(listed(container.get(key))):
            if isinstance(value, str) and SIGN in value:
                yield (key, index), value
