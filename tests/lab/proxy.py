"""The rules that kube-proxy writes in its iptables mode (pkg/proxy/iptables/proxier.go), for the services of the lab."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.lab.plan import CLUSTER_CIDR, Node, Pod, Service

if TYPE_CHECKING:
    from tests.lab.build import Lab

NAT_HEAD = (
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
)
NODEPORTS_LAST = (
    '-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" '
    "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
)
FILTER_HEAD = (
    '-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS',
    *(
        f'-A {chain} -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL'
        for chain in ("INPUT", "OUTPUT", "FORWARD")
    ),
    "-A INPUT -j KUBE-FIREWALL",
    '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
    '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
    '-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    "-A OUTPUT -j KUBE-FIREWALL",
    '-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" '
    "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
)
NAT_CHAINS = ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-MARK-MASQ", "KUBE-POSTROUTING")
FILTER_CHAINS = (
    "KUBE-SERVICES",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-FIREWALL",
    "KUBE-FORWARD",
    "KUBE-PROXY-FIREWALL",
)


def install(lab: Lab, node: Node) -> None:
    """Writes the rules of all services on a node, for each family."""
    for family in lab.scenario.families:
        command = "iptables-restore" if family == 4 else "ip6tables-restore"
        lab.run(node.name, f"{command} --noflush", rules(lab, node, family))


def rules(lab: Lab, node: Node, family: int) -> str:
    """The text for ``iptables-restore --noflush``."""
    nat: list[str] = []
    refusals: list[str] = []
    for service in lab.services:
        if family in service.addresses:
            for protocol in service.protocols:
                nat += _service(lab, node, service, protocol, family)
                refusals += _refusals(lab, node, service, protocol, family)
    head = FILTER_HEAD if family == 4 else tuple(line for line in FILTER_HEAD if "127.0.0.0" not in line)
    chains = sorted(
        {word for line in nat for word in line.split() if word.startswith(("KUBE-S", "KUBE-EXT-", "KUBE-FW-"))} - set(NAT_CHAINS)
    )
    return "\n".join([
        "*filter", *(f":{name} - [0:0]" for name in FILTER_CHAINS), *head, *refusals, "COMMIT",
        "*nat", *(f":{name} - [0:0]" for name in (*NAT_CHAINS, *chains)), *NAT_HEAD, *nat, NODEPORTS_LAST, "COMMIT", "",
    ])  # fmt: skip


def endpoints(lab: Lab, service: Service, family: int) -> list[tuple[Pod, str]]:
    """The ready pods of a service and their addresses in the family."""
    if not service.ready:
        return []
    pods = [pod for pod in lab.pods if pod.labels.get("app") == service.selector]
    return [(pod, a) for pod in pods for a in pod.addresses if ipaddress.ip_address(a).version == family]


def chain(kind: str, *parts: str) -> str:
    """A chain's name: the kind and 16 characters of the hash of the parts."""
    return kind + base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:16]


def _service(lab: Lab, node: Node, service: Service, protocol: str, family: int) -> Iterator[str]:
    found = endpoints(lab, service, family)
    if not found:
        return
    low = protocol.lower()
    address, bits = service.addresses[family], 32 if family == 4 else 128
    all_chain, local_chain, external = (chain(kind, service.key, low) for kind in ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-"))
    label = f'-m comment --comment "{service.key} cluster IP" -m {low} --dport {service.port}'
    local = [(pod, a) for pod, a in found if pod.node == node.name]
    inner, inside = (local_chain, local) if service.internal_policy == "Local" else (all_chain, found)
    if inside:
        yield f"-A KUBE-SERVICES -d {address}/{bits} -p {low} {label} -j {inner}"
    for other, note in outer_addresses(service, family):
        to = chain("KUBE-FW-", service.key, low) if note == "loadbalancer IP" and service.source_ranges else external
        yield f'-A KUBE-SERVICES -d {other}/{bits} -p {low} -m comment --comment "{service.key} {note}" -m {low} --dport {service.port} -j {to}'
    if service.source_ranges and family == 4:
        yield from _gate(service, chain("KUBE-FW-", service.key, low), external)
    if service.node_port:
        yield f'-A KUBE-NODEPORTS -p {low} -m comment --comment "{service.key}" -m {low} --dport {service.node_port} -j {external}'
    if inside:
        others = "" if lab.scenario.masquerade_all else f"! -s {CLUSTER_CIDR[family]} "
        yield f"-A {inner} {others}-d {address}/{bits} -p {low} {label} -j KUBE-MARK-MASQ"
    yield from _balance(service, all_chain, found, low)
    if service.node_port or service.external_addresses or service.balancer_addresses:
        yield from _external(service, external, all_chain, local_chain, family)
    if "Local" in (service.internal_policy, service.external_policy) and local:
        yield from _balance(service, local_chain, local, low)
    for _, endpoint in found:
        yield from _endpoint(service, endpoint, low, family)


def _external(service: Service, external: str, all_chain: str, local_chain: str, family: int) -> Iterator[str]:
    note = f'-m comment --comment "masquerade traffic for {service.key} external destinations"'
    if service.external_policy == "Cluster":
        yield f"-A {external} {note} -j KUBE-MARK-MASQ"
        yield f"-A {external} -j {all_chain}"
        return
    yield f'-A {external} -s {CLUSTER_CIDR[family]} -m comment --comment "pod traffic for {service.key} external destinations" -j {all_chain}'
    yield f"-A {external} {note} -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ"
    yield f'-A {external} -m comment --comment "route LOCAL traffic" -m addrtype --src-type LOCAL -j {all_chain}'
    yield f"-A {external} -j {local_chain}"


def outer_addresses(service: Service, family: int) -> list[tuple[str, str]]:
    """The addresses for the world outside, and what kube-proxy calls them."""
    if family == 6:
        return []
    found = [(address, "external IP") for address in service.external_addresses]
    return [*found, *((address, "loadbalancer IP") for address in service.balancer_addresses)]


def _gate(service: Service, gate: str, external: str) -> Iterator[str]:
    """Who may ask at the load balancer's addresses; the others are dropped in the filter table."""
    note = f'-m comment --comment "{service.key} loadbalancer IP"'
    yield from (f"-A {gate} -s {source} {note} -j {external}" for source in service.source_ranges)
    yield f'-A {gate} -m comment --comment "other traffic to {service.key} will be dropped by KUBE-PROXY-FIREWALL"'


def _balance(service: Service, name: str, found: list[tuple[Pod, str]], low: str) -> Iterator[str]:
    names = [chain("KUBE-SEP-", service.key, low, _socket(address, service.target)) for _, address in found]
    if service.affinity:
        for endpoint in names:
            yield (
                f'-A {name} -m comment --comment "{service.key}" -m recent --name {endpoint} --rcheck --seconds 10800 --reap '
                f"--rsource -j {endpoint}"
            )
    for number, endpoint in enumerate(names):
        left = len(names) - number
        share = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
        yield f'-A {name} -m comment --comment "{service.key}" {share}-j {endpoint}'


def _endpoint(service: Service, address: str, low: str, family: int) -> Iterator[str]:
    name = chain("KUBE-SEP-", service.key, low, _socket(address, service.target))
    yield f'-A {name} -s {address}/{32 if family == 4 else 128} -m comment --comment "{service.key}" -j KUBE-MARK-MASQ'
    recent = f"-m recent --name {name} --set --rsource " if service.affinity else ""
    yield f'-A {name} -p {low} -m comment --comment "{service.key}" {recent}-m {low} -j DNAT --to-destination {_socket(address, service.target)}'


def _socket(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _refusals(lab: Lab, node: Node, service: Service, protocol: str, family: int) -> Iterator[str]:
    """The filter rules for services that nobody serves, or nobody on this node."""
    low, bits = protocol.lower(), 32 if family == 4 else 128
    found = endpoints(lab, service, family)
    if not found:
        note = f'-m comment --comment "{service.key} has no endpoints"'
        yield f"-A KUBE-SERVICES -d {service.addresses[family]}/{bits} -p {low} {note} -m {low} --dport {service.port} -j REJECT"
    near = any(pod.node == node.name for pod, _ in found)
    if found and service.internal_policy == "Local" and not near:
        note = f'-m comment --comment "{service.key} has no local endpoints"'
        yield f"-A KUBE-SERVICES -d {service.addresses[family]}/{bits} -p {low} {note} -m {low} --dport {service.port} -j DROP"
    for other, note in outer_addresses(service, family):
        target = f"-d {other}/{bits} -p {low} -m {low} --dport {service.port}"
        if not found:
            yield f'-A KUBE-EXTERNAL-SERVICES {target} -m comment --comment "{service.key} has no endpoints" -j REJECT'
        elif service.external_policy == "Local" and not near:
            yield f'-A KUBE-EXTERNAL-SERVICES {target} -m comment --comment "{service.key} has no local endpoints" -j DROP'
        if found and service.source_ranges and note == "loadbalancer IP":
            yield f'-A KUBE-PROXY-FIREWALL {target} -m comment --comment "{service.key} traffic not accepted by KUBE-FW" -j DROP'
    if not service.node_port:
        return
    target = f"-p {low} -m addrtype --dst-type LOCAL -m {low} --dport {service.node_port}"
    if not found:
        yield f'-A KUBE-EXTERNAL-SERVICES {target} -m comment --comment "{service.key} has no endpoints" -j REJECT'
    elif service.external_policy == "Local" and not any(pod.node == node.name for pod, _ in found):
        yield f'-A KUBE-EXTERNAL-SERVICES {target} -m comment --comment "{service.key} has no local endpoints" -j DROP'
