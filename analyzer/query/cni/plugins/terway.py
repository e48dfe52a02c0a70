"""``terway``: Terway's plugin."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TEXTS, TRUTH, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.validation.values import PLACEHOLDER

VIRTUAL_TYPES = ("veth", "ipvlan", "datapathv2")


def advice(call: Call) -> Iterator[Problem]:
    """How pods share a node's interfaces: any word that is not known counts as veth (``ENIIPVirtualType``, read whatever its case)."""
    kind = call.text("eniip_virtual_type")
    if kind and kind.lower() not in VIRTUAL_TYPES and not PLACEHOLDER.search(kind):
        yield Problem(("eniip_virtual_type",), f"eniip_virtual_type {kind!r} is none of Veth, IPVlan, datapathv2: pods get veth")


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
    advice=advice,
)
