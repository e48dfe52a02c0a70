"""Builds a network of the lab: nodes on an underlay, their overlay, pods attached by the CNI plugins, services."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.lab import clouds, ipvs_proxy, native_proxy, overlay, peer_pods, policies, proxy, uplinks
from tests.lab.machine import Machine, plugin_folder
from tests.lab.overlay import tables
from tests.lab.plan import GATEWAY, NODE_PORTS, NODES, OUTSIDE_PORTS, POD_PORTS, Node, Pod, Scenario, Service

NODE_SYSCTLS = """
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000
sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0 net.ipv6.conf.all.accept_redirects=0
sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 2>/dev/null || true
sysctl -qw net.ipv6.conf.eth0.accept_dad=0 2>/dev/null || true
ip link set lo up
"""
PROXIES = {"iptables": proxy, "nftables": native_proxy, "ipvs": ipvs_proxy}
POD_SYSCTLS = (
    "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 "
    "net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0"
)


@dataclass(slots=True)
class Lab:
    """A network as built, with the processes that hold it. ``broken`` names what was done to it; ``more`` are addresses that pods got besides
    their own, by the pod's key. ``tracked``: whether the nodes are to track connections of the probes
    already, ``entries`` the commands that make them, by node. ``routers`` are captured too, and no nodes. ``said``: what was run where, if that is to be kept."""

    machine: Machine
    scenario: Scenario
    nodes: list[Node] = field(default_factory=list)
    routers: list[Node] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    more: dict[str, list[str]] = field(default_factory=dict)
    tracked: bool = False
    entries: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str, str]] | None = None

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.nodes if node.name == name)

    def entrance(self, address: str) -> Node:
        """The node to which the outside host sends what is for a service's address."""
        return self.nodes[int(address.rpartition(".")[2]) % len(self.nodes)]

    @property
    def machines(self) -> list[Node]:
        """All machines that are captured."""
        return [*self.nodes, *self.routers]

    @property
    def members(self) -> list[Node]:
        """The machines that are nodes of the cluster: not a peer pod's own."""
        return self.nodes[:1] if self.scenario.overlay == "peer-pods" else self.nodes

    def pods_on(self, node: Node) -> list[Pod]:
        """The pods of a node that have a namespace of their own."""
        return [pod for pod in self.pods if pod.node == node.name and not pod.host_network]

    def run(self, where: str, script: str, text: str | None = None, **environment: str) -> str:
        """Runs a script on a node, or in a pod by its key."""
        if self.said is not None:
            self.said.append((where, script, text or ""))
        return self.machine.run(where, script, text, **environment)


def build(machine: Machine, scenario: Scenario, pods: list[Pod], services: list[Service], policy_seed: int = 0) -> Lab:
    """The network of a scenario, complete and unbroken; its policies, where it has any, are those of the seed."""
    lab = Lab(machine, scenario, pods=pods, services=services)
    lab.nodes = [Node(number, scenario.families) for number in range(scenario.nodes)]
    lab.routers = clouds.routers(scenario.overlay)
    machine.start({"name": "underlay"}, {"name": "outside"}, *({"name": node.name, "node": True} for node in lab.machines))
    _underlay(lab)
    if lab.routers:
        clouds.start(lab)
    for node in lab.nodes:
        lab.run(node.name, _node_script(lab, node))
        overlay.prepare(lab, node)
    for pod in pods:
        attach(lab, pod)
    _listen(lab)
    if scenario.policies:
        lab.policies = policies.documents(lab, Random(policy_seed))
    for node in lab.nodes:
        if scenario.policies:
            policies.install(lab, node)
        overlay.finish(lab, node)
        if scenario.services:
            PROXIES[scenario.proxy].install(lab, node)
    return lab


def _underlay(lab: Lab) -> None:
    """A bridge that joins the nodes and the outside host."""
    lines = ["ip link set lo up", "ip link add br0 type bridge", "ip link set br0 up"]
    for number, name in enumerate(["outside", *(node.name for node in lab.machines)]):
        peer = lab.machine.agents[name].pid
        if lab.scenario.containers:
            lines += [f"ip link add port{number} type veth peer name away", f"ip link set away netns {peer} name eth0"]
        else:
            name = uplinks.card(lab.scenario, 0)
            lines.append(f"ip link add port{number} type veth peer name {name} netns {peer}")
        lines.append(f"ip link set port{number} master br0 up")
    lab.run("underlay", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1\n" + "\n".join(lines))
    uplinks.raise_all(lab)
    lab.run("outside", _outside_script(lab))


def _outside_script(lab: Lab) -> str:
    """The outside host: the nodes' gateway, which answers for every address outside and leads to the nodes."""
    lines = [
        NODE_SYSCTLS,
        "sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0",
        "ip link set eth0 up",
    ]
    for family in lab.scenario.families:
        lines += [
            *(["ip addr add 192.168.66.77/32 dev eth0"] if family == 4 else []),
            f"ip addr add {GATEWAY[family]}/{24 if family == 4 else 64} dev eth0",
            f"{tables(family)} -t nat -A PREROUTING -i eth0 ! -d {NODES[family]} -p tcp -j DNAT --to-destination {_at(family)}:{OUTSIDE_PORTS[0]}",
            f"{tables(family)} -t nat -A PREROUTING -i eth0 ! -d {NODES[family]} -p udp -j DNAT --to-destination {_at(family)}:{OUTSIDE_PORTS[0]}",
            f"{tables(family)} -t nat -A PREROUTING -i eth0 ! -d {NODES[family]} -p {'icmp' if family == 4 else 'icmpv6 --icmpv6-type echo-request'} "
            f"-j DNAT --to-destination {GATEWAY[family]}",
            f"ip -{family} route add {'10.96.0.0/16' if family == 4 else 'fd00:10:96::/112'} via {lab.nodes[0].address(family)}",
        ]
        lines += [f"ip -{family} route add {node.pod_cidr(family)} via {node.address(family)}" for node in lab.nodes]
    outer = (address for service in lab.services for address in (*service.external_addresses, *service.balancer_addresses))
    lines += [f"ip route add {address} via {lab.entrance(address).address()}" for address in outer]
    return "\n".join(lines)


def _at(family: int) -> str:
    return GATEWAY[family] if family == 4 else f"[{GATEWAY[family]}]"


def _node_script(lab: Lab, node: Node) -> str:
    lines = [NODE_SYSCTLS, "ip link set eth0 up"]
    if lab.scenario.backend == "legacy":
        lines += [f"ln -sf /usr/sbin/{name}tables-legacy{tail} /etc/alternatives/{name}tables{tail}"
                  for name in ("ip", "ip6") for tail in ("", "-save", "-restore")]  # fmt: skip
    for family in lab.scenario.families:
        lines.append(f"ip addr add {node.address(family)}/{24 if family == 4 else 64} dev eth0")
        if lab.scenario.default_route:
            lines.append(f"ip -{family} route add default via {GATEWAY[family]} dev eth0")
    return "\n".join(lines)


def attach(lab: Lab, pod: Pod) -> None:
    """Gives a pod its namespace and its interface, by the CNI plugins of its node or as the scenario does it."""
    if pod.host_network:
        node = lab.node(pod.node)
        pod.addresses = [node.address(family) for family in lab.scenario.families]
        return
    pod.netns = f"cni-{pod.container[:8]}-{pod.container[8:12]}" if lab.scenario.runtime_names else f"{pod.namespace}_{pod.name}"
    path = f"/run/netns/{pod.netns}"
    lab.run(pod.node, f"ip netns add {pod.netns}; ip netns exec {pod.netns} {POD_SYSCTLS}; ip -n {pod.netns} link set lo up")
    peer = lab.scenario.overlay == "peer-pods" and pod is lab.pods[0]
    if not peer:
        lab.machine.start({"name": pod.key, "enter": f"/proc/{lab.machine.agents[pod.node].pid}/root{path}"})
    if lab.scenario.overlay in overlay.WITHOUT_PLUGINS:
        overlay.attach(lab, pod)
    else:
        add(lab, pod)
    if peer:
        peer_pods.move(lab, pod)


def add(lab: Lab, pod: Pod) -> None:
    """Runs the plugins of the node's configuration for the pod, as a runtime does."""
    config = json.loads(lab.run(pod.node, "cat /etc/cni/net.d/*.conflist"))
    result: dict[str, Any] | None = None
    for plugin in config["plugins"]:
        result = _plugin(lab, pod, config, plugin, result) or result
    if result is not None:
        pod.addresses = [ip["address"].split("/")[0] for ip in result["ips"]]


def _plugin(
    lab: Lab, pod: Pod, config: dict[str, Any], plugin: dict[str, Any], previous: dict[str, Any] | None
) -> dict[str, Any] | None:
    merged = {"cniVersion": config["cniVersion"], "name": config["name"], **plugin}
    if previous is not None:
        merged["prevResult"] = previous
    if plugin.get("capabilities", {}).get("portMappings"):
        mappings = [{"hostPort": h, "containerPort": c, "protocol": p.lower()} for h, c, p in pod.host_ports]
        merged["runtimeConfig"] = {"portMappings": mappings}
    folder = str(plugin_folder())
    environment = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": pod.container, "CNI_NETNS": f"/run/netns/{pod.netns}", "CNI_IFNAME": "eth0", "CNI_PATH": folder,
    }  # fmt: skip
    done = lab.run(pod.node, f"{folder}/{plugin['type']}", json.dumps(merged), **environment)
    return json.loads(done) if done.strip() else None


def _listen(lab: Lab) -> None:
    requests: dict[str, dict[str, Any]] = {
        pod.key: {"do": "listen", "ports": POD_PORTS} for pod in lab.pods if not pod.host_network
    }
    for node in lab.nodes:
        extra = POD_PORTS if any(pod.host_network and pod.node == node.name for pod in lab.pods) else ()
        requests[node.name] = {"do": "listen", "ports": [*NODE_PORTS, *extra]}
    requests["outside"] = {"do": "listen", "ports": OUTSIDE_PORTS}
    lab.machine.ask_all(requests)
    lab.machine.agents["outside"].ask(do="sniff")
