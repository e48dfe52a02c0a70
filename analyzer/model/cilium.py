"""Cilium on a node: what its maps hold and how it is set up, put together from the listings of the agent and the cluster's ConfigMap.

A node has it where the device ``cilium_host`` is there and a listing of its maps was captured. What was not captured is ``missing``, with the words that name the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analyzer.addresses import Prefix, prefix
from analyzer.facts.cilium import (
    RESERVED,
    WORLD,
    WORLDS,
    AgentAddressFact,
    AgentFact,
    AgentServiceFact,
    EgressEntryFact,
    EndpointEntryFact,
    EndpointFact,
    FrontendFact,
    IdentityFact,
    IpcacheFact,
    PolicyEntry,
    PolicyMapFact,
    SourceRangeFact,
    TunnelEntryFact,
)
from analyzer.facts.kubernetes import ConfigMapFact, OtherObjectFact
from analyzer.facts.links import Geneve, LinkFact, Vxlan
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.captured import Captured, folder
from analyzer.model.ordering import Ordered
from analyzer.source import Scope

HOST_DEVICE, PEER_DEVICE = "cilium_host", "cilium_net"
TUNNELS = ("cilium_vxlan", "cilium_geneve")
LISTINGS: Mapping[str, str] = {
    "cilium-ipcache": "cilium_bpf_ipcache_list",
    "cilium-endpoint-map": "cilium_bpf_endpoint_list",
    "cilium-policy": "cilium_bpf_policy_get_--all",
    "cilium-lb": "cilium_bpf_lb_list",
    "cilium-tunnel": "cilium_bpf_tunnel_list",
    "cilium-status": "cilium_status_--verbose",
}
"""The listings that verdicts rest on: kinds of sources, and the files of the capture layout."""
CONFIG_MAP = "cilium-config"
IPV4, IPV6 = re.compile(r"\b\d+\.\d+\.\d+\.\d+/\d+"), re.compile(r"(?<![\w:])[0-9a-f]*:[0-9a-f:]*/\d+")
TRUE = ("true", "t", "1", "strict", "enabled")


@dataclass(frozen=True, slots=True)
class Setup:
    """How the datapath of a node works; None: it is not known.

    ``tunnel``: vxlan, geneve, or empty for native routing. ``replacement``: it is the service proxy. ``sockets``: services are translated when sockets connect. ``host_routing``:
    packets between pods and the node's devices pass by the host's stack. ``masquerade``: ``iptables``, ``bpf`` or empty. ``native``: the addresses
    that are not masqueraded towards; both for IPv6 apart. ``firewall``: host policies are enforced. ``audit``: policies only tell. ``encryption``: wireguard, ipsec or empty. ``sctp``: packets of SCTP are taken.
    """

    tunnel: str | None = None
    replacement: bool | None = None
    sockets: bool | None = None
    host_routing: bool | None = None
    masquerade: str | None = None
    native: Prefix | None = None
    masquerade_six: str | None = None
    native_six: Prefix | None = None
    endpoint_routes: bool = False
    firewall: bool | None = None
    audit: bool = False
    encryption: str = ""
    mode: str = "snat"
    sctp: bool | None = None

    def masquerading(self, family: int) -> str | None:
        """How packets of a family are masqueraded."""
        return self.masquerade if family == 4 else self.masquerade_six

    def kept(self, family: int) -> Prefix | None:
        """The addresses of a family that are not masqueraded towards."""
        return self.native if family == 4 else self.native_six


@dataclass(frozen=True, slots=True)
class CiliumState:
    """What Cilium has on a node. ``policies`` and ``endpoints`` by the endpoint's number, ``devices``: the endpoint behind each device of a pod.

    ``missing``: the listings that were not captured, by kind (``LISTINGS``), in words; ``assumed``: what is taken to be in them, since something else
    says so. ``sources``: who may ask, by the number of a frontend's translation (None: not captured). ``egress``: what leaves by gateways. ``addresses``: what the ipcache is to hold, as the agent has it. ``port``: where the tunnel's packets go. ``mask``: the length of the prefixes by which the tunnel map is looked up.
    """

    scope: Scope
    ipcache: tuple[IpcacheFact, ...] = ()
    tunnels: tuple[TunnelEntryFact, ...] = ()
    entries: tuple[EndpointEntryFact, ...] = ()
    frontends: tuple[FrontendFact, ...] = ()
    policies: Mapping[int, PolicyMapFact] = field(default_factory=dict)
    endpoints: Mapping[int, EndpointFact] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)
    identities: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    setup: Setup = Setup()
    tunnel_device: str = ""
    port: int = 0
    sources: Mapping[int, tuple[Prefix, ...]] | None = None
    egress: tuple[EgressEntryFact, ...] = ()
    addresses: tuple[AgentAddressFact, ...] = ()
    mask: int = 24
    missing: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    def entry_of(self, endpoint: int, family: int) -> EndpointEntryFact | None:
        """The endpoint map's entry of an endpoint."""
        found = (entry for entry in self.entries if entry.identifier == endpoint and not entry.host)
        return next((entry for entry in found if entry.address.family == family), None)

    def identity_of(self, endpoint: int) -> int | None:
        """The identity of an endpoint: the map's, else the agent's."""
        entry = next((one for one in self.entries if one.identifier == endpoint and not one.host and one.identity), None)
        if entry is not None:
            return entry.identity
        fact = self.endpoints.get(endpoint)
        return fact.identity if fact is not None else None

    def world(self, family: int) -> int:
        """The identity of an address that the ipcache does not know: with both IP versions each has its own (bpf/lib/identity.h, ``WORLD_IPV4_ID``)."""
        apart = any(fact.identity in WORLDS.values() for fact in self.ipcache)
        return WORLDS[family] if apart else WORLD

    @property
    def settles(self) -> str:
        """The folder whose files would settle what is not known."""
        return folder(self.scope)


def cilium_state(
    scope: Scope, facts: Ordered, links: Mapping[str, LinkFact], routes: Sequence[RouteFact], given: Captured
) -> CiliumState | None:
    """Cilium's state of a node; None where there is none, or nothing of it was captured."""
    if scope.namespace or HOST_DEVICE not in links or not any(given.has(kind) for kind in (*LISTINGS, "cilium-services")):
        return None
    entries = tuple(dict.fromkeys(facts.of(EndpointEntryFact, scope)))
    endpoints = {fact.identifier: fact for fact in reversed(facts.of(EndpointFact, scope))}
    identities = known_identities(facts, endpoints.values())
    device = next((name for name in TUNNELS if name in links), "")
    kind = links[device].kind if device else None
    missing = {key: absent(scope, key, given) for key in LISTINGS if not given.has(key)}
    frontends = tuple(dict.fromkeys(facts.of(FrontendFact, scope)))
    assumed: tuple[str, ...] = ()
    if "cilium-lb" in missing and (told := said_by_agent(facts.of(AgentServiceFact, scope))):
        assumed = (
            f"Cilium's load-balancing map of {scope} holds what the agent's list of services says ({missing.pop('cilium-lb')})",
        )
        frontends = told
    return CiliumState(
        scope=scope,
        ipcache=tuple(dict.fromkeys(facts.of(IpcacheFact, scope))),
        tunnels=tuple(dict.fromkeys(facts.of(TunnelEntryFact, scope))),
        entries=entries,
        frontends=frontends,
        policies={fact.endpoint: resolved(fact, identities) for fact in reversed(facts.of(PolicyMapFact, scope))},
        endpoints=endpoints,
        devices=behind(links, entries, endpoints.values()),
        identities=identities,
        setup=setup(facts.of(AgentFact, scope), config(facts), device, endpoint_routes(links, routes)),
        tunnel_device=device,
        sources=ranges(facts.of(SourceRangeFact, scope)) if given.has("cilium-source-ranges") else None,
        egress=tuple(dict.fromkeys(facts.of(EgressEntryFact, scope))),
        addresses=tuple(dict.fromkeys(facts.of(AgentAddressFact, scope))),
        port=kind.port if isinstance(kind, Vxlan | Geneve) else 0,
        mask=own_length(routes),
        missing=missing,
        assumed=assumed,
    )


def ranges(facts: Iterable[SourceRangeFact]) -> dict[int, tuple[Prefix, ...]]:
    """Who may ask, by the number of a frontend's translation."""
    found: dict[int, tuple[Prefix, ...]] = {}
    for fact in facts:
        found[fact.reverse] = (*found.get(fact.reverse, ()), fact.prefix)
    return found


def said_by_agent(facts: Iterable[AgentServiceFact]) -> tuple[FrontendFact, ...]:
    """The frontends of the agent's list. One with an entry for clients in the cluster has two scopes."""
    every = [fact.frontend for fact in facts]
    inner = {(one.address, one.port, one.protocol) for one in every if one.internal}
    return tuple(
        replace(one, flags=one.flags | {"two-scopes"}, at=one.at) if (one.address, one.port, one.protocol) in inner else one
        for one in every
    )


def absent(scope: Scope, kind: str, given: Captured) -> str:
    """The words for a listing that was not captured, or that holds an error."""
    failure = given.failed.get(kind)
    if failure is not None:
        return f"{failure.at.path} cannot be used: {failure.reason}"
    return f"{folder(scope)}/{LISTINGS[kind]} was not captured"


def behind(
    links: Mapping[str, LinkFact], entries: Iterable[EndpointEntryFact], endpoints: Iterable[EndpointFact]
) -> dict[str, int]:
    """The endpoint behind each device: by its index and MAC in the endpoint map, else by its name in the agent's list."""
    by_index = {link.index: name for name, link in links.items()}
    found: dict[str, int] = {}
    for fact in endpoints:
        name = fact.device or by_index.get(fact.index, "")
        if name in links:
            found[name] = fact.identifier
    by_mac = {link.mac: name for name, link in links.items() if link.mac}
    for entry in entries:
        if entry.host:
            continue
        named = by_index.get(entry.index, "") if entry.index else ""
        name = named or (by_mac.get(entry.node_mac, "") if entry.node_mac else "")
        if name in links:
            found.setdefault(name, entry.identifier)
    return dict(sorted(found.items()))


def known_identities(facts: Ordered, endpoints: Iterable[EndpointFact]) -> dict[int, tuple[str, ...]]:
    """Labels by identity: those that are reserved, of the agent's list, and of endpoints."""
    found: dict[int, tuple[str, ...]] = {number: (f"reserved:{name}",) for number, name in RESERVED.items()}
    found.update(of_objects(facts.all(OtherObjectFact)))
    found.update((fact.identity, fact.labels) for fact in facts.all(IdentityFact))
    for fact in endpoints:
        found.setdefault(fact.identity, fact.labels)
    return found


def of_objects(objects: Iterable[OtherObjectFact]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The identities of CiliumIdentity objects, which are named for their numbers."""
    for fact in objects:
        labels = fact.document.get("security-labels")
        if fact.kind == "CiliumIdentity" and fact.name.isdecimal() and len(fact.name) < 10 and isinstance(labels, dict):
            yield int(fact.name), tuple(f"{key}={value}" if value else str(key) for key, value in labels.items())


def resolved(fact: PolicyMapFact, identities: Mapping[int, tuple[str, ...]]) -> PolicyMapFact:
    """The policy map with identities in the place of labels, where they are known."""
    if all(entry.identity is not None for entry in fact.entries):
        return fact
    by_labels = {frozenset(labels): number for number, labels in identities.items()}
    return replace(fact, entries=tuple(numbered(entry, by_labels) for entry in fact.entries))


def numbered(entry: PolicyEntry, by_labels: Mapping[frozenset[str], int]) -> PolicyEntry:
    """The entry with the identity that has its labels."""
    if entry.identity is not None:
        return entry
    return replace(entry, identity=by_labels.get(frozenset(entry.labels)), at=entry.at)


def endpoint_routes(links: Mapping[str, LinkFact], routes: Iterable[RouteFact]) -> bool:
    """Whether pods have routes of their own by their devices (``enable-endpoint-routes``)."""
    devices = {hop.device for route in routes for hop in route.next_hops if route.destination.length in (32, 128)}
    return any(name.startswith("lxc") and name in devices for name in links)


def own_length(routes: Iterable[RouteFact]) -> int:
    """The length of the node's own pod CIDR, as its route by ``cilium_host`` has it: by it the tunnel map is looked up."""
    found = [
        route.destination.length
        for route in routes
        if route.destination.family == 4
        and route.destination.length < 32
        and any(hop.device == HOST_DEVICE for hop in route.next_hops)
    ]
    return max(found, default=24)


def config(facts: Ordered) -> dict[str, str]:
    """The settings of Cilium's ConfigMap, in whichever namespace it is."""
    found = sorted((fact for fact in facts.all(ConfigMapFact) if fact.name == CONFIG_MAP), key=lambda fact: fact.namespace)
    return {key: value.value.strip().lower() for key, value in found[0].data.items()} if found else {}


def setup(agents: Sequence[AgentFact], data: Mapping[str, str], device: str, by_endpoint: bool) -> Setup:
    """The set-up: as the agent says it, else as the ConfigMap does, else by evidence."""
    said = {name: value for agent in reversed(agents) for name, value in agent.values.items()}
    replacement = switch(said.get("KubeProxyReplacement"), data.get("kube-proxy-replacement"))
    masquerade = masquerading(said.get("Masquerading"), data)
    return Setup(
        tunnel=tunnelled(said, data, device),
        replacement=replacement,
        sockets=switch(said.get("KubeProxyReplacement Details/Socket LB"), data.get("bpf-lb-sock"), replacement),
        host_routing=routed(said, data, replacement, masquerade),
        masquerade=masquerade,
        native=native(said.get("Masquerading", ""), data.get("ipv4-native-routing-cidr", ""), IPV4),
        masquerade_six=masquerading_six(said.get("Masquerading"), data),
        native_six=native(said.get("Masquerading", ""), data.get("ipv6-native-routing-cidr", ""), IPV6),
        endpoint_routes=by_endpoint,
        firewall=switch(said.get("Host firewall"), data.get("enable-host-firewall"), False if data else None),
        audit=data.get("policy-audit-mode") in TRUE,
        encryption=encrypted(said.get("Encryption", ""), data),
        sctp=switch(None, data.get("enable-sctp"), False if data else None),
        mode=(said.get("KubeProxyReplacement Details/Mode") or data.get("bpf-lb-mode") or "snat").partition(" ")[0].lower(),
    )


def switch(said: str | None, configured: str | None, otherwise: bool | None = None) -> bool | None:
    """Whether something is on: as the agent says, else as it is configured."""
    text = (said if said else configured or "").split()
    return text[0].lower() in TRUE if text else otherwise


def tunnelled(said: Mapping[str, str], data: Mapping[str, str], device: str) -> str | None:
    """vxlan or geneve; empty for native routing."""
    network = said.get("Routing", "")
    if found := re.search(r"Tunnel\s*\[(\w+)\]", network):
        return found[1].lower()
    if "Native" in network:
        return ""
    mode = data.get("routing-mode", "native" if data.get("tunnel") == "disabled" else "")
    if mode == "native":
        return ""
    if mode == "tunnel" or "tunnel" in data or "tunnel-protocol" in data:
        return data.get("tunnel-protocol") or data.get("tunnel") or "vxlan"
    return device.removeprefix("cilium_")


def routed(said: Mapping[str, str], data: Mapping[str, str], replacement: bool | None, masquerade: str | None) -> bool | None:
    """Whether the host's stack is passed by: never without eBPF services and masquerading (daemon/cmd/daemon_main.go ``initEnv``)."""
    told = said.get("Host Routing") or "".join(re.findall(r"Host:\s*(\w+)", said.get("Routing", "")))
    if told:
        return told.split()[0].lower() == "bpf"
    if data.get("enable-host-legacy-routing") in TRUE or replacement is False or masquerade == "iptables":
        return False
    return None


def masquerading(said: str | None, data: Mapping[str, str]) -> str | None:
    """``iptables``, ``bpf``, or empty for none."""
    if said:
        first = said.split()[0].lower()
        return "" if first == "disabled" else first
    if not data:
        return None
    if data.get("enable-ipv4-masquerade", data.get("masquerade", "true")) not in TRUE:
        return ""
    return "bpf" if data.get("enable-bpf-masquerade") in TRUE else "iptables"


def masquerading_six(said: str | None, data: Mapping[str, str]) -> str | None:
    """The same for IPv6 (``enable-ipv6-masquerade``): the agent says of each version whether it is on."""
    if said:
        found = re.search(r"IPv6: (\w+)", said)
        if found is None:
            return "" if masquerading(said, data) == "" else None
        return masquerading(said, data) if found[1] == "Enabled" else ""
    if not data:
        return None
    if data.get("enable-ipv6-masquerade", "true") not in TRUE:
        return ""
    return "bpf" if data.get("enable-bpf-masquerade") in TRUE else "iptables"


def native(said: str, configured: str, form: re.Pattern[str]) -> Prefix | None:
    """The addresses towards which nothing is masqueraded."""
    found = form.search(said)
    try:
        return prefix(found[0] if found else configured) if found or configured else None
    except ValueError:
        return None


def encrypted(said: str, data: Mapping[str, str]) -> str:
    """wireguard or ipsec; empty for none."""
    first = said.split()[0].lower() if said else ""
    if first in ("wireguard", "ipsec"):
        return first
    on = [name for name in ("wireguard", "ipsec") if not said and data.get(f"enable-{name}") in TRUE]
    return on[0] if on else ""


def main_routes(routes: Mapping[int, Mapping[int, tuple[RouteFact, ...]]]) -> list[RouteFact]:
    """The routes of the main tables."""
    return [route for family in (4, 6) for route in routes.get(family, {}).get(MAIN, ())]
