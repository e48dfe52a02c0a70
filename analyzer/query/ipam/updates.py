"""How a Deployment is updated (kubernetes pkg/controller/deployment/util/deployment_util.go, ``ResolveFenceposts``)."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.query.refusals import spec_of
from analyzer.query.wanted_pods import Workload


def unavailable(item: Workload) -> int | None:
    """How many of a Deployment's pods may be missing during an update: a percentage rounds down, and 0 beside a surge of 0 counts as 1. None where all
    are stopped first."""
    strategy = spec_of(item.fact).get("strategy")
    told = strategy if isinstance(strategy, Mapping) else {}
    if told.get("type") == "Recreate":
        return None
    rolling = told.get("rollingUpdate")
    values = rolling if isinstance(rolling, Mapping) else {}
    missing, surge = (
        share(values.get("maxUnavailable", "25%"), item.count, up=False),
        share(values.get("maxSurge", "25%"), item.count, up=True),
    )
    if missing is None or surge is None:
        return None
    return missing or (1 if surge == 0 else 0)


def share(value: object, of: int, *, up: bool) -> int | None:
    """A number, or a percentage of a number; None where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).removesuffix("%")
    if not str(value).endswith("%") or not text.isdecimal() or len(text) > 4:
        return None
    return -(-of * int(text) // 100) if up else of * int(text) // 100
