"""The images that a cluster's agents run, which show their versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.model.cluster import Cluster


def images_of(cluster: Cluster, *starts: str) -> Iterator[str]:
    """The images of DaemonSets, and of pods whose names begin so."""
    sets = [mapping(mapping(item.document.get("spec")).get("template")) for item in cluster.others if item.kind == "DaemonSet"]
    pods = [fact.document for (_, name), fact in cluster.pods.items() if name.startswith(starts)]
    for item in (*sets, *pods):
        containers = mapping(item.get("spec")).get("containers")
        for container in containers if isinstance(containers, list) else ():
            yield str(mapping(container).get("image") or "")


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
