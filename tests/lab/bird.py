"""A network of BIRD's: nodes whose routes to each other's pods come by BGP, in the shape that Calico gives it.

Each node has a block of addresses, a blackhole for it that its daemon states, and a session with every other node; the daemon puts what it learns into the kernel. The daemons run in
the nodes' own namespaces with a control socket each, and end with them.
"""

from __future__ import annotations

import json
import shutil
import time

from tests.lab import overlay
from tests.lab.build import NODE_SYSCTLS, POD_SYSCTLS, Lab
from tests.lab.machine import PATH, Machine
from tests.lab.machine import missing as machine_missing
from tests.lab.plan import CLUSTER_CIDR, NODE_PORTS, POD_PORTS, Node, Pod, Scenario

COMMANDS = ("bird", "birdc")
PACKAGES = "bird2"
AS_NUMBER = 64512
PODS = (("a1", 0), ("a2", 0), ("b1", 1), ("c1", 2))
CONFIG = """
router id {address};
protocol device {{ scan time 1; }}
{direct}
protocol static static1 {{ ipv4; route {block} blackhole; }}
filter calico_kernel_programming {{ accept; }}
protocol kernel kernel1 {{ learn; persist; scan time 1; ipv4 {{ import all; export filter calico_kernel_programming; }}; }}
filter calico_export_to_bgp_peers {{
  if (net = {exported}) then {{ accept; }}
  reject;
}}
template bgp bgp_template {{
  local {address} as {own};
  connect delay time 1; connect retry time 1; error wait time 1, 1;
  ipv4 {{ import all; export filter calico_export_to_bgp_peers; }};
}}
{peers}
"""
PEER = "protocol bgp Mesh_{name} from bgp_template {{ neighbor {address} as {number}; }}\n"


def missing() -> str | None:
    """Why this machine cannot build the network, in words; None when it can."""
    lacking = [command for command in COMMANDS if shutil.which(command, path=PATH) is None]
    if lacking:
        return f"the network of BIRD needs {', '.join(lacking)} (Debian: apt-get install {PACKAGES})"
    return machine_missing()


def build(machine: Machine) -> Lab:
    """The network, with pods that listen, before any daemon runs."""
    lab = Lab(machine, Scenario("bird", overlay="calico", nodes=3, default_route=False), pods=[])
    lab.nodes = [Node(number) for number in range(3)]
    machine.start({"name": "underlay"}, *({"name": node.name, "node": True} for node in lab.nodes))
    lines = ["ip link set lo up", "ip link add br0 type bridge", "ip link set br0 up"]
    for number, node in enumerate(lab.nodes):
        peer = machine.agents[node.name].pid
        lines += [f"ip link add port{number} type veth peer name eth0 netns {peer}", f"ip link set port{number} master br0 up"]
    lab.run("underlay", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1\n" + "\n".join(lines))
    for node in lab.nodes:
        # Without a default route only another route to 169.254.1.1 makes proxy ARP answer.
        more = f"ip link set eth0 up\nip addr add {node.address()}/24 dev eth0\nip route add 169.254.1.1 dev eth0"
        lab.run(node.name, NODE_SYSCTLS + more)
        node.annotations["projectcalico.org/IPv4Address"] = f"{node.address()}/24"
    for name, number in PODS:
        attach(lab, Pod(name, lab.nodes[number].name, {"app": "web"}))
    listen(lab)
    return lab


def attach(lab: Lab, pod: Pod) -> None:
    """A pod as Calico attaches it."""
    pod.netns = f"{pod.namespace}_{pod.name}"
    lab.pods.append(pod)
    script = f"ip netns add {pod.netns}; ip netns exec {pod.netns} {POD_SYSCTLS}; ip -n {pod.netns} link set lo up"
    lab.run(pod.node, script)
    lab.machine.start({"name": pod.key, "enter": f"/proc/{lab.machine.agents[pod.node].pid}/root/run/netns/{pod.netns}"})
    overlay.attach(lab, pod)


def listen(lab: Lab) -> None:
    """Pods and nodes answer."""
    requests: dict[str, dict[str, object]] = {pod.key: {"do": "listen", "ports": POD_PORTS} for pod in lab.pods}
    requests |= {node.name: {"do": "listen", "ports": NODE_PORTS} for node in lab.nodes}
    lab.machine.ask_all(requests)


def configure(lab: Lab, node: Node, *, own: int = AS_NUMBER, exported: str = "", without: str = "", direct: bool = True) -> None:
    """Writes a node's configuration, and starts its daemon or has it read that: ``own`` is its AS number, ``exported`` the only network that goes out (its block),
    ``without`` a node that it has no session with, ``direct`` whether it knows the networks of its own interfaces, where next hops are."""
    peers = "".join(
        PEER.format(name=peer.address().replace(".", "_"), address=peer.address(), number=AS_NUMBER)
        for peer in lab.nodes
        if peer is not node and peer.name != without
    )
    text = CONFIG.format(
        address=node.address(),
        block=node.pod_cidr(),
        exported=exported or node.pod_cidr(),
        own=own,
        peers=peers,
        direct="protocol direct { ipv4; }" if direct else "",
    )
    lab.run(node.name, "mkdir -p /run/bird /etc/bird; cat >/etc/bird/bird.conf", text)
    lab.run(node.name, "[ -S /run/bird/bird.ctl ] && birdc configure || bird -P /run/bird/bird.pid")


def settled(lab: Lab, sessions: int) -> None:
    """Waits until so many ends of sessions are established, and the routes that came by them are in the kernels."""
    for _ in range(60):
        found = [lab.run(node.name, "birdc show protocols").count("Established") for node in lab.nodes]
        wanted = [lab.run(node.name, "birdc show route export kernel1").count("via ") for node in lab.nodes]
        held = [lab.run(node.name, "ip route show proto bird").count("via ") for node in lab.nodes]
        if sum(found) == sessions and wanted == held:
            time.sleep(0.3)
            return
        time.sleep(0.1)
    raise AssertionError(f"{sum(found)} of {sessions} ends of sessions are established; routes {wanted}, in the kernels {held}")


def pools() -> str:
    """The pool as an object."""
    return (
        "apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: default}\n"
        f"spec: {{cidr: {CLUSTER_CIDR[4]}, blockSize: 24, ipipMode: Never, vxlanMode: Never, natOutgoing: false}}\n"
    )


def objects(lab: Lab) -> str:
    """Calico's objects: the pool, the blocks, and the number of all nodes."""
    documents = [
        pools(),
        f"apiVersion: crd.projectcalico.org/v1\nkind: BGPConfiguration\nmetadata: {{name: default}}\nspec: {{asNumber: {AS_NUMBER}}}\n",
    ]
    return "---\n".join([*documents, *(block(lab, node) for node in lab.nodes)])


def block(lab: Lab, node: Node) -> str:
    """The block of a node, with the addresses of its pods."""
    pods = lab.pods_on(node)
    first = int(node.pod_network().rpartition(".")[2])
    taken: list[int | None] = [None] * 256
    for number, pod in enumerate(pods):
        taken[int(pod.addresses[0].rpartition(".")[2]) - first] = number
    attributes = [
        {"handle_id": pod.key, "secondary": {"namespace": pod.namespace, "pod": pod.name, "node": node.name}} for pod in pods
    ]
    spec = {"cidr": node.pod_cidr(), "affinity": f"host:{node.name}", "allocations": taken, "attributes": attributes}
    return f"apiVersion: crd.projectcalico.org/v1\nkind: IPAMBlock\nmetadata: {{name: block-{node.name}}}\nspec: {json.dumps(spec)}\n"


def stop(lab: Lab) -> None:
    """Ends the daemons: they are no children of the namespaces' own processes."""
    for node in lab.nodes:
        lab.run(node.name, "if [ -f /run/bird/bird.pid ]; then kill $(cat /run/bird/bird.pid); fi")
