"""Packets of full size from pods do not fit through Open vSwitch's tunnel.

## What it finds
A pod at a switch of Open vSwitch whose MTU, with what the switch's tunnel puts around a packet, exceeds the MTU of the device by which the tunnel's packets leave: Geneve and VXLAN 50 bytes over IPv4 and 70 over IPv6,
and OVN's option of Geneve 8 more; GRE 38 or 58.

## Why it matters
Open vSwitch sets Don't Fragment on the outer packet: small packets pass, large ones are dropped without an answer. Connections open and then hang. A bridge device in between (`br-ex`) may have the right MTU while the card under it
has not.

## Example
    pod: eth0: mtu 1450    br-ex: mtu 1500    # Geneve with OVN's option needs 1508

## How to mend
Set the network's MTU to that of the uplink minus the overhead (OVN over IPv4: 58; OVN-Kubernetes takes 100 to be sure), and recreate the pods.

## Sources
vswitch.xml (Interface: `df_default`, true by default); RFC 8926, 3.4; OVN lib/ovn-util.h and controller/physical.c (option class 0x0102, type 0x80, 4 bytes); ovn-org/ovn-kubernetes docs, MTU.
"""

from collections.abc import Iterator

from analyzer.query.logical import Namespace, Switch, SwitchPortFact, address, interfaces
from analyzer.query.state import roots
from analyzer.query.tables import main_route
from analyzer.query.tunnels import HostEnd, LinkFact, host_ends
from analyzer.rule import Finding, Network, Rule, Severity

AROUND = {"geneve": 30, "vxlan": 30, "gre": 18}
OPTION = 8


def check(network: Network) -> Iterator[Finding]:
    for root in roots(network):
        ends = [end for end in host_ends(network, root) if end.inside.mtu]
        for switch in root.switches.values():
            mine = [end for end in ends if end.end.name in switch.ports]
            tunnels = [
                port for _, port in sorted(switch.ports.items()) if port.kind in AROUND and port.option("df_default") != "false"
            ]
            limits = [found for port in tunnels if (found := limit(root, switch, port)) is not None]
            if mine and limits:
                yield from finding(
                    root, switch, max(mine, key=lambda end: end.inside.mtu or 0), *min(limits, key=lambda one: one[1])
                )


def finding(root: Namespace, switch: Switch, end: HostEnd, port: SwitchPortFact, most: int, under: LinkFact) -> Iterator[Finding]:
    """The largest pod, where it is too large for the narrowest tunnel."""
    mtu = end.inside.mtu or 0
    if mtu > most:
        yield RULE.finding(
            end.inside.at,
            f"{end.pod.name} has mtu {mtu} on {end.inside.name}, but {port.name} of {switch.name} on {root.scope.node} carries {most} by {under.name}",
            related=[(under.at, f"{under.name} has mtu {under.mtu}"), (port.at, port.name)],
            help=f"set the network's MTU to {most} and recreate the pods",
        )


def limit(root: Namespace, switch: Switch, port: SwitchPortFact) -> tuple[SwitchPortFact, int, LinkFact] | None:
    """What a tunnel carries, and the device that says so; None where that is not known."""
    text = port.option("remote_ip")
    try:
        remote = address(text)
    except ValueError:
        return None
    route = main_route(root, remote)
    device = next((hop.device for hop in route.next_hops if hop.device), "") if route is not None else ""
    devices = [link for name in (device, *below(root, device)) if (link := root.links.get(name)) is not None and link.mtu]
    if not devices:
        return None
    under = min(devices, key=lambda link: link.mtu or 0)
    option = OPTION if port.kind == "geneve" and interfaces(switch) else 0
    return port, (under.mtu or 0) - (20 if remote.family == 4 else 40) - AROUND[port.kind] - option, under


def below(root: Namespace, device: str) -> Iterator[str]:
    """The cards under a switch's own device."""
    for switch in root.switches.values():
        own = switch.ports.get(device)
        if own is not None and own.kind == "internal":
            yield from (
                name
                for name, port in switch.ports.items()
                if not port.kind and root.links.get(name) is not None and not paired(root, name)
            )


def paired(root: Namespace, name: str) -> bool:
    """Whether a port is a pod's."""
    return root.links[name].peer_index is not None


RULE = Rule("switch-tunnel-mtu-too-large", Severity.WARNING, __doc__, check)
