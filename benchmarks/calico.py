"""Writes the capture of a Calico cluster (BGP, iptables) with policies: ``python -m benchmarks.calico DIR --nodes 20``.

Deterministic; ``--faults`` is the part of the nodes that have one (no route to another's pods, no forwarding, no rule for a pod, a set without a member). The shapes are those that Calico leaves on a node (felix/rules of Calico's source): a /32 route and a veth for each pod, proxy ARP, a route for each other
node's block, chains for each pod, chains and IP sets for each policy, on the nodes that have a pod which it selects.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

from benchmarks.capture import (
    LISTENERS,
    LOCAL,
    LOOPBACK,
    RULES,
    SYSCTLS,
    Shape,
    inet,
    kube_proxy,
    link,
    mac,
    node_objects,
    pod_objects,
    put,
    service_objects,
)
from benchmarks.generate import changed

GATEWAY = "169.254.1.1"
HOST_MAC = "ee:ee:ee:ee:ee:ee"
ACCEPT, PASS, OF_CALICO = "0x10000", "0x20000", "0xf0000"


@dataclass(frozen=True, slots=True)
class Applications:
    """Pods are of applications, in turns; each lets the next one in, on one port, and nobody else, for as many of them as there are ``policies``."""

    shape: Shape
    applications: int = 12
    policies: int = 8

    def of_pod(self, node: int, pod: int) -> int:
        """The application of a pod."""
        return (node * self.shape.pods + pod) % self.applications

    def labels(self, node: int, pod: int) -> tuple[str, ...]:
        """The lines of a pod's labels."""
        return ("  labels:", f"    app: a{self.of_pod(node, pod)}")

    def on_node(self, node: int) -> list[int]:
        """The applications of which a node has a pod."""
        return sorted({self.of_pod(node, pod) for pod in range(self.shape.pods)})

    def addresses(self, application: int) -> Iterator[str]:
        """The addresses of an application's pods."""
        for node in range(self.shape.nodes):
            for pod in range(self.shape.pods):
                if self.of_pod(node, pod) == application:
                    yield self.shape.pod_address(node, pod)


def named(kind: str, *words: object) -> str:
    """The name of a device, a chain or a set: it ends in some of a hash, as Calico's names do."""
    return kind + sha256(" ".join(map(str, words)).encode()).hexdigest()[: {"cali": 11, "cali40s:": 20}.get(kind, 16)]


def device(node: int, pod: int) -> str:
    """The pod's device on its node."""
    return named("cali", node, pod)


def write(folder: Path, known: Applications) -> None:
    """Writes the whole capture below the folder."""
    shape = known.shape
    services = list(kube_proxy(shape))
    for node in range(shape.nodes):
        root = folder / "nodes" / f"n{node}"
        put(root / "ip_-d_addr", links(shape, node))
        put(root / "ip_route_show_table_all", routes(shape, node))
        put(root / "ip_rule", RULES)
        put(root / "ip_neigh", neighbours(shape, node))
        put(root / "sysctl_net", [*SYSCTLS, *(f"net.ipv4.conf.{device(node, pod)}.proxy_arp = 1" for pod in range(shape.pods))])
        put(root / "iptables-save", rules(known, node, services))
        put(root / "ipset_save", sets(known, node))
        put(root / "ss_-tunlp", LISTENERS)
        for name in ("bridge_fdb", "tc_filter", "nft_list_ruleset"):
            put(root / name, [])
        for pod in range(shape.pods):
            write_pod(root / "netns" / f"default_p{node}-{pod}", shape, node, pod)
    put(folder / "k8s" / "nodes.yaml", node_objects(shape))
    put(folder / "k8s" / "pods.yaml", pod_objects(shape, known.labels))
    put(folder / "k8s" / "services.yaml", service_objects(shape))
    put(folder / "k8s" / "policies.yaml", policies(known))


def harm(folder: Path, known: Applications, part: float) -> None:
    """Gives a fault to some nodes."""
    for node in range(known.shape.nodes):
        random = Random(f"calico/{node}")
        if random.random() < part:
            name, old, new = random.choice(faults(known.shape, node))
            changed(folder / "nodes" / f"n{node}" / name, partial(written, old, new))


def faults(shape: Shape, node: int) -> tuple[tuple[str, str, str], ...]:
    """What a node may have wrong: a file, what stands in a line of it, and what stands there instead; empty: the line is not there."""
    other = (node + 1) % shape.nodes
    return (
        ("ip_route_show_table_all", f"{shape.subnet(other)}.0/24 via", ""),
        ("sysctl_net", "ip_forward = 1", "ip_forward = 0"),
        ("iptables-save", f"-g cali-tw-{device(node, 0)}", ""),
        ("ipset_save", f" {shape.pod_address(other, 0)}\n", ""),
    )


def written(old: str, new: str, line: str) -> str:
    """A line as it is to be."""
    return line if old not in line else line.replace(old, new) if new else ""


def links(shape: Shape, node: int) -> Iterator[str]:
    """``ip -d addr`` of a node."""
    yield from LOOPBACK
    yield from link(2, "eth0", 1500, mac(1, node))
    yield from inet(f"{shape.node_address(node)}/16", "eth0")
    for pod in range(shape.pods):
        yield from link(10 + pod, f"{device(node, pod)}@if2", 1500, HOST_MAC, "", f" link-netnsid {pod}")
        yield "    veth"


def routes(shape: Shape, node: int) -> Iterator[str]:
    """``ip route show table all`` of a node."""
    address = shape.node_address(node)
    yield "default via 192.168.0.1 dev eth0"
    yield f"blackhole {shape.subnet(node)}.0/24 proto bird"
    yield from (f"{shape.pod_address(node, pod)} dev {device(node, pod)} scope link" for pod in range(shape.pods))
    for other in range(shape.nodes):
        if other != node:
            yield f"{shape.subnet(other)}.0/24 via {shape.node_address(other)} dev eth0 proto bird"
    yield f"192.168.0.0/16 dev eth0 proto kernel scope link src {address}"
    yield from LOCAL
    yield f"local {address} dev eth0 table local proto kernel scope host src {address}"
    yield f"broadcast 192.168.255.255 dev eth0 table local proto kernel scope link src {address}"


def neighbours(shape: Shape, node: int) -> Iterator[str]:
    """``ip neigh`` of a node."""
    for pod in range(shape.pods):
        yield f"{shape.pod_address(node, pod)} dev {device(node, pod)} lladdr {mac(5, node, pod)} REACHABLE"


def write_pod(root: Path, shape: Shape, node: int, pod: int) -> None:
    """The files of a pod's namespace."""
    address = shape.pod_address(node, pod)
    own = [*link(2, f"eth0@if{10 + pod}", 1500, mac(5, node, pod), "", " link-netnsid 0"), "    veth"]
    put(root / "ip_-d_addr", [*LOOPBACK, *own, *inet(f"{address}/32", "eth0")])
    ways = [f"default via {GATEWAY} dev eth0", f"{GATEWAY} dev eth0 scope link", *LOCAL]
    put(
        root / "ip_route_show_table_all",
        [*ways, f"local {address} dev eth0 table local proto kernel scope host src {address}"],
    )
    put(root / "ip_rule", RULES)
    put(root / "sysctl_net", [line.replace("ip_forward = 1", "ip_forward = 0") for line in SYSCTLS if "bridge" not in line])
    put(root / "ss_-tunlp", LISTENERS)
    put(root / "ip_neigh", [f"{GATEWAY} dev eth0 lladdr {HOST_MAC} REACHABLE"])
    for name in ("bridge_fdb", "tc_filter", "nft_list_ruleset"):
        put(root / name, [])
    put(root / "iptables-save", ["# no tables"])


def sets(known: Applications, node: int) -> Iterator[str]:
    """``ipset save`` of a node: the sets of all nodes, and of the applications that policies on this node speak of."""
    yield "create cali40all-ipam-pools hash:net family inet hashsize 1024 maxelem 1048576"
    yield "add cali40all-ipam-pools 10.64.0.0/10"
    yield "create cali40masq-ipam-pools hash:net family inet hashsize 1024 maxelem 1048576"
    yield "add cali40masq-ipam-pools 10.64.0.0/10"
    yield "create cali40this-host hash:ip family inet hashsize 1024 maxelem 1048576"
    yield f"add cali40this-host {known.shape.node_address(node)}"
    yield "add cali40this-host 127.0.0.1"
    for application in known.on_node(node):
        if application < known.policies:
            peer = (application + 1) % known.applications
            yield f"create {named('cali40s:', peer)} hash:net family inet hashsize 1024 maxelem 1048576"
            yield from (f"add {named('cali40s:', peer)} {address}" for address in known.addresses(peer))


def rules(known: Applications, node: int, services: list[str]) -> Iterator[str]:
    """``iptables-save`` of a node: Calico's rules and kube-proxy's."""
    yield from ("# Generated by iptables-save v1.8.9 (nf_tables)", "*raw", ":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]")
    yield from (":cali-PREROUTING - [0:0]", ":cali-OUTPUT - [0:0]", ":cali-from-host-endpoint - [0:0]", ":cali-rpf-skip - [0:0]")
    yield from RAW
    yield from ("COMMIT", "*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]")
    yield from (":POSTROUTING ACCEPT [0:0]", ":cali-POSTROUTING - [0:0]", ":cali-nat-outgoing - [0:0]")
    yield "-A POSTROUTING -j cali-POSTROUTING"
    yield "-A cali-POSTROUTING -j cali-nat-outgoing"
    masqueraded = "-m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst"
    yield f"-A cali-nat-outgoing {masqueraded} -j MASQUERADE --random-fully"
    yield from services
    yield '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING'
    yield "COMMIT"
    yield from filters(known, node)


RAW = (
    "-A PREROUTING -j cali-PREROUTING",
    "-A OUTPUT -j cali-OUTPUT",
    f"-A cali-PREROUTING -j MARK --set-xmark 0x0/{OF_CALICO}",
    "-A cali-PREROUTING -i cali+ -j MARK --set-xmark 0x40000/0x40000",
    "-A cali-PREROUTING -m mark --mark 0x40000/0x40000 -j cali-rpf-skip",
    "-A cali-PREROUTING -m mark --mark 0x40000/0x40000 -m rpfilter --validmark --invert -j DROP",
    "-A cali-PREROUTING -m mark --mark 0x0/0x40000 -j cali-from-host-endpoint",
    f"-A cali-PREROUTING -m mark --mark {ACCEPT}/{ACCEPT} -j ACCEPT",
    f"-A cali-OUTPUT -j MARK --set-xmark 0x0/{OF_CALICO}",
)
FIXED = (
    "-A INPUT -j cali-INPUT",
    "-A FORWARD -j cali-FORWARD",
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    f'-A FORWARD -m comment --comment "Policy explicitly accepted packet." -m mark --mark {ACCEPT}/{ACCEPT} -j ACCEPT',
    "-A OUTPUT -j cali-OUTPUT",
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
    "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A cali-FORWARD -j MARK --set-xmark 0x0/0xe0000",
    f"-A cali-FORWARD -m mark --mark 0x0/{ACCEPT} -j cali-from-hep-forward",
    "-A cali-FORWARD -i cali+ -j cali-from-wl-dispatch",
    "-A cali-FORWARD -o cali+ -j cali-to-wl-dispatch",
    "-A cali-FORWARD -j cali-to-hep-forward",
    "-A cali-INPUT -i cali+ -g cali-wl-to-host",
    f"-A cali-INPUT -m mark --mark {ACCEPT}/{ACCEPT} -j ACCEPT",
    f"-A cali-INPUT -j MARK --set-xmark 0x0/{OF_CALICO}",
    "-A cali-INPUT -j cali-from-host-endpoint",
    f"-A cali-OUTPUT -m mark --mark {ACCEPT}/{ACCEPT} -j ACCEPT",
    "-A cali-OUTPUT -o cali+ -j RETURN",
    f"-A cali-OUTPUT -j MARK --set-xmark 0x0/{OF_CALICO}",
    "-A cali-wl-to-host -j cali-from-wl-dispatch",
    '-A cali-wl-to-host -m comment --comment "Configured DefaultEndpointToHostAction" -j ACCEPT',
)
CHAINS = ("cali-INPUT", "cali-FORWARD", "cali-OUTPUT", "cali-from-hep-forward", "cali-to-hep-forward", "cali-from-host-endpoint")
ALLOWED = (f"-j MARK --set-xmark {ACCEPT}/{ACCEPT}", f"-m mark --mark {ACCEPT}/{ACCEPT} -j RETURN")


def filters(known: Applications, node: int) -> Iterator[str]:
    """The filter table of a node."""
    selecting = [application for application in known.on_node(node) if application < known.policies]
    yield from ("*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":KUBE-FORWARD - [0:0]")
    shared = (
        *CHAINS,
        "cali-wl-to-host",
        "cali-from-wl-dispatch",
        "cali-to-wl-dispatch",
        "cali-pri-kns.default",
        "cali-pro-kns.default",
    )
    yield from (f":{name} - [0:0]" for name in shared)
    for pod in range(known.shape.pods):
        yield from (f":cali-{way}-{device(node, pod)} - [0:0]" for way in ("fw", "tw"))
    yield from (f":{named('cali-pi-_', application)} - [0:0]" for application in selecting)
    yield from FIXED
    for way, flag in (("from", "i"), ("to", "o")):
        chain = f"cali-{way}-wl-dispatch"
        yield from (
            f"-A {chain} -{flag} {device(node, pod)} -g cali-{way[0]}w-{device(node, pod)}" for pod in range(known.shape.pods)
        )
        yield f'-A {chain} -m comment --comment "Unknown interface" -j DROP'
    for chain in ("cali-pri-kns.default", "cali-pro-kns.default"):
        yield from (f"-A {chain} {rule}" for rule in ALLOWED)
    for application in selecting:
        chain, peers = named("cali-pi-_", application), named("cali40s:", (application + 1) % known.applications)
        yield f"-A {chain} -p tcp -m set --match-set {peers} src -m multiport --dports 8080 {ALLOWED[0]}"
        yield f"-A {chain} {ALLOWED[1]}"
    for pod in range(known.shape.pods):
        yield from of_pod(device(node, pod), known.of_pod(node, pod), known.policies)
    yield "COMMIT"


def of_pod(name: str, application: int, policies: int) -> Iterator[str]:
    """The chains of a pod: what it sends and what is sent to it."""
    for way, profile in (("fw", "cali-pro-kns.default"), ("tw", "cali-pri-kns.default")):
        chain = f"cali-{way}-{name}"
        yield f"-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        yield f"-A {chain} -m conntrack --ctstate INVALID -j DROP"
        yield f"-A {chain} -j MARK --set-xmark 0x0/{ACCEPT}"
        if way == "fw":
            yield f'-A {chain} -p udp -m comment --comment "Drop VXLAN encapped packets originating in workloads" -m multiport --dports 4789 -j DROP'
            yield f'-A {chain} -p ipencap -m comment --comment "Drop IPinIP encapped packets originating in workloads" -j DROP'
        if way == "tw" and application < policies:
            yield f'-A {chain} -m comment --comment "Start of policies" -j MARK --set-xmark 0x0/{PASS}'
            yield f"-A {chain} -m mark --mark 0x0/{PASS} -j {named('cali-pi-_', application)}"
            yield f'-A {chain} -m comment --comment "Return if policy accepted" -m mark --mark {ACCEPT}/{ACCEPT} -j RETURN'
            yield f'-A {chain} -m comment --comment "Drop if no policies passed packet" -m mark --mark 0x0/{PASS} -j DROP'
        yield f"-A {chain} -j {profile}"
        yield f'-A {chain} -m comment --comment "Return if profile accepted" -m mark --mark {ACCEPT}/{ACCEPT} -j RETURN'
        yield f'-A {chain} -m comment --comment "Drop if no profiles matched" -j DROP'


def policies(known: Applications) -> Iterator[str]:
    """The policies."""
    for application in range(known.policies):
        yield from (
            "---",
            "apiVersion: networking.k8s.io/v1",
            "kind: NetworkPolicy",
            f"metadata: {{name: a{application}, namespace: default}}",
        )
        yield from ("spec:", f"  podSelector: {{matchLabels: {{app: a{application}}}}}", "  ingress:")
        yield f"  - from: [{{podSelector: {{matchLabels: {{app: a{(application + 1) % known.applications}}}}}}}]"
        yield "    ports: [{port: 8080}]"


def main() -> None:
    """Writes a capture from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, value in (("nodes", 20), ("pods", 10), ("services", 100), ("endpoints", 2), ("applications", 12), ("policies", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--faults", type=float, default=0.0)
    options = parser.parse_args()
    known = Applications(
        Shape(options.nodes, options.pods, options.services, options.endpoints), options.applications, options.policies
    )
    write(options.folder, known)
    harm(options.folder, known, options.faults)


if __name__ == "__main__":
    main()
