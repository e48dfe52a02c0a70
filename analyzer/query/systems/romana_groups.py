"""Groups and hosts of Romana's topology (romana/core common/client/ipam.go ``parseMap``, ``parse``, ``addHost``; listener/kubernetes node events).

A list whose first item has an ``ip`` is one of hosts; any other is one of groups, filled up to a power of two with groups that take any
host. Nodes of Kubernetes that are no host are added to a group whose ``assignment`` their labels meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analyzer.addresses import Address
from analyzer.facts.kubernetes import NodeFact
from analyzer.model.embedded import Path
from analyzer.model.network import Network
from analyzer.model.systems.reading import listing, mapping
from analyzer.query.cni.fields import ADDRESS, ANYTHING, TEXT, TRUTH, Fields, Many, Table, unfit
from analyzer.query.refusals import address_in
from analyzer.query.systems.sessions import addresses

DEPTH = 16
GROUP = Fields(
    {"name": TEXT, "ip": ADDRESS, "assignment": Table(TEXT), "routing": TEXT, "dummy": TRUTH, "groups": Many(ANYTHING)}
)
GROUPS = Many(GROUP)
Item = Mapping[str, Any]


def inner(items: Sequence[Any], path: Path) -> Iterator[tuple[Path, Item]]:
    """The items of a list, each with its path."""
    for index, item in enumerate(items):
        yield (*path, index), mapping(item)


def is_host(item: Item) -> bool:
    """Whether an item has an address."""
    return bool(item.get("ip"))


def of_hosts(items: Sequence[Any]) -> bool:
    """Whether a list is one of hosts."""
    return bool(items) and is_host(mapping(items[0]))


def shapes(items: Sequence[Any], path: Path, *, top: bool = False) -> Iterator[tuple[Path, str, bool]]:
    """Items that are not what the list around them is, hosts without a name, and values of other types. ``top``: the map itself, whose
    items are always groups."""
    hosts = of_hosts(items) and not top
    for at, item in inner(items, path):
        wrong = [(problem.path, problem.message, True) for problem in unfit(item, GROUP, at)]
        yield from wrong
        if wrong or len(at) > 2 * DEPTH:
            continue
        name = item.get("name") or ""
        if hosts and is_host(item) and not name:
            yield (*at, "ip"), f"host {item['ip']} has no name: a host needs both", True
        elif hosts and not is_host(item):
            yield at, f"{name or 'a group'} stands among hosts and has no ip: it is taken for a host without an address", False
        elif not hosts and is_host(item):
            yield (*at, "ip"), f"host {name or item['ip']} stands among groups: it is taken for a group without hosts", False
        if not hosts:
            yield from shapes(listing(item.get("groups")), (*at, "groups"))


def divided(topology: Any, path: Path, name: str, length: int, mask: int) -> Iterator[tuple[Path, str, bool]]:
    """Where a network is cut into groups that are smaller than its blocks, or than an address."""
    yield from cut(listing(mapping(topology).get("map")), (*path, "map"), name, length, mask)


def cut(items: Sequence[Any], path: Path, name: str, length: int, mask: int) -> Iterator[tuple[Path, str, bool]]:
    """The same for one list of groups, whose network has this length."""
    each = length + max(len(items) - 1, 0).bit_length()
    real = sum(not mapping(item).get("dummy") for item in items)
    if each > 32:
        yield path, f"{len(items)} groups do not fit into a /{length} of network {name}", True
    elif each > mask and real > 1:
        words = f"each of the {len(items)} groups gets a /{each} of network {name}, less than a block (/{mask}): blocks of two of them share addresses"
        yield path, words, True
    else:
        for at, item in inner(items, path):
            groups = listing(item.get("groups"))
            if len(at) <= 2 * DEPTH and not of_hosts(groups):
                yield from cut(groups, (*at, "groups"), name, each, mask)


def outside(network: Network, topologies: Sequence[Any]) -> Iterator[tuple[Path, str]]:
    """Hosts that are no nodes, nodes at another address than their host's, and nodes for which there is no group."""
    nodes = network.cluster.nodes
    if "Node" not in network.cluster.known or not nodes:
        return
    maps = [(("topologies", index, "map"), listing(mapping(item).get("map"))) for index, item in enumerate(topologies)]
    hosts = {at: item for path, items in maps for at, item in hosts_in(items, path, top=True)}
    held = {address: node for node in nodes.values() for address in addresses(node)}
    for at, host in hosts.items():
        yield from strange(at, host, nodes, held)
    known = {address_in(host["ip"]) for host in hosts.values()}
    for node in nodes.values():
        lone = addresses_known(node) and not known & set(addresses(node))
        if maps and lone and not any(takes(items, node) for _, items in maps):
            yield maps[0][0], f"node {node.name} is no host, and its labels are those of no group: its pods get no addresses"


def addresses_known(node: NodeFact) -> bool:
    """Whether a node's object says its addresses."""
    return any(True for _ in addresses(node))


def strange(at: Path, host: Item, nodes: Mapping[str, NodeFact], held: Mapping[Address, NodeFact]) -> Iterator[tuple[Path, str]]:
    """A host that no node is, or that is another one by its name than by its address."""
    name, address = str(host.get("name") or ""), address_in(host["ip"])
    if address is None:
        return
    node, other = nodes.get(name), held.get(address)
    if node is not None and addresses_known(node) and address not in set(addresses(node)):
        yield (*at, "ip"), f"host {name} has the address {address}, node {name} {next(addresses(node))}"
    elif node is None and other is not None:
        yield (*at, "name"), f"host {name} has the address of node {other.name}: pods there ask for blocks by the node's name"
    elif node is None:
        yield (*at, "name"), f"host {name} ({address}) is none of the nodes"


def hosts_in(items: Sequence[Any], path: Path, *, top: bool = False) -> Iterator[tuple[Path, Item]]:
    """The hosts of a list and of the lists inside it that are read as such."""
    hosts = of_hosts(items) and not top
    for at, item in inner(items, path):
        if hosts and is_host(item):
            yield at, item
        elif not hosts and len(at) <= 2 * DEPTH:
            yield from hosts_in(listing(item.get("groups")), (*at, "groups"))


def takes(items: Sequence[Any], node: NodeFact) -> bool:
    """Whether a list of groups takes a node that is no host: one of them does, or one of those that fill it up."""
    full = not items or len(items) & (len(items) - 1) == 0
    return not full or any(group_takes(mapping(item), node) for item in items)


def group_takes(group: Item, node: NodeFact, depth: int = DEPTH) -> bool:
    """Whether a group takes a node: its labels meet the group's, and so in one of the groups inside it."""
    wanted = mapping(group.get("assignment"))
    if group.get("dummy") or any(node.labels.get(key) != value for key, value in wanted.items()):
        return False
    groups = listing(group.get("groups"))
    if not groups or of_hosts(groups) or len(groups) & (len(groups) - 1) or not depth:
        return True
    return any(group_takes(mapping(item), node, depth - 1) for item in groups)
