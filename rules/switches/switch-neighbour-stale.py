"""A router of OVN sends to a MAC that the host with the address does not have.

## What it finds
A flow of the table of neighbours of `br-int` (table 66, from the southbound table `MAC_Binding`) whose MAC no interface of the captured host with that address has.

## Why it matters
OVN keeps what it learnt of a neighbour until it hears otherwise. After a new network card, a failover without a gratuitous ARP, or an address that moved to another host, packets that leave by a gateway router go to the
old MAC and are lost: pods reach everything but that host.

## Example
    table=66, reg0=0xc0a8000c,reg15=0x2,metadata=0x4 actions=set_field:52:54:00:00:00:99->eth_dst    # 192.168.0.12
    n2: br-ex: link/ether 52:54:00:00:00:12, inet 192.168.0.12/24

## How to mend
`ovn-sbctl find mac_binding ip=ADDRESS`, and `ovn-sbctl destroy mac_binding UUID`: OVN asks anew. `options:mac_binding_age_threshold` of the logical router lets entries grow old.

## Sources
OVN controller/lflow.c (`consider_neighbor_flow`), lib/ovn-util or controller/lflow.h (`OFTABLE_MAC_BINDING`); ovn-sb(5), MAC_Binding; ovn-nb(5), `mac_binding_age_threshold`.
"""

from collections.abc import Iterator

from analyzer.query.logical import hardware_text, integration, neighbours
from analyzer.query.state import roots
from analyzer.rule import Finding, Network, Rule, Severity


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        switch = integration(root)
        for address, mac, flow in neighbours(switch) if switch is not None else ():
            owners = network.owners.get(address, ())
            hosts = {owner.scope for owner in owners}
            known = [link.mac for scope in hosts for link in network.namespaces[scope].links.values()]
            if len(hosts) != 1 or mac in known or None in known:
                continue
            owner = owners[0]
            link = network.namespaces[owner.scope].links.get(owner.device)
            if link is None or link.mac is None:
                continue
            text = f"routers of OVN on {root.scope.node} have {address} at {hardware_text(mac)}, but {owner} has {hardware_text(link.mac)}"
            yield RULE.finding(
                flow.at, text, related=[(link.at, str(owner))], help=f"ovn-sbctl find mac_binding ip={address}, and destroy it"
            )


RULE = Rule("switch-neighbour-stale", Severity.WARNING, __doc__, check)
