"""One flow where only manifests are given: policies and services decide, and the hops are what they decide (``analyze trace``).

There is no network to walk: where policies admit a flow it is taken to arrive, which every outcome says.
"""

from __future__ import annotations

from dataclasses import replace

from analyzer.addresses import address, prefix
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.calico.encapsulation import profile_for
from analyzer.policy.entities import Entity
from analyzer.policy.profiles import Profile
from analyzer.policy.secondary import having
from analyzer.policy.terms import Kind
from analyzer.query.policies import Identity, Policies, known, on_network
from analyzer.query.policy_node_doors import at_node
from analyzer.query.policy_outcomes import (
    Wanted,
    flow_for,
    named,
    one_way,
)
from analyzer.query.policy_service_trace import past_balancer
from analyzer.query.policy_services import (
    service_named,
)
from analyzer.solve.packet import Outcome, Trace
from analyzer.solve.walk.oracle import fate_of


def policy_trace(network: Network, source: str, target: str, protocol: int, port: int, profile: Profile) -> Trace:
    """What policies say of a flow from each of the sources to each of the targets. ValueError when a name means nobody."""
    told = network_of_addresses(network.cluster, source, target) if not profile.network else None
    policies = known(Identity(network.cluster), on_network(network.cluster, told) if told else profile)
    policies = known(Identity(network.cluster), profile_for(policies.world, [(protocol, port, port)]))
    senders, wanted = named(policies, source), Wanted(protocol, port, family_named(source, target))
    if (asked := service_named(policies.world, target)) is not None:
        outcomes = [one for sender in senders for one in past_balancer(policies, sender, asked, wanted, target)]
    else:
        outcomes = to_ends(policies, senders, named(policies, target), wanted)
    kept = tuple(dict.fromkeys(outcomes))
    if told:
        kept = tuple(one._replace(assumptions=(f"asked on the network {told}, by the address", *one.assumptions)) for one in kept)
    return Trace(fate_of(kept), kept)


def to_ends(policies: Policies, senders: tuple[Entity, ...], receivers: tuple[Entity, ...], wanted: Wanted) -> list[Outcome]:
    """The outcomes of flows to pods, nodes and addresses: of a node's at its ports that lead elsewhere, to where they lead."""
    nodes = [item for item in receivers if item.kind is Kind.HOST and item.node and not policies.profile.network]
    node = min(nodes, key=lambda item: item.namespace, default=None)
    led = [one for sender in senders for one in at_node(policies, sender, node, wanted)] if node is not None else []
    if led:
        return led
    pairs = [(one, other) for one in senders for other in receivers if one is not other or one.replicas > 1]
    return [in_a_family(policies, one, other, wanted) for one, other in pairs or [(senders[0], receivers[0])]]


def in_a_family(policies: Policies, source: Entity, destination: Entity, wanted: Wanted) -> Outcome:
    """What becomes of a flow between two ends, with a word where it is otherwise in the other family that both may speak."""
    flow = flow_for(source, destination, wanted)
    outcome = one_way(policies, source, destination, flow)
    for family in policies.families() if wanted.family is None else ():
        if family == flow.family or not all(policies.speaks(end, family) for end in (source, destination)):
            continue
        fate = one_way(policies, source, destination, flow_for(source, destination, replace(wanted, family=family))).fate
        if fate is not outcome.fate:
            text = f"asked over IPv{flow.family}: over IPv{family} it is {fate.value}"
            outcome = outcome._replace(assumptions=(*outcome.assumptions, text))
    return outcome


def network_of_addresses(cluster: Cluster, *names: str) -> str | None:
    """The secondary network on which a pod has one of the addresses that is named, and that no pod has on the default one."""
    primary = {own for pod in cluster.pods.values() for own in pod.addresses}
    primary |= {own for node in cluster.nodes.values() for _, own in node.addresses}
    for name in names:
        try:
            own = address(name.strip())
        except ValueError:
            continue
        if own not in primary and (found := having(cluster, own)) is not None:
            return found[1]
    return None


def family_named(*names: str) -> int | None:
    """The family of the first of the names that is an address."""
    for name in names:
        try:
            return prefix(name.strip()).family
        except ValueError:
            continue
    return None
