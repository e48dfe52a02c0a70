"""The device that a CNI plugin needs on a node is not there, or does not fit.

## What it finds
On captured nodes, for the configuration that the node takes and for NetworkAttachmentDefinitions: a `master` of macvlan, ipvlan or vlan that the node does not have, or whose MTU is smaller than the configuration's; and a `bridge` whose
name another kind of device has.

## Why it matters
The plugin ends with an error for every pod on that node: "Link not found", "invalid MTU", "already exists but is not a bridge".

## Example
    {"type": "macvlan", "master": "eth1", "mtu": 9000}          # and eth1 has MTU 1500

## How to mend
Correct the name or the MTU, or give the node the device; a network for some nodes only needs pods with a node selector.

## Sources
containernetworking/plugins plugins/main/{macvlan,ipvlan,vlan}/*.go (getMTUByName), plugins/main/bridge/bridge.go (bridgeByName).
"""

from collections.abc import Iterator

from analyzer.query.cni.checks import active
from analyzer.query.cni.configs import Config, Holder
from analyzer.query.cni.devices import Device, devices
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    known = list(devices(network))
    for config in active(network):
        here = [item for item in known if not config.node or item.node == config.node]
        found: dict[str, list[tuple[Device, Finding]]] = {}
        for device in here:
            for one in unfit(config, device):
                found.setdefault(one.message, []).append((device, one))
        for message, items in found.items():
            some = len(items) < len(here) or config.holder is Holder.FILE
            yield RULE.finding(
                items[0][1].at,
                f"{config.title}: {message}"
                + ("" if config.node else f" on {', '.join(device.node for device, _ in items[:4])}"),
                severity=None if config.node or not some else Severity.WARNING,
            )


def unfit(config: Config, device: Device) -> Iterator[Finding]:
    """What does not fit on one node."""
    for call, path in config.calls:
        kind, master = call.text("type"), call.text("master")
        if kind in ("macvlan", "ipvlan", "vlan") and master and not call.truth("linkInContainer"):
            mtu = device.mtus.get(master)
            if mtu is None:
                yield RULE.finding(config.place((*path, "master")), f"there is no device {master}")
            elif call.number("mtu") > mtu > 0 and kind != "ipvlan":
                yield RULE.finding(
                    config.place((*path, "mtu")), f"MTU {call.number('mtu')} is more than that of {master}, which is {mtu}"
                )
        name = call.text("bridge") or "cni0"
        if kind == "bridge" and name in device.others:
            yield RULE.finding(config.place((*path, "bridge")), f"{name} is no bridge")


RULE = Rule("cni-master-unfit", Severity.ERROR, __doc__, check)
