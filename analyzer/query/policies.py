"""The policies of an input, compiled once: what every question about them starts from (trace, connectivity, ask, diff, what-if)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from analyzer.addresses import WIDTH, Address, Prefix
from analyzer.facts.kubernetes import PodFact
from analyzer.memory import without_cycles
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.policy.addressing import mentioned
from analyzer.policy.bits import members, set_of
from analyzer.policy.detection import Recognised, detected
from analyzer.policy.entities import Entity
from analyzer.policy.factors import Factors, factors, factors_over, rules_of
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import MULTI_NETWORK_POLICY, UNKNOWN_SYSTEM, Profile
from analyzer.policy.secondary import networks, world_for
from analyzer.policy.terms import Kind
from analyzer.policy.tiers import Action, Direction, Policy
from analyzer.policy.world import World
from analyzer.query.once import Identity, Whole

__all__ = ["Identity", "Whole"]

# Stands for a node, where none is given.
ANY_NODE = Entity("node:{any}", Kind.HOST, node_labels=None)


@dataclass(frozen=True)
class Policies:
    """Who is there and what stands between them. ``factors`` are compiled when a family is first asked about."""

    world: World
    all: PolicySet
    compiled: dict[int, Factors] = field(default_factory=dict, repr=False, compare=False)
    both: dict[int, tuple[Factors, Factors]] = field(default_factory=dict, repr=False, compare=False)
    outer: dict[int, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def profile(self) -> Profile:
        """How the network system reads policies."""
        return self.world.profile

    def factors(self, family: int) -> Factors:
        """All flows of the family at once."""
        if family not in self.compiled:
            with without_cycles():
                self.compiled[family] = factors(self.all, family)
        return self.compiled[family]

    def every_family(self) -> tuple[Factors, ...]:
        """All flows of each family that is spoken."""
        return tuple(map(self.factors, self.families()))

    @property
    def none(self) -> bool:
        """Whether no policy keeps anything from anybody."""
        return not any(map(closes, self.all.policies()))

    def readings(self, family: int) -> tuple[Factors, Factors]:
        """The factors with what the API leaves open read one way and the other: as denied, and as admitted; over the same classes and flows."""
        found = self.factors(family)
        if self.profile.port_rules_admit_other_protocols is not None:
            return found, found
        if family not in self.both:
            over = (self.all, found.universe, found.atoms)
            self.both[family] = factors_over(*over, open_is=False), factors_over(*over, open_is=True)
        return self.both[family]

    def elsewhere(self, family: int) -> int:
        """The classes of addresses that somebody outside can have: not those of which pods, nodes and the networks of nodes' pods have all."""
        if family not in self.outer:
            classes = self.factors(family).universe.classes
            every = members(self.factors(family).universe.kinds[Kind.OUTSIDE])
            self.outer[family] = set_of(place for place in every if not all(map(self.inside, classes[place].blocks)))
        return self.outer[family]

    def inside(self, block: Prefix) -> bool:
        """Whether all addresses of a block are in the network of a node's pods, or are had by pods and nodes."""
        return any(prefix_of(block, length) in self.networks for length in self.lengths if length <= block.length) or self.taken(
            block
        )

    def taken(self, block: Prefix) -> bool:
        """Whether pods and nodes have all addresses of a block."""
        every = range(block.value, block.last + 1)
        return block.last - block.value < len(self.held) and all(Address(block.family, value) in self.held for value in every)

    @cached_property
    def networks(self) -> frozenset[Prefix]:
        """What nodes have for their pods (``podCIDRs``). A wider network, as a pool is, may have others in it: Cilium's is 10.0.0.0/8 where nobody says otherwise."""
        return frozenset(prefix for node in self.world.cluster.nodes.values() for prefix in node.pod_cidrs)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of these."""
        return tuple(sorted({item.length for item in self.networks}))

    @cached_property
    def held(self) -> frozenset[Address]:
        """The addresses of pods and nodes."""
        return frozenset(address for entity in self.world.entities for address in entity.addresses)

    @cached_property
    def nodes(self) -> tuple[Entity, ...]:
        """The nodes; one that stands for any where none is given."""
        return tuple(item for item in self.world.entities if item.kind is Kind.HOST and not item.namespace) or (ANY_NODE,)

    @cached_property
    def behind_nodes(self) -> Policies:
        """The policies for packets with the address of the node that took them in. Systems that look at packets before a pod's own node masquerades them see such an address of other
        nodes only, for which nothing is exempt."""
        before = self.profile.ingress_sees_masquerade is False
        if self.nodes != (ANY_NODE,) and not before:
            return self
        added = [node for node in self.nodes if node.name not in self.world.by_name]
        entities = (*self.world.entities, *added)
        profile = replace(self.profile, own_node_can_be_denied=True) if before else self.profile
        world = replace(self.world, profile=profile, entities=entities, by_name={item.name: item for item in entities})
        return Policies(world, replace(self.all, world=world, memory={}))

    def families(self) -> tuple[int, ...]:
        """The families that pods and nodes have addresses in; where none has any, IPv4, and IPv6 if a policy has blocks of it."""
        return self.spoken

    def speaks(self, entity: Entity, family: int) -> bool:
        """Whether an entity has, or may have, an address of the family: of those whose addresses are not given it is what others have, where any are given."""
        if entity.kind is Kind.OUTSIDE or entity.addresses:
            return family in {*(item.family for item in entity.addresses), *(item.family for item in entity.blocks)}
        return family in self.spoken or not self.addressed

    @cached_property
    def addressed(self) -> bool:
        """Whether any pod or node has an address in the input."""
        return any(entity.addresses for entity in self.world.entities)

    @cached_property
    def spoken(self) -> tuple[int, ...]:
        """The same, once."""
        found = {address.family for entity in self.world.entities for address in entity.addresses}
        return tuple(sorted(found)) or ((4, 6) if any(map(mentions_six, self.all.policies())) else (4,))


def closes(policy: Policy) -> bool:
    """Whether a policy isolates somebody or denies something."""
    sides = (rules for direction in Direction if (rules := policy.direction(direction)) is not None)
    return any(rules.isolates or any(rule.action is Action.DENY for rule in rules.rules) for rules in sides)


def mentions_six(policy: Policy) -> bool:
    """Whether a policy has blocks of IPv6."""
    rules = (rule for direction in Direction for rule in rules_of(policy, direction))
    return any(block.family == 6 for rule in rules for block in mentioned(rule.peer))


def prefix_of(block: Prefix, length: int) -> Prefix:
    """The network of a length that a block is in."""
    rest = WIDTH[block.family] - length
    return Prefix(block.family, block.value >> rest << rest, length)


def policies(cluster: Cluster, profile: Profile = UNKNOWN_SYSTEM) -> Policies:
    """The policies of a cluster as a network system reads them."""
    with without_cycles():
        world = world_for(cluster, profile)
        return Policies(world, policy_set(world))


def of_network(network: Network) -> Policies:
    """What the policies of a network say, as the network system reads them that the input shows; also those that it does not enforce."""
    return known(Identity(network.cluster), replace(profile_of(network), enforces=None))


def profile_of(network: Network) -> Profile:
    """How the network system reads policies that the input shows."""
    return recognised(Whole(network)).profile


def on_network(cluster: Cluster, name: str) -> Profile:
    """How policies are read on a secondary network. ValueError where no network has the name."""
    found = networks(cluster)
    if name not in found:
        raise ValueError(
            f"there is no network {name!r}: "
            + (f"it must be one of {', '.join(found)}" if found else "the input has no secondary network")
        )
    return replace(MULTI_NETWORK_POLICY, network=name)


def may_refuse(network: Network, pod: PodFact) -> bool:
    """Whether a policy stands before a pod's ports, or may."""
    found = of_network(network)
    entity = found.world.by_name.get(f"{pod.namespace}/{pod.name}")
    families = {address.family for address in pod.addresses} or {4}
    return entity is None or any(tier for one in families for tier in found.all.selecting(entity, one, Direction.INGRESS))


@lru_cache(maxsize=4)
def recognised(key: Whole) -> Recognised:
    """Which network system the input shows, once."""
    return detected(key.network)


@lru_cache(maxsize=16)
def known(key: Identity, profile: Profile) -> Policies:
    """The policies of a cluster, once."""
    return policies(key.cluster, profile)
