"""What OVN-Kubernetes wrote on nodes, held against the other nodes, the chassis of the southbound database and the captured nodes.

Each node has a chassis of its own (the ``system-id`` of its Open vSwitch), a number, and addresses in the join and transit networks that follow
from it (ovn-org/ovn-kubernetes go-controller/pkg/util/node_annotations.go, clustermanager/node/node_allocator.go).
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.facts.kubernetes import NodeFact
from analyzer.model.network import Namespace, Network
from analyzer.query.plan import captured_name
from analyzer.query.refusals import Refusal, network_in
from analyzer.query.state import roots
from analyzer.query.systems.flannel import place
from analyzer.query.systems.ovn_nodes import (
    CHASSIS,
    CIDRS,
    JOINED,
    MAC,
    MANAGEMENT,
    NUMBER,
    PRIMARY,
    TRANSIT,
    ZONE,
    Gateway,
    Told,
    annotated,
    by_family,
    document,
    gateway,
)

PORT = "ovn-k8s-mp0"
Claim = tuple[str, str, Told]
"""What may be of one node only: its kind in words, its value in one form, and how it is written."""


def refusals(network: Network) -> Iterator[Refusal]:
    """Annotations that are another node's, or not what the node has."""
    nodes = annotated(network)
    yield from shared(network, nodes)
    yield from zones(nodes)
    yield from chassis(network, nodes)
    captured = {root.scope.node: root for root in roots(network)}
    for node in nodes:
        yield from gateway_name(network, node)
        if (root := captured.get(captured_name(network, node.name))) is not None:
            yield from state(network, node, root)


def claims(network: Network, node: NodeFact) -> Iterator[Claim]:
    """What a node says to be its own."""
    for key, words in ((CHASSIS, "the chassis"), (NUMBER, "the number")):
        if text := node.annotations.get(key):
            yield words, text, Told(text, node.place("metadata", "annotations", key))
    for words, keys in (("the address", (PRIMARY,)), ("the join address", JOINED), ("the transit address", (TRANSIT,))):
        for told in by_family(network, node, *keys):
            if told.address is not None:
                yield words, str(told.address), told
    if (made := gateway(network, node)) is not None:
        yield from of_gateway(made)


def of_gateway(made: Gateway) -> Iterator[Claim]:
    """What a gateway says to be its own."""
    if made.mac is not None and MAC.fullmatch(made.mac.text):
        yield "the gateway's MAC address", made.mac.text.lower().replace("-", ":"), made.mac
    for told in made.addresses:
        if told.address is not None:
            yield "the gateway's address", str(told.address), told


def shared(network: Network, nodes: list[NodeFact]) -> Iterator[Refusal]:
    """What two nodes say to be their own."""
    first: dict[tuple[str, str], NodeFact] = {}
    for node in nodes:
        for words, value, told in claims(network, node):
            other = first.setdefault((words, value), node)
            if other is not node:
                yield Refusal(told.at, f"node {node.name} has {words} {value}, which is that of node {other.name}")


def zones(nodes: list[NodeFact]) -> Iterator[Refusal]:
    """A node in the zone of another: zones of single nodes are called as these are."""
    names = {node.name for node in nodes}
    for node in nodes:
        zone = node.annotations.get(ZONE, node.name)
        if zone != node.name and zone in names:
            at = node.place("metadata", "annotations", ZONE)
            yield Refusal(at, f"node {node.name} is in zone {zone}, which is the name of another node", certain=False)


def chassis(network: Network, nodes: list[NodeFact]) -> Iterator[Refusal]:
    """A chassis of another host, or none that the southbound database has (that of one zone may lack the chassis of others)."""
    known = {fact.name: fact for fact in network.chassis}
    for node in nodes:
        told = node.annotations.get(CHASSIS, "")
        fact = known.get(told)
        at = node.place("metadata", "annotations", CHASSIS)
        if told and known and fact is None:
            yield Refusal(at, f"node {node.name}: there is no chassis {told}", certain=False)
        elif fact is not None and fact.hostname and short(fact.hostname) != short(node.name):
            yield Refusal(at, f"node {node.name}: the chassis {told} is that of {fact.hostname}", certain=False)


def short(name: str) -> str:
    """A host's name without its domain."""
    return name.partition(".")[0].lower()


def gateway_name(network: Network, node: NodeFact) -> Iterator[Refusal]:
    """The gateway's interface is called after its bridge and node (``br-ex_n1``)."""
    made, names = gateway(network, node), [f"_{one.name}" for one in annotated(network) if one is not node]
    if made is not None and not made.interface.endswith(f"_{node.name}") and made.interface.endswith(tuple(names)):
        found = document(network, node, "k8s.ovn.org/l3-gateway-config")
        at = place(found[0], ("default", "interface-id"), found[1]) if found else node.at
        yield Refusal(at, f"node {node.name}: the gateway's interface {made.interface} is another node's", certain=False)


def state(network: Network, node: NodeFact, root: Namespace) -> Iterator[Refusal]:
    """What the captured node has another of."""
    if "ip-addr" in root.missing or not root.addresses:
        return
    own = {
        str(fact.address)
        for scope, space in network.namespaces.items()
        if scope.node == root.scope.node
        for fact in space.addresses
    }
    yield from addresses(network, node, own)
    made = gateway(network, node)
    for name, told in ((made.bridge if made else "", made.mac if made else None), (PORT, management(network, node))):
        link = root.links.get(name)
        if told is None or link is None or link.mac is None or not MAC.fullmatch(told.text):
            continue
        if link.mac != int(told.text.replace(":", "").replace("-", ""), 16):
            has = ":".join(f"{link.mac:012x}"[index : index + 2] for index in range(0, 12, 2))
            yield Refusal(
                told.at, f"node {node.name}: {name} has the MAC address {has}, and {told.text} is written: OVN answers with it"
            )


def addresses(network: Network, node: NodeFact, own: set[str]) -> Iterator[Refusal]:
    """Addresses that the captured node does not have."""
    told = list(by_family(network, node, PRIMARY))
    if (made := gateway(network, node)) is not None:
        told += made.addresses
    for item in told:
        if item.address is not None and str(item.address) not in own:
            yield Refusal(item.at, f"node {node.name} does not have the address {item.address} that is written of it")
    found = document(network, node, CIDRS)
    listed = found[0].value if found and isinstance(found[0].value, list) else []
    for index, text in enumerate(listed):
        if found and network_in(text) is not None and str(text).partition("/")[0] not in own:
            at = place(found[0], (index,), found[1])
            words = f"node {node.name} does not have the address {str(text).partition('/')[0]} of its host-cidrs"
            yield Refusal(at, words, certain=False)


def management(network: Network, node: NodeFact) -> Told | None:
    """The MAC of the management port: in newer versions that of the default network in an object."""
    newer, older = MANAGEMENT
    found = document(network, node, newer)
    text = found[0].value.get("default") if found and isinstance(found[0].value, dict) else None
    if found and isinstance(text, str):
        return Told(text, place(found[0], ("default",), found[1]))
    told = node.annotations.get(older)
    return Told(told, node.place("metadata", "annotations", older)) if told else None
