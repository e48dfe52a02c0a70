"""The MAC or address that OVN expects at a pod's port is not the pod's.

## What it finds
A port of Open vSwitch whose `external_ids` name a MAC (`attached_mac`) or addresses (`ip_addresses`, `ip`) that the pod at the other end does not have.

## Why it matters
OVN answers questions for the pod with the MAC that it assigned, sends frames to it, and drops frames from any other (port security). A pod behind a virtual machine (Kata, peer pods), or one whose interface was
changed later, is cut off in both directions.

## Example
    external_ids        : {attached_mac="0a:58:0a:80:02:05", iface-id=default_web, ip_addresses="10.128.2.5/23"}
    pod: link/ether 7e:e5:f7:e6:f5:1a

## How to mend
Give the interface the assigned MAC and address, or recreate the pod.

## Sources
OVN northd (ls_in_check_port_sec, ls_in_arp_rsp); confidential-containers/cloud-api-adaptor#369.
"""

from collections.abc import Iterator

from analyzer.query.state import roots
from analyzer.rule import Finding, Interface, Network, Rule, Severity, hardware_text


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        for switch in root.switches.values():
            for name, port in sorted(switch.ports.items()):
                peer = network.peers.get(Interface(root.scope, name))
                inside = network.namespaces.get(peer.scope) if peer is not None and peer.scope.namespace else None
                link = inside.links.get(peer.device) if inside is not None and peer is not None else None
                if inside is None or link is None or link.mac is None:
                    continue
                wanted = port.identifier("attached_mac").lower()
                if wanted and wanted != hardware_text(link.mac):
                    text = f"OVN expects {wanted} at {name} of {root.scope.node}, and {peer} has {hardware_text(link.mac)}"
                    yield RULE.finding(
                        link.at, text, related=[(port.at, "what is expected")], help=f"ip link set {link.name} address {wanted}"
                    )
                given = port.identifier("ip_addresses") or port.identifier("ip")
                expected = {word.split("/")[0] for word in given.replace(",", " ").split()}
                held = {str(fact.address) for fact in inside.addresses if fact.device == link.name}
                missing = sorted(expected - held)
                if missing and held and "ip-addr" not in inside.missing:
                    text = f"OVN expects {missing[0]} at {name} of {root.scope.node}, which {peer} does not have"
                    yield RULE.finding(link.at, text, related=[(port.at, "what is expected")], help="recreate the pod")


RULE = Rule("switch-port-mac-differs", Severity.ERROR, __doc__, check)
