"""Nodes with the namespaces of their pods, the networks that join the nodes, and between whom packets are lost: as a graph, and as a picture.

A namespace stands for its pods on a node. Of many nodes those where something is wrong are drawn first, and the others are counted. Manifests alone say nothing of
nodes: there the graph is of who may talk to whom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from analyzer.facts.links import Geneve, Tunnel, Vxlan, Wireguard
from analyzer.findings import Counterexample, Report
from analyzer.model.network import Attachment, Network
from analyzer.report.graphs import Edge, Graph, Node, Tone
from analyzer.source import Scope

if TYPE_CHECKING:
    from analyzer.query.connectivity.answer import Connectivity

MOST = 40
HOST = "host"


def topology(network: Network, report: Report) -> Graph:
    """The graph of nodes; without any, of who may talk to whom."""
    pods = pods_by_node(network)
    names = sorted({*pods, *(scope.node for scope in network.namespaces)})
    if not names:
        talk = flows(network)
        return of_flows(talk) if talk else Graph((), ())
    lost = list(losses(network, report))
    shown = [name for name in names if any(name in (one.node, other.node) for one, other, _ in lost)]
    shown = sorted([*shown, *(name for name in names if name not in shown)][:MOST])
    nodes = [item for name in shown for item in of_node(network, name, pods.get(name, {}))]
    rest = len(names) - len(shown)
    if rest:
        count = sum(sum(own.values()) for name, own in pods.items() if name not in shown)
        nodes.append(Node("more", f"{rest} more nodes with {count} pods", ""))
    known = {item.name for item in nodes}
    networks, wires = joined(network, known)
    edges = [Edge(name_of(one, network), name_of(other, network), text, Tone.BAD) for one, other, text in lost]
    kept = [edge for edge in dict.fromkeys(edges) if edge.source in known and edge.destination in known]
    return Graph((*nodes, *networks), (*wires, *kept))


def has_nodes(network: Network) -> bool:
    """Whether anything is known of nodes that can be drawn: what is on them, or their own state."""
    return bool(network.namespaces or pods_by_node(network))


def flows(network: Network) -> Connectivity | None:
    """Who may talk to whom; None where nobody is there."""
    from analyzer.query.connectivity.answer import connectivity
    from analyzer.query.policies import of_network

    known = of_network(network)
    return connectivity(known) if known.world.entities else None


def of_flows(found: Connectivity) -> Graph:
    """The same as a graph."""
    from analyzer.report.connectivity._graph import graph

    return graph(found)


def pods_by_node(network: Network) -> Mapping[str, Counter[str]]:
    """How many pods of each namespace each node has: captured ones by the folder's name of their node."""
    captured = {name: folder for folder, name in network.node_names.items()} | dict(network.node_names)
    found: dict[str, Counter[str]] = {}
    for pod in network.cluster.pods.values():
        if pod.node and not pod.finished:
            found.setdefault(captured.get(pod.node, pod.node), Counter())[pod.namespace] += 1
    for item in network.attachments:
        if item.pod is None or captured.get(item.pod.node, item.pod.node) != item.scope.node:
            found.setdefault(item.scope.node, Counter())[space_of(item)] += 1
    return found


def space_of(item: Attachment) -> str:
    """The Kubernetes namespace of a captured pod."""
    return item.pod.namespace if item.pod is not None else item.name.partition("/")[0]


def of_node(network: Network, name: str, pods: Mapping[str, int]) -> Iterator[Node]:
    """The host with its tunnels, and the namespaces."""
    own = network.namespaces.get(Scope(name))
    tunnels = (
        sorted(link.name for link in own.links.values() if isinstance(link.kind, Vxlan | Geneve | Tunnel | Wireguard))
        if own
        else []
    )
    said = f" ({', '.join(tunnels)})" if tunnels else ""
    yield Node(f"{name}/{HOST}", HOST + said, name)
    for space, count in sorted(pods.items()):
        yield Node(f"{name}/{space}/", f"{space}: {count} pod{'' if count == 1 else 's'}", name)


def joined(network: Network, known: Iterable[str]) -> tuple[list[Node], list[Edge]]:
    """The networks between nodes, and which nodes are in them."""
    nodes, edges = [], []
    hosts = set(known)
    for segment in network.segments:
        members = sorted({f"{item.scope.node}/{HOST}" for item in segment.members if not item.scope.namespace} & hosts)
        if len(members) > 1:
            name = f"network {segment.name}"
            nodes.append(Node(name, segment.name, ""))
            edges += [Edge(member, name, "", ahead=False) for member in members]
    return nodes, edges


def losses(network: Network, report: Report) -> Iterator[tuple[Scope, Scope, str]]:
    """Between which places a packet of the report is lost: where it starts, where it ends, and by which guarantee."""
    places = {str(scope): scope for scope in network.namespaces}
    for words, example in examples(report):
        ends = [places.get(hop.place) for hop in (example.hops[0], example.hops[-1])] if example.hops else [None]
        first, last = ends[0], ends[-1]
        if first is not None and last is not None:
            yield first, last, words


def examples(report: Report) -> Iterator[tuple[str, Counterexample]]:
    """The packets of the refuted guarantees and of causes."""
    for guarantee in report.guarantees:
        if guarantee.fails and guarantee.counterexample is not None:
            yield guarantee.id, guarantee.counterexample
    for cause in report.causes:
        if cause.counterexample is not None:
            yield ", ".join(cause.guarantees), cause.counterexample


def name_of(scope: Scope, network: Network) -> str:
    """The node of the graph that a network namespace is drawn as: the host, or the namespace of its pod."""
    for item in network.pods_of.get(scope.node, ()):
        if item.scope == scope:
            return f"{scope.node}/{space_of(item)}/"
    return f"{scope.node}/{HOST}"
