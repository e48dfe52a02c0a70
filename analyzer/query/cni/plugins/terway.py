"""``terway``: Terway's plugin."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TEXTS, TRUTH, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role


def refusals(call: Call) -> Iterator[Problem]:
    """``parseSetupConf``: the networks of the node that pods reach through the host."""
    found = call.get("host_stack_cidrs")
    for index, text in enumerate(found if isinstance(found, list) else ()):
        if isinstance(text, str) and not is_network(text):
            yield Problem(("host_stack_cidrs", index), f"{text!r} is no network")


PLUGIN = Plugin(
    types=("terway",),
    role=Role.MAIN,
    source="AliyunContainerService/terway plugin/driver/types/types.go",
    fields={
        "veth_prefix": TEXT,
        "eniip_virtual_type": TEXT,
        "host_stack_cidrs": TEXTS,
        "disable_host_peer": TRUTH,
        "vlan_strip_type": TEXT,
        "mtu": NUMBER,
        "debug": TRUTH,
        "bandwidth_mode": TEXT,
        "enable_network_priority": TRUTH,
    },
    refusals=refusals,
)
