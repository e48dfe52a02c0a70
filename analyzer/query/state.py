"""Look-ups over captured state that several rules share. None of them walks a packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from analyzer.addresses import WIDTH, Address, Prefix, network_mask
from analyzer.facts.kubernetes import ContainerPort, PodFact, ServiceFact
from analyzer.facts.matches import AddressMatch, Side
from analyzer.facts.netfilter import Chain, Jump, NfRule, Queue, Reject, RulesetFact, Translate, UnknownTarget, Verdict
from analyzer.facts.routes import MAIN, RouteFact
from analyzer.memory import Same
from analyzer.model.network import Attachment, Namespace, Network
from analyzer.query.once import Identity, Whole
from analyzer.source import Scope

__all__ = ["Chain", "ContainerPort", "PodFact", "RouteFact", "RulesetFact", "ServiceFact"]


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
    return iter(network.pods_of.get(node, ()))


def main_route(namespace: Namespace, to: Address) -> RouteFact | None:
    """The route of the main table for an address by longest prefix, lowest metric, listing order; None when there is none."""
    width = WIDTH[to.family]
    for length, routes in by_length(Same(namespace.routes.get(to.family, {}).get(MAIN, ()))):
        if (found := routes.get(to.value >> (width - length))) is not None:
            return found
    return None


@lru_cache(maxsize=64)
def by_length(routes: Same[Sequence[RouteFact]]) -> tuple[tuple[int, Mapping[int, RouteFact]], ...]:
    """The best route to each network, by the bits of it that count; those of long prefixes first."""
    found: dict[int, dict[int, RouteFact]] = {}
    for route in sorted(routes.value, key=lambda route: (route.metric, route.order)):
        family, value, length = route.destination
        found.setdefault(length, {}).setdefault(value >> (WIDTH[family] - length), route)
    return tuple(sorted(found.items(), reverse=True))


def rulesets(namespace: Namespace, family: int = 4) -> Iterator[RulesetFact]:
    """The rulesets of the family, each back end."""
    return (item for item in namespace.rulesets if item.family == family)


def chains(
    namespace: Namespace, table: str, family: int = 4, wanted: Callable[[str], bool] | None = None
) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chains of a table in every back end, in the order of the text; those whose names are wanted, since a node may have a hundred thousand."""
    for ruleset in rulesets(namespace, family):
        held = ruleset.tables.get(table, {})
        yield from ((ruleset, held[name]) for name in held if wanted is None or wanted(name))


def chain(namespace: Namespace, table: str, name: str, family: int = 4) -> Iterator[tuple[RulesetFact, Chain]]:
    """The chain of this name in each back end that has it."""
    for ruleset in rulesets(namespace, family):
        held = ruleset.tables.get(table, {})
        if name in held:
            yield ruleset, held[name]


def pod_prefixes(network: Network) -> tuple[Prefix, ...]:
    """The pod networks of the cluster: what is said of them, each once."""
    return tuple(dict.fromkeys(item.prefix for item in network.cluster.ranges if item.purpose == "pod"))


def node_addresses(network: Network) -> dict[Address, str]:
    """Every node address that the API states, with its node."""
    return {found: node.name for node in network.cluster.nodes.values() for _, found in node.addresses}


def reachable_chains(table: Mapping[str, Chain], start: Chain) -> list[Chain]:
    """The chain and every chain of the table that its jumps can lead to, in the order in which they are met."""
    found, waiting = {start.name: start}, [start]
    while waiting:
        for rule in waiting.pop(0).rules:
            target = table.get(rule.target.chain) if isinstance(rule.target, Jump) else None
            if target is not None and target.name not in found:
                found[target.name] = target
                waiting.append(target)
    return list(found.values())


def accepts(rule: NfRule) -> bool:
    """Whether the rule can accept a packet: ACCEPT, a program, or a target that is not understood."""
    return isinstance(rule.target, UnknownTarget | Queue) or (isinstance(rule.target, Verdict) and rule.target.name == "ACCEPT")


def drops(rule: NfRule) -> bool:
    """Whether the rule drops or rejects."""
    return isinstance(rule.target, Reject) or (isinstance(rule.target, Verdict) and rule.target.name == "DROP")


def exact_destination(rule: NfRule) -> Address | None:
    """The single address that the rule's destination must be; None where it names more or none."""
    for match in rule.matches:
        if isinstance(match, AddressMatch) and match.side is Side.DESTINATION and not match.negated:
            whole = network_mask(match.family, WIDTH[match.family])
            return Address(match.family, match.value) if match.mask == whole else None
    return None


def destination_of(rule: NfRule, family: int) -> Address | None:
    """The single address that the rule translates the destination to; None where it does not, or chooses."""
    target = rule.target
    if (
        isinstance(target, Translate)
        and target.side is Side.DESTINATION
        and target.addresses
        and target.addresses[0] == target.addresses[1]
    ):
        return Address(family, target.addresses[0])
    return None


def backends(network: Network, service: ServiceFact) -> list[PodFact]:
    """The pods that a service's selector matches, those that have ended left out."""
    wanted = (service.selector or {}).items()
    here = by_namespace(Whole(network)).get(service.namespace, ()) if wanted else ()
    return [pod for pod in here if wanted <= pod.labels.items()]


@lru_cache(maxsize=1)
def by_namespace(whole: Whole) -> Mapping[str, list[PodFact]]:
    """The pods of each namespace by name, those that have ended left out; once for all who ask."""
    found: dict[str, list[PodFact]] = {}
    for pod in pods_by_name(whole.network):
        if not pod.finished:
            found.setdefault(pod.namespace, []).append(pod)
    return found


def pods_by_name(network: Network) -> tuple[PodFact, ...]:
    """All pods, by namespace and name."""
    return sorted_pods(Identity(network.cluster))


@lru_cache(maxsize=2)
def sorted_pods(key: Identity) -> tuple[PodFact, ...]:
    """The same, once for all who ask."""
    found = key.cluster.pods
    return tuple(found[name] for name in sorted(found))
