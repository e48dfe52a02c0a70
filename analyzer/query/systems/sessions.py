"""What nodes' routing daemons say, side by side: whose address a peer has, the other end of a session, and what a table holds.

A node's own numbers: projectcalico/calico confd/etc/calico/confd/templates/bird.cfg.template (``local as``: that of the node, else that of the cluster);
the annotation is ``projectcalico.org/ASNumber``, kube-router's ``kube-router.io/node.asn``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from analyzer.addresses import Address, Prefix
from analyzer.facts.bgp import DaemonTableFact, SessionFact
from analyzer.model.network import Network
from analyzer.model.routers import Router
from analyzer.query.ipam.records import blocks
from analyzer.query.plan import NodeFact, captured_name, node_of, registered_address
from analyzer.query.refusals import objects, spec_of
from analyzer.query.systems.calico import GROUP, pools
from analyzer.source import Span

__all__ = ["DaemonTableFact", "Router", "SessionFact"]
DEFAULT_AS = 64512
AS_NUMBER, OF_KUBE_ROUTER = "projectcalico.org/ASNumber", "kube-router.io/node.asn"


@dataclass(frozen=True, slots=True)
class Stated:
    """A number and where it is said."""

    value: int
    at: Span
    words: str


def holders(network: Network) -> dict[Address, str]:
    """By address, the captured name of the node that has it: by its interfaces, else by its object."""
    found = {address: captured_name(network, node.name) for node in network.cluster.nodes.values() for address in addresses(node)}
    for address, interfaces in network.owners.items():
        scopes = {interface.scope for interface in interfaces if not interface.scope.namespace}
        if len(scopes) == 1:
            found[address] = next(iter(scopes)).node
    return found


def addresses(node: NodeFact) -> Iterator[Address]:
    """The addresses that a node's object says."""
    registered = registered_address(node)
    if registered is not None:
        yield registered
    yield from (address for _, address in node.addresses)


def other_end(network: Network, held: Mapping[Address, str], session: SessionFact, node: str) -> SessionFact | None:
    """The session of the peer's own router with this node."""
    other = network.routers.get(held.get(session.peer, "")) if session.peer is not None else None
    found = (one for one in other.sessions if one.peer is not None and held.get(one.peer) == node) if other else iter(())
    return next(
        (one for one in found if session.peer is not None and one.peer is not None and one.peer.family == session.peer.family),
        None,
    )


def own_numbers(router: Router) -> dict[int, Span]:
    """The AS numbers that a router calls its own, in its sessions and its configuration."""
    found = {fact.local_as: fact.at for fact in router.sessions if fact.local_as is not None}
    found |= {fact.local_as: fact.at for fact in router.configs if fact.local_as is not None}
    return dict(sorted(found.items()))


def object_of(network: Network, node: str) -> NodeFact | None:
    """The object of a node of which a daemon was captured, perhaps nothing else."""
    told = node not in network.node_names or network.node_names[node] == node
    return node_of(network, node) or (network.cluster.nodes.get(node) if told else None)


def stated_number(network: Network, node: str) -> Stated | None:
    """The AS number that a node's annotations, or Calico's configuration, give it; None where neither was captured."""
    fact = object_of(network, node)
    for key in (AS_NUMBER, OF_KUBE_ROUTER) if fact is not None else ():
        value = fact.annotations.get(key, "") if fact is not None else ""
        if fact is not None and value.isdecimal():
            return Stated(int(value), fact.place("metadata", "annotations", key), f"annotation {key} of node {fact.name}")
    for item in objects(network, "BGPConfiguration", GROUP):
        if item.name == "default":
            number = spec_of(item).get("asNumber")
            own = isinstance(number, int) and not isinstance(number, bool)
            words = (
                "asNumber of BGPConfiguration default"
                if own
                else f"BGPConfiguration default, which has no asNumber ({DEFAULT_AS} is Calico's own)"
            )
            return Stated(
                number if isinstance(number, int) and own else DEFAULT_AS,
                item.place("spec", "asNumber") if own else item.at,
                words,
            )
    return None


@dataclass(frozen=True, slots=True)
class Listed:
    """A table of which every line was understood, with the networks that it has."""

    table: DaemonTableFact
    networks: frozenset[Prefix]

    def of_family(self, family: int) -> bool:
        """Whether the table is about a family: BIRD 1 has a daemon for each, FRR a command."""
        return any(one.family == family for one in self.networks) or (not self.networks and str(family) in self.table.name)

    @property
    def whole(self) -> bool:
        """Whether all of one of a daemon's main tables was listed."""
        return not self.table.part and self.table.name in ("", "master", "master4", "master6", "bgp", "rib")


def listed(router: Router) -> tuple[Listed, ...]:
    """The tables of a router of which every line was understood."""
    return tuple(Listed(table, frozenset(route.prefix for route in table.routes)) for table in router.tables if not table.lost)


def whole(router: Router, family: int) -> Iterator[DaemonTableFact]:
    """The whole tables of a router that have routes of a family."""
    return (one.table for one in listed(router) if one.whole and one.of_family(family))


@dataclass(frozen=True, slots=True)
class Own:
    """A network that a node has to tell its peers of: where that is said, and in what words."""

    prefix: Prefix
    at: Span
    words: str


def own_networks(network: Network) -> dict[str, list[Own]]:
    """By node: Calico's blocks whose pool is told by BGP, and the pod networks of nodes with kube-router."""
    found: dict[str, list[Own]] = {}
    for node, own in own_blocks(network):
        if any(session.program in ("bird", "calico") for session in network.routers[node].sessions):
            found.setdefault(node, []).append(own)
    for node, router in network.routers.items():
        fact = object_of(network, node) if any(session.program == "gobgp" for session in router.sessions) else None
        if fact is not None:
            words = f"the pod network of node {fact.name}"
            found.setdefault(node, []).extend(Own(one, fact.place("spec", "podCIDR"), words) for one in fact.pod_cidrs)
    return found


def own_blocks(network: Network) -> Iterator[tuple[str, Own]]:
    """The blocks of nodes with a router, those of pools with VXLAN, and of pools that are not to be exported, left out."""
    known = list(pools(network))
    for block in blocks(network):
        node = captured_name(network, block.node)
        pool = next((item for item in known if item.prefix.covers(block.prefix)), None)
        spec = spec_of(pool.fact) if pool is not None else {}
        silent = spec.get("disableBGPExport") is True or str(spec.get("vxlanMode")) in ("Always", "CrossSubnet")
        if node in network.routers and not silent:
            yield node, Own(block.prefix, block.fact.place("spec", "affinity"), f"block {block.prefix}")
