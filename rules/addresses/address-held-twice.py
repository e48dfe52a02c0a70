"""One address belongs to two pods, to a pod and a node, or to two nodes.

## What it finds
Two running pods, or two Nodes (InternalIP), with the same address in the API; a pod's address that a Node, or an interface of a node (a tunnel, `cilium_host`, a bridge), has too, also by what the Node's annotations or its CiliumNode say of its tunnel; two network namespaces
that hold one address (further networks of pods count where they are over uplinks, as with macvlan, on one network outside), unless tc redirects one of them into a tunnel (peer pods; only possible where its filters were not read and it has another device).

## Why it matters
Packets reach one of the two, depending on the sender.

## Example
    default/a: podIP: 10.244.1.7
    default/b: podIP: 10.244.1.7

## How to mend
Recreate one of the pods; see whether the address management has lost its memory (host-local's files, Calico's IPAM: `calicoctl ipam check`).

## Sources
projectcalico/calico#3589, cilium/cilium#19581, flannel-io/flannel#721.
"""

from collections import Counter
from collections.abc import Iterator

from analyzer.query.plan import PodFact, address_place, running_pods
from analyzer.query.static import not_known_to_arrive
from analyzer.query.told_ends import annotated
from analyzer.rule import Address, Finding, Interface, Namespace, Network, Rule, Severity, Span

Holder = tuple[str, Span]
UNREAD = "whether tc redirects what comes in on one of them is not known: tc filter show dev <device> ingress tells"
REMEDY = "recreate one of the pods, and see why the address management gave the address out twice"


def check(network: Network) -> Iterator[Finding]:
    pods: dict[Address, list[tuple[PodFact, int]]] = {}
    for pod in running_pods(network):
        for index, address in enumerate(pod.addresses):
            pods.setdefault(address, []).append((pod, index))
    nodes = node_objects(network)
    told = {held: end for end in annotated(network) for held in end.inner} if pods else {}
    shared = [one for one, found in pods.items() if len(found) > 1 or one in nodes or one in network.owners or one in told]
    for address in sorted(shared):
        holders = [(f"pod {pod.namespace}/{pod.name}", address_place(pod, index)) for pod, index in pods[address]]
        others = [*holders, *nodes.get(address, ()), *node_interfaces(network, address)]
        if len(others) == len(holders) and address in told:
            others.append((f"the tunnel of {told[address].node}", told[address].at))
        if len(others) > 1:
            yield finding(address, others)
    yield from nodes_alike(network, nodes)
    first = first_interfaces(network)
    for address, found in network.owners.items():
        spaces = namespaces(network, found, first) if len(found) > 1 else []
        if len(spaces) > 1 and len(pods.get(address, ())) < 2:
            certain = sum(redirection_known(network.namespaces[at.scope], at.device) for at in spaces) > 1
            yield finding(address, [(f"{at.device} in {at.scope}", place(network, at, address)) for at in spaces], certain)


def redirection_known(space: Namespace, device: str) -> bool:
    """Whether it is known that tc takes no packet of a device elsewhere: its filters were read, or there is no other device to go to."""
    return not not_known_to_arrive(space, device)


def finding(address: Address, holders: list[Holder], certain: bool = True) -> Finding:
    first, second = holders[0], holders[1]
    return RULE.finding(
        second[1],
        f"{address} belongs to {first[0]} and to {second[0]}",
        related=[(at, f"{name} has {address}") for name, at in [first, *holders[2:4]]],
        note="" if certain else UNREAD,
        help=REMEDY,
        certain=certain,
    )


def node_objects(network: Network) -> dict[Address, list[Holder]]:
    """The nodes that have each address."""
    found: dict[Address, list[Holder]] = {}
    for node in network.cluster.nodes.values():
        for address in dict.fromkeys(one for _, one in node.addresses):
            found.setdefault(address, []).append((f"node {node.name}", node.place("status", "addresses")))
    return found


def nodes_alike(network: Network, nodes: dict[Address, list[Holder]]) -> Iterator[Finding]:
    """InternalIPs that several Node objects have. An ExternalIP may be one that nodes share."""
    internal = {address for node in network.cluster.nodes.values() for kind, address in node.addresses if kind == "InternalIP"}
    for address, holders in sorted(nodes.items(), key=lambda pair: pair[0]):
        if address in internal and len(holders) > 1:
            yield RULE.finding(
                holders[1][1],
                f"{address} belongs to {holders[0][0]} and to {holders[1][0]}",
                related=[(at, f"{name} has {address}") for name, at in [holders[0], *holders[2:4]]],
                help="give each kubelet the address of the interface that leads to the other nodes (--node-ip)",
            )


def node_interfaces(network: Network, address: Address) -> Iterator[Holder]:
    for at in network.owners.get(address, ()):
        if not at.scope.namespace:
            yield f"{at.device} on {at.scope}", place(network, at, address)


def namespaces(network: Network, found: tuple[Interface, ...], first: set[Interface]) -> list[Interface]:
    """The pods' namespaces that hold the address themselves, one interface of each. Only a pod's first address of a family counts: further networks may be each node's own,
    unless they are over uplinks of nodes (macvlan, ipvlan, VLANs) that share one network outside."""
    from analyzer.query.tunnels import redirected_to  # Manifests have no namespaces, and are not to wait for it.

    own = [at for at in found if at.scope.namespace and not redirected_to(network.namespaces[at.scope], at.device)]
    beside = Counter(wire(network, at) for at in own if at not in first)
    del beside[None]
    return list({at.scope: at for at in reversed(own) if at in first or beside[wire(network, at)] > 1}.values())[::-1]


def wire(network: Network, at: Interface) -> tuple[int, object] | None:
    """The network outside that an interface is on by the uplink under it, and its VLAN there."""
    segment = network.segment_of.get(network.lower[at]) if at in network.lower else None
    link = network.namespaces[at.scope].links.get(at.device)
    return None if segment is None or link is None else (id(segment), getattr(link.kind, "identifier", None))


def first_interfaces(network: Network) -> set[Interface]:
    """The interfaces that hold a pod's first address of each family."""
    found: set[Interface] = set()
    for item in network.attachments:
        firsts = {address.family: address for address in reversed(item.addresses)}
        for address in firsts.values():
            found.update(at for at in network.owners.get(address, ()) if at.scope == item.scope)
    return found


def place(network: Network, at: Interface, address: Address) -> Span:
    """The line of the address."""
    facts = network.namespaces[at.scope].addresses
    return next(fact.at for fact in facts if fact.address == address and fact.device == at.device)


RULE = Rule("address-held-twice", Severity.ERROR, __doc__, check)
