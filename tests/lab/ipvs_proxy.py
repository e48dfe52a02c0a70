"""What kube-proxy writes in its IPVS mode (pkg/proxy/ipvs/proxier.go ``syncProxyRules``, ``syncEndpoint``, ``writeIptablesRules``), for the services of the lab.

Virtual servers, the device ``kube-ipvs0`` with the addresses of services, IP sets, and rules that are the same whatever services there are.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.balanced import CHAINS, FILTER, NAT, PODS, SETS, saved
from tests.lab.plan import CLUSTER_CIDR, Node, Service
from tests.lab.proxy import FILTER_HEAD, endpoints, outer_addresses

if TYPE_CHECKING:
    from tests.lab.build import Lab

DEVICE, NAME = "kube-ipvs0", 31
OPTION = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
SWITCHES = (
    "net.ipv4.vs.conntrack=1 net.ipv4.vs.expire_nodest_conn=1 net.ipv4.vs.expire_quiescent_template=1 net.ipv4.ip_forward=1 "
    "net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
)
"""What kube-proxy sets when it starts, with ``strictARP``; ``conn_reuse_mode`` is left as it is since Linux 5.9."""


@dataclass(frozen=True, slots=True)
class Served:
    """A port of a service, in one IP version. ``ends``: address and port of each endpoint, and whether it is on the node. ``protocol``: in
    lower case. ``inside``, ``outside``: ``Cluster`` or ``Local``. ``affinity``: for how many seconds a client keeps its endpoint."""

    address: str
    protocol: str
    port: int
    ends: tuple[tuple[str, int, bool], ...]
    node_port: int = 0
    external: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    inside: str = "Cluster"
    outside: str = "Cluster"
    affinity: int = 0

    def servers(self, policy: str) -> list[tuple[str, int]]:
        """The real servers under a policy. Where none is on the node, all of them, if anybody asks for all (``UsesClusterEndpoints``)."""
        every = [(address, port) for address, port, _ in self.ends]
        near = [(address, port) for address, port, local in self.ends if local]
        if policy == "Cluster":
            return every
        published = self.node_port or self.external or self.balancers
        return near or (every if published or self.inside == "Cluster" else [])


@dataclass(slots=True)
class State:
    """What kube-proxy writes on one node, in one IP version; ``own`` are the node's addresses."""

    own: tuple[str, ...]
    scheduler: str = "rr"
    virtual: list[str] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SETS})
    bound: list[str] = field(default_factory=list)
    barred: list[str] = field(default_factory=list)

    def member(self, name: str, text: str) -> None:
        """A member of a set, once."""
        if text not in self.members[name]:
            self.members[name].append(text)

    def serve(self, served: Served, address: str, port: int, policy: str, bind: bool) -> None:
        """A virtual server with its real servers; ``bind``: its address is one of the device's."""
        place = f"{OPTION[served.protocol]} {socket(address, port)}"
        lasting = f" -p {served.affinity}" if served.affinity else ""
        self.virtual.append(f"-A {place} -s {self.scheduler}{lasting}")
        self.virtual += [f"-a {place} -r {socket(*end)} -m -w 1" for end in served.servers(policy)]
        if bind and address not in (*self.own, *self.bound):
            self.bound.append(address)
            self.member("KUBE-IPVS-IPS", address)

    def add(self, served: Served) -> None:
        """All that a port of a service needs."""
        low, local = served.protocol, served.outside == "Local"
        for address, port, near in served.ends:
            if near:
                self.member("KUBE-LOOP-BACK", f"{address},{low}:{port},{address}")
        self.member("KUBE-CLUSTER-IP", f"{served.address},{low}:{served.port}")
        self.serve(served, served.address, served.port, served.inside, True)
        for address in served.external:
            self.member("KUBE-EXTERNAL-IP-LOCAL" if local else "KUBE-EXTERNAL-IP", f"{address},{low}:{served.port}")
            self.serve(served, address, served.port, served.outside, True)
        for address in served.balancers:
            self.member("KUBE-LOAD-BALANCER", f"{address},{low}:{served.port}")
            if local:
                self.member("KUBE-LOAD-BALANCER-LOCAL", f"{address},{low}:{served.port}")
            self.gate(served, address)
            self.serve(served, address, served.port, served.outside, True)
        if served.node_port:
            self.member(f"KUBE-NODE-PORT-{low.upper()}", str(served.node_port))
            if local:
                self.member(f"KUBE-NODE-PORT-LOCAL-{low.upper()}", str(served.node_port))
            for address in self.own:
                self.serve(served, address, served.node_port, served.outside, False)

    def gate(self, served: Served, address: str) -> None:
        """Who may ask at a load balancer's address; the node itself where its address is one of theirs."""
        if not served.ranges:
            return
        entry = f"{address},{served.protocol}:{served.port}"
        self.member("KUBE-LOAD-BALANCER-FW", entry)
        for prefix in served.ranges:
            self.member("KUBE-LOAD-BALANCER-SOURCE-CIDR", f"{entry},{prefix}")
        if any(ipaddress.ip_address(self.own[0]) in ipaddress.ip_network(prefix) for prefix in served.ranges):
            self.member("KUBE-LOAD-BALANCER-SOURCE-IP", f"{entry},{address}")
        else:
            server = f"--vaddr {address} --vproto {served.protocol} --vport {served.port}"
            self.barred.append(f"-A KUBE-IPVS-OUT-FILTER -s {address} -m ipvs {server} -j DROP")


def socket(address: str, port: int) -> str:
    """An address with a port."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def install(lab: Lab, node: Node) -> None:
    """Starts kube-proxy on a node, so to say: switches, the device, and for each IP version what ``write`` writes."""
    lab.run(node.name, f"ip link add {DEVICE} type dummy\nmodprobe -a ip_vs ip_vs_rr\nsysctl -qw {SWITCHES}")
    listed = json.loads(lab.run(node.name, "ip -j addr"))
    for family in lab.scenario.families:
        write(lab, node, family, state_of(lab, node, family, held(listed, family)))


def held(listed: list[dict[str, object]], family: int) -> tuple[str, ...]:
    """The node's addresses but those of loopback, of links and of the device (``GetAllLocalAddressesExcept``), its own first."""
    kind = "inet" if family == 4 else "inet6"
    found = [
        str(one["local"])
        for link in listed
        if link["ifname"] not in ("lo", DEVICE)
        for one in link["addr_info"]  # type: ignore[attr-defined]
        if one["family"] == kind and one["scope"] != "link"
    ]
    return tuple(dict.fromkeys(found))


def state_of(lab: Lab, node: Node, family: int, own: tuple[str, ...]) -> State:
    """What kube-proxy wants of a node."""
    state = State((node.address(family), *(one for one in own if one != node.address(family))), lab.scenario.scheduler)
    for service in lab.services:
        if family in service.addresses:
            for protocol in service.protocols:
                state.add(served(lab, node, service, protocol.lower(), family))
    return state


def served(lab: Lab, node: Node, service: Service, protocol: str, family: int) -> Served:
    """A port of a service of the lab."""
    outer = outer_addresses(service, family)
    return Served(
        service.addresses[family],
        protocol,
        service.port,
        tuple((address, service.target, pod.node == node.name) for pod, address in endpoints(lab, service, family)),
        service.node_port,
        tuple(address for address, note in outer if note == "external IP"),
        tuple(address for address, note in outer if note == "loadbalancer IP"),
        service.source_ranges if family == 4 else (),
        service.internal_policy,
        service.external_policy,
        10800 if service.affinity else 0,
    )


def write(lab: Lab, node: Node, family: int, state: State) -> None:
    """The device's addresses, sets, rules and virtual servers."""
    bits = 32 if family == 4 else 128
    lab.run(node.name, "ip -batch -", "".join(f"addr add {one}/{bits} dev {DEVICE}\n" for one in state.bound))
    lab.run(node.name, "ipset restore", in_family("".join(saved(state.members)), family))
    rules = ruleset(state, family, lab.scenario.masquerade_all)
    lab.run(node.name, f"{'ip' if family == 4 else 'ip6'}tables-restore --noflush", rules)
    lab.run(node.name, "ipvsadm -R", "".join(f"{line}\n" for line in state.virtual))


def in_family(text: str, family: int) -> str:
    """Sets as they are called in an IP version: IPv6's have names of their own, as long as names may be (ipset.go ``NewIPSet``)."""
    if family == 4:
        return text
    text = re.sub(r"KUBE-[A-Z-]+", lambda name: name.group().replace("KUBE-", "KUBE-6-")[:NAME], text)
    return text.replace(" family inet ", " family inet6 ")


def ruleset(state: State, family: int, masquerade_all: bool) -> str:
    """The text for ``iptables-restore --noflush``; the rules of kubelet's KUBE-FIREWALL are with them."""
    lines = [*_table("filter", (*FILTER.splitlines(), *state.barred, *_kubelet(family)), family)]
    nat = NAT.replace(f"! -s {PODS} ", "") if masquerade_all else NAT
    return "\n".join([*lines, *_table("nat", nat.splitlines(), family), ""])


def _kubelet(family: int) -> Iterator[str]:
    yield from (line for line in FILTER_HEAD if "KUBE-FIREWALL" in line and (family == 4 or "127.0.0.0" not in line))


def _table(name: str, lines: tuple[str, ...] | list[str], family: int) -> Iterator[str]:
    chains = (*CHAINS[name], *(("KUBE-FIREWALL",) if name == "filter" else ()))
    yield from (f"*{name}", *(f":{chain} - [0:0]" for chain in chains))
    yield from (_rule(line, family) for line in lines)
    yield "COMMIT"


def _rule(line: str, family: int) -> str:
    if family == 4:
        return line
    line = re.sub(r"(?<=--match-set )\S+", lambda name: in_family(name.group(), 6), line).replace(PODS, CLUSTER_CIDR[6])
    return line.replace("127.0.0.0/8", "::1/128").replace("icmp-port-unreachable", "icmp6-port-unreachable")
