"""``portmap``: the pods' host ports."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TEXTS, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role

KUBE_PROXY = 14


def refusals(call: Call) -> Iterator[Problem]:
    """``parseConfig``."""
    bit = call.get("markMasqBit")
    if bit is not None and call.get("externalSetMarkChain") is not None:
        yield Problem(("externalSetMarkChain",), "externalSetMarkChain and markMasqBit cannot be set together")
    if isinstance(bit, int) and not 0 <= bit <= 31:
        yield Problem(("markMasqBit",), f"markMasqBit {bit} is not between 0 and 31")
    backend = call.text("backend")
    if backend and backend not in ("iptables", "nftables"):
        yield Problem(("backend",), f"backend {backend!r} is none of iptables, nftables")


def advice(call: Call) -> Iterator[Problem]:
    """Marks that other programs of the node use as well."""
    if call.get("markMasqBit") in (KUBE_PROXY, KUBE_PROXY + 1):
        yield Problem(("markMasqBit",), f"bit {call.get('markMasqBit')} is one that kube-proxy and the kubelet mark packets with")


PLUGIN = Plugin(
    types=("portmap",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/portmap/main.go",
    fields={
        "snat": TRUTH,
        "backend": TEXT,
        "conditionsV4": TEXTS,
        "conditionsV6": TEXTS,
        "masqAll": TRUTH,
        "markMasqBit": NUMBER,
        "externalSetMarkChain": TEXT,
    },
    refusals=refusals,
    advice=advice,
    chained=True,
    capability="portMappings",
)
