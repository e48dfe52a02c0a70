"""Label selectors of the Kubernetes API (apimachinery, meta/v1 LabelSelector)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether the selector matches the labels: matchLabels and matchExpressions must all hold; an empty selector matches
    everything, and so does null where a field's zero value stands for it. An operator that is not known raises ValueError."""
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(holds(item, labels) for item in expressions)


def holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether one requirement holds; NotIn and DoesNotExist hold where the label is absent."""
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case operator:
            raise ValueError(f"{operator!r} is no operator of a label selector")
