"""Selectors of labels as kubectl writes them (apimachinery, ``FormatLabelSelector`` and labels.Requirement.String), as the API has them."""

from __future__ import annotations

import re
from typing import Any

PART = re.compile(r"\s*(?P<part>(?:[^,(]|\([^)]*\))+)(?:,|$)")
SET = re.compile(r"(?P<key>\S+) (?P<operator>in|notin) \((?P<values>[^)]*)\)")
EQUAL = re.compile(r"(?P<key>[^\s=!]+)(?P<operator>!=|==?)(?P<value>\S*)")
KEY = re.compile(r"(?P<absent>!?)(?P<key>[^\s=!<>()]+)")


def selector(text: str) -> dict[str, Any]:
    """``app=web,tier in (a,b),!old`` as a LabelSelector; ``<none>`` selects everything. ValueError for what is no selector."""
    text = text.strip()
    if text == "<none>":
        return {}
    if not text or text == "<error>":
        raise ValueError(f"expected a selector of labels, not {text!r}")
    found = [requirement(item) for item in parts(text)]
    labels = {item["key"]: item["values"][0] for item in found if item["operator"] == "In" and len(item["values"]) == 1}
    further = [item for item in found if not (item["operator"] == "In" and len(item["values"]) == 1)]
    if len(labels) + len(further) != len(found):
        raise ValueError(f"{text[:80]!r} asks for a label twice")
    return {**({"matchLabels": labels} if labels else {}), **({"matchExpressions": further} if further else {})}


def parts(text: str) -> list[str]:
    """The requirements of a selector: commas inside of brackets part none."""
    found, at = [], 0
    while at < len(text):
        part = PART.match(text, at)
        if part is None:
            raise ValueError(f"expected a selector of labels, not {text[at : at + 80]!r}")
        found.append(part["part"].strip())
        at = part.end()
    return found


def requirement(text: str) -> dict[str, Any]:
    """One requirement, as a match expression."""
    if found := SET.fullmatch(text):
        operator = {"in": "In", "notin": "NotIn"}[found["operator"]]
        return {"key": found["key"], "operator": operator, "values": found["values"].split(",")}
    if found := EQUAL.fullmatch(text):
        return {"key": found["key"], "operator": "NotIn" if found["operator"] == "!=" else "In", "values": [found["value"]]}
    if found := KEY.fullmatch(text):
        return {"key": found["key"], "operator": "DoesNotExist" if found["absent"] else "Exists"}
    raise ValueError(f"expected a requirement such as app=web, not {text[:80]!r}")
