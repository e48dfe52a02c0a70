"""The pod's own machine has another MAC than the interface that stands for it on the worker.

## What it finds
A pod's namespace on a worker whose interface is redirected by tc into a tunnel (peer pods), and a namespace elsewhere that holds the same address on an interface with another MAC.

## Why it matters
The network knows the MAC of the worker's interface: it stands in neighbour entries, in the switch's port security and in its ARP answers. Frames with that MAC arrive in the
pod's machine, whose interface drops them as meant for another station.

## Example
    worker: 10.132.2.46 lladdr 0a:58:0a:84:02:2e     # eth0 in the pod's namespace; redirected to vxlan1
    machine: vxlan0 link/ether 7e:e5:f7:e6:f5:1a     # holds 10.132.2.46

## How to mend
`ip link set vxlan0 address 0a:58:0a:84:02:2e` in the pod's namespace of its machine; make the agent set it when it creates the device.

## Sources
eth_type_trans (PACKET_OTHERHOST); confidential-containers/cloud-api-adaptor#369, #370.
"""

from collections.abc import Iterator

from analyzer.query.tunnels import redirected_to, switched
from analyzer.rule import Address, Finding, Interface, Network, Rule, Severity, Span, hardware_text


def check(network: Network) -> Iterator[Finding]:
    for address, holders in network.owners.items():
        stolen = [at for at in holders if redirected_to(network.namespaces[at.scope], at.device)]
        others = [at for at in holders if at not in stolen and at.scope.namespace]
        for front in stolen:
            for back in others:
                yield from pair_findings(network, address, front, back)


def pair_findings(network: Network, address: Address, front: Interface, back: Interface) -> Iterator[Finding]:
    here = network.namespaces[front.scope].links.get(front.device)
    there = network.namespaces[back.scope].links.get(back.device)
    if here is None or there is None or here.mac is None or there.mac is None or here.mac == there.mac:
        return
    pinned = list(entries(network, front, address, here.mac))
    yield RULE.finding(
        there.at,
        f"{back.device} in {back.scope} has MAC {hardware_text(there.mac)}, but packets to {address} carry {hardware_text(here.mac)}, "
        f"the MAC of {front.device} in {front.scope}",
        related=[(here.at, f"{front.device} has {hardware_text(here.mac)}"), *pinned],
        help=f"in {back.scope}: ip link set {back.device} address {hardware_text(here.mac)}",
        certain=bool(pinned) or on_switch(network, front),
    )


def entries(network: Network, front: Interface, address: Address, mac: int) -> Iterator[tuple[Span, str]]:
    """Neighbour entries of the worker that carry the MAC of the interface that stands for the pod."""
    for scope, space in network.namespaces.items():
        if scope.node == front.scope.node and scope != front.scope:
            for entry in space.neighbours:
                if entry.address == address and entry.mac == mac:
                    yield entry.at, f"{scope} sends to {address} with this MAC"


def on_switch(network: Network, front: Interface) -> bool:
    """Whether the interface hangs on Open vSwitch, which answers for it and checks its MAC."""
    peer = network.peers.get(front)
    return peer is not None and switched(network.namespaces[peer.scope].links[peer.device])


RULE = Rule("pod-machine-mac-differs", Severity.ERROR, __doc__, check)
