"""A capture of nodes with kube-proxy's iptables mode, as it would be in its IPVS mode (pkg/proxy/ipvs/proxier.go ``syncProxyRules``, ``writeIptablesRules``).

What the kernel showed stays as it is: links, addresses, routes, the rules of others. Virtual servers, IP sets, the device ``kube-ipvs0`` with its
addresses and kube-proxy's own rules take the place of its chains for each service. IPv4 only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.parties import Portal, decidable
from analyzer.source import Scope
from benchmarks.balanced import SETS, ruleset, saved

OPTION = {6: "-t", 17: "-u", 132: "--sctp-service"}
NAME = {6: "tcp", 17: "udp", 132: "sctp"}


@dataclass(slots=True)
class State:
    """What kube-proxy writes on one node."""

    servers: list[str] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SETS})
    addresses: dict[Address, None] = field(default_factory=dict)

    def add(self, name: str, member: str) -> None:
        """A member of a set, once."""
        if member not in self.members[name]:
            self.members[name].append(member)

    def virtual(self, portal: Portal, address: Address, port: int, ends: list[tuple[int, int]]) -> None:
        """A virtual server with its real servers."""
        service = f"{OPTION[portal.protocol]} {address}:{port}"
        self.servers.append(f"-A {service} -s rr")

        self.servers += [f"-a {service} -r {Address(4, end)}:{there} -m -w 1" for end, there in ends]


def convert(folder: Path) -> None:
    """Puts the IPVS mode in the place of the iptables mode on every node of a capture."""
    network = read_input((str(folder),)).network
    for node in sorted(scope.node for scope in network.namespaces if not scope.namespace):
        state = state_of(network, node)
        place = folder / "nodes" / node
        (place / "ipvsadm-save").write_text("".join(f"{line}\n" for line in state.servers))
        sets = place / "ipset_save"
        others = sets.read_text() if sets.exists() else ""
        sets.write_text("".join([others, *saved(state.members)]))
        (place / "nft_list_ruleset").write_text("")
        rules = place / "iptables-save"
        rules.write_text(ruleset(rules.read_text()))
        with (place / "sysctl_net").open("a") as file:
            file.write("net.ipv4.vs.conntrack = 1\n")
        dummy(place, state)


def state_of(network: Network, node: str) -> State:
    """Virtual servers and members of sets for the services of a capture."""
    state = State()
    own = [
        fact.address for fact in network.namespaces[Scope(node)].addresses if fact.address.family == 4 and fact.device == "eth0"
    ]
    local = {address.value for pod in network.pods_of.get(node, ()) for address in pod.addresses} | {one.value for one in own}
    for portal in decidable(network, 4, ("Cluster", "Local")):
        service = portal.service
        assert service is not None
        every = sorted(portal.endpoints)
        near = [end for end in every if end[0] in local]
        inside = near if service.internal_policy == "Local" else every
        outside = (near or every) if service.external_policy == "Local" else every
        word = f"{portal.address},{NAME[portal.protocol]}:{portal.port}"
        state.add("KUBE-CLUSTER-IP", word)
        state.addresses[portal.address] = None
        state.virtual(portal, portal.address, portal.port, inside)
        for end, port in near:
            state.add("KUBE-LOOP-BACK", f"{Address(4, end)},{NAME[portal.protocol]}:{port},{Address(4, end)}")
        suffix = "-LOCAL" if service.external_policy == "Local" else ""
        for address in dict.fromkeys(one for one in service.external_addresses if one.family == 4):
            state.add(f"KUBE-EXTERNAL-IP{suffix}", f"{address},{NAME[portal.protocol]}:{portal.port}")
            state.addresses[address] = None
            state.virtual(portal, address, portal.port, outside)
        for address in dict.fromkeys(one for one in service.load_balancer_addresses if one.family == 4):
            entry = f"{address},{NAME[portal.protocol]}:{portal.port}"
            state.add("KUBE-LOAD-BALANCER", entry)
            if suffix:
                state.add("KUBE-LOAD-BALANCER-LOCAL", entry)
            if service.source_ranges:
                state.add("KUBE-LOAD-BALANCER-FW", entry)
            for prefix in service.source_ranges:
                state.add("KUBE-LOAD-BALANCER-SOURCE-CIDR", f"{entry},{prefix}")
            state.addresses[address] = None
            state.virtual(portal, address, portal.port, outside)
        if portal.node_port:
            state.add(f"KUBE-NODE-PORT-{NAME[portal.protocol].upper()}", str(portal.node_port))
            if suffix:
                state.add(f"KUBE-NODE-PORT-LOCAL-{NAME[portal.protocol].upper()}", str(portal.node_port))
            for address in own:
                state.virtual(portal, address, portal.node_port, outside)
    for address in state.addresses:
        state.add("KUBE-IPVS-IPS", str(address))
    return state


def dummy(place: Path, state: State) -> None:
    """The device that holds the addresses of services, and their routes in the local table."""
    links = json.loads((place / "ip_addr.json").read_text())
    held = [
        {"family": "inet", "local": str(one), "prefixlen": 32, "scope": "global", "label": "kube-ipvs0"}
        for one in state.addresses
    ]
    link = {"ifindex": 900, "ifname": "kube-ipvs0", "flags": ["BROADCAST", "NOARP"], "mtu": 1500, "operstate": "DOWN"}
    more = {"link_type": "ether", "address": "de:ad:be:ef:00:01", "linkinfo": {"info_kind": "dummy"}, "addr_info": held}
    (place / "ip_addr.json").write_text(json.dumps([*links, {**link, **more}]))
    routes = json.loads((place / "ip_route.json").read_text())
    routes += [
        {
            "type": "local",
            "dst": str(one),
            "dev": "kube-ipvs0",
            "table": "local",
            "protocol": "kernel",
            "scope": "host",
            "prefsrc": str(one),
            "flags": [],
        }
        for one in state.addresses
    ]
    (place / "ip_route.json").write_text(json.dumps(routes))
