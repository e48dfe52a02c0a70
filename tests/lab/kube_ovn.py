"""A network of Kube-OVN: two nodes with Open vSwitch's datapath in user space, joined by Geneve, with the logical network and the nodes' own routes, sets and rules that Kube-OVN gives them.

After pkg/controller/{init,subnet,node,network_policy}.go (the router ``ovn-cluster``, a switch for each subnet, ``join`` with a port for each node, policies of the router, port groups of a
subnet's pods on a node) and pkg/daemon/gateway_linux.go (routes by ``ovn0``, ipsets ``ovn40…``, chains ``OVN-PREROUTING`` and ``OVN-POSTROUTING``) of Kube-OVN 1.16. Distributed gateways:
what pods send to the world leaves by their own node, with its address. The node's own address is on a bridge of Open vSwitch, since a datapath in user space sends tunnels by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import ovn
from tests.lab.build import Lab
from tests.lab.machine import Machine
from tests.lab.plan import GATEWAY, OUTSIDE_PORTS, Node, Pod, Scenario, Service

SUBNETS = {"ovn-default": "10.244", "apps": "10.245"}
"""The first half of the addresses of each subnet."""
PODS = (("a1", 0, "db", "ovn-default"), ("a2", 0, "web", "apps"), ("b1", 1, "web", "ovn-default"), ("b2", 1, "db", "ovn-default"))
SERVICE = "10.96.0.10"
POD = """
ip netns add {netns}
ip link add {port} type veth peer name eth0 netns {netns}
ip netns exec {netns} ethtool -K eth0 tx off >/dev/null 2>&1 || true
ip netns exec {netns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip -n {netns} link set lo up
ip -n {netns} link set eth0 address {mac} mtu 1400
ip -n {netns} addr add {address}/16 dev eth0
ip -n {netns} link set eth0 up
ip -n {netns} route add default via {gateway}
sysctl -qw net.ipv4.conf.{port}.arp_ignore=8 net.ipv6.conf.{port}.disable_ipv6=1
ip link set {port} mtu 1400 up
ovs-vsctl add-port br-int {port} -- set interface {port} external_ids:iface-id={name}.default external_ids:pod_name={name} external_ids:pod_namespace=default external_ids:ip={address}
"""
JOINED = """
ovs-vsctl add-port br-int ovn0 -- set interface ovn0 type=internal 'mac="{mac}"' external_ids:iface-id=node-{name} external_ids:ip={own}
ip addr add {own}/16 dev ovn0; ip link set ovn0 mtu 1400 up
ip route replace default via {outside} dev br-ex
"""
RULES = """*mangle
:OVN-PREROUTING - [0:0]
-A PREROUTING -m comment --comment "kube-ovn prerouting rules" -j OVN-PREROUTING
COMMIT
*nat
:OVN-PREROUTING - [0:0]
:OVN-POSTROUTING - [0:0]
:OVN-MASQUERADE - [0:0]
:OVN-NAT-POLICY - [0:0]
-A PREROUTING -m comment --comment "kube-ovn prerouting rules" -j OVN-PREROUTING
-A POSTROUTING -m comment --comment "kube-ovn postrouting rules" -j OVN-POSTROUTING
-A OVN-PREROUTING -i ovn0 -m set --match-set ovn40subnets src -m set --match-set ovn40services dst -j MARK --set-xmark 0x4000/0x4000
-A OVN-POSTROUTING -m mark --mark 0x4000/0x4000 -j OVN-MASQUERADE
-A OVN-POSTROUTING -m set --match-set ovn40subnets src -m set --match-set ovn40subnets dst -j OVN-MASQUERADE
-A OVN-POSTROUTING -m mark --mark 0x80000/0x80000 -m set --match-set ovn40subnets-distributed-gw dst -j RETURN
-A OVN-POSTROUTING -m mark --mark 0x80000/0x80000 -j OVN-MASQUERADE
-A OVN-POSTROUTING -p tcp -m tcp --tcp-flags SYN NONE -m conntrack --ctstate NEW -j RETURN
-A OVN-POSTROUTING -m set ! --match-set ovn40subnets src -m set ! --match-set ovn40other-node src -m set --match-set ovn40subnets-nat dst -j RETURN
-A OVN-POSTROUTING -m set --match-set ovn40subnets-nat-policy src -m set ! --match-set ovn40subnets dst -j OVN-NAT-POLICY
-A OVN-POSTROUTING -m set --match-set ovn40subnets-nat src -m set ! --match-set ovn40subnets dst -j OVN-MASQUERADE
-A OVN-MASQUERADE -j MARK --set-xmark 0x0/0xffffffff
-A OVN-MASQUERADE -j MASQUERADE
COMMIT
*filter
-A INPUT -m set --match-set ovn40subnets src -j ACCEPT
-A INPUT -m set --match-set ovn40subnets dst -j ACCEPT
-A INPUT -m set --match-set ovn40services src -j ACCEPT
-A INPUT -m set --match-set ovn40services dst -j ACCEPT
-A FORWARD -m set --match-set ovn40subnets src -j ACCEPT
-A FORWARD -m set --match-set ovn40subnets dst -j ACCEPT
-A FORWARD -m set --match-set ovn40services src -j ACCEPT
-A FORWARD -m set --match-set ovn40services dst -j ACCEPT
COMMIT
"""
SETS = """create ovn40services hash:net
add ovn40services 10.96.0.0/16
create ovn40subnets hash:net
create ovn40subnets-nat hash:net
create ovn40subnets-nat-policy hash:net
create ovn40subnets-distributed-gw hash:net
create ovn40local-pod-ip-nat hash:ip
create ovn40other-node hash:net
"""


def build(machine: Machine) -> Lab:
    """The network, with pods that listen; its policy lets only ``a2`` ask ``a1``, at port 8080."""
    lab = Lab(machine, Scenario("kube-ovn", overlay="kube-ovn", enforcer="kube-ovn"), pods=[])
    lab.nodes = [Node(number) for number in range(2)]
    lab.pods = [Pod(name, lab.nodes[number].name, {"app": app, "pod": name}) for name, number, app, _ in PODS]
    lab.services = [Service("web", {4: SERVICE}, "web")]
    machine.start({"name": "underlay"}, {"name": "outside"}, *({"name": node.name, "node": True} for node in lab.nodes))
    ovn.wires(lab, "outside")
    lab.run(
        "outside",
        f"ip link set lo up; ip link set eth0 up; ethtool -K eth0 tx off >/dev/null 2>&1 || true; ip addr add {GATEWAY[4]}/24 dev eth0",
    )
    ovn.daemons(lab)
    lab.run(lab.nodes[0].name, "\n".join(f"{ovn.NORTH} {line} >/dev/null" for line in topology(lab)))
    for node in lab.nodes:
        join(lab, node)
    for pod in lab.pods:
        attach(lab, pod)
    lab.run(lab.nodes[0].name, f"{ovn.NORTH} --timeout=60 --wait=hv sync")
    ovn.listen(lab)
    machine.ask_all({"outside": {"do": "listen", "ports": OUTSIDE_PORTS}})
    return lab


@contextmanager
def running() -> Iterator[Lab]:
    """The network, while it is used."""
    with Machine() as machine:
        lab = build(machine)
        try:
            yield lab
        finally:
            ovn.stop(lab)


def own(node: Node) -> str:
    """The address of a node in the network ``join``."""
    return f"100.64.0.{node.number + 2}"


def subnet_of(pod: Pod) -> str:
    """The subnet of a pod."""
    return next(subnet for name, _, _, subnet in PODS if name == pod.name)


def address_of(pod: Pod) -> str:
    """The address of a pod: that of its place in the list, whatever its node."""
    return f"{SUBNETS[subnet_of(pod)]}.0.{5 + [name for name, *_ in PODS].index(pod.name)}"


def group(subnet: str, node: Node) -> str:
    """The port group of a subnet's pods on a node."""
    return f"{subnet}.{node.name}".replace("-", ".")


def topology(lab: Lab) -> list[str]:
    """The logical network: the router, the switches of the subnets, the network that joins the nodes, and the router's policies."""
    lines = [
        "lr-add ovn-cluster",
        *switch("join", "100.64.0.1/16", "0a:58:64:40:00:01"),
        "lr-route-add ovn-cluster 0.0.0.0/0 100.64.0.1",
    ]
    lines.append("lr-policy-add ovn-cluster 31000 'ip4.dst == 100.64.0.0/16' allow")
    for number, (subnet, begin) in enumerate(SUBNETS.items()):
        lines += switch(subnet, f"{begin}.0.1/16", f"0a:58:0a:f4:00:{number:02x}")
        lines.append(f"lr-policy-add ovn-cluster 31000 'ip4.dst == {begin}.0.0/16' allow")
    for node in lab.nodes:
        lines += [
            f"lsp-add join node-{node.name} -- lsp-set-addresses node-{node.name} '{ovn.mac_of(own(node))} {own(node)}'",
            f"lr-policy-add ovn-cluster 30000 'ip4.dst == {node.address()}' reroute {own(node)}",
        ]
    for pod in lab.pods:
        both, port = f"'{ovn.mac_of(address_of(pod))} {address_of(pod)}'", f"{pod.name}.default"
        lines.append(f"lsp-add {subnet_of(pod)} {port} -- lsp-set-addresses {port} {both} -- lsp-set-port-security {port} {both}")
    return [*lines, *gateways(lab), *policy(lab), *balancer(lab)]


def switch(name: str, gateway: str, mac: str) -> list[str]:
    """A switch with its port of the router."""
    port = f"{name}-ovn-cluster"
    return [
        f"ls-add {name}",
        f"lrp-add ovn-cluster ovn-cluster-{name} {mac} {gateway}",
        f"lsp-add {name} {port} -- lsp-set-type {port} router -- lsp-set-addresses {port} router -- lsp-set-options {port} router-port=ovn-cluster-{name}",
    ]


def gateways(lab: Lab) -> Iterator[str]:
    """What pods send to the world leaves by their own node."""
    for subnet in SUBNETS:
        for node in lab.nodes:
            ports = " ".join(f"{pod.name}.default" for pod in lab.pods_on(node) if subnet_of(pod) == subnet)
            yield f"pg-add {group(subnet, node)} {ports}"
            yield f"lr-policy-add ovn-cluster 29000 'ip4.src == ${group(subnet, node)}_ip4' reroute {own(node)}"


def policy(lab: Lab) -> Iterator[str]:
    """A NetworkPolicy: what is not admitted is dropped, the node is admitted before (CreateNodeACL)."""
    sources = " ".join(f'"{address_of(pod)}"' for pod in lab.pods if pod.name == "a2")
    yield "pg-add only.default a1.default"
    yield f"create address_set name=only.default.ingress.allow.ip4.0 addresses='{sources}'"
    yield "--type=port-group acl-add only.default to-lport 2000 'outport == @only.default && ip' drop"
    yield "--type=port-group acl-add only.default to-lport 2001 'outport == @only.default && ip && ip4.src == $only.default.ingress.allow.ip4.0 && 8080 <= tcp.dst <= 8080' allow-related"
    yield f"--type=port-group acl-add only.default to-lport 3000 'outport == @only.default && ip4.src == {own(lab.nodes[0])}' allow-related"


def balancer(lab: Lab) -> Iterator[str]:
    """The service, by a load balancer of each subnet's switch."""
    ends = ",".join(f"{address_of(pod)}:8080" for pod in lab.pods if pod.labels["app"] == "web")
    yield f"lb-add cluster-tcp-loadbalancer {SERVICE}:80 {ends} tcp"
    yield from (f"ls-lb-add {subnet} cluster-tcp-loadbalancer" for subnet in SUBNETS)


def join(lab: Lab, node: Node) -> None:
    """A node's port in the network that joins the nodes, its routes to the subnets, its sets and rules."""
    lab.run(node.name, JOINED.format(mac=ovn.mac_of(own(node)), name=node.name, own=own(node), outside=GATEWAY[4]))
    members = [
        f"add {name} {begin}.0.0/16\n"
        for begin in SUBNETS.values()
        for name in ("ovn40subnets", "ovn40subnets-nat", "ovn40subnets-distributed-gw")
    ]
    members += ["add ovn40subnets 100.64.0.0/16\n"]
    members += [f"add ovn40other-node {other.address()}\n" for other in lab.nodes if other is not node]
    routes = [f"ip route add {begin}.0.0/16 via 100.64.0.1 dev ovn0 src {own(node)}" for begin in SUBNETS.values()]
    lab.run(node.name, "\n".join(routes))
    lab.run(node.name, "ipset restore", SETS + "".join(members))
    lab.run(node.name, "iptables-restore --noflush", RULES)


def attach(lab: Lab, pod: Pod) -> None:
    """A pod's namespace and its port."""
    pod.netns, pod.addresses = f"default_{pod.name}", [address_of(pod)]
    values = {
        "netns": pod.netns, "port": f"{pod.container[:12]}_h", "mac": ovn.mac_of(address_of(pod)), "address": address_of(pod),
        "gateway": f"{SUBNETS[subnet_of(pod)]}.0.1", "name": pod.name,
    }  # fmt: skip
    lab.run(pod.node, POD.format(**values))
    lab.machine.start({"name": pod.key, "enter": f"/proc/{lab.machine.agents[pod.node].pid}/root/run/netns/{pod.netns}"})


def objects() -> str:
    """The subnets, as Kube-OVN's objects have them."""
    text = "\n".join(
        f"- apiVersion: kubeovn.io/v1\n  kind: Subnet\n  metadata: {{name: {name}}}\n  spec: {{vpc: ovn-cluster, protocol: IPv4, cidrBlock: {begin}.0.0/16, gateway: {begin}.0.1, "
        f"excludeIps: [{begin}.0.1], gatewayType: distributed, natOutgoing: true, provider: ovn{', default: true' if name == 'ovn-default' else ''}}}"
        for name, begin in SUBNETS.items()
    )
    return f"apiVersion: v1\nkind: List\nitems:\n{text}\n"


POLICIES = [
    {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "only", "namespace": "default"},
        "spec": {
            "podSelector": {"matchLabels": {"pod": "a1"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "a2"}}}], "ports": [{"port": 8080, "protocol": "TCP"}]}],
        },
    }
]  # fmt: skip
"""What the ACLs are made of."""
