"""The kinds of networks that the lab builds. Add one: a line in ``SCENARIOS``, and what is new about it in overlay.py."""

from __future__ import annotations

from random import Random

from tests.lab import tunnelled
from tests.lab.plan import Pod, Scenario, Service
from tests.lab.romana import SEGMENT

SCENARIOS = (
    Scenario("flannel-vxlan"),
    Scenario("flannel-vxlan-services", services=True),
    Scenario("flannel-vxlan-services-legacy", services=True, backend="legacy"),
    Scenario("flannel-vxlan-hostport", services=True, host_ports=True, runtime_names=True),
    Scenario("flannel-vxlan-3", nodes=3, services=True, default_route=False),
    Scenario("flannel-dual-stack", families=(4, 6), services=True),
    Scenario("host-gw", overlay="host-gw", runtime_names=True),
    Scenario("host-gw-services", overlay="host-gw", services=True, default_route=False),
    Scenario("host-gw-services-no-hairpin", overlay="host-gw", services=True, hairpin=False),
    Scenario("bridge", overlay="bridge", nodes=1, services=True),
    Scenario("bridge-two", overlay="bridge", default_route=False, host_ports=True),
    Scenario("ptp", overlay="ptp"),
    Scenario("ptp-services", overlay="ptp", services=True, masquerade=False),
    Scenario("macvlan", overlay="macvlan"),
    Scenario("switched", overlay="switched", default_route=False),
    Scenario("switched-dual-stack", overlay="switched", nodes=3, families=(4, 6), default_route=False),
    Scenario("peer-pods", overlay="peer-pods"),
    Scenario("calico", overlay="calico"),
    Scenario("calico-services", overlay="calico", services=True),
    Scenario("ptp-policies", overlay="ptp", policies=True, masquerade=False),
    Scenario("calico-policies", overlay="calico", services=True, policies=True),
    Scenario("host-gw-policies", overlay="host-gw", services=True, policies=True),
    Scenario("flannel-dual-stack-policies", families=(4, 6), policies=True),
    Scenario("flannel-vxlan-nftables", services=True, proxy="nftables"),
    Scenario("ptp-nftables", overlay="ptp", services=True, masquerade=False, proxy="nftables"),
    Scenario("dual-stack-nftables", families=(4, 6), services=True, proxy="nftables"),
    Scenario("host-gw-dual-stack", overlay="host-gw", families=(4, 6), services=True),
    Scenario("ptp-dual-stack", overlay="ptp", families=(4, 6), services=True, masquerade=False),
    Scenario("bridge-dual-stack", overlay="bridge", nodes=1, families=(4, 6), services=True),
    Scenario("dual-stack-hostport", families=(4, 6), services=True, host_ports=True, nodes=3),
    Scenario("calico-dual-stack", overlay="calico", families=(4, 6), services=True),
    Scenario("ptp-hostport", overlay="ptp", services=True, host_ports=True),
    Scenario("host-gw-3", overlay="host-gw", nodes=3, services=True, hairpin=False, host_ports=True),
    Scenario("macvlan-services", overlay="macvlan", services=True),
    Scenario("nftables-hostport", services=True, host_ports=True, proxy="nftables"),
    Scenario("ptp-3-legacy", overlay="ptp", nodes=3, services=True, backend="legacy", host_ports=True, default_route=False),
    Scenario("calico-3-nftables", overlay="calico", nodes=3, services=True, proxy="nftables"),
    Scenario("calico-felix", overlay="calico", services=True, policies=True, enforcer="felix"),
    Scenario("calico-felix-nft", overlay="calico", services=True, policies=True, proxy="nftables", enforcer="felix-nft"),
    Scenario("canal", overlay="canal", policies=True, enforcer="felix"),
    Scenario("kube-router-policies", overlay="host-gw", services=True, policies=True, enforcer="kube-router"),
    Scenario("weave-policies", overlay="bridge", nodes=1, services=True, masquerade=False, policies=True, enforcer="weave"),
    Scenario("calico-felix-masquerade", overlay="calico", services=True, policies=True, enforcer="felix", masquerade_all=True),
    Scenario("canal-services", overlay="canal", services=True, policies=True, enforcer="felix", masquerade_all=True),
    Scenario(
        "felix-nft-masquerade",
        overlay="calico",
        services=True,
        policies=True,
        proxy="nftables",
        enforcer="felix-nft",
        masquerade_all=True,
    ),
    Scenario(
        "kube-router-masquerade", overlay="host-gw", services=True, policies=True, enforcer="kube-router", masquerade_all=True
    ),
    Scenario("canal-in-containers", overlay="canal", services=True, masquerade_all=True, containers=True),
    Scenario("romana", overlay="romana", services=True),
    Scenario("romana-policies", overlay="romana", services=True, masquerade=False, policies=True, enforcer="romana"),
    Scenario("romana-tenants", overlay="romana", nodes=3, masquerade=False, policies=True, enforcer="romana"),
    Scenario("terway", overlay="terway", services=True),
    Scenario("terway-felix", overlay="terway", services=True, policies=True, enforcer="felix"),
    Scenario("aws-vpc-cni", overlay="aws-vpc-cni", services=True),
    Scenario("azure", overlay="azure", services=True),
    Scenario("gke", overlay="gke", services=True),
    Scenario("calico-services-legacy", overlay="calico", services=True, backend="legacy", masquerade=False),
    Scenario("vxlan-crossed", families=(4, 6), services=True, crossed=True),
)

GUEST_SCENARIOS = (
    Scenario("vlan-uplink", services=True, backend="legacy", uplink="vlan", guest=True),
    Scenario("ipvs", overlay="host-gw", services=True, backend="legacy", proxy="ipvs"),
    *tunnelled.TRIED,
)
"""Networks of what most kernels have as modules, and small ones have not: they run in the guest kernel of guest.py, each in its tests too."""
MORE_IN_GUEST = (
    Scenario("ipvs-dual-stack", overlay="ptp", families=(4, 6), services=True, masquerade=False, backend="legacy", proxy="ipvs"),
    Scenario("host-gw-guest", overlay="host-gw", services=True, backend="legacy", guest=True),
    Scenario("bond-uplink", overlay="host-gw", backend="legacy", uplink="bond", guest=True),
    Scenario("bridge-uplink", backend="legacy", uplink="bridge", guest=True),
    Scenario("ipvlan", overlay="ipvlan", backend="legacy", guest=True),
    Scenario("ipvs-vxlan", services=True, backend="legacy", proxy="ipvs", hairpin=False),
    Scenario("ipvs-ptp", overlay="ptp", services=True, backend="legacy", proxy="ipvs"),
    Scenario("ipvs-calico", overlay="calico", services=True, backend="legacy", proxy="ipvs", nodes=3),
    Scenario("ipvs-vxlan-dual-stack", families=(4, 6), services=True, backend="legacy", proxy="ipvs"),
    Scenario("ipvs-masquerade", overlay="host-gw", services=True, backend="legacy", proxy="ipvs", masquerade_all=True),
    Scenario("ipvs-source-hashing", overlay="ptp", services=True, backend="legacy", proxy="ipvs", scheduler="sh"),
    Scenario("ipvs-policies", overlay="host-gw", services=True, backend="legacy", proxy="ipvs", policies=True),
    Scenario("wireguard", overlay="wireguard"),
    Scenario("wireguard-services", overlay="wireguard", nodes=3, services=True),
    *(one for one in tunnelled.SCENARIOS if one not in tunnelled.TRIED),
)
"""More of them, for ``--scenario``."""


def pods(scenario: Scenario, random: Random) -> list[Pod]:
    """The pods of a scenario: two to three on each node, one beside tunnels; a host port and a host-network pod where the scenario has them."""
    made = [
        Pod(f"{chr(97 + node)}{number}", f"node-{chr(97 + node)}", {"app": "web" if number < 3 else "db"})
        for node in range(scenario.nodes)
        for number in range(1, 2 if scenario.overlay in tunnelled.TUNNELLED else 4 if scenario.nodes < 3 else 3)
    ]
    if scenario.overlay == "peer-pods":
        made = made[:3]
    if scenario.host_ports:
        made[0].host_ports = ((8081, 8080, "TCP"), (5353, 9090, "UDP"))
    if scenario.services and random.random() < 0.3:
        made.append(Pod("host", "node-a", {"app": "agent"}, host_network=True))
    for number, pod in enumerate(made if scenario.policies else ()):
        pod.labels["pod"] = pod.name
        if scenario.enforcer == "romana":
            pod.labels[SEGMENT] = pod.labels["app"]
        pod.namespace = "other" if number % 2 and not scenario.services else "default"
    return made


def services(scenario: Scenario, pods: list[Pod], random: Random) -> list[Service]:
    """The services of a scenario: cluster, node port, local policies, affinity, one endpoint, none, load balancers' and external addresses."""
    if not scenario.services:
        return []
    made = [
        _service(scenario, "web", 50, "web", node_port=30080, protocols=("TCP", "UDP")),
        _service(scenario, "db", 51, "db", node_port=30081, external_policy="Local"),
        _service(scenario, "one", 52, "web", affinity=True),
        _service(scenario, "none", 53, "nobody", node_port=30083),
    ]
    made += [
        _service(scenario, "near", 55, "web", internal_policy="Local"),
        _service(scenario, "shown", 56, "web", external_addresses=("198.51.100.81",), balancer_addresses=("198.51.100.80",)),
        _service(
            scenario,
            "gated",
            57,
            "web",
            node_port=30087,
            external_policy=random.choice(("Cluster", "Local")),
            balancer_addresses=("198.51.100.82",),
            source_ranges=random.choice((("192.168.66.254/32", "10.244.0.0/24"), ("10.244.1.0/24", "198.51.100.82/32"))),
        ),
    ]
    if scenario.proxy == "ipvs":
        made.append(_service(scenario, "same", 58, "web", port=8080))
    if any(pod.host_network for pod in pods):
        made.append(_service(scenario, "agent", 54, "agent", node_port=30084))
    return made


def _service(scenario: Scenario, name: str, number: int, selector: str, **more: object) -> Service:
    addresses = {family: f"10.96.0.{number}" if family == 4 else f"fd00:10:96::{number}" for family in scenario.families}
    return Service(name, addresses, selector, **more)  # type: ignore[arg-type]


def scenario(name: str) -> Scenario:
    """The scenario of that name."""
    return next(one for one in (*SCENARIOS, *GUEST_SCENARIOS, *MORE_IN_GUEST) if one.name == name)
