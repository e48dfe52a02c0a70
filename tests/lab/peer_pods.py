"""A peer pod: its interface is on the worker, its processes in another machine, a vxlan device between them.

As cloud-api-adaptor does it (pkg/podnetwork/tunneler/vxlan): the vxlan devices are made in the hosts' root namespaces, where their
sockets stay, and moved into the pod's namespaces; on the worker, tc redirects everything between ``eth0`` and the tunnel.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.lab.plan import Pod

if TYPE_CHECKING:
    from tests.lab.build import Lab

VNI, PORT = 555005, 4789
REDIRECT = "tc filter add dev {here} ingress protocol all u32 match u32 0 0 action mirred egress redirect dev {there}"


def move(lab: Lab, pod: Pod) -> None:
    """Moves an attached pod's processes into the second machine and ties the two together, as after the remedy."""
    worker, machine = lab.nodes
    inside = f"ip netns exec {pod.netns}"
    lab.run(
        worker.name,
        f"ip link add ppvxlan1 type vxlan id {VNI} remote {machine.address()} dstport {PORT}\n"
        f"ip link set ppvxlan1 netns {pod.netns} name vxlan1\nip -n {pod.netns} link set vxlan1 up\n"
        + "".join(f"{inside} tc qdisc add dev {device} ingress\n" for device in ("eth0", "vxlan1"))
        + "".join(f"{inside} {REDIRECT.format(here=a, there=b)}\n" for a, b in (("eth0", "vxlan1"), ("vxlan1", "eth0")))
        + f"ip neigh replace {pod.addresses[0]} lladdr {mac(lab, pod)} dev cni0 nud permanent\n",
    )
    lab.run(
        machine.name,
        "ip netns add podns; ip netns exec podns sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0\n"
        f"ip link add ppvxlan type vxlan id {VNI} remote {worker.address()} dstport {PORT}\nip link set ppvxlan netns podns name vxlan0\n"
        f"ip -n podns link set lo up; ip -n podns link set vxlan0 address {mac(lab, pod)} mtu 1450\n"
        f"ip -n podns addr add {pod.addresses[0]}/24 dev vxlan0; ip -n podns link set vxlan0 up\n"
        "ip -n podns route add default via 10.244.0.1 dev vxlan0\n",
    )
    lab.machine.start({"name": pod.key, "enter": f"/proc/{lab.machine.agents[machine.name].pid}/root/run/netns/podns"})


def mac(lab: Lab, pod: Pod) -> str:
    """The MAC of the pod's interface on the worker."""
    return lab.run(pod.node, f"ip -n {pod.netns} -o link show eth0").split("link/ether ")[1].split()[0]


def pod_machine_mac(lab: Lab, _: Random) -> None:
    """The incident: the tunnel's device in the pod's machine has a MAC of its own."""
    lab.run(lab.pods[0].key, "ip link set vxlan0 address 7e:e5:f7:e6:f5:1a")


def redirect_missing(lab: Lab, _: Random) -> None:
    """What comes back out of the tunnel stays on the worker."""
    one = lab.pods[0]
    lab.run(one.node, f"ip netns exec {one.netns} tc filter del dev vxlan1 ingress")
