"""How Terway gives a node's pods their interfaces, by what the node shows: the plugin's ``eniip_virtual_type``, the tables of policy routing, and
devices of IPvlan.

AliyunContainerService/terway plugin/driver/types/types.go (``ENIIPVirtualType``: without a word it is veth), plugin/driver/utils/utils_linux.go (``GetRouteTableID``:
1000 and the interface's index), plugin/datapath/ipvlan_linux.go (``ipvl_<index>``), policy_router_linux.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from analyzer.model.network import Namespace, Network
from analyzer.query.cni.configs import Holder, configs
from analyzer.source import Span

BASE, SLAVE = 1000, "ipvl_"


class Mode(StrEnum):
    """The ways in which pods share the interfaces of a node."""

    VETH = "veth and policy routing"
    IPVLAN = "IPvlan"


@dataclass(frozen=True, slots=True)
class Sign:
    """What shows a mode, in words, with its place."""

    mode: Mode
    words: str
    at: Span


def signs(network: Network, root: Namespace) -> Iterator[Sign]:
    """The signs of Terway's modes on one node, the configuration of the plugin first."""
    for config in configs(network):
        for call, path in config.calls if config.node == root.scope.node and config.holder is Holder.FILE else ():
            if call.text("type") == "terway":
                kind = call.text("eniip_virtual_type")
                mode = Mode.IPVLAN if kind.lower() in ("ipvlan", "datapathv2") else Mode.VETH
                at = config.place((*path, "eniip_virtual_type"))
                yield Sign(mode, f"the configuration of Terway's plugin: {kind or 'without eniip_virtual_type'}", at)
    for table, routes in root.routes.get(4, {}).items():
        for route in routes if isinstance(table, int) and table > BASE else ():
            indexes = {root.links[name].index for hop in route.next_hops if (name := hop.device) and name in root.links}
            if route.destination.length == 0 and table - BASE in indexes:
                yield Sign(Mode.VETH, f"table {table} is that of interface number {table - BASE}", route.at)
    for name, link in root.links.items():
        if name.startswith(SLAVE):
            yield Sign(Mode.IPVLAN, f"{name} is a device of Terway's IPvlan", link.at)


def policy_routed(network: Network, root: Namespace) -> Sign | None:
    """What shows that this node routes its pods by source; None where nothing does, or pods have IPvlan."""
    found = list(signs(network, root))
    veth = next((sign for sign in found if sign.mode is Mode.VETH), None)
    return None if any(sign.mode is Mode.IPVLAN for sign in found) else veth
