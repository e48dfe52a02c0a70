"""``sbr``: routes of an interface for its own source addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.query.cni.fields import NUMBER, TEXTS, TRUTH, Problem, is_address
from analyzer.query.cni.plugin import Call, Plugin, Role

MOST = 2


def refusals(call: Call) -> Iterator[Problem]:
    """``doRoutes``: one gateway of a family."""
    found: Any = call.get("gateways")
    gateways = found if isinstance(found, list) else []
    if len(gateways) > MOST:
        yield Problem(("gateways",), f"there are {len(gateways)} gateways, of which sbr takes one of IPv4 and one of IPv6")
        return
    families: dict[str, str] = {}
    for index, text in enumerate(gateways):
        if not is_address(text or ""):
            yield Problem(("gateways", index), f"gateway {text!r} is no address")
            continue
        family = "IPv6" if ":" in text else "IPv4"
        if family in families:
            yield Problem(
                ("gateways", index), f"{text} is the second gateway of {family}, after {families[family]}: sbr takes one"
            )
        families.setdefault(family, text)


PLUGIN = Plugin(
    types=("sbr",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/sbr/main.go",
    fields={"table": NUMBER, "addSourceHints": TRUTH, "gateways": TEXTS},
    refusals=refusals,
    chained=True,
)
