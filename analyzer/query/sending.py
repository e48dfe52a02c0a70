"""The ports that programs can send from without meeting something that holds them: a node's tunnels, and the virtual servers of IPVS.

An answer to a port of a virtual server is balanced like a request where it has SYN, or is UDP (``tcp_conn_schedule``, ``udp_conn_schedule``), and IPVS balances nothing from
FTP's data port (``ip_vs_schedule``). That nobody sends from these is assumed, by name.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.links import Geneve, Vxlan
from analyzer.model.network import Network
from analyzer.query.flows import PORTS, Sender
from analyzer.ranges import Ranges, difference, intersection, normalised, single
from analyzer.source import Scope

FTP_DATA = single(20)


def free_ports(network: Network, scope: Scope, source: int) -> Ranges:
    """The ports that a node's programs can send from, with this source address."""
    return difference(PORTS, normalised((*of_tunnels(network, scope), *of_virtual_servers(network, scope, source))))


def of_tunnels(network: Network, scope: Scope) -> Ranges:
    """The ports that the sockets of tunnels hold (vxlan_socket_create, drivers/net/vxlan/vxlan_core.c)."""
    held: list[tuple[int, int]] = []
    for at, home in network.sockets.items():
        link = network.namespaces[at.scope].links.get(at.device)
        match link.kind if link is not None and home == scope else None:
            case Vxlan(port=port) | Geneve(port=port):
                held.append((port, port))
            case _:
                continue
    return normalised(held)


def of_virtual_servers(network: Network, scope: Scope, source: int) -> Ranges:
    """The ports of a namespace's virtual servers at an address."""
    facts = network.namespaces[scope].virtual_servers
    return normalised(
        (one.port, one.port) for one in facts if one.address is not None and one.address.value == source and one.port
    )


def asking_ports(network: Network) -> Ranges:
    """The ports from which services are asked."""
    balanced = any(space.virtual_servers for space in network.namespaces.values())
    return difference(PORTS, FTP_DATA) if balanced else PORTS


def left_out(network: Network, ports: Ranges) -> Iterator[str]:
    """What is assumed of those who ask a service from these ports."""
    if intersection(difference(PORTS, ports), FTP_DATA) and asking_ports(network) == ports:
        yield "nobody asks a service from port 20: IPVS balances no data connections of FTP"


def assumed(network: Network, sender: Sender) -> Iterator[str]:
    """What is assumed of a sender of which not every port is looked at."""
    taken = difference(PORTS, sender.ports)
    if not taken:
        return
    if tunnels := intersection(taken, of_tunnels(network, sender.scope)):
        yield f"no program of {sender.scope} sends from the ports of its tunnels ({written(tunnels)})"
    held = normalised(pair for low, _ in sender.sources for pair in of_virtual_servers(network, sender.scope, low))
    if virtual := intersection(taken, held):
        yield f"no program of {sender.scope} sends from the ports of its virtual servers ({written(virtual)}): IPVS would balance the answers"
    if intersection(difference(taken, held), FTP_DATA):
        yield from left_out(network, asking_ports(network))


def written(ports: Ranges) -> str:
    """Ports, a few of them one by one."""
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ports[:8]) + (" …" if len(ports) > 8 else "")
