"""A capture of nodes with kube-proxy's iptables mode, as it would be in its IPVS mode (pkg/proxy/ipvs/proxier.go ``syncProxyRules``, ``writeIptablesRules``).

What the kernel showed stays as it is: links, addresses, routes, the rules of others. Virtual servers, IP sets, the device ``kube-ipvs0`` with its
addresses and kube-proxy's own rules take the place of its chains for each service. IPv4 only.
"""

from __future__ import annotations

import json
from pathlib import Path

from analyzer.addresses import Address
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.query.parties import Portal, decidable
from analyzer.source import Scope
from benchmarks.balanced import ruleset, saved
from tests.lab.ipvs_proxy import DEVICE, Served, State

NAME = {6: "tcp", 17: "udp", 132: "sctp"}


DEFAULT = "net.ipv4.conf.default."
"""What interfaces that are made get for their own."""


def convert(folder: Path) -> None:
    """Puts the IPVS mode in the place of the iptables mode on every node of a capture."""
    network = read_input((str(folder),)).network
    for node in sorted(scope.node for scope in network.namespaces if not scope.namespace):
        state = state_of(network, node)
        place = folder / "nodes" / node
        (place / "ipvsadm-save").write_text("".join(f"{line}\n" for line in state.virtual))
        sets = place / "ipset_save"
        others = sets.read_text() if sets.exists() else ""
        sets.write_text("".join([others, *saved(state.members)]))
        (place / "nft_list_ruleset").write_text("")
        rules = place / "iptables-save"
        rules.write_text(ruleset(rules.read_text()))
        switches = (place / "sysctl_net").read_text()
        own = [line for line in switches.splitlines(keepends=True) if line.startswith(DEFAULT)]
        new = "".join(line.replace(DEFAULT, "net.ipv4.conf.kube-ipvs0.") for line in own)
        (place / "sysctl_net").write_text(f"{switches}{new}net.ipv4.vs.conntrack = 1\n")
        dummy(place, state)


def state_of(network: Network, node: str) -> State:
    """Virtual servers and members of sets for the services of a capture."""
    space = network.namespaces[Scope(node)]
    own = tuple(str(fact.address) for fact in space.addresses if fact.address.family == 4 and fact.device == "eth0")
    state = State(own)
    local = {str(address) for pod in network.pods_of.get(node, ()) for address in pod.addresses} | set(own)
    for portal in decidable(network, 4, ("Cluster", "Local")):
        state.add(served(portal, local))
    return state


def served(portal: Portal, local: set[str]) -> Served:
    """A port of a service of the capture, on a node that has the ``local`` addresses."""
    service = portal.service
    assert service is not None
    ends = ((str(Address(4, end)), port) for end, port in sorted(portal.endpoints))
    return Served(
        str(portal.address),
        NAME[portal.protocol],
        portal.port,
        tuple((end, port, end in local) for end, port in ends),
        portal.node_port,
        tuple(str(one) for one in dict.fromkeys(service.external_addresses) if one.family == 4),
        tuple(str(one) for one in dict.fromkeys(service.load_balancer_addresses) if one.family == 4),
        tuple(str(prefix) for prefix in service.source_ranges),
        service.internal_policy,
        service.external_policy,
    )


def dummy(place: Path, state: State) -> None:
    """The device that holds the addresses of services, and their routes in the local table."""
    links = json.loads((place / "ip_addr.json").read_text())
    held = [{"family": "inet", "local": one, "prefixlen": 32, "scope": "global", "label": DEVICE} for one in state.bound]
    link = {"ifindex": 900, "ifname": DEVICE, "flags": ["BROADCAST", "NOARP"], "mtu": 1500, "operstate": "DOWN"}
    more = {"link_type": "ether", "address": "de:ad:be:ef:00:01", "linkinfo": {"info_kind": "dummy"}, "addr_info": held}
    (place / "ip_addr.json").write_text(json.dumps([*links, {**link, **more}]))
    routes = json.loads((place / "ip_route.json").read_text())
    place_of = {"type": "local", "dev": DEVICE, "table": "local", "protocol": "kernel", "scope": "host", "flags": []}
    routes += [{**place_of, "dst": one, "prefsrc": one} for one in state.bound]
    (place / "ip_route.json").write_text(json.dumps(routes))
