"""A network of OVN: two nodes with Open vSwitch's datapath in user space, joined by Geneve, in the shape that OVN-Kubernetes gives it.

A node has ``br-int``, which ovn-controller fills, and ``br-ex`` with the uplink, whose flows share the node's address between the host and the node's gateway
router, as ovnkube-node installs them. The databases and northd are on the first node. Everything runs in the nodes' own namespaces and ends with them.
A datapath in user space only listens to the uplink and the pods' interfaces: the kernel gets their frames too, and must not answer questions for its addresses there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

from analyzer.addresses import address as shortest
from tests.lab.build import Lab
from tests.lab.machine import PATH, CommandError, Machine
from tests.lab.machine import missing as machine_missing
from tests.lab.plan import NODE_PORTS, POD_PORTS, Node, Pod, Scenario, Service

COMMANDS = (
    "ovs-vsctl",
    "ovs-vswitchd",
    "ovsdb-server",
    "ovsdb-tool",
    "ovs-ofctl",
    "ovs-appctl",
    "ovn-nbctl",
    "ovn-northd",
    "ovn-controller",
    "ethtool",
)
PACKAGES = "openvswitch-switch ovn-central ovn-host ethtool"
SERVICE, SERVICES = "10.96.0.10", "10.96.0.0/16"
SERVICE_SIX = "fd00:10:96::10"
PODS = (("a1", 0, "db"), ("a2", 0, "web"), ("b1", 1, "web"), ("b2", 1, "db"))
NORTH = "ovn-nbctl"
HAIRPIN = ("169.254.169.5", "fd69::5")
"""The sources that OVN-Kubernetes gives to what a pod sends to itself by a service."""

DAEMONS = """
mkdir -p /run/openvswitch /run/ovn /var/lib/openvswitch /var/log/openvswitch /var/log/ovn 2>/dev/null || true
sysctl -qw net.ipv4.conf.eth0.arp_ignore=8
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.disable_ipv6=1
ip link set lo up; ip link set eth0 up
ethtool -K eth0 tx off >/dev/null 2>&1 || true
ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server /run/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile=/run/openvswitch/ovsdb-server.pid --detach --no-chdir
ovs-vsctl --no-wait init
ovs-vsctl --no-wait set open . external-ids:system-id={name} external-ids:hostname={name} external-ids:ovn-remote=tcp:{central}:6642 \\
  external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip={address} external-ids:ovn-bridge-datapath-type=netdev external-ids:ovn-bridge-mappings=physnet:br-ex
ovs-vswitchd unix:/run/openvswitch/db.sock --pidfile=/run/openvswitch/ovs-vswitchd.pid --detach --no-chdir
ovs-vsctl add-br br-ex -- set bridge br-ex datapath_type=netdev -- add-port br-ex eth0
ip addr add {address}/24 dev br-ex; ip addr add {six}/64 dev br-ex nodad; ip link set br-ex up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
"""
CENTRAL = """
ovsdb-tool create /run/ovn/nb.db /usr/share/ovn/ovn-nb.ovsschema
ovsdb-tool create /run/ovn/sb.db /usr/share/ovn/ovn-sb.ovsschema
ovsdb-server /run/ovn/nb.db --remote=punix:/run/ovn/ovnnb_db.sock --pidfile=/run/ovn/ovnnb_db.pid --unixctl=/run/ovn/ovnnb_db.ctl --detach --no-chdir
ovsdb-server /run/ovn/sb.db --remote=punix:/run/ovn/ovnsb_db.sock --remote=ptcp:6642 --pidfile=/run/ovn/ovnsb_db.pid --unixctl=/run/ovn/ovnsb_db.ctl --detach --no-chdir
ovn-nbctl init; ovn-sbctl init
ovn-northd --pidfile=/run/ovn/ovn-northd.pid --detach --no-chdir
"""
CONTROLLER = "ovn-controller unix:/run/openvswitch/db.sock --pidfile=/run/ovn/ovn-controller.pid --detach --no-chdir"
POD = """
ip netns add {netns}
ip link add {port} type veth peer name eth0 netns {netns}
ip netns exec {netns} ethtool -K eth0 tx off >/dev/null 2>&1 || true
ip netns exec {netns} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
ip -n {netns} link set lo up
ip -n {netns} link set eth0 address {mac} mtu 1400
ip -n {netns} addr add {address}/24 dev eth0
ip -n {netns} addr add {six}/64 dev eth0 nodad
ip -n {netns} link set eth0 up
ip -n {netns} route add default via {gateway}
ip -n {netns} route add default via {gateway_six}
sysctl -qw net.ipv4.conf.{port}.arp_ignore=8 net.ipv6.conf.{port}.disable_ipv6=1
ip link set {port} mtu 1400 up
ovs-vsctl add-port br-int {port} -- set interface {port} external_ids:iface-id={name} external_ids:attached_mac={mac} external_ids:ip_addresses={address}/24
"""
MANAGEMENT = """
ovs-vsctl add-port br-int ovn-k8s-mp0 -- set interface ovn-k8s-mp0 type=internal 'mac="{mac}"' external_ids:iface-id=k8s-{name}
ip addr add {network}2/24 dev ovn-k8s-mp0; ip addr add {six}2/64 dev ovn-k8s-mp0 nodad; ip link set ovn-k8s-mp0 up
ip route add 10.244.0.0/16 via {network}1
ip route add fd00:10:244::/48 via {six}1
ip neigh replace {network}1 lladdr {router} dev ovn-k8s-mp0 nud permanent
ip neigh replace {six}1 lladdr {router} dev ovn-k8s-mp0 nud permanent
"""
EXTERNAL = (
    "priority=205,udp,in_port=eth0,dl_dst={mac},tp_dst=6081,actions=LOCAL",
    "priority=200,udp,in_port=LOCAL,tp_dst=6081,actions=output:eth0",
    "priority=100,ip,in_port={patch},dl_src={mac},nw_src={address},actions=ct(commit,zone=64000,exec(set_field:0x1->ct_mark)),output:eth0",
    "priority=100,ip,in_port=LOCAL,actions=ct(commit,zone=64000,exec(set_field:0x2->ct_mark)),output:eth0",
    "priority=100,ipv6,in_port={patch},dl_src={mac},ipv6_src={six},actions=ct(commit,zone=64000,exec(set_field:0x1->ct_mark)),output:eth0",
    "priority=100,ipv6,in_port=LOCAL,actions=ct(commit,zone=64000,exec(set_field:0x2->ct_mark)),output:eth0",
    "priority=50,ip,in_port=eth0,actions=ct(table=1,zone=64000,nat)",
    "priority=50,ipv6,in_port=eth0,actions=ct(table=1,zone=64000,nat)",
    "priority=10,in_port=eth0,dl_dst={mac},actions=output:{patch},LOCAL",
    "priority=10,in_port={patch},dl_src={mac},actions=NORMAL",
    "priority=9,in_port={patch},actions=drop",
    "priority=0,actions=NORMAL",
    "table=1,priority=100,ct_state=+est+trk,ct_mark=0x1,ip,actions=output:{patch}",
    "table=1,priority=100,ct_state=+est+trk,ct_mark=0x2,ip,actions=LOCAL",
    "table=1,priority=100,ct_state=+est+trk,ct_mark=0x1,ipv6,actions=output:{patch}",
    "table=1,priority=100,ct_state=+est+trk,ct_mark=0x2,ipv6,actions=LOCAL",
    "table=1,priority=14,icmp6,icmpv6_type=134,actions=FLOOD",
    "table=1,priority=14,icmp6,icmpv6_type=136,actions=FLOOD",
    "table=1,priority=10,dl_dst={mac},actions=LOCAL",
    "table=1,priority=0,actions=NORMAL",
)


def missing() -> str | None:
    """Why this machine cannot build the network, in words; None when it can."""
    lacking = [command for command in COMMANDS if shutil.which(command, path=PATH) is None]
    if lacking:
        return f"the network of OVN needs {', '.join(lacking)} (Debian: apt-get install {PACKAGES})"
    return machine_missing()


def mac_of(address: str) -> str:
    """The MAC that OVN-Kubernetes gives to an address: 0a:58 and its bytes."""
    return "0a:58:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def network_of(node: Node) -> str:
    """The beginning of the addresses of a node's pods."""
    return node.pod_cidr().removesuffix("0/24")


def six_of(node: Node) -> str:
    """The beginning of the IPv6 addresses of a node's pods."""
    return node.pod_cidr(6).removesuffix("/64")


def build(machine: Machine) -> Lab:
    """The network, with pods that listen; its policy lets only ``a2`` and ``b2`` ask ``a1``, at port 8080."""
    families = (4, 6)
    lab = Lab(machine, Scenario("ovn", overlay="ovn", families=families, enforcer="ovn-kubernetes"), pods=[])
    lab.nodes = [Node(number, families) for number in range(2)]
    lab.pods = [Pod(name, lab.nodes[number].name, {"app": app, "pod": name}) for name, number, app in PODS]
    lab.services = [Service("web", {4: SERVICE, 6: SERVICE_SIX}, "web")]
    machine.start({"name": "underlay"}, *({"name": node.name, "node": True} for node in lab.nodes))
    wires(lab)
    daemons(lab)
    lab.run(lab.nodes[0].name, "\n".join(topology(lab)))
    for node in lab.nodes:
        network = network_of(node)
        lab.run(
            node.name,
            MANAGEMENT.format(
                name=node.name, network=network, six=six_of(node), mac=mac_of(network + "2"), router=mac_of(network + "1")
            ),
        )
    for pod in lab.pods:
        attach(lab, pod)
    lab.run(lab.nodes[0].name, f"{NORTH} --timeout=30 --wait=hv sync")
    for node in lab.nodes:
        external(lab, node)
    acquainted(lab)
    listen(lab)
    return lab


@contextmanager
def running() -> Iterator[Lab]:
    """The network, while it is used."""
    with Machine() as machine:
        lab = build(machine)
        try:
            yield lab
        finally:
            stop(lab)


def daemons(lab: Lab) -> None:
    """The daemons of all nodes, and the databases on the first."""
    for node in lab.nodes:
        lab.run(
            node.name, DAEMONS.format(name=node.name, address=node.address(), six=node.address(6), central=lab.nodes[0].address())
        )
    lab.run(lab.nodes[0].name, CENTRAL)
    for node in lab.nodes:
        lab.run(node.name, CONTROLLER)
        awaited(lab, node.name, "ovs-vsctl br-exists br-int")


def wires(lab: Lab, *more: str) -> None:
    """A bridge that joins the nodes, and what else there is."""
    lines = ["ip link set lo up", "ip link add br0 type bridge", "ip link set br0 up"]
    for number, name in enumerate([*(node.name for node in lab.nodes), *more]):
        peer = lab.machine.agents[name].pid
        lines += [f"ip link add port{number} type veth peer name eth0 netns {peer}", f"ip link set port{number} master br0 up"]
    lab.run("underlay", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1\n" + "\n".join(lines))


def awaited(lab: Lab, where: str, command: str) -> None:
    """Waits until a command succeeds."""
    for _ in range(100):
        try:
            lab.run(where, command)
            return
        except CommandError:
            time.sleep(0.1)
    lab.run(where, command)


def topology(lab: Lab) -> list[str]:
    """The logical network, as ovnkube-master makes it, with a policy."""
    lines = [
        "lr-add ovn_cluster_router",
        "ls-add join",
        "lrp-add ovn_cluster_router rtoj-ovn_cluster_router 0a:58:64:40:00:01 100.64.0.1/16 fd98::1/64",
        "lsp-add join jtor-ovn_cluster_router -- lsp-set-type jtor-ovn_cluster_router router -- lsp-set-addresses jtor-ovn_cluster_router router "
        "-- lsp-set-options jtor-ovn_cluster_router router-port=rtoj-ovn_cluster_router",
        f"lb-add web {SERVICE}:80 {address_of(lab, 'a2')}:8080,{address_of(lab, 'b1')}:8080 tcp",
        f"lb-add web6 [{SERVICE_SIX}]:80 [{six_address(lab, 'a2')}]:8080,[{six_address(lab, 'b1')}]:8080 tcp",
        *(f'set load_balancer {name} options:hairpin_snat_ip="{" ".join(HAIRPIN)}"' for name in ("web", "web6")),
    ]
    for node in lab.nodes:
        lines += node_topology(lab, node)
    allowed = " ".join(f'"{address_of(lab, name)}"' for name in ("a2", "b2"))
    allowed_six = " ".join(f'"{six_address(lab, name)}"' for name in ("a2", "b2"))
    lines += [
        "pg-add denied default_a1",
        "--type=port-group acl-add denied to-lport 1000 'outport == @denied' drop",
        "--type=port-group acl-add denied to-lport 1001 'outport == @denied && (arp || nd)' allow",
        f"create address_set name=askers addresses='{allowed}'",
        f"create address_set name=askers6 addresses='{allowed_six}'",
        "--type=port-group acl-add denied to-lport 1002 'outport == @denied && ip4.src == {$askers} && tcp && tcp.dst == 8080' allow-related",
        "--type=port-group acl-add denied to-lport 1002 'outport == @denied && ip6.src == {$askers6} && tcp && tcp.dst == 8080' allow-related",
    ]
    return [f"{NORTH} {line} >/dev/null" for line in lines]


def node_topology(lab: Lab, node: Node) -> list[str]:
    """A node's switch, gateway router and external switch."""
    name, network, join = node.name, network_of(node), f"100.64.0.{node.number + 2}"
    six, join_six = six_of(node), f"fd98::{node.number + 2}"
    lines = [
        f"ls-add {name}",
        f"lrp-add ovn_cluster_router rtos-{name} {mac_of(network + '1')} {network}1/24 {six}1/64",
        f"lsp-add {name} stor-{name} -- lsp-set-type stor-{name} router -- lsp-set-addresses stor-{name} router -- lsp-set-options stor-{name} router-port=rtos-{name}",
        f"lsp-add {name} k8s-{name} -- lsp-set-addresses k8s-{name} '{mac_of(network + '2')} {network}2 {six}2'",
        f"lr-add GR_{name} -- set logical_router GR_{name} options:chassis={name} options:lb_force_snat_ip=router_ip",
        f"lrp-add GR_{name} rtoj-GR_{name} {mac_of(join)} {join}/16 {join_six}/64",
        f"lsp-add join jtor-GR_{name} -- lsp-set-type jtor-GR_{name} router -- lsp-set-addresses jtor-GR_{name} router "
        f"-- lsp-set-options jtor-GR_{name} router-port=rtoj-GR_{name}",
        f"ls-add ext_{name}",
        f"lsp-add ext_{name} br-ex_{name} -- lsp-set-type br-ex_{name} localnet -- lsp-set-addresses br-ex_{name} unknown "
        f"-- lsp-set-options br-ex_{name} network_name=physnet",
        f"lrp-add GR_{name} rtoe-GR_{name} {hardware(lab, node)} {node.address()}/24 {node.address(6)}/64",
        f"lsp-add ext_{name} etor-GR_{name} -- lsp-set-type etor-GR_{name} router -- lsp-set-addresses etor-GR_{name} router "
        f"-- lsp-set-options etor-GR_{name} router-port=rtoe-GR_{name}",
        f"lr-route-add GR_{name} 10.244.0.0/16 100.64.0.1",
        f"--policy=src-ip lr-route-add ovn_cluster_router {node.pod_cidr()} {join}",
        f"lr-nat-add GR_{name} snat {node.address()} {node.pod_cidr()}",
        f"lr-route-add GR_{name} fd00:10:244::/48 fd98::1",
        f"--policy=src-ip lr-route-add ovn_cluster_router {node.pod_cidr(6)} {join_six}",
        f"lr-nat-add GR_{name} snat {node.address(6)} {node.pod_cidr(6)}",
        f"ls-lb-add {name} web",
        f"ls-lb-add {name} web6",
        f"acl-add {name} to-lport 1001 'ip4.src == {network}2' allow-related",
        f"acl-add {name} to-lport 1001 'ip6.src == {six}2' allow-related",
    ]
    for pod in lab.pods_on(node):
        address = address_of(lab, pod.name)
        both = f"'{mac_of(address)} {address} {six_address(lab, pod.name)}'"
        lines.append(
            f"lsp-add {name} default_{pod.name} -- lsp-set-addresses default_{pod.name} {both} -- lsp-set-port-security default_{pod.name} {both}"
        )
    return lines


def hardware(lab: Lab, node: Node) -> str:
    """The MAC of a node's external bridge, which its gateway router shares."""
    return lab.run(node.name, "cat /sys/class/net/br-ex/address").strip()


def address_of(lab: Lab, name: str) -> str:
    """A pod's address: the fifth of its node's network, and on."""
    pod = next(pod for pod in lab.pods if pod.name == name)
    node = lab.node(pod.node)
    return f"{network_of(node)}{5 + lab.pods_on(node).index(pod)}"


def six_address(lab: Lab, name: str) -> str:
    """A pod's IPv6 address, which ends as its other one does."""
    pod = next(pod for pod in lab.pods if pod.name == name)
    return str(shortest(f"{six_of(lab.node(pod.node))}{address_of(lab, name).rpartition('.')[2]}"))


def attach(lab: Lab, pod: Pod) -> None:
    """A pod's namespace and its port."""
    address, node = address_of(lab, pod.name), lab.node(pod.node)
    six = six_address(lab, pod.name)
    pod.netns, pod.addresses = f"default_{pod.name}", [address, six]
    gateway = f"{network_of(node)}1"
    lab.run(
        pod.node,
        POD.format(
            netns=pod.netns,
            port=f"veth{pod.name}",
            mac=mac_of(address),
            address=address,
            six=six,
            gateway=gateway,
            gateway_six=f"{six_of(node)}1",
            name=f"default_{pod.name}",
        ),
    )
    lab.machine.start({"name": pod.key, "enter": f"/proc/{lab.machine.agents[pod.node].pid}/root/run/netns/{pod.netns}"})


def external(lab: Lab, node: Node) -> None:
    """The flows of the external bridge, as ovnkube-node installs them (openflow_manager.go)."""
    port = f"patch-br-ex_{node.name}-to-br-int"
    patch = lab.run(node.name, f"ovs-vsctl get interface {port} ofport").strip()
    values = {"mac": hardware(lab, node), "address": node.address(), "six": node.address(6), "patch": patch}
    text = "".join(f"cookie=0xdeff105,{flow.format(**values)}\n" for flow in EXTERNAL)
    lab.run(node.name, "ovs-ofctl del-flows br-ex; ovs-ofctl -O OpenFlow13 add-flows br-ex -", text)


def acquainted(lab: Lab) -> None:
    """The gateway routers learn each other's nodes, which they ask for by their controllers."""
    for node, other in zip(lab.nodes, reversed(lab.nodes), strict=True):
        pod = lab.pods_on(node)[0]
        for target in (other.address(), other.address(6)):
            awaited(lab, node.name, f"ip netns exec {pod.netns} ping -c 1 -W 1 {target} >/dev/null")
    lab.run(lab.nodes[0].name, f"{NORTH} --timeout=30 --wait=hv sync")


def listen(lab: Lab) -> None:
    """Pods and nodes answer."""
    requests: dict[str, dict[str, object]] = {pod.key: {"do": "listen", "ports": POD_PORTS} for pod in lab.pods}
    requests |= {node.name: {"do": "listen", "ports": NODE_PORTS} for node in lab.nodes}
    lab.machine.ask_all(requests)


def stop(lab: Lab) -> None:
    """Ends the daemons: they are no children of the namespaces' own processes."""
    script = "for file in /run/openvswitch/*.pid /run/ovn/*.pid; do [ ! -f $file ] || kill $(cat $file) 2>/dev/null || true; done"
    for node in lab.nodes:
        lab.run(node.name, script)


def ended(lab: Lab) -> str:
    """The daemons that have ended by themselves, in words: what a network does without them says nothing. Empty where all run."""
    script = "for file in /run/openvswitch/*.pid /run/ovn/*.pid; do kill -0 $(cat $file) 2>/dev/null || echo $file; done"
    found = [f"{node.name} {name}" for node in lab.nodes for name in lab.run(node.name, script).split()]
    return f"daemons of Open vSwitch or OVN have ended by themselves: {', '.join(found)}" if found else ""


def traced(lab: Lab, node: Node, flow: str) -> str:
    """What ``ofproto/trace`` says of a packet in ``br-int``."""
    return lab.run(node.name, f"ovs-appctl ofproto/trace br-int '{flow}'")
