"""Makes ``kubernetes.json``: ``python -m analyzer.query.schemas.making FOLDER``, where FOLDER holds ``v1.N.0-local/_definitions.json`` of each release, as JSON Schemas
of the Kubernetes OpenAPI definitions are published."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RELEASE = re.compile(r"v1\.(\d+)\.\d+-local")
KINDS = frozenset(
    {
        "ConfigMap", "CronJob", "DaemonSet", "Deployment", "EndpointSlice", "Endpoints", "HorizontalPodAutoscaler", "IPAddress", "Ingress",
        "IngressClass", "Job", "LimitRange", "Namespace", "NetworkPolicy", "Node", "Pod", "PodDisruptionBudget", "ReplicaSet",
        "ReplicationController", "ResourceQuota", "Service", "ServiceAccount", "ServiceCIDR", "StatefulSet",
    }
)  # fmt: skip
EITHER = ("IntOrString", "Quantity")
PREFIX = "#/$defs/"


def main(folder: Path) -> None:
    """Writes the table."""
    releases = {int(found[1]): path for path in folder.iterdir() if (found := RELEASE.fullmatch(path.name))}
    every = {release: json.loads((path / "_definitions.json").read_text())["$defs"] for release, path in sorted(releases.items())}
    first, last = min(every), max(every)
    kinds = {name: where for definitions in every.values() for name, where in kinds_of(definitions)}
    names = reached(every, set(kinds.values()))
    numbers = {name: number for number, name in enumerate(names)}
    types = [merged(name, every, numbers, first, last) for name in names]
    table = {"releases": [first, last], "kinds": {name: numbers[where] for name, where in sorted(kinds.items())}, "types": types}
    target = Path(__file__).parent / "kubernetes.json"
    target.write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


def kinds_of(definitions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """``apiVersion/kind`` with the name of its definition."""
    for name, definition in definitions.items():
        for item in definition.get("x-kubernetes-group-version-kind") or ():
            if item["kind"] in KINDS:
                yield "/".join(filter(None, (item["group"], item["version"], item["kind"]))), name


def reached(every: dict[int, dict[str, Any]], wanted: set[str]) -> list[str]:
    """The definitions that the kinds are made of."""
    found: set[str] = set()
    waiting = sorted(wanted)
    while waiting:
        name = waiting.pop()
        if name in found or name.endswith(EITHER):
            continue
        fields = [definitions.get(name, {}).get("properties") for definitions in every.values()]
        if any(fields):
            found.add(name)
            for match in re.findall(re.escape(PREFIX) + r'([^"]+)"', json.dumps(fields)):
                waiting.append(match)
    return sorted(found)


def merged(name: str, every: dict[int, dict[str, Any]], numbers: dict[str, int], first: int, last: int) -> dict[str, Any]:
    """A type with the fields of all releases; what a later release requires, it requires."""
    there = {release: definitions[name] for release, definitions in every.items() if name in definitions}
    fields: dict[str, list[Any]] = {}
    for key in sorted({key for definition in there.values() for key in definition.get("properties") or ()}):
        having = [release for release, definition in there.items() if key in (definition.get("properties") or {})]
        kind = type_of(there[having[-1]]["properties"][key], numbers)
        fields[key] = [kind] if (having[0], having[-1]) == (first, last) else [kind, having[0], having[-1]]
    required = set.intersection(*(set(definition.get("required") or ()) for definition in there.values()))
    return {"fields": fields, "required": sorted(required - {"apiVersion", "kind", "metadata", "status"})}


def type_of(schema: dict[str, Any], numbers: dict[str, int]) -> Any:
    """The type of a value."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(PREFIX)
        if name.endswith(EITHER):
            return "text-or-number"
        return numbers.get(name, "string" if name.endswith("Time") else "any")
    kinds = schema.get("type")
    kind = next((item for item in kinds if item != "null"), None) if isinstance(kinds, list) else kinds
    if kind == "array":
        return [type_of(schema.get("items") or {}, numbers)]
    if kind == "object":
        return {"of": type_of(schema["additionalProperties"], numbers)} if "additionalProperties" in schema else "any"
    return kind or "any"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
