"""``ovn-k8s-cni-overlay``: OVN-Kubernetes, as the cluster's network or as a second one."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Problem, is_network
from analyzer.query.cni.plugin import Call, Plugin, Role

TOPOLOGIES = ("layer3", "layer2", "localnet")


def refusals(call: Call) -> Iterator[Problem]:
    """``parseNetConf`` and ``ValidateNetConf`` (go-controller/pkg/util/multi_network.go) of a second network."""
    topology = call.text("topology")
    if not topology:
        return
    if topology not in TOPOLOGIES:
        yield Problem(("topology",), f"topology {topology!r} is none of {', '.join(TOPOLOGIES)}")
    if not call.text("netAttachDefName"):
        yield Problem((), "a network with a topology needs netAttachDefName, the namespace and name of its definition")
    yield from subnets(call, topology)
    vlan = call.number("vlanID")
    if vlan and (topology != "localnet" or not 0 < vlan < 4095):
        yield Problem(("vlanID",), f"vlanID {vlan} needs the topology localnet and a number from 1 to 4094")


def subnets(call: Call, topology: str) -> Iterator[Problem]:
    """Networks are comma-separated; those of layer3 name the length of a node's part: ``10.128.0.0/16/24``."""
    text = call.text("subnets")
    if topology == "layer3" and not text:
        yield Problem((), "the topology layer3 needs subnets")
    for part in filter(None, (item.strip() for item in text.split(","))):
        network = part.rpartition("/")[0] if topology == "layer3" and part.count("/") == 2 else part
        if not is_network(network):
            yield Problem(("subnets",), f"{part!r} is no network")


PLUGIN = Plugin(
    types=("ovn-k8s-cni-overlay",),
    role=Role.MAIN,
    source="ovn-kubernetes/ovn-kubernetes go-controller/pkg/cni/types/types.go",
    fields={
        "topology": TEXT,
        "subnets": TEXT,
        "excludeSubnets": TEXT,
        "joinSubnet": TEXT,
        "mtu": NUMBER,
        "netAttachDefName": TEXT,
        "role": TEXT,
        "vlanID": NUMBER,
        "allowPersistentIPs": TRUTH,
        "physicalNetworkName": TEXT,
    },
    refusals=refusals,
)
