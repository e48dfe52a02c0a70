"""``calico-ipam``: addresses of Calico's pools."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import TEXT, TEXTS, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``cmdAdd`` of calico-ipam: neither family leaves no address; a pool that is written as a network must be one of its family."""
    if call.text("ipam", "assign_ipv4") == "false" and call.text("ipam", "assign_ipv6") != "true":
        yield Problem(("ipam", "assign_ipv4"), "no address is assigned: assign_ipv4 is false and assign_ipv6 is not true")
    for key, family in (("ipv4_pools", 4), ("ipv6_pools", 6)):
        found = call.get("ipam", key)
        for index, text in enumerate(found if isinstance(found, list) else ()):
            if isinstance(text, str) and is_network(text) and (6 if ":" in text else 4) != family:
                yield Problem(("ipam", key, index), f"{text} is no network of IPv{family}")


PLUGIN = Plugin(
    types=("calico-ipam",),
    role=Role.IPAM,
    source="projectcalico/calico cni-plugin/pkg/ipamplugin/ipam_plugin.go",
    fields={"assign_ipv4": TEXT, "assign_ipv6": TEXT, "ipv4_pools": TEXTS, "ipv6_pools": TEXTS},
    refusals=refusals,
)
