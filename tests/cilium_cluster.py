"""A cluster with Cilium, written as its nodes would show it: links, routes, rules, and the listings of Cilium's maps.

What Cilium sets up on a node follows pkg/datapath/iptables/iptables.go, pkg/datapath/linux/{node,routing}.go and plugins/cilium-cni; the listings follow
cilium-dbg/cmd. Nothing of it was recorded: it is what the sources say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.cilium_texts import (
    EXCLUDED,
    LXC_LINK,
    MASQUERADE,
    MASQUERADE_FIRST,
    NODE,
    NODE_LINKS,
    NODE_ROUTES,
    POD,
    POD_LINKS,
    POD_ROUTES,
    POLICY,
    RULES,
    RULESET,
    SERVICE,
    STATUS,
    SYSCTLS,
    TO_CLUSTER,
    TUNNEL_LINK,
)

HOST, WORLD, REMOTE_NODE = 1, 2, 6


class Pod(NamedTuple):
    """A pod: its node from 1, its endpoint's number and identity, and the last byte of its address."""

    namespace: str
    name: str
    node: int
    endpoint: int
    identity: int
    last: int
    app: str

    @property
    def address(self) -> str:
        """The pod's address."""
        return f"10.244.{self.node}.{self.last}"

    @property
    def device(self) -> str:
        """The host's end of its pair."""
        return f"lxc{self.node}{self.endpoint:011d}"

    @property
    def number(self) -> int:
        """The index of the host's end."""
        return 10 + self.endpoint % 100

    @property
    def mac(self) -> str:
        """The pod's MAC."""
        return f"0a:58:0a:f4:{self.node:02x}:{self.last:02x}"

    @property
    def host_mac(self) -> str:
        """The MAC of the host's end."""
        return f"ee:aa:00:00:{self.node:02x}:{self.last:02x}"


class Allowed(NamedTuple):
    """An entry of a policy map: ``port`` as ``5432/TCP`` or ANY."""

    identity: int
    port: str = "ANY"
    ingress: bool = True
    deny: bool = False


class Service(NamedTuple):
    """A service with its backends as ``address:port``."""

    name: str
    address: str
    port: int
    backends: tuple[str, ...]
    protocol: str = "TCP"
    flags: str = "ClusterIP, non-routable"


PODS = (
    Pod("default", "client", 1, 101, 10001, 11, "client"),
    Pod("default", "web-1", 1, 102, 10002, 12, "web"),
    Pod("default", "web-2", 2, 201, 10002, 21, "web"),
    Pod("shop", "db", 2, 202, 10003, 22, "db"),
)
SERVICES = (
    Service("default/web", "10.96.0.50", 80, ("10.244.1.12:8080", "10.244.2.21:8080")),
    Service("shop/db", "10.96.0.60", 5432, ("10.244.2.22:5432",)),
)
OPEN = (Allowed(0), Allowed(HOST), Allowed(0, ingress=False))
CLOSED = (Allowed(HOST), Allowed(10002, "5432/TCP"), Allowed(0, ingress=False))


CONFIG = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cilium-config, namespace: kube-system}}\ndata: {{enable-sctp: "{sctp}"}}\n'


@dataclass
class Cluster:
    """What the cluster is like. ``policies`` by endpoint, OPEN for those without. ``without`` are (node, file) pairs that were not captured.
    ``mode``: how backends of other nodes are reached; ``sources``: who may ask frontends that check it; ``egress``: entries of the egress map. ``published``: the first service has the node port 30080. ``isolated``: a NetworkPolicy admits web to db alone.
    ``sctp``: what the ConfigMap says of SCTP; without, there is none."""

    pods: Sequence[Pod] = PODS
    services: Sequence[Service] = SERVICES
    policies: Mapping[int, Sequence[Allowed]] = field(default_factory=lambda: {202: CLOSED})
    tunnel: str = "vxlan"
    replacement: bool = True
    endpoint_routes: bool = False
    masquerade: str = "IPTables"
    host_routing: str = "Legacy"
    tunnel_map: bool = False
    without: frozenset[tuple[int, str]] = frozenset()
    nodes: int = 2
    sctp: str = ""
    isolated: bool = True
    published: bool = False
    firewall: bool = False
    encryption: str = "Disabled"
    mode: str = "SNAT"
    sources: Sequence[str] | None = None
    egress: Sequence[tuple[str, str, str, str]] = ()

    def files(self) -> dict[str, str]:
        """Every file of the capture."""
        found = {
            "k8s/all.yaml": "---\n".join(
                [
                    *self.node_objects(),
                    *self.pod_objects(),
                    *self.service_objects(),
                    *([POLICY] if self.isolated else []),
                    *([CONFIG.format(sctp=self.sctp)] if self.sctp else []),
                ]
            )
        }
        for node in range(1, self.nodes + 1):
            for name, text in self.node_files(node):
                if (node, name) not in self.without:
                    found[f"nodes/n{node}/{name}"] = text
        return found

    def of(self, node: int) -> list[Pod]:
        """The pods of a node."""
        return [pod for pod in self.pods if pod.node == node]

    def others(self, node: int) -> list[int]:
        """The other nodes."""
        return [other for other in range(1, self.nodes + 1) if other != node]

    def node_files(self, node: int) -> Iterator[tuple[str, str]]:
        """The files of one node and of its pods."""
        yield "ip_-d_addr", self.links(node)
        yield "ip_route_show_table_all", self.routes(node)
        yield "ip_rule", RULES
        yield "sysctl_net", SYSCTLS
        yield "iptables-save", self.ruleset(node)
        yield "iptables-legacy-save", ""
        yield "nft_list_ruleset", ""
        if not self.tunnel:
            members = [f"add cilium_node_set_v4 192.168.0.{10 + other}" for other in range(1, self.nodes + 1)]
            yield (
                "ipset_save",
                "\n".join(["create cilium_node_set_v4 hash:ip family inet hashsize 1024 maxelem 65536", *members, ""]),
            )
        yield "cilium_bpf_ipcache_list", self.ipcache(node)
        if self.tunnel_map:
            rows = [(f"10.244.{other}.0", f"192.168.0.{10 + other}:0") for other in self.others(node)]
            yield "cilium_bpf_tunnel_list", table("TUNNEL", "VALUE", rows)
        yield "cilium_bpf_endpoint_list", self.endpoint_map(node)
        yield "cilium_bpf_policy_get_--all_--numeric", self.policy_maps(node)
        yield "cilium_bpf_lb_list", self.balancing(node)
        if self.sources is not None:
            number = len(self.services)
            listed = [f"{one} ({reverse})" for one in self.sources for reverse in (number - 1, number)]
            yield "cilium_bpf_lb_list_--source-ranges", "\n".join(["SOURCE RANGE (REVNAT_ID)", *listed, ""])
        if self.egress:
            listing = [("Source IP", "Destination CIDR", "Egress IP", "Gateway IP"), *self.egress]
            yield "cilium_bpf_egress_list", "".join("   ".join(f"{word:<14}" for word in row).rstrip() + "\n" for row in listing)
        yield "cilium_status_--verbose", self.status()
        for pod in self.of(node):
            place = f"netns/{pod.namespace}_{pod.name}"
            yield f"{place}/ip_-d_addr", pod_links(pod)
            yield f"{place}/ip_route_show_table_all", pod_routes(pod)
            yield (
                f"{place}/ip_rule",
                "0:	from all lookup local\n32766:	from all lookup main\n32767:	from all lookup default\n",
            )
            yield f"{place}/ip_neigh", ""
            yield (
                f"{place}/sysctl_net",
                "net.ipv4.ip_forward = 0\nnet.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.default.rp_filter = 0\n",
            )
            yield f"{place}/iptables-save", ""
            yield f"{place}/iptables-legacy-save", ""
            yield f"{place}/nft_list_ruleset", ""

    def links(self, node: int) -> str:
        """``ip -d addr`` of a node."""
        lines = [NODE_LINKS.format(node=node, address=10 + node)]
        if self.tunnel:
            kind = (
                "vxlan external id 0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300"
                if self.tunnel == "vxlan"
                else "geneve external id 0 dstport 6081 ttl auto"
            )
            lines.append(TUNNEL_LINK.format(node=node, name=f"cilium_{self.tunnel}", kind=kind))
        for pod in self.of(node):
            lines.append(
                LXC_LINK.format(index=pod.number, device=pod.device, mac=pod.host_mac, space=f"{pod.namespace}_{pod.name}")
            )
        return "".join(lines)

    def routes(self, node: int) -> str:
        """``ip route show table all`` of a node."""
        own = f"10.244.{node}.200"
        lines = [f"10.244.{node}.0/24 via {own} dev cilium_host proto kernel src {own}"]
        for other in self.others(node):
            if self.tunnel:
                lines.append(f"10.244.{other}.0/24 via {own} dev cilium_host proto kernel src {own} mtu 1450")
            else:
                lines.append(f"10.244.{other}.0/24 via 192.168.0.{10 + other} dev eth0 proto kernel")
        if self.endpoint_routes:
            lines += [f"{pod.address} dev {pod.device} proto kernel scope link" for pod in self.of(node)]
        return "\n".join(lines) + NODE_ROUTES.format(node=node, own=own, address=10 + node)

    def ruleset(self, node: int) -> str:
        """The rules that the agent installs."""
        masquerade = MASQUERADE if self.masquerade == "IPTables" else ""
        tunnelled = TO_CLUSTER if self.tunnel and masquerade else ""
        text = RULESET.replace("@MASQUERADE@", masquerade).replace("@TUNNEL@", tunnelled)
        native = "10.244.0.0/16" if not self.tunnel else f"10.244.{node}.0/24"
        excluded = "" if self.tunnel or not masquerade else EXCLUDED
        text = text.replace(MASQUERADE_FIRST, excluded + MASQUERADE_FIRST)
        return text.replace("@NODE@", str(node)).replace("@NATIVE@", native)

    def ipcache(self, node: int) -> str:
        """``cilium-dbg bpf ipcache list`` of a node."""
        rows = [("0.0.0.0/0", WORLD, "0.0.0.0", "<none>"), (f"10.244.{node}.200/32", HOST, "0.0.0.0", "<none>")]
        rows.append((f"192.168.0.{10 + node}/32", HOST, "0.0.0.0", "<none>"))
        for other in self.others(node):
            there, flag = (f"192.168.0.{10 + other}", "hastunnel") if self.tunnel else ("0.0.0.0", "<none>")
            rows += [
                (f"10.244.{other}.200/32", REMOTE_NODE, there, flag),
                (f"192.168.0.{10 + other}/32", REMOTE_NODE, "0.0.0.0", "<none>"),
            ]
            if not self.tunnel_map:
                rows.append((f"10.244.{other}.0/24", WORLD, there, flag))
        for pod in self.pods:
            there, flag = (
                (f"192.168.0.{10 + pod.node}", "hastunnel") if self.tunnel and pod.node != node else ("0.0.0.0", "<none>")
            )
            rows.append((f"{pod.address}/32", pod.identity, there, flag))
        texts = [
            (name, f"identity={number} encryptkey=0 tunnelendpoint={there} flags={flag}") for name, number, there, flag in rows
        ]
        return table("IP PREFIX/ADDRESS", "IDENTITY", texts)

    def endpoint_map(self, node: int) -> str:
        """``cilium-dbg bpf endpoint list`` of a node."""
        rows = [(f"10.244.{node}.200:0", "(localhost)"), (f"192.168.0.{10 + node}:0", "(localhost)")]
        for pod in self.of(node):
            macs = f"mac={pod.mac.upper()} nodemac={pod.host_mac.upper()}"
            text = f"id={pod.endpoint}  sec_id={pod.identity} flags=0x0000 ifindex={pod.number}  {macs} parent_ifindex=0"
            rows.append((f"{pod.address}:0", text))
        return table("IP ADDRESS", "LOCAL ENDPOINT INFO", rows)

    def policy_maps(self, node: int) -> str:
        """``cilium-dbg bpf policy get --all --numeric`` of a node."""
        return "".join(policy_map(pod.endpoint, self.policies.get(pod.endpoint, OPEN)) for pod in self.of(node))

    def balancing(self, node: int) -> str:
        """``cilium-dbg bpf lb list``."""
        rows = []
        every = [*self.services]
        if self.published:
            every.append(self.services[0]._replace(address=f"192.168.0.{10 + node}", port=30080, flags="NodePort"))
        for number, service in enumerate(every if self.replacement else (), 1):
            name = f"{service.address}:{service.port}/{service.protocol}"
            rows.append((f"{name} (0)", f"0.0.0.0:0 ({number}) (0) [{service.flags}]"))
            for slot, backend in enumerate(service.backends, 1):
                rows.append((f"{name} ({slot})", f"{backend}/{service.protocol} ({number}) ({slot})"))
        return table("SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)", rows)

    def status(self) -> str:
        """``cilium-dbg status --verbose``."""
        network = f"Tunnel [{self.tunnel}]" if self.tunnel else "Native"
        native = "" if self.tunnel else "10.244.0.0/16 "
        masquerade = {"IPTables": "IPTables", "BPF": f"BPF   [eth0]   {native or '10.244.0.0/16 '}"}.get(
            self.masquerade, "Disabled"
        )
        return STATUS.format(
            firewall="Enabled" if self.firewall else "Disabled",
            encryption=self.encryption,
            network=network,
            host=self.host_routing,
            mode=self.mode,
            masquerade=masquerade,
            replacement="True   [eth0]" if self.replacement else "False",
        )

    def node_objects(self) -> Iterator[str]:
        """The Node objects."""
        return (NODE.format(node=node, address=10 + node) for node in range(1, self.nodes + 1))

    def pod_objects(self) -> Iterator[str]:
        """The Pod objects."""
        return (POD.format(pod=pod) for pod in self.pods)

    def service_objects(self) -> Iterator[str]:
        """The Services with their EndpointSlices."""
        for service in self.services:
            namespace, name = service.name.split("/")
            ends = [f"- {{addresses: [{one.split(':')[0]}], conditions: {{ready: true}}}}" for one in service.backends]
            port = service.backends[0].split(":")[1] if service.backends else service.port
            text = SERVICE.format(service=service, namespace=namespace, name=name, ends="\n".join(ends) or "[]", port=port)
            if self.published and service is self.services[0]:
                text = text.replace("type: ClusterIP", "type: NodePort").replace("targetPort:", "nodePort: 30080, targetPort:")
            yield text


def table(first: str, second: str, rows: Iterable[tuple[str, str]]) -> str:
    """Two columns, as a tabwriter of Go prints them."""
    lines = [(first, second), *rows]
    width = max(len(one) for one, _ in lines) + 3
    return "".join(f"{one:<{width}}{two}\n" for one, two in lines)


def policy_map(endpoint: int, entries: Sequence[Allowed]) -> str:
    """One policy map."""
    lines = [f"Endpoint ID: {endpoint}\nPath: /sys/fs/bpf/tc/globals/cilium_policy_v2_{endpoint:05d}\n\n"]
    lines.append("POLICY   DIRECTION   IDENTITY   PORT/PROTO   PROXY PORT   AUTH TYPE   BYTES   PACKETS   PREFIX   COOKIE   \n")
    for one in entries:
        verdict, way = "Deny" if one.deny else "Allow", "Ingress" if one.ingress else "Egress"
        prefix = 0 if one.port == "ANY" else 24
        lines.append(
            f"{verdict:<8} {way:<11} {one.identity:<10} {one.port:<12} NONE         disabled    0       0         {prefix:<8} 0        \n"
        )
    return "".join([*lines, "\n\n"])


def pod_links(pod: Pod) -> str:
    """``ip -d addr`` of a pod."""
    return POD_LINKS.format(pod=pod)


def pod_routes(pod: Pod) -> str:
    """The routes of a pod."""
    return POD_ROUTES.format(pod=pod, router=f"10.244.{pod.node}.200")
