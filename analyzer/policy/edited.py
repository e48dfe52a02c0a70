"""A compiled set of policies after some of them were changed: only the groups of classes that these select are folded anew.

That is possible where the new policies tell nothing apart that the old ones did not: keys of labels, kinds of names, blocks, ranges of ports. Else there
is no answer here, and the set has to be compiled. What comes out is the same as a full compile gives, class by class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.policy.atoms import Atoms, boxes_in, names_in
from analyzer.policy.bits import members
from analyzer.policy.classes import Mentioned, Universe, leaves, mentioned_in
from analyzer.policy.factors import Applied, Cell, Compiler, Factor, Factors, Key, rules_of
from analyzer.policy.planes import PolicySet, homes_of, kinds
from analyzer.policy.reading import Complaint, group_of
from analyzer.policy.terms import HasLabel, InBlocks, LabelIn, LabelText, Named, Of, Peer, Traffic
from analyzer.policy.tiers import Direction, Plane, Policy, Tier

# Kinds whose reading looks at the object and at the profile only, and which give policies alone.
ALONE = frozenset(
    {
        "networking.k8s.io/NetworkPolicy",
        "policy.networking.k8s.io/AdminNetworkPolicy",
        "policy.networking.k8s.io/BaselineAdminNetworkPolicy",
        "policy.networking.k8s.io/ClusterNetworkPolicy",
    }
)
Homes = dict[int, dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Change:
    """A set of policies after an edit, with the policies that went and those that came."""

    policies: PolicySet
    gone: tuple[Policy, ...]
    new: tuple[Policy, ...]

    def touched(self, universe: Universe, direction: Direction) -> int:
        """The classes that the policies which went or came select in a direction, or may."""
        found = 0
        for policy in (*self.gone, *self.new):
            if policy.direction(direction) is not None:
                found |= universe.of_object(policy.subject)[1]
        return found


def changed_set(policies: PolicySet, gone: Sequence[ObjectFact], new: Sequence[ObjectFact]) -> Change | None:
    """The set without the policies of some objects, and with those of others. None where objects are not all policies that stand alone, or
    where there is no tier yet for one."""
    came: list[Policy] = []
    complaints: list[Complaint] = []
    for item in (*gone, *new):
        if not isinstance(item, OtherObjectFact) or f"{group_of(item)}/{item.kind}" not in ALONE:
            return None
    for item in new:
        assert isinstance(item, OtherObjectFact)
        if policies.world.profile.enforced(group_of(item), item.kind):
            read = list(kinds()[f"{group_of(item)}/{item.kind}"].read(item, policies.world))
            came += [one for one in read if isinstance(one, Policy)]
            complaints += [one for one in read if isinstance(one, Complaint)]
    places = {item.at for item in gone}
    went = tuple(policy for policy in policies.policies() if policy.at in places)
    if any(not has_tier(policies, policy) for policy in came):
        return None
    planes, homes = rebuilt(policies, went, came)
    found = replace(policies, planes=planes, complaints=(*policies.complaints, *complaints), memory={}, homes=homes)
    return Change(found, went, tuple(came))


def has_tier(policies: PolicySet, policy: Policy) -> bool:
    """Whether there are policies of its tier already."""
    return any(plane.name == policy.plane and any(tier.name == policy.tier for tier in plane.tiers) for plane in policies.planes)


def rebuilt(policies: PolicySet, gone: tuple[Policy, ...], new: list[Policy]) -> tuple[tuple[Plane, ...], Homes]:
    """The planes after the edit, and what of the index of homes is still so."""
    planes, homes, number = [], dict[int, dict[str, list[int]]](), 0
    went = {id(policy) for policy in gone}
    for plane in policies.planes:
        tiers = []
        for tier in plane.tiers:
            came = [policy for policy in new if (policy.plane, policy.tier) == (plane.name, tier.name)]
            known = policies.homes.get(number)
            if came or any((policy.plane, policy.tier) == (plane.name, tier.name) for policy in gone):
                tier, known = in_tier(tier, went, came, known)
            if known is not None:
                homes[number] = known
            tiers.append(tier)
            number += 1
        planes.append(replace(plane, tiers=tuple(tiers)))
    return tuple(planes), homes


def in_tier(
    tier: Tier, went: set[int], came: list[Policy], homes: dict[str, list[int]] | None
) -> tuple[Tier, dict[str, list[int]] | None]:
    """The tier after the edit. A policy that takes the place of one of its order and home leaves the index as it is."""
    found = list(tier.policies)
    places = [place for place, policy in enumerate(found) if id(policy) in went]
    if len(places) == len(came) == 1 and same_place(found[places[0]], came[0]):
        found[places[0]] = came[0]
        return replace(tier, policies=tuple(found)), homes
    kept = [policy for policy in found if id(policy) not in went]
    return replace(tier, policies=tuple(sorted((*kept, *came), key=lambda policy: policy.order))), None


def same_place(old: Policy, new: Policy) -> bool:
    """Whether two policies stand at the same place of their tier, and are found under the same namespaces."""
    return old.order == new.order and homes_of(old.subject) == homes_of(new.subject)


def recompiled(factors: Factors, change: Change, known: Mentioned) -> Factors | None:
    """The compiled set after the edit; None where the new policies tell apart what the old ones did not (``known``)."""
    if not all(expressible(factors, policy, known) for policy in change.new):
        return None
    egress, ingress = (
        refolded(factors, factor, change, direction)
        for factor, direction in ((factors.egress, Direction.EGRESS), (factors.ingress, Direction.INGRESS))
    )
    return replace(factors, policies=change.policies, egress=egress, ingress=ingress)


def told_apart(policies: PolicySet) -> Mentioned:
    """What the policies of a set tell apart, as ``recompiled`` wants it."""
    rules = [rule for policy in policies.policies() for direction in Direction for rule in rules_of(policy, direction)]
    peers = dict.fromkeys(
        [*(policy.subject for policy in policies.policies()), *(p for rule in rules for p in (rule.peer, rule.own))]
    )
    return mentioned_in(peers, {name for rule in rules for name in names_in(rule.traffic)})


def expressible(factors: Factors, policy: Policy, known: Mentioned) -> bool:
    """Whether a policy tells nothing apart that is not told apart already."""
    rules = [rule for direction in Direction for rule in rules_of(policy, direction)]
    peers = (policy.subject, *(peer for rule in rules for peer in (rule.peer, rule.own)))
    return all(peer_known(factors.universe, peer, known) for peer in peers) and all(
        traffic_known(factors.atoms, rule.traffic, known) for rule in rules
    )


def peer_known(universe: Universe, peer: Peer, known: Mentioned) -> bool:
    """The same for a test of an entity."""
    for leaf in leaves(peer):
        match leaf:
            case LabelIn(of=of, key=key) | HasLabel(of=of, key=key) | LabelText(of=of, key=key):
                if key not in known.keys.get(of, ()):
                    return False
            case Named(of=of):
                if of is not Of.NAMESPACE and of not in known.names:
                    return False
            case InBlocks(blocks):
                if any(block.family == universe.family and block not in universe.blocks.parents for block in blocks):
                    return False
            case _:
                pass
    return True


def traffic_known(atoms: Atoms, traffic: Traffic, known: Mentioned) -> bool:
    """The same for a test of flows."""
    if not known.ports.issuperset(names_in(traffic)):
        return False
    starts = {group.protocols[0] for group in atoms.groups} | {256}
    for box in boxes_in(traffic):
        if not starts.issuperset(edge for low, high in box.protocols for edge in (low, high + 1)):
            return False
        for group in atoms.groups:
            inside = any(low <= group.protocols[0] <= high for low, high in box.protocols)
            if inside and not (cut(group.destinations, box.destinations) and cut(group.sources, box.sources)):
                return False
    return True


def cut(starts: tuple[int, ...], ranges: Iterable[tuple[int, int]]) -> bool:
    """Whether ranges of ports begin and end where others do."""
    return {65536, *starts}.issuperset(edge for low, high in ranges for edge in (low, high + 1))


def refolded(factors: Factors, factor: Factor, change: Change, direction: Direction) -> Factor:
    """One direction after the edit: the touched classes in groups of their own, behind the others."""
    touched = change.touched(factors.universe, direction)
    if not touched:
        return factor
    compiler = Compiler(
        narrowed(factors.universe, change.policies, touched, direction), factors.universe, factors.atoms, direction
    )
    numbers: dict[Key, int] = {}
    group, classes = list(factor.group), [have & ~touched for have in factor.classes]
    cells: list[tuple[Cell, ...]] = list(factor.cells)
    for position, key in keys(compiler, touched):
        number = numbers.get(key)
        if number is None:
            number = numbers[key] = len(cells)
            cells.append(compiler.cells(key))
            classes.append(0)
        group[position] = number
        classes[number] |= 1 << position
    return Factor(tuple(group), tuple(classes), tuple(cells))


def narrowed(universe: Universe, policies: PolicySet, touched: int, direction: Direction) -> tuple[Plane, ...]:
    """The planes with only the policies that could select one of the touched classes."""
    wanted: set[int] = set()
    for position in members(touched):
        for tier in policies.selecting(universe.classes[position], universe.family, direction):
            wanted |= {id(item.policy) for item in tier}
    return tuple(replace(plane, tiers=tuple(only(tier, wanted) for tier in plane.tiers)) for plane in policies.planes)


def only(tier: Tier, wanted: set[int]) -> Tier:
    """The tier with some of its policies."""
    return replace(tier, policies=tuple(policy for policy in tier.policies if id(policy) in wanted))


def keys(compiler: Compiler, touched: int) -> Iterable[tuple[int, Key]]:
    """For each of the touched classes what decides over it, as ``Compiler.keys`` has it for all."""
    applied: dict[int, list[Applied]] = {position: [] for position in members(touched)}
    for number, tier in enumerate(compiler.tiers):
        for place, (policy, _, tie) in enumerate(tier.policies):
            sure, may = compiler.universe.of_object(policy.subject)
            for position in members(may & touched):
                applied[position].append(Applied(number, place, tie, sure == may or bool(sure >> position & 1)))
    for position, items in applied.items():
        named = compiler.direction is Direction.INGRESS and any(compiler.named[item.tier][item.policy] for item in items)
        ports = compiler.universe.classes[position].ports if named else ()
        yield position, (tuple(items), ports, compiler.own_values(items, position))
