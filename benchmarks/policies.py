"""Clusters with policies, of any size, from a seed: the same objects each time.

``python -m benchmarks.policies M`` measures compiling the policies of a size; ``--write FILE`` writes its objects as YAML, one by one.
Sizes: S 1,000 pods in 50 namespaces with 200 policies, M 10,000 in 500 with 2,000, L 100,000 in 2,000 with 10,000; a fifth of the rules name a
block with exceptions. ``--admin N`` adds N AdminNetworkPolicy objects on top.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from analyzer.facts.kubernetes import NodeFact, OtherObjectFact, PodFact
from analyzer.model.cluster import Cluster, Range
from analyzer.parsers.kubernetes import objects as read
from analyzer.source import Source, Span

Object = dict[str, Any]
NODES, TEAMS, TIERS, STAGES = 100, 12, ("web", "api", "db", "cache"), ("prod", "stage", "dev")
PORTS = (53, 80, 443, 3000, 3306, 5432, 5671, 6379, 8080, 8443, 9090, 9092, 9200, 11211, 27017)
NAMES = (("http", 8080), ("metrics", 9090), ("sql", 5432))


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a cluster is."""

    pods: int = 1_000
    namespaces: int = 50
    policies: int = 200
    admin: int = 0
    seed: int = 0

    @property
    def applications(self) -> int:
        """How many different pods a namespace has."""
        return max(1, min(5, self.pods // self.namespaces))

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that policies mention: more of them in larger clusters."""
        return PORTS + tuple(range(10_000, 10_000 + min(160, self.policies // 20)))


SIZES = {"S": Shape(), "M": Shape(10_000, 500, 2_000), "L": Shape(100_000, 2_000, 10_000)}


def objects(shape: Shape) -> Iterator[Object]:
    """Every object: nodes, namespaces, pods, then policies."""
    yield from (node(number) for number in range(NODES))
    yield from (namespace(number) for number in range(shape.namespaces))
    yield from (pod(shape, number) for number in range(shape.pods))
    random = Random(shape.seed)
    yield from (policy(shape, random, number) for number in range(shape.policies))
    yield from (admin_policy(shape, random, number) for number in range(shape.admin))


def head(version: str, kind: str, name: str, space: str = "", labels: dict[str, str] | None = None) -> Object:
    """The beginning of an object."""
    metadata: Object = {"name": name}
    if space:
        metadata["namespace"] = space
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def node(number: int) -> Object:
    """A node with its part of the pods' network."""
    found = head("v1", "Node", f"node{number}")
    found["spec"] = {"podCIDR": f"{network(number * 1024)}/22", "podCIDRs": [f"{network(number * 1024)}/22"]}
    found["status"] = {"addresses": [{"type": "InternalIP", "address": f"192.168.0.{number + 1}"}]}
    return found


def network(offset: int) -> str:
    """An address of the pods' network."""
    return f"10.{64 + (offset >> 16)}.{offset >> 8 & 255}.{offset & 255}"


def namespace(number: int) -> Object:
    """A namespace."""
    return head("v1", "Namespace", f"ns{number}", labels={"team": f"team{number % TEAMS}", "stage": STAGES[number % len(STAGES)]})


def pod_labels(application: int) -> dict[str, str]:
    """The labels of a namespace's pods."""
    return {"app": f"app{application}", "tier": TIERS[application % len(TIERS)]}


def pod(shape: Shape, number: int) -> Object:
    """A pod with an address."""
    space, index = number % shape.namespaces, number // shape.namespaces
    application = index % shape.applications
    found = head("v1", "Pod", f"app{application}-{index}", f"ns{space}", pod_labels(application))
    ports = [{"name": name, "containerPort": port} for name, port in NAMES[: 1 + application % len(NAMES)]]
    found["spec"] = {"nodeName": f"node{number % NODES}", "containers": [{"name": "main", "image": "main", "ports": ports}]}
    address = network(number % NODES * 1024 + number // NODES + 2)
    found["status"] = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    return found


def policy(shape: Shape, random: Random, number: int) -> Object:
    """A NetworkPolicy: a tenth deny by default, the rest select one application and have one to three rules."""
    found = head("networking.k8s.io/v1", "NetworkPolicy", f"policy{number}", f"ns{number % shape.namespaces}")
    if random.random() < 0.1:
        found["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"]}
        return found
    spec: Object = {"podSelector": {"matchLabels": {"app": f"app{random.randrange(shape.applications)}"}}}
    directions = random.choice((("Ingress",), ("Ingress",), ("Egress",), ("Ingress", "Egress")))
    spec["policyTypes"] = list(directions)
    for direction in directions:
        spec[direction.lower()] = [rule(shape, random, direction) for _ in range(random.choice((1, 1, 2, 3)))]
    found["spec"] = spec
    return found


def rule(shape: Shape, random: Random, direction: str) -> Object:
    """A rule: one or two peers and up to three ports; a fifth of the rules name a block with exceptions."""
    peers = [block(random)] if random.random() < 0.2 else [peer(shape, random) for _ in range(random.choice((1, 1, 2)))]
    found: Object = {"from" if direction == "Ingress" else "to": peers}
    if ports := [port(shape, random) for _ in range(random.randrange(4))]:
        found["ports"] = ports
    return found


def block(random: Random) -> Object:
    """A block of addresses, with exceptions."""
    first, second = random.randrange(1, 200), random.randrange(256)
    return {
        "ipBlock": {
            "cidr": f"{first}.{second}.0.0/16",
            "except": [f"{first}.{second}.{random.randrange(256)}.0/24" for _ in range(2)],
        }
    }


def peer(shape: Shape, random: Random) -> Object:
    """Pods of the own namespace, of a team's, of a namespace by name, or all pods of a team."""
    application = random.randrange(shape.applications)
    pods = {"matchLabels": {"app": f"app{application}"}}
    team = {"matchLabels": {"team": f"team{random.randrange(TEAMS)}"}}
    name = {"matchLabels": {"kubernetes.io/metadata.name": f"ns{random.randrange(shape.namespaces)}"}}
    tiers = {"matchExpressions": [{"key": "tier", "operator": "In", "values": random.sample(TIERS, 2)}]}
    others = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": [f"app{application}"]}]}
    return random.choice(
        (
            {"podSelector": pods},
            {"namespaceSelector": team, "podSelector": tiers},
            {"namespaceSelector": name, "podSelector": pods},
            {"namespaceSelector": name},
            {"namespaceSelector": team},
            {"podSelector": others},
        )
    )


def port(shape: Shape, random: Random) -> Object:
    """A port by number, by name, or a range."""
    chosen = random.random()
    if chosen < 0.1:
        return {"port": random.choice(NAMES)[0], "protocol": "TCP"}
    number = random.choice(shape.ports)
    if chosen < 0.15:
        return {"port": number, "endPort": number + 100, "protocol": "TCP"}
    return {"port": number, "protocol": "UDP" if number == 53 else "TCP"}


def admin_policy(shape: Shape, random: Random, number: int) -> Object:
    """An AdminNetworkPolicy over the namespaces of a team."""
    found = head("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", f"admin{number}")
    team = {"matchLabels": {"team": f"team{random.randrange(TEAMS)}"}}
    rules = [
        {
            "action": random.choice(("Allow", "Deny", "Pass")),
            "from": [{"namespaces": {"matchLabels": {"team": f"team{random.randrange(TEAMS)}"}}}],
            "ports": [{"portNumber": {"protocol": "TCP", "port": random.choice(shape.ports)}}],
        }
        for _ in range(2)
    ]
    found["spec"] = {"priority": number % 1000, "subject": {"namespaces": team}, "ingress": rules}
    return found


def cluster(shape: Shape, path: str = "cluster.yaml") -> Cluster:
    """The cluster, as reading its text would give it; each object stands for a line of ``path``."""
    source, nodes, pods, others, ranges = Source(path, ""), {}, {}, [], []
    for line, item in enumerate(objects(shape), 1):
        for fact in read(source, item, {(): Span(path, line)}):
            if isinstance(fact, PodFact):
                pods[fact.namespace, fact.name] = fact
            elif isinstance(fact, NodeFact):
                nodes[fact.name] = fact
                ranges += [Range("pod", item, fact.at, f"Node {fact.name} spec.podCIDRs") for item in fact.pod_cidrs]
            elif isinstance(fact, OtherObjectFact):
                others.append(fact)
    known = frozenset({"Node", "Pod", *(item.kind for item in others)})
    return Cluster(nodes, dict(sorted(pods.items())), others=tuple(others), ranges=tuple(ranges), known=known)


def text(shape: Shape) -> Iterator[str]:
    """The objects as YAML, document by document, in the manner of kubectl."""
    for item in objects(shape):
        yield "---\n" + "\n".join(lines(item, 0)) + "\n"


def lines(value: Object, depth: int) -> Iterator[str]:
    """An object as block YAML; all texts are plain."""
    for key, item in value.items():
        yield from entry("  " * depth + f"{key}:", item, depth)


def entry(start: str, item: Any, depth: int) -> Iterator[str]:
    """A key with its value."""
    if isinstance(item, dict) and item:
        yield start
        yield from lines(item, depth + 1)
    elif isinstance(item, list):
        yield start
        for one in item:
            first, *rest = lines(one, depth + 1) if isinstance(one, dict) else ["  " * (depth + 1) + str(one)]
            yield "  " * depth + "- " + first.lstrip()
            yield from rest
    else:
        yield f"{start} {'{}' if item == {} else item}"


def timed(what: str, work: Callable[[], Any]) -> Any:
    """The result; prints how long it took, and the largest resident size so far."""
    started = time.perf_counter()
    found = work()
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {time.perf_counter() - started:.3f} s, {largest:.0f} MB")
    return found


def main() -> None:
    """Writes a cluster, or measures compiling it."""
    from analyzer.memory import without_cycles
    from analyzer.query.policies import policies

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=sorted(SIZES))
    parser.add_argument("--admin", type=int, default=0)
    parser.add_argument("--write", metavar="FILE")
    options = parser.parse_args()
    shape = SIZES[options.size]
    shape = Shape(shape.pods, shape.namespaces, shape.policies, options.admin, shape.seed)
    if options.write:
        with sys.stdout if options.write == "-" else open(options.write, "w", encoding="utf-8") as file:
            file.writelines(text(shape))
        return
    with without_cycles():
        made = timed("objects", lambda: cluster(shape))
        loaded = timed("policies read", lambda: policies(made))
        found = timed("factors", lambda: loaded.factors(4))
    cells = sum(len(group) for factor in (found.egress, found.ingress) for group in factor.cells)
    print(f"{len(found.universe.classes):,} classes, {found.atoms.all.bit_length():,} boxes of flows, {cells:,} cells")


if __name__ == "__main__":
    main()
