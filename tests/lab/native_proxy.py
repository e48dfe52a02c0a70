"""The tables that kube-proxy writes in its nftables mode (pkg/proxy/nftables/proxier.go), for the services of the lab."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.lab.plan import CLUSTER_CIDR, SERVICE_CIDR, Node, Service
from tests.lab.proxy import endpoints, outer_addresses

if TYPE_CHECKING:
    from tests.lab.build import Lab

TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
BASES = (
    ("filter-prerouting", "filter", "prerouting", "-110", ("ct state new jump firewall-check",)),
    ("filter-input", "filter", "input", "-110", ("ct state new jump nodeport-endpoints-check", "ct state new jump service-endpoints-check")),
    ("filter-forward", "filter", "forward", "-110", ("ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check")),
    ("filter-output", "filter", "output", "-110", ("ct state new jump service-endpoints-check", "ct state new jump firewall-check")),
    ("filter-output-post-dnat", "filter", "output", "-90", ("ct state new jump cluster-ips-check",)),
    ("nat-prerouting", "nat", "prerouting", "dstnat", ("jump services",)),
    ("nat-output", "nat", "output", "-100", ("jump services",)),
    ("nat-postrouting", "nat", "postrouting", "srcnat", ("jump masquerading",)),
)  # fmt: skip


@dataclass(slots=True)
class Tables:
    """The chains, and the elements of the maps, of one family while services are added."""

    ip: str
    chains: dict[str, list[str]] = field(default_factory=dict)
    maps: dict[str, list[str]] = field(default_factory=dict)
    sets: dict[str, list[str]] = field(default_factory=dict)
    affinity: list[str] = field(default_factory=list)

    def serve(self, address: str, low: str, port: int, action: str, name: str = "service-ips") -> None:
        """An element for a service's address."""
        self.maps.setdefault(name, []).append(f"{address} . {low} . {port} : {action}")


def install(lab: Lab, node: Node) -> None:
    """Writes the tables of all services on a node, for each family."""
    for family in lab.scenario.families:
        lab.run(node.name, "nft -f -", rules(lab, node, family))


def rules(lab: Lab, node: Node, family: int) -> str:
    """The text for ``nft -f``."""
    ip = "ip" if family == 4 else "ip6"
    made = Tables(ip)
    made.sets["nodeport-ips"] = [address for address in (node.address(family),) if address]
    for service in lab.services:
        if family in service.addresses:
            made.sets.setdefault("cluster-ips", []).append(service.addresses[family])
            for protocol in service.protocols:
                add(made, lab, node, service, protocol.lower(), family)
    return text(made, family)


def digest(*parts: str) -> str:
    """Eight characters of the hash of the parts."""
    return base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:8]


def socket(address: str, port: int) -> str:
    """An address with a port."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def add(made: Tables, lab: Lab, node: Node, service: Service, low: str, family: int) -> None:
    """One port of a service."""
    found = endpoints(lab, service, family)
    local = [(pod, address) for pod, address in found if pod.node == node.name]
    base = f"{digest(service.key, low)}-{service.key}/{low}/"
    names = {
        address: f"endpoint-{digest(service.key, low, address)}-{service.key}/{low}/__{address.replace(':', '.')}/{service.target}"
        for _, address in found
    }
    refuse(made, node, service, low, family, bool(found), bool(local))
    if not found:
        return
    inside = local if service.internal_policy == "Local" else found
    own = service.addresses[family]
    if inside:
        inner = f"{'local' if service.internal_policy == 'Local' else 'service'}-{base}"
        made.serve(own, low, service.port, f"goto {inner}")
        balance(lab, made, inner, service, low, [names[address] for _, address in inside], own, family)
    balance(lab, made, f"service-{base}", service, low, [names[address] for _, address in found], own, family)
    if local and service.external_policy == "Local":
        balance(lab, made, f"local-{base}", service, low, [names[address] for _, address in local], own, family)
    external(made, service, low, base, family, bool(local))
    for _, address in found:
        endpoint(made, names[address], service, low, address)


def refuse(made: Tables, node: Node, service: Service, low: str, family: int, served: bool, near: bool) -> None:
    """Who asks a service that nobody serves, or nobody on this node, is refused or dropped."""
    del node
    if not served:
        made.serve(service.addresses[family], low, service.port, "goto reject-chain", "no-endpoint-services")
    elif service.internal_policy == "Local" and not near:
        made.serve(service.addresses[family], low, service.port, "drop", "no-endpoint-services")
    action = "goto reject-chain" if not served else "drop" if service.external_policy == "Local" and not near else ""
    if action:
        for other, _ in outer_addresses(service, family):
            made.serve(other, low, service.port, action, "no-endpoint-services")
        if service.node_port:
            made.maps.setdefault("no-endpoint-nodeports", []).append(f"{low} . {service.node_port} : {action}")


def balance(lab: Lab, made: Tables, name: str, service: Service, low: str, names: list[str], own: str, family: int) -> None:
    """The chain that picks an endpoint."""
    if name in made.chains:
        return
    others = "" if lab.scenario.masquerade_all else f"{made.ip} saddr != {CLUSTER_CIDR[family]} "
    outer = f"{made.ip} daddr {own} {low} dport {service.port} {others}jump mark-for-masquerade"
    lines = [outer]
    if service.affinity:
        lines += [f"{made.ip} saddr @{sticky(one)} goto {one}" for one in names]
    picks = ", ".join(f"{number} : goto {one}" for number, one in enumerate(names))
    made.chains[name] = [*lines, f"numgen random mod {len(names)} vmap {{ {picks} }}"]


def sticky(name: str) -> str:
    """The set of an endpoint's clients."""
    return name.replace("endpoint-", "affinity-", 1)


def endpoint(made: Tables, name: str, service: Service, low: str, address: str) -> None:
    """The chain of an endpoint."""
    lines = [f"{made.ip} saddr {address} jump mark-for-masquerade"]
    if service.affinity:
        made.affinity.append(sticky(name))
        lines.append(f"update @{sticky(name)} {{ {made.ip} saddr }}")
    made.chains[name] = [*lines, f"meta l4proto {low} dnat to {socket(address, service.target)}"]


def external(made: Tables, service: Service, low: str, base: str, family: int, near: bool) -> None:
    """Node ports, load balancers' and external addresses."""
    outer = outer_addresses(service, family)
    if not (outer or service.node_port):
        return
    name, inner = f"external-{base}", f"service-{base}"
    if service.external_policy == "Cluster":
        made.chains[name] = ["jump mark-for-masquerade", f"goto {inner}"]
    else:
        made.chains[name] = [
            f"{made.ip} saddr {CLUSTER_CIDR[family]} goto {inner}",
            "fib saddr type local jump mark-for-masquerade",
            f"fib saddr type local goto {inner}",
            *([f"goto local-{base}"] if near else []),
        ]
    for other, note in outer:
        made.serve(other, low, service.port, f"goto {name}")
        if note == "loadbalancer IP" and service.source_ranges:
            made.chains[f"firewall-{base}"] = [f"{made.ip} saddr != {{ {', '.join(service.source_ranges)} }} drop"]
            made.serve(other, low, service.port, f"goto firewall-{base}", "firewall-ips")
    if service.node_port:
        made.maps.setdefault("service-nodeports", []).append(f"{low} . {service.node_port} : goto {name}")


def text(made: Tables, family: int) -> str:
    """The whole table."""
    service_type, port_type = f"{TYPES[family]} . inet_proto . inet_service", "inet_proto . inet_service"
    kinds = {"firewall-ips": service_type, "no-endpoint-services": service_type, "service-ips": service_type, "no-endpoint-nodeports": port_type, "service-nodeports": port_type}  # fmt: skip
    fixed = {
        "reject-chain": ["reject"],
        "mark-for-masquerade": ["mark set mark or 0x4000"],
        "masquerading": ["mark and 0x4000 == 0 return", "mark set mark xor 0x4000", "masquerade fully-random"],
        "firewall-check": [f"{made.ip} daddr . meta l4proto . th dport vmap @firewall-ips"],
        "service-endpoints-check": [f"{made.ip} daddr . meta l4proto . th dport vmap @no-endpoint-services"],
        "nodeport-endpoints-check": [f"{made.ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports"],
        "cluster-ips-check": [
            f"{made.ip} daddr @cluster-ips reject",
            f"{made.ip} daddr {ipaddress.ip_network(SERVICE_CIDR[family])} drop",
        ],
        "services": [
            f"{made.ip} daddr . meta l4proto . th dport vmap @service-ips",
            f"{made.ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports",
        ],
    }
    lines = [f"table {made.ip} kube-proxy {{"]
    for name in ("cluster-ips", "nodeport-ips"):
        lines.append(f"set {name} {{ type {TYPES[family]}; {elements(made.sets.get(name, []))} }}")
    for name, kind in kinds.items():
        lines.append(f"map {name} {{ type {kind} : verdict; {elements(list(dict.fromkeys(made.maps.get(name, []))))} }}")
    for name in made.affinity:
        lines.append(f"set {name} {{ type {TYPES[family]}; flags dynamic,timeout; timeout 10800s; }}")
    ordered = sorted({**made.chains, **fixed}.items(), key=lambda item: RANK.get(item[0].split("-")[0], 0))
    lines += [f"chain {name} {{ }}" for name, _ in ordered]
    lines += [f"chain {name} {{ {'; '.join(found)}; }}" for name, found in ordered]
    lines += [f"chain {name} {{ type {kind} hook {hook} priority {priority}; {'; '.join(found)}; }}" for name, kind, hook, priority, found in BASES]  # fmt: skip
    return "\n".join([*lines, "}", ""])


RANK = {"reject": -2, "mark": -2, "endpoint": -1}
"""Chains that others go to come first: a verdict map is only loaded after them."""


def elements(found: list[str]) -> str:
    """The elements of a set, where it has any."""
    return f"elements = {{ {', '.join(found)} }};" if found else ""
