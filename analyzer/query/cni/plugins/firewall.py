"""``firewall``: accepts what is forwarded from and to a pod."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXT, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import one_of

POLICIES = ("open", "same-bridge", "isolated")


def refusals(call: Call) -> Iterator[Problem]:
    """``setupIngressPolicy``: an unknown policy, and one that needs a bridge to go by."""
    yield from one_of(call, "ingressPolicy", POLICIES)


def advice(call: Call) -> Iterator[Problem]:
    """A back end that the plugin does not know makes it choose by itself; a policy keeps pods from each other."""
    if call.text("backend") not in ("", "iptables", "firewalld", "nftables"):
        yield Problem(("backend",), f"backend {call.text('backend')!r} is not known: the plugin chooses one by itself")
    if call.text("ingressPolicy") in ("same-bridge", "isolated"):
        yield Problem(("ingressPolicy",), f"ingressPolicy {call.text('ingressPolicy')!r} keeps pods of the node from each other")


PLUGIN = Plugin(
    types=("firewall",),
    role=Role.META,
    source="containernetworking/plugins plugins/meta/firewall/firewall.go",
    fields={"backend": TEXT, "iptablesAdminChainName": TEXT, "firewalldZone": TEXT, "ingressPolicy": TEXT},
    refusals=refusals,
    advice=advice,
    oldest="0.4.0",
    chained=True,
)
