"""Which second networks pods ask for (Kubernetes Network Custom Resource Definition De-facto Standard v1.3, sections 4.1.2.1 and 4.1.2.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from analyzer.parsers import reason
from analyzer.query.wanted_pods import Workload
from analyzer.source import Span

ANNOTATION = "k8s.v1.cni.cncf.io/networks"
DEFAULT = "v1.multus-cni.io/default-network"
ELEMENT = re.compile(r"(?:([a-z0-9-]+)/)?([a-z0-9][a-z0-9.-]*)(?:@([^\s@/]{1,15}))?")


@dataclass(frozen=True, slots=True)
class Request:
    """One network that a workload's pods ask for; ``addresses`` those that it names (``ips``), ``problem`` why it cannot be understood."""

    namespace: str
    name: str
    interface: str
    at: Span
    addresses: tuple[str, ...] = ()
    problem: str = ""


def requests(workload: Workload) -> Iterator[Request]:
    """The networks of the annotation: JSON, or names with commas between."""
    for key in (DEFAULT, ANNOTATION):
        text = workload.annotations.get(key, "").strip()
        if not text:
            continue
        at = workload.annotation_place(key)
        if text.startswith(("[", "{")):
            yield from of_json(text, workload.namespace, at)
        else:
            yield from (of_element(part.strip(), workload.namespace, at) for part in text.split(","))


def of_element(text: str, namespace: str, at: Span) -> Request:
    """``namespace/name@interface``, of which the name alone must be there (multus pkg/k8sclient ``parsePodNetworkObjectName``)."""
    found = ELEMENT.fullmatch(text)
    if found is None:
        return Request(namespace, text, "", at, problem=f"{text!r} is not of the form namespace/name@interface")
    return Request(found[1] or namespace, found[2], found[3] or "", at)


def of_json(text: str, namespace: str, at: Span) -> Iterator[Request]:
    """A list of network selection elements."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as problem:
        yield Request(namespace, "", "", at, problem=f"the annotation is no JSON: {reason(problem)}")
        return
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            yield Request(namespace, "", "", at, problem="an element of the annotation has no name")
            continue
        where, interface, addresses = item.get("namespace"), item.get("interface"), item.get("ips")
        yield Request(
            where if isinstance(where, str) and where else namespace,
            item["name"],
            interface if isinstance(interface, str) else "",
            at,
            tuple(one for one in addresses if isinstance(one, str)) if isinstance(addresses, list) else (),
        )
