"""Romana's network: blocks of addresses for each tenant and segment of a host, a veth pair with a route for each pod, and a routing table with the blocks of other hosts.

After romana/core: cni/plugin.go (CmdAdd, AddEndpointRoute), agent/rtable (EnsureRomanaRouteRule), agent/simple/routes.go (createRouteToBlock), cmd/romana_agent/main.go
(kernelParameter) and romana/romana's run-romana-agent (ROMANA-MASQ). ``romana-gw`` is a dummy device there, and a bridge without ports here: not every kernel has dummy devices, and
both do nothing but to hold the gateway's address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from tests.lab.plan import CLUSTER_CIDR, Node, Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

GATEWAY, TABLE = "172.142.0.1", 10
SEGMENT = "romana.io/segment"
SIZE = 29


@dataclass(frozen=True, slots=True)
class Block:
    """The addresses of a host for the pods of a tenant and a segment."""

    cidr: str
    tenant: str
    segment: str
    host: str
    taken: int


def blocks(lab: Lab) -> Iterator[Block]:
    """The blocks of all hosts, in the order of the pods that need them."""
    for node in lab.nodes:
        wanted = [(pod.namespace, segment(pod)) for pod in lab.pods_on(node)]
        free = ip_network(node.pod_cidr()).subnets(new_prefix=SIZE)
        for key, cidr in zip(dict.fromkeys(wanted), free, strict=False):
            yield Block(str(cidr), *key, node.name, wanted.count(key))


def segment(pod: Pod) -> str:
    """The segment of a pod: its label, or the default one (cni/kubernetes.go)."""
    return pod.labels.get(SEGMENT, "default")


def prepare(lab: Lab, node: Node) -> None:
    """The agent's work on a node: gateway, switches, the table and its rule, a route for each block of another host."""
    lines = [
        f"ip link add romana-gw type bridge && ip addr add {GATEWAY}/32 dev romana-gw && ip link set romana-gw up",
        "sysctl -qw net.ipv4.conf.default.proxy_arp=1 net.ipv4.conf.all.proxy_arp=1",
        f"echo '{TABLE} romana' >>/etc/iproute2/rt_tables",
        f"ip rule add from all lookup {TABLE}",
    ]
    lines += [
        f"ip route add {block.cidr} via {lab.node(block.host).address()} table {TABLE}"
        for block in blocks(lab)
        if block.host != node.name
    ]
    lab.run(node.name, "\n".join(lines))


def device(pod: Pod) -> str:
    """The host's end of a pod's pair (cni/kubernetes.go, MakeVethName)."""
    return f"romana-{pod.container[:8]}"


def attach(lab: Lab, pod: Pod) -> None:
    """The plugin's work for a pod: an address of its block, a pair, and the routes of both ends."""
    block = next(one for one in blocks(lab) if (one.host, one.tenant, one.segment) == (pod.node, pod.namespace, segment(pod)))
    alike = [one.key for one in lab.pods_on(lab.node(pod.node)) if (one.namespace, segment(one)) == (pod.namespace, segment(pod))]
    address = str(ip_network(block.cidr)[alike.index(pod.key)])
    lab.run(
        pod.node,
        f"ip link add {device(pod)} type veth peer name eth0 netns {pod.netns}\nip link set {device(pod)} up\n"
        f"ip -n {pod.netns} link set eth0 up\nip -n {pod.netns} addr add {address}/32 dev eth0\n"
        f"ip -n {pod.netns} route add {GATEWAY} dev eth0 scope link\nip -n {pod.netns} route add default via {GATEWAY} dev eth0\n"
        f"ip route add {address} dev {device(pod)} scope link\n",
    )
    pod.addresses = [address]


def finish(lab: Lab, node: Node) -> None:
    """What the agent's start script adds where ``--nat`` is set."""
    if lab.scenario.masquerade:
        cluster = CLUSTER_CIDR[4]
        rules = (
            f':ROMANA-MASQ - [0:0]\n-A POSTROUTING -s {cluster} -m comment --comment "romana postrouting rules" -j ROMANA-MASQ\n'
        )
        rules += f"-A ROMANA-MASQ -d {cluster} -j RETURN\n-A ROMANA-MASQ -d 10.96.0.0/16 -j RETURN\n-A ROMANA-MASQ -o eth0 -j MASQUERADE\n"
        lab.run(node.name, "iptables-restore --noflush", f"*nat\n{rules}COMMIT\n")


def files(lab: Lab) -> dict[str, str]:
    """The answers of Romana's service: ``/blocks`` and ``/hosts``."""
    listed = [
        {
            "cidr": block.cidr,
            "tenant": block.tenant,
            "segment": block.segment,
            "host": block.host,
            "allocated_ip_count": block.taken,
        }
        for block in blocks(lab)
    ]
    hosts = [{"ip": node.address(), "name": node.name, "agent_port": 9604} for node in lab.nodes]
    return {
        "romana-blocks.json": json.dumps({"revision": 1, "blocks": listed}, indent=1) + "\n",
        "romana-hosts.json": json.dumps({"revision": 1, "hosts": hosts}, indent=1) + "\n",
    }
