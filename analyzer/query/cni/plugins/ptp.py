"""``ptp``: a veth pair that the node routes to."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import masquerade_backend, needs_ipam, veth_mtu


def refusals(call: Call) -> Iterator[Problem]:
    """``setupContainerVeth`` and ``cmdAdd``."""
    yield from needs_ipam(call)
    yield from veth_mtu(call)
    yield from masquerade_backend(call)


PLUGIN = Plugin(
    types=("ptp",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/ptp/ptp.go",
    fields={"ipMasq": TRUTH, "ipMasqBackend": TEXT, "mtu": NUMBER},
    refusals=refusals,
)
