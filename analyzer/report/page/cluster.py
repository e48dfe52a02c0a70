"""The cluster behind the report: its address space with overlaps and fill, and its nodes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from analyzer.addresses import WIDTH as WIDTHS
from analyzer.addresses import Address, Prefix
from analyzer.findings import Report
from analyzer.model.network import Network
from analyzer.report.page.text import count, section, shown, table, tag

WIDTH = 400
MOST = 500


class Range(NamedTuple):
    """A network with its purpose, where that is said, and how many of its addresses are used (None: not known)."""

    prefix: Prefix
    purpose: str
    said: str
    used: int | None


def addresses(network: Network) -> str:
    """The map of the address space: a row for each network, inside the one that holds it."""
    every = ranges(network)
    found = every[:MOST]
    if not found:
        return ""
    rows = [
        (
            tag("span", shown(str(item.prefix)), kind=f"depth{depth(item, found)}"),
            shown(item.purpose),
            bar(item, found),
            fill(item),
            clash(item, found),
            shown(item.said),
        )
        for item in found
    ]
    more = tag("p", f"and {len(every) - MOST:,} more") if len(every) > MOST else ""
    whole = table(
        ("network", "purpose", "place in the network around it", "used", "overlaps", "said by"), rows, "The address space", "map"
    )
    return section("addresses", "Address space", whole + more)


def ranges(network: Network) -> list[Range]:
    """The networks of pods, services and nodes, in the order of their addresses, the larger first."""
    cluster = network.cluster
    pods = by_family(
        address for pod in cluster.pods.values() if not pod.host_network and not pod.finished for address in pod.addresses
    )
    services = by_family(address for service in cluster.services.values() for address in service.cluster_addresses)
    found = [
        Range(item.prefix, f"{item.purpose}s", str(item.at), used(item.prefix, pods if item.purpose == "pod" else services))
        for item in cluster.ranges
    ]
    for node in cluster.nodes.values():
        found += [Range(prefix, f"pods of {node.name}", str(node.at), used(prefix, pods)) for prefix in node.pod_cidrs]
    of_nodes = {item.prefix for item in found if item.purpose.startswith("pods of ")}
    unique = {
        (item.prefix, item.purpose): item
        for item in reversed(found)
        if item.prefix.length < WIDTHS[item.prefix.family] and not (item.purpose == "pods" and item.prefix in of_nodes)
    }
    return sorted(unique.values(), key=lambda item: (item.prefix.family, item.prefix.value, item.prefix.length, item.purpose))


def by_family(addresses: Iterable[Address]) -> dict[int, list[int]]:
    """The addresses of each family as numbers, each once, in order."""
    found: dict[int, set[int]] = {}
    for address in addresses:
        found.setdefault(address.family, set()).add(address.value)
    return {family: sorted(values) for family, values in found.items()}


def used(prefix: Prefix, addresses: dict[int, list[int]]) -> int:
    """How many of the addresses are in a network."""
    values = addresses.get(prefix.family, [])
    return bisect_right(values, prefix.last) - bisect_left(values, prefix.value)


def around(item: Range, found: Iterable[Range]) -> list[Range]:
    """The networks that hold one, the smallest first."""
    holding = [one for one in found if one.prefix != item.prefix and one.prefix.covers(item.prefix)]
    return sorted(holding, key=lambda one: -one.prefix.length)


def depth(item: Range, found: list[Range]) -> int:
    """How deep a network lies in others."""
    return min(3, len(around(item, found)))


def size(prefix: Prefix) -> int:
    """How many addresses a network has."""
    return prefix.last - prefix.value + 1


def bar(item: Range, found: list[Range]) -> str:
    """Where a network lies in the one around it, and how full it is."""
    outer = next(iter(around(item, found)), item).prefix
    start = (item.prefix.value - outer.value) * WIDTH // size(outer)
    length = max(2, size(item.prefix) * WIDTH // size(outer))
    full = max(1, length * (item.used or 0) // size(item.prefix)) if item.used else 0
    label = f"{item.prefix} in {outer}"
    shapes = f'<rect class="around" width="{WIDTH}" height="12"/><rect class="network" x="{start}" width="{length}" height="12"/>'
    shapes += f'<rect class="used" x="{start}" width="{full}" height="12"/>' if full else ""
    return f'<svg class="bar" viewBox="0 0 {WIDTH} 12" width="{WIDTH}" height="12" role="img" aria-label="{shown(label)}">{shapes}</svg>'


def fill(item: Range) -> str:
    """How full a network is."""
    return (
        ""
        if item.used is None
        else f"{item.used:,} of {size(item.prefix):,}"
        if size(item.prefix) < 1 << 32
        else f"{item.used:,}"
    )


def clash(item: Range, found: Iterable[Range]) -> str:
    """The networks of another purpose that share addresses with one: pods of a node lie in the pods' network."""
    others = [one for one in found if one is not item and one.prefix.overlaps(item.prefix) and not related(one, item)]
    return "".join(tag("b", shown(f"{one.prefix} ({one.purpose})"), kind="bad") + " " for one in others)


def related(one: Range, other: Range) -> bool:
    """Whether networks are meant to lie in each other."""
    both = {one.purpose.split()[0], other.purpose.split()[0]} == {"pods"}
    return both and not (one.purpose != "pods" and other.purpose != "pods")


def nodes(network: Network, report: Report) -> str:
    """The captured nodes: their pods, what was found on them, and what was not captured."""
    found = list(rows(network, report))
    return section("nodes", "Nodes", table(("node", "pods", "findings", "not captured"), found, "The nodes")) if found else ""


def rows(network: Network, report: Report) -> Iterator[tuple[str, str, str, str]]:
    """A row for each node."""
    here = Counter(item.scope.node for item in network.attachments)
    places = [*(item.at.path for item in report.findings), *(item.at.path for item in report.causes)]
    told = Counter(node for path in places if (node := node_of(path)))
    for scope, namespace in sorted(network.namespaces.items()):
        if not scope.namespace:
            missing = sorted({text.partition(": ")[2] or text for text in namespace.missing.values()})
            lacking = (
                tag("details", tag("summary", count(len(missing), "part")) + "; ".join(map(shown, missing))) if missing else ""
            )
            yield shown(scope.node), str(here[scope.node]), str(told[scope.node]), lacking


def node_of(path: str) -> str:
    """The node that a file of a capture is from; empty for others."""
    _, found, rest = f"/{path}".partition("/nodes/")
    return rest.partition("/")[0] if found else ""
