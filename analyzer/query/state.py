"""Look-ups over captured state that several rules share. None of them walks a packet."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import Address, Prefix
from analyzer.facts.netfilter import Chain, NfRule, RulesetFact
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.model.network import Attachment, Namespace, Network
from analyzer.source import Scope


def roots(network: Network) -> Iterator[Namespace]:
    """The root network namespace of each captured node, by name."""
    for scope in sorted(network.namespaces):
        if not scope.namespace:
            yield network.namespaces[scope]


def root_of(network: Network, node: str) -> Namespace | None:
    """A node's root network namespace; None when it was not captured."""
    return network.namespaces.get(Scope(node))


def pods_on(network: Network, node: str) -> Iterator[Attachment]:
    """The pods with a network namespace of their own on the node."""
    return (item for item in network.attachments if item.scope.node == node and item.scope.namespace)


def main_route(namespace: Namespace, to: Address) -> RouteFact | None:
    """The route of the main table for an address by longest prefix, lowest metric, listing order; None when there is none."""
    routes = namespace.routes.get(to.family, {}).get(MAIN, ())
    matching = [route for route in routes if route.destination.covers(to)]
    return min(matching, key=lambda route: (-route.destination.length, route.metric, route.order), default=None)


def rulesets(namespace: Namespace, family: int = 4) -> Iterator[RulesetFact]:
    """The rulesets of the family, each back end."""
    return (item for item in namespace.rulesets if item.family == family)


def chains(namespace: Namespace, table: str, family: int = 4) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chains of a table in every back end, in the order of the text."""
    for ruleset in rulesets(namespace, family):
        for chain in ruleset.tables.get(table, {}).values():
            yield ruleset, chain


def chain(namespace: Namespace, table: str, name: str, family: int = 4) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chain of this name in each back end that has it."""
    return ((ruleset, found) for ruleset, found in chains(namespace, table, family) if found.name == name)


def rules_of(found: Chain) -> Iterator[NfRule]:
    """The rules of a chain."""
    return iter(found.rules)


def pod_prefixes(network: Network) -> tuple[Prefix, ...]:
    """The pod networks of the cluster: what is said of them, each once."""
    return tuple(dict.fromkeys(item.prefix for item in network.cluster.ranges if item.purpose == "pod"))


def node_addresses(network: Network) -> dict[Address, str]:
    """Every node address that the API states, with its node."""
    return {found: node.name for node in network.cluster.nodes.values() for _, found in node.addresses}
