"""One node sends tunnel packets that another node does not see.

## What it finds
A connection table with an entry for VXLAN or Geneve packets to another captured node, whose own table has entries for that port, but none from the sender.

## Why it matters
The state of the nodes is consistent, and yet the packets are lost between them: a security group, a virtual switch or a hypervisor that
keeps the port for itself (VMware NSX drops UDP 8472). No change on the nodes mends that.

## Example
    udp 17 29 src=192.168.0.11 dst=192.168.0.12 sport=51234 dport=8472 [UNREPLIED] ...     # on n1, and no such entry on n2

## How to mend
Let the underlay carry the port, or give the overlay another one (flannel `Backend.Port`, Calico `vxlanPort`). Check with tcpdump on both nodes: captures are not taken at one
moment, and an entry lives for 30 seconds.

## Sources
flannel-io/flannel#2388; net/netfilter/nf_conntrack_proto_udp.c (udp_timeouts).
"""

from collections.abc import Iterator

from analyzer.query.state import root_of
from analyzer.query.tunnels import Geneve, Overlay, Vxlan, overlays
from analyzer.rule import Address, Finding, Network, Rule, Severity

UDP = 17


def check(network: Network) -> Iterator[Finding]:
    items = [(item, item.kind.port) for item in overlays(network) if isinstance(item.kind, Vxlan | Geneve)]
    for sender, port in items:
        for receiver, other in items:
            if port == other and sender.endpoint and receiver.endpoint and sender.interface.scope != receiver.interface.scope:
                yield from between(network, sender, sender.endpoint, receiver, receiver.endpoint, port)


def between(
    network: Network, sender: Overlay, source: Address, receiver: Overlay, target: Address, port: int
) -> Iterator[Finding]:
    """Packets that left one node and did not come to the other."""
    here, there = root_of(network, sender.interface.scope.node), root_of(network, receiver.interface.scope.node)
    if here is None or there is None or here.gaps.get("conntrack") or there.gaps.get("conntrack"):
        return
    left = [
        fact
        for fact in here.connections
        if fact.protocol == UDP and fact.original[:2] == (source, target) and fact.original[3] == port
    ]
    tracked = [fact for fact in there.connections if fact.protocol == UDP and fact.original[3] == port]
    if left and tracked and not any(fact.original[0] == source for fact in tracked):
        yield RULE.finding(
            left[0].at,
            f"{here.scope.node} sends packets of {sender.link.name} to {target} (UDP {port}), but {there.scope.node} has seen none from {source}",
            related=[(tracked[0].at, f"{there.scope.node} tracks this port, and has no entry from {source}")],
            note="the two captures may be of different moments",
            help="look at what is between the nodes: security groups, the virtual switch, the hypervisor",
            certain=False,
        )


RULE = Rule("tunnel-packets-vanish", Severity.WARNING, __doc__, check)
