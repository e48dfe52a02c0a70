"""``bridge``: a veth pair whose host end is a port of a bridge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.query.cni.fields import NUMBER, TEXT, TRUTH, Fields, Many, Problem
from analyzer.query.cni.plugin import Call, Plugin, Role
from analyzer.query.cni.shared import device_name, masquerade_backend, veth_mtu

HIGHEST_VLAN = 4094
TRUNK = Fields({"minID": NUMBER, "maxID": NUMBER, "id": NUMBER})


def refusals(call: Call) -> Iterator[Problem]:
    """``loadNetConf``, ``collectVlanTrunk`` and ``cmdAdd``."""
    yield from veth_mtu(call)
    yield from masquerade_backend(call)
    yield from device_name(call, "bridge")
    vlan = call.number("vlan")
    if not 0 <= vlan <= HIGHEST_VLAN:
        yield Problem(("vlan",), f"vlan {vlan} is not between 0 and {HIGHEST_VLAN}")
    trunks = call.get("vlanTrunk")
    found = [problem for index, item in enumerate(trunks or ()) if isinstance(item, dict) for problem in trunk(item, index)]
    yield from found
    if vlan and trunks and not found:
        yield Problem(("vlanTrunk",), "vlan and vlanTrunk cannot be set together: a port is an access port or a trunk")
    if call.truth("hairpinMode") and call.truth("promiscMode"):
        yield Problem(("promiscMode",), "hairpinMode and promiscMode cannot be set together")
    if call.truth("disableContainerInterface") and call.text("ipam", "type"):
        yield Problem(("ipam",), "disableContainerInterface leaves nothing that could have an address, and ipam is set")


def trunk(item: dict[str, Any], index: int) -> Iterator[Problem]:
    """What is wrong with one entry of ``vlanTrunk``."""
    low, high, single = (item.get(key) for key in ("minID", "maxID", "id"))
    path = ("vlanTrunk", index)
    if (low is None) != (high is None):
        yield Problem(path, f"{'minID' if low is None else 'maxID'} is missing: minID and maxID go together")
    for key, value in (("minID", low), ("maxID", high), ("id", single)):
        if isinstance(value, int) and not 0 < value <= HIGHEST_VLAN and (key == "id" or None not in (low, high)):
            yield Problem((*path, key), f"{key} {value} is not between 1 and {HIGHEST_VLAN}")
    if isinstance(low, int) and isinstance(high, int) and high < low:
        yield Problem((*path, "maxID"), f"maxID {high} is less than minID {low}")


def advice(call: Call) -> Iterator[Problem]:
    """What the plugin takes and what yet breaks the pods' network."""
    gateway = call.truth("isGateway") or call.truth("isDefaultGateway")
    if call.text("ipam", "type") and call.truth("ipMasq") and not gateway:
        yield Problem(
            ("ipMasq",), "ipMasq is set without isGateway: the bridge has no address, and pods no way out to masquerade"
        )
    if call.truth("portIsolation"):
        yield Problem(("portIsolation",), "portIsolation keeps pods of the same node from each other")


PLUGIN = Plugin(
    types=("bridge",),
    role=Role.MAIN,
    source="containernetworking/plugins plugins/main/bridge/bridge.go",
    fields={
        "bridge": TEXT,
        "isGateway": TRUTH,
        "isDefaultGateway": TRUTH,
        "forceAddress": TRUTH,
        "ipMasq": TRUTH,
        "ipMasqBackend": TEXT,
        "mtu": NUMBER,
        "hairpinMode": TRUTH,
        "promiscMode": TRUTH,
        "vlan": NUMBER,
        "vlanTrunk": Many(TRUNK),
        "preserveDefaultVlan": TRUTH,
        "macspoofchk": TRUTH,
        "enabledad": TRUTH,
        "disableContainerInterface": TRUTH,
        "portIsolation": TRUTH,
    },
    refusals=refusals,
    advice=advice,
)
