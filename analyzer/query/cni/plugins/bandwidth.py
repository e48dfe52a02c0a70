"""``bandwidth``: limits of what a pod sends and receives."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXTS, Problem, Whole, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role

LIMIT = 2**32 - 1
RATE = Whole(0, 2**64 - 1)


def refusals(call: Call) -> Iterator[Problem]:
    """``validateRateAndBurst`` and ``validateSubnets``."""
    for side in ("ingress", "egress"):
        rate, burst = call.number(f"{side}Rate"), call.number(f"{side}Burst")
        if rate and not burst:
            yield Problem((f"{side}Rate",), f"{side}Rate is set without {side}Burst")
        elif burst and not rate:
            yield Problem((f"{side}Burst",), f"{side}Burst is set without {side}Rate")
        elif burst // 8 >= LIMIT:
            yield Problem((f"{side}Burst",), f"{side}Burst is more than {LIMIT} bytes")
    if call.get("shapedSubnets") and call.get("unshapedSubnets"):
        yield Problem(("unshapedSubnets",), "shapedSubnets and unshapedSubnets cannot be set together")
    for key in ("shapedSubnets", "unshapedSubnets"):
        for index, text in enumerate(call.get(key) or ()):
            if isinstance(text, str) and not is_network(text):
                yield Problem((key, index), f"{text!r} is no network")


PLUGIN = Plugin(
    types=("bandwidth",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/bandwidth/main.go",
    fields={
        "ingressRate": RATE,
        "ingressBurst": RATE,
        "egressRate": RATE,
        "egressBurst": RATE,
        "shapedSubnets": TEXTS,
        "unshapedSubnets": TEXTS,
    },
    refusals=refusals,
    oldest="0.3.0",
    chained=True,
    capability="bandwidth",
)
