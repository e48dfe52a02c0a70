"""Clusters as the API server tells them, of any size, from a seed: nodes, namespaces, pods, services, endpoint slices and policies.

Everything is a stream: an object is made when it is written. Applications have replicas by a distribution with a long tail, labels as charts give
them, and names with the hashes of their templates; a small part of the objects has a fault (``Shape.faults``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from random import Random
from typing import Any, NamedTuple

Object = dict[str, Any]
PODS, SERVICES, NODES = IPv4Address("10.128.0.0"), IPv4Address("10.96.0.10"), IPv4Address("172.16.0.10")
COMPONENTS, TEAMS, STAGES = ("web", "api", "worker", "cache", "db", "queue"), 24, ("prod", "prod", "stage", "dev")
PORTS = {"web": ("http", 8080), "api": ("grpc", 9090), "worker": ("metrics", 9100), "cache": ("redis", 6379)}
PORTS |= {"db": ("sql", 5432), "queue": ("amqp", 5672)}
ZONES, SLICE = ("a", "b", "c"), 100
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a cluster is. ``faults``: the part of the services, policies and slices, and a tenth of it of nodes and pods, that has a fault."""

    nodes: int = 100
    pods: int = 3_000
    services: int = 200
    policies: int = 200
    seed: int = 0
    faults: float = 0.02

    @property
    def applications(self) -> int:
        """How many applications share the pods: one for each service at least, as far as the pods go."""
        return max(1, min(self.pods, max(self.services, self.pods // 8)))

    @property
    def namespaces(self) -> int:
        """How many namespaces the applications are in."""
        return max(1, self.applications // 5)

    @property
    def bits(self) -> int:
        """How many bits of an address are a node's own."""
        return max(8, (self.pods // self.nodes + 8).bit_length())

    def faulty(self, kind: str, number: int, part: float = 1.0) -> bool:
        """Whether an object has a fault."""
        return Random(f"{self.seed}/{kind}/{number}").random() < self.faults * part


class Application(NamedTuple):
    """Pods of one template: its number, how many pods it has, and the number of its first one."""

    number: int
    replicas: int
    first: int

    @property
    def component(self) -> str:
        """What kind of program it is."""
        return COMPONENTS[self.number % len(COMPONENTS)]

    @property
    def name(self) -> str:
        """Its name."""
        return f"{self.component}-{self.number}"

    def namespace(self, shape: Shape) -> str:
        """The name of its namespace."""
        return f"team-{self.number % shape.namespaces}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        labels = {"app.kubernetes.io/name": self.component, "app.kubernetes.io/instance": self.name}
        return {**labels, "app.kubernetes.io/version": f"1.{self.number % 7}.0", "pod-template-hash": hashed(self.number, 10)}


def hashed(number: int, length: int) -> str:
    """Letters that look like the hash of a template."""
    text, value = "", number * 2_654_435_761 + 12_345
    for _ in range(length):
        value = (value * 1_103_515_245 + 12_345) & (1 << 48) - 1
        text += LETTERS[(value >> 20) % len(LETTERS)]
    return text


def applications(shape: Shape) -> Iterator[Application]:
    """The applications in the order of their pods: most are small, few have hundreds of replicas; together they have all the pods."""
    random, first = Random(f"{shape.seed}/replicas"), 0
    for number in range(shape.applications):
        left, others = shape.pods - first, shape.applications - number - 1
        wanted = round(random.lognormvariate(0, 1.1) * left / (others + 1) / 1.8)
        replicas = max(1, min(wanted, left - others)) if others else left
        yield Application(number, replicas, first)
        first += replicas


def head(version: str, kind: str, name: str, space: str = "", labels: dict[str, str] | None = None) -> Object:
    """The beginning of an object."""
    metadata: Object = {"name": name, **({"namespace": space} if space else {}), **({"labels": labels} if labels else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def node_name(number: int) -> str:
    """A node's name."""
    return f"node-{number:05d}"


def nodes(shape: Shape) -> Iterator[Object]:
    """The nodes; one with a fault has the pods' network of its neighbour."""
    for number in range(shape.nodes):
        labels = {"kubernetes.io/hostname": node_name(number), "topology.kubernetes.io/zone": ZONES[number % len(ZONES)]}
        found = head("v1", "Node", node_name(number), labels={"kubernetes.io/os": "linux", **labels})
        own = number - 1 if number and shape.faulty("node", number, 0.1) else number
        network = f"{PODS + (own << shape.bits)}/{32 - shape.bits}"
        found["spec"] = {"podCIDR": network, "podCIDRs": [network]}
        found["status"] = {"addresses": [{"type": "InternalIP", "address": str(NODES + number)}]}
        yield found


def namespaces(shape: Shape) -> Iterator[Object]:
    """The namespaces, with the team and stage that they belong to."""
    for number in range(shape.namespaces):
        labels = {
            "kubernetes.io/metadata.name": f"team-{number}",
            "team": f"t{number % TEAMS}",
            "stage": STAGES[number % len(STAGES)],
        }
        yield head("v1", "Namespace", f"team-{number}", labels=labels)


def pod_address(shape: Shape, number: int) -> str:
    """A pod's address: of its node's network."""
    return str(PODS + (number % shape.nodes << shape.bits) + number // shape.nodes + 2)


def pods(shape: Shape) -> Iterator[Object]:
    """The pods, application by application; one with a fault has the address of another."""
    for application in applications(shape):
        labels, space = application.labels, application.namespace(shape)
        owner = f"{application.name}-{labels['pod-template-hash']}"
        port, number = PORTS[application.component]
        container: Object = {"name": "main", "image": f"registry.example.org/{application.component}:{application.number % 7}"}
        container |= {"ports": [{"name": port, "containerPort": number, "protocol": "TCP"}]}
        for place in range(application.first, application.first + application.replicas):
            found = head("v1", "Pod", f"{owner}-{hashed(place, 5)}", space, labels)
            found["metadata"]["ownerReferences"] = [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "controller": True}
            ]
            found["spec"] = {
                "nodeName": node_name(place % shape.nodes),
                "serviceAccountName": application.name,
                "containers": [container],
            }
            found["status"] = pod_status(shape, place)
            yield found


def pod_status(shape: Shape, place: int) -> Object:
    """A running pod's status."""
    other = place - shape.nodes if place >= shape.nodes and shape.faulty("pod", place, 0.1) else place
    address, host = pod_address(shape, other), str(NODES + place % shape.nodes)
    ready = [{"type": "Ready", "status": "True"}]
    return {"phase": "Running", "hostIP": host, "podIP": address, "podIPs": [{"ip": address}], "conditions": ready}


def services(shape: Shape) -> Iterator[Object]:
    """A service for each of the first applications; one with a fault selects no pod or leads to a port that is not there."""
    for application in applications(shape):
        number = application.number
        if number >= shape.services:
            return
        port, target = PORTS[application.component]
        selector = {"app.kubernetes.io/instance": application.name}
        ports: list[Object] = [{"name": port, "protocol": "TCP", "port": target, "targetPort": port}]
        if shape.faulty("service", number) and number % 2:
            selector = {"app.kubernetes.io/instance": f"{application.name}x"}
        elif shape.faulty("service", number):
            ports = [{**ports[0], "targetPort": f"{port}x"}]
        found = head(
            "v1", "Service", application.name, application.namespace(shape), {"app.kubernetes.io/name": application.component}
        )
        address = "None" if number % 10 == 9 else str(SERVICES + number)
        kind = "NodePort" if number % 40 == 7 else "ClusterIP"
        ports = [{**ports[0], "nodePort": 30_000 + number // 40 % 2_767}] if kind == "NodePort" else ports
        found["spec"] = {"type": kind, "clusterIP": address, "clusterIPs": [address], "selector": selector, "ports": ports}
        yield found


def slices(shape: Shape) -> Iterator[Object]:
    """The endpoint slices of the services, a hundred endpoints each; one with a fault still has the address of a pod that is gone."""
    for application in applications(shape):
        if application.number >= shape.services:
            return
        port, target = PORTS[application.component]
        for part in range(0, application.replicas, SLICE):
            places = range(application.first + part, application.first + min(part + SLICE, application.replicas))
            nobody = application.number % 2 and shape.faulty("service", application.number)
            endpoints = [] if nobody else [endpoint(shape, application, place) for place in places]
            if endpoints and shape.faulty("slice", application.number):
                endpoints[-1]["addresses"] = [str(PODS + (1 << 22) + application.number)]
            labels = {"kubernetes.io/service-name": application.name}
            name = f"{application.name}-{hashed(part + 1, 5)}"
            found = head("discovery.k8s.io/v1", "EndpointSlice", name, application.namespace(shape), labels)
            yield {
                **found,
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [{"name": port, "port": target, "protocol": "TCP"}],
            }


def endpoint(shape: Shape, application: Application, place: int) -> Object:
    """A pod as an endpoint."""
    name = f"{application.name}-{hashed(application.number, 10)}-{hashed(place, 5)}"
    target = {"kind": "Pod", "name": name, "namespace": application.namespace(shape)}
    ready = {"ready": True, "serving": True, "terminating": False}
    return {
        "addresses": [pod_address(shape, place)],
        "conditions": ready,
        "nodeName": node_name(place % shape.nodes),
        "targetRef": target,
    }


def policies(shape: Shape) -> Iterator[Object]:
    """The policies: a tenth deny by default, the rest are about one application each; one with a fault selects nobody or has an exception outside its block."""
    for number in range(shape.policies):
        random = Random(f"{shape.seed}/policy/{number}")
        application = random.randrange(shape.applications)
        about = Application(application, 0, 0)
        found = head("networking.k8s.io/v1", "NetworkPolicy", f"policy-{number}", about.namespace(shape))
        if random.random() < 0.1:
            found["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"]}
        else:
            found["spec"] = rules(shape, random, about, shape.faulty("policy", number))
        yield found


def rules(shape: Shape, random: Random, about: Application, faulty: bool) -> Object:
    """What is let in to an application, and for a third of them what it may reach: names, and a block of addresses."""
    name = f"{about.name}-typo" if faulty and about.number % 2 else about.name
    port, _ = PORTS[about.component]
    peers = [peer(shape, random, about) for _ in range(random.choice((1, 1, 2)))]
    spec: Object = {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": name}}, "policyTypes": ["Ingress"]}
    spec["ingress"] = [{"from": peers, "ports": [{"protocol": "TCP", "port": port}]}]
    if random.random() < 0.33:
        first = random.randrange(1, 200)
        outside = f"{first + 1 if faulty else first}.20.0.0/16"
        dns = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
        spec["policyTypes"] = ["Ingress", "Egress"]
        spec["egress"] = [dns, {"to": [{"ipBlock": {"cidr": f"{first}.0.0.0/8", "except": [outside]}}], "ports": [{"port": 443}]}]
    return spec


def peer(shape: Shape, random: Random, about: Application) -> Object:
    """Who is let in: an application of the namespace, a component of a team's namespaces, all of a namespace, or the own namespace."""
    near = Application((about.number + shape.namespaces * random.randrange(1, 5)) % shape.applications, 0, 0)
    component = {"matchLabels": {"app.kubernetes.io/name": random.choice(COMPONENTS)}}
    team = {"matchLabels": {"team": f"t{random.randrange(TEAMS)}"}}
    other = {"matchLabels": {"kubernetes.io/metadata.name": f"team-{random.randrange(shape.namespaces)}"}}
    return random.choice(
        (
            {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": near.name}}},
            {"podSelector": component},
            {"namespaceSelector": team, "podSelector": component},
            {"namespaceSelector": other},
            {"podSelector": {}},
        )
    )
