"""Names of suggested policies: ``allow-to-<workload>``, ``deny-by-default`` … , each once in its namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from analyzer.policy.bits import members
from analyzer.query.suggest.demands import Scene
from analyzer.query.suggest.planned import Planned

UNFIT = re.compile(r"[^a-z0-9.-]+")
LONGEST = 200


def names(scene: Scene, policies: Iterable[Planned]) -> tuple[Planned, ...]:
    """The policies with names, by namespace and name. Of those that would have one name, all but the first get a number."""
    found: dict[tuple[str, str], int] = {}
    result = []
    for item in sorted(policies, key=lambda one: (one.namespace, name_of(scene, one), one.pods, one.selector)):
        name = name_of(scene, item)
        count = found[item.namespace, name] = found.get((item.namespace, name), 0) + 1
        result.append(replace(item, name=name if count == 1 else f"{name}.{count}"))
    return tuple(result)


def name_of(scene: Scene, item: Planned) -> str:
    """What a policy does, and with whom."""
    admits = bool(item.ingress or item.egress)
    way = 0 if item.ingress is not None and item.egress is not None else 1 if item.ingress is not None else 2
    if not admits and not item.selector:
        return ("deny-by-default", "deny-ingress-by-default", "deny-egress-by-default")[way]
    return f"{'allow' if admits else 'deny'}-{('', 'to-', 'from-')[way]}{subject(scene, item)}"


def subject(scene: Scene, item: Planned) -> str:
    """The workloads that are selected: the only one, all, the value of the only label, or the first and how many more there are."""
    workloads = sorted({scene.pods[number].workload[1] or scene.pods[number].pod_name for number in members(item.pods)})
    values = [term.values for term in item.selector if term.operator == "In"]
    if len(workloads) > 1 and not item.selector:
        return "all"
    if len(workloads) > 1 and len(item.selector) == 1 and values and len(values[0]) == 1:
        workloads = [values[0][0]]
    more = f"-and-{len(workloads) - 1}-more" if len(workloads) > 1 else ""
    return (UNFIT.sub("-", workloads[0].lower().partition("[")[0])[:LONGEST].strip("-.") or "pods") + more
