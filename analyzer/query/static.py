"""Guarantees that need no packet: addresses and networks are unique, containers of a pod share its ports without a clash."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, combinations

from analyzer.addresses import Address, Prefix, host_prefix, overlapping
from analyzer.findings import Guarantee, Verdict
from analyzer.model.attachments import may_be_redirected
from analyzer.model.network import Attachment, Namespace, Network
from analyzer.query.causes import Breach, Broken, breach_of
from analyzer.query.networks_of_nodes import covering, indexed, of_nodes
from analyzer.query.plan import address_place, captured_name, on_link, ranges, running_pods
from analyzer.query.policies import of_network
from analyzer.query.state import ContainerPort, PodFact, pods_by_name, roots
from analyzer.query.told_ends import annotated
from analyzer.solve.packet import PROTOCOL_NAMES
from analyzer.source import Scope, Span

Answer = tuple[Guarantee, tuple[Breach, ...]]
Place = Callable[[], Span | None]


def verdict(identifier: str, scope: str, broken: list[Broken], checked: int, doubts: Iterable[str] = ()) -> Answer:
    """Refuted with the first broken pair's words; undecided where something was not captured; else proved."""
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        refuted = Guarantee(identifier, Verdict.REFUTED, scope, broken[0].reason + more, broken=len(broken), checked=checked)
        return refuted, tuple(map(breach_of, broken))
    doubt = next(iter(doubts), "")
    return Guarantee(identifier, Verdict.UNDECIDED if doubt else Verdict.PROVED, scope, doubt, checked=checked), ()


def unread(network: Network) -> Iterator[str]:
    """Documents with objects that could not be read: more pods, nodes or services may be there."""
    for gap in network.gaps:
        if gap.lost and gap.subject == "kubernetes":
            yield f"{gap.at} could not be read, and may have other objects; among those that were it holds"


def inapplicable(identifier: str, reason: str) -> Answer:
    """Nothing of the kind is in the capture."""
    return Guarantee(identifier, Verdict.NOT_APPLICABLE, "", reason), ()


def unique_pod_addresses(network: Network) -> Answer:
    """No address belongs to two pods, or to a pod and a node."""
    holders: dict[Address, dict[str, Place]] = {}
    for name, address, at in holdings(network):
        holders.setdefault(address, {}).setdefault(name, at)
    count = len({name for found in holders.values() for name in found if not name.startswith("node:")})
    if not count:
        return inapplicable("unique-pod-addresses", "no pod is in the capture")
    broken = []
    for address, found in sorted((address, found) for address, found in holders.items() if len(found) > 1):
        for (one, _), (other, at) in combinations(found.items(), 2):
            if not (one.startswith("node:") and other.startswith("node:")):
                broken.append(Broken("unique-pod-addresses", one, other, f"{address} belongs to {one} and to {other}", at()))
    doubts = chain(lost_pods(network), (why for _, _, why in elsewhere(network)), unread(network))
    return verdict("unique-pod-addresses", counted(count, "pod"), broken, count, doubts)


def holdings(network: Network) -> Iterator[tuple[str, Address, Place]]:
    """Who has which address, and what says its place: nodes by their interfaces, pods by their objects and namespaces."""
    for root in roots(network):
        for fact in root.addresses:
            if fact.device != "lo" and fact.scope_name not in ("host", "link"):
                yield f"node:{root.scope.node}", fact.address, partial(getattr, fact, "at")
    for end in annotated(network):
        for address in end.inner:
            yield f"node:{end.node}", address, partial(getattr, end, "at")
    for pod in running_pods(network):
        for position, address in enumerate(pod.addresses):
            yield f"{pod.namespace}/{pod.name}", address, partial(address_place, pod, position)
    doubted = {(name, address) for name, address, _ in elsewhere(network)}
    for item in network.attachments:
        for address in item.addresses if item.scope.namespace and item.pod is None else ():
            if (item.name, address) not in doubted:
                yield item.name, address, partial(place_of, network, item.scope, address)


def elsewhere(network: Network) -> Iterator[tuple[str, Address, str]]:
    """Namespaces of no Pod object that have a pod's address: tc may lead what comes for it to where the pod is, as in front of the machines of peer pods."""
    pods = {address for pod in running_pods(network) for address in pod.addresses}
    doubts: dict[Address, str] = {}
    for item in network.attachments:
        for address, why in arrivals(network, item, pods) if item.pod is not None else ():
            doubts.setdefault(address, why)
    for item in network.attachments:
        for address, why in arrivals(network, item, pods) if item.pod is None else ():
            if why or doubts.get(address):
                yield item.name, address, why or doubts[address]


def arrivals(network: Network, item: Attachment, wanted: Container[Address]) -> Iterator[tuple[Address, str]]:
    """The wanted addresses of a pod's namespace, and why what comes for each may be led elsewhere."""
    space = network.namespaces.get(item.scope)
    if space is not None and item.scope.namespace:
        yield from ((one.address, not_known_to_arrive(space, one.device)) for one in space.addresses if one.address in wanted)


def not_known_to_arrive(space: Namespace, device: str) -> str:
    """Why tc may take what comes in on a device elsewhere; empty where that is known."""
    return may_be_redirected(space, device)


def place_of(network: Network, scope: Scope, address: Address) -> Span | None:
    """Where a namespace's address is listed."""
    space = network.namespaces.get(scope)
    return next((fact.at for fact in space.addresses if fact.address == address), None) if space else None


def lost_pods(network: Network) -> Iterator[str]:
    """Reasons why addresses of pods may be unknown."""
    if "Pod" not in network.cluster.known:
        for gap in network.gaps:
            if gap.subject == "ip-addr":
                yield f"{gap.at}: {gap.reason}"
        for scope, space in sorted(network.namespaces.items()):
            if scope.namespace and "ip-addr" in space.missing:
                yield f"the addresses of {scope} are not known: {space.missing['ip-addr']}"


def unique_pod_cidrs(network: Network) -> Answer:
    """The networks of pods, services, nodes and other local networks do not overlap."""
    stated = pod_networks(network)
    services = [
        (item.prefix, f"the services' network {item.prefix} ({item.said_by})", item.at) for item in ranges(network, "service")
    ]
    if not stated:
        return inapplicable("unique-pod-cidrs", "no pod network is stated in the capture")
    broken = [
        Broken(
            "unique-pod-cidrs",
            stated[one][1],
            stated[other][1],
            f"{stated[one][1]} overlaps {stated[other][1]}",
            stated[other][2],
        )
        for one, other in overlapping([prefix for prefix, _, _ in stated])
    ]
    wide = [(item.prefix, f"the pods' network {item.prefix} ({item.said_by})", item.at) for item in ranges(network, "pod")]
    every = [prefix for prefix, _, _ in (*services, *wide)]
    for first, second in overlapping(every) if services and wide else ():
        if first < len(services) <= second:
            (_, one, at), (_, other, _) = services[first], wide[second - len(services)]
            broken.append(Broken("unique-pod-cidrs", one, other, f"{other} overlaps {one}", at))
    broken += [*foreign(network), *nodes_inside(network)]
    count = len(stated) + len(services)
    return verdict(
        "unique-pod-cidrs", counted(len(stated), "pod network"), broken, count, chain(contradicted(network), unread(network))
    )


def contradicted(network: Network) -> Iterator[str]:
    """Why the networks that nodes are on may be those of others: their addresses are not those of their routes."""
    for root in roots(network):
        if of_another(root):
            yield f"the addresses of {root.scope} may be another's: {root.missing['ip-addr']}"


def of_another(root: Namespace) -> bool:
    """Whether addresses were captured, all of whose lines were understood, and yet are not known: routes contradict them."""
    return bool(root.addresses) and "ip-addr" in root.missing and not root.gaps.get("ip-addr")


def nodes_inside(network: Network) -> Iterator[Broken]:
    """Nodes whose own addresses lie in a node's pod network."""
    networks = indexed(of_nodes(network, blocks=False))
    for _, node in sorted(network.cluster.nodes.items()):
        for kind, address in node.addresses:
            for item in covering(networks, host_prefix(address)):
                name = f"{item.prefix} of node {item.node}"
                text = f"{address}, the {kind} of node {node.name}, lies in the pod network {name}"
                yield Broken("unique-pod-cidrs", f"node {node.name}", name, text, node.place("status", "addresses"))


def pod_networks(network: Network) -> list[tuple[Prefix, str, Span]]:
    """Each node's pod networks."""
    return [
        (cidr, f"{cidr} of node {node.name}", node.place("spec", "podCIDRs", position))
        for _, node in sorted(network.cluster.nodes.items())
        for position, cidr in enumerate(node.pod_cidrs)
    ]


def foreign(network: Network) -> Iterator[Broken]:
    """Networks that nodes are on by interfaces that have no part in the pods' network, and that overlap the pods' or the services'."""
    own = {captured_name(network, node.name): node.pod_cidrs for node in network.cluster.nodes.values()}
    cluster = [*ranges(network, "pod"), *ranges(network, "service")]
    doubtful = {root.scope for root in roots(network) if of_another(root)}
    for item in on_link(network):
        if item.interface.scope in doubtful:
            continue
        inside = any(cidr.covers(item.address) for cidr in own.get(item.interface.scope.node, ()))
        if not inside and not any(
            one.prefix.covers(item.prefix) for one in cluster if one.purpose == "pod" and not own.get(item.interface.scope.node)
        ):
            for one in cluster:
                if one.prefix.overlaps(item.prefix):
                    text = f"{item.prefix} on {item.interface} overlaps the {one.purpose} network {one.prefix} ({one.said_by})"
                    yield Broken("unique-pod-cidrs", str(item.interface), f"{one.purpose} network {one.prefix}", text, item.at)


def container_to_container(network: Network) -> Answer:
    """Containers that share a network namespace do not declare one port twice."""
    spaces: dict[str, list[tuple[PodFact, ContainerPort]]] = {}
    for pod in pods_by_name(network):
        if not pod.finished:
            space = f"node {pod.node}" if pod.host_network and pod.node else f"{pod.namespace}/{pod.name}"
            spaces.setdefault(space, []).extend((pod, port) for port in pod.ports)
    if not spaces:
        return inapplicable("container-to-container", "no Pod object is in the capture")
    broken = []
    for space, ports in spaces.items():
        wanted: dict[tuple[int, int], str] = {}
        for pod, port in ports if len(ports) > 1 else ():
            other = f"{pod.namespace}/{pod.name} {port.container}"
            one = wanted.setdefault((port.protocol, port.port), other)
            if one != other:
                text = (
                    f"{one} and {other} both want port {port.port}/{PROTOCOL_NAMES.get(port.protocol, port.protocol)} of {space}"
                )
                broken.append(Broken("container-to-container", one, other, text, port.at))
    scope = f"{counted(len(spaces), 'pod')}, by the ports that they declare"
    return verdict("container-to-container", scope, broken, len(spaces), unread(network))


def counted(number: int, word: str) -> str:
    """A number with its word."""
    return f"{number} {word}{'' if number == 1 else 's'}"


STATIC: Mapping[str, Callable[[Network], Answer]] = {
    "unique-pod-addresses": unique_pod_addresses,
    "unique-pod-cidrs": unique_pod_cidrs,
    "container-to-container": container_to_container,
}
ORDER = (
    *("pod-to-pod", "pod-to-pod-without-nat", "node-to-pod", "node-to-pod-without-nat", "pod-to-node-without-nat"),
    *("pod-sees-its-own-address", "unique-pod-addresses", "unique-pod-cidrs", "pod-to-service", "outside-to-service"),
    *("container-to-container", "policy-enforced"),
)
OUTSIDE, ENFORCED = "outside-to-service", "policy-enforced"
NO_POLICY = "no policy is in the capture"
NO_GATE = "no service with a node port or an address for the world outside is in the capture"
# Who the flows of a guarantee are between, in words.
FLOWS = {
    "pod-to-pod": "pods",
    "pod-to-pod-without-nat": "pods",
    "node-to-pod": "nodes to pods",
    "node-to-pod-without-nat": "nodes to pods",
    "pod-to-node-without-nat": "pods to nodes",
    "pod-sees-its-own-address": "pods",
    "pod-to-service": "services",
    ENFORCED: "pods that policies select",
}


def nobody(identifier: str) -> Answer:
    """There are no flows of the kind."""
    return inapplicable(identifier, f"no {FLOWS[identifier]} to try are in the capture")


def without_state(network: Network) -> tuple[Answer, ...]:
    """The verdicts where no node was captured, in the order of the contract: what manifests decide, and no flows. The same as ``guarantees.decide``,
    without what packets need."""
    return tuple(stateless(network, identifier) for identifier in ORDER)


def stateless(network: Network, identifier: str) -> Answer:
    """One verdict where no node was captured."""
    if identifier in STATIC:
        return STATIC[identifier](network)
    if identifier == OUTSIDE:
        return inapplicable(OUTSIDE, NO_GATE)
    if identifier == ENFORCED and of_network(network).none:
        return inapplicable(ENFORCED, NO_POLICY)
    return nobody(identifier)
