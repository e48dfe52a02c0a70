"""Names, labels and annotations of objects as the API server takes them (apimachinery pkg/api/validation, ValidateObjectMeta).

Names are told by the rule ``object-name-invalid`` for every kind; here they only say that a policy is not taken. Texts with placeholders of templates are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.policy.selectors import is_key, is_value

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PLACEHOLDER = re.compile(r"[{}<>$%]|__")


def misnamed(fact: OtherObjectFact) -> str:
    """Why the name or the namespace of an object is none; empty where they are."""
    found = metadata(fact)
    name, namespace = found.get("name"), found.get("namespace")
    if isinstance(name, str) and not SUBDOMAIN.fullmatch(name) and not PLACEHOLDER.search(name):
        return f"{name!r} is no name for a {fact.kind}"
    if isinstance(namespace, str) and namespace and not LABEL.fullmatch(namespace) and not PLACEHOLDER.search(namespace):
        return f"{namespace!r} is no name of a namespace"
    return ""


def mislabelled(fact: OtherObjectFact) -> Iterator[tuple[tuple[str, ...], str]]:
    """Labels and annotations that the API server does not take: the path, and why."""
    found = metadata(fact)
    for key, value in texts(found.get("labels")):
        if not is_key(key):
            yield ("metadata", "labels", key), f"{key!r} is no label key"
        elif not is_value(value):
            yield ("metadata", "labels", key), f"{value!r} is no label value"
    for key, _ in texts(found.get("annotations")):
        if not is_key(key.lower()):
            yield ("metadata", "annotations", key), f"{key!r} is no annotation key"


def metadata(fact: OtherObjectFact) -> Mapping[str, Any]:
    """The metadata of an object."""
    found = fact.document.get("metadata")
    return found if isinstance(found, Mapping) else {}


def texts(value: Any) -> Iterator[tuple[str, str]]:
    """The keys with texts of a mapping, but for those with placeholders."""
    for key, text in value.items() if isinstance(value, Mapping) else ():
        if isinstance(text, str) and not PLACEHOLDER.search(str(key)) and not PLACEHOLDER.search(text):
            yield str(key), text
