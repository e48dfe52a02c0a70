"""A compiled set of policies after some of them were changed: only the groups of classes that these select are folded anew.

That is possible where the new policies tell nothing apart that the old ones did not: keys of labels, kinds of names, blocks, ranges of ports. Else there
is no answer here, and the set has to be compiled. What comes out is the same as a full compile gives, class by class.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.policy.atoms import Atoms, boxes_in, names_in
from analyzer.policy.bits import members
from analyzer.policy.calico.ordering import beside_kubernetes
from analyzer.policy.classes import Mentioned, Universe, mentioned_in
from analyzer.policy.factors import Compiler, Factor, Factors, Key, rules_of
from analyzer.policy.folding import Applied, Cell
from analyzer.policy.planes import PolicySet, homes_of, kinds
from analyzer.policy.reading import Complaint, group_of
from analyzer.policy.terms import HasLabel, InBlocks, LabelIn, LabelText, Named, Of, Peer, Traffic, leaves
from analyzer.policy.tiers import Direction, Plane, Policy, Tier
from analyzer.source import Span

# Kinds whose reading looks at the object and at the profile only, unless Calico's policies stand beside them, and which give policies alone.
ALONE = frozenset(
    {
        "networking.k8s.io/NetworkPolicy",
        "policy.networking.k8s.io/AdminNetworkPolicy",
        "policy.networking.k8s.io/BaselineAdminNetworkPolicy",
        "policy.networking.k8s.io/ClusterNetworkPolicy",
    }
)
Index = dict[str, list[int]]
Homes = dict[int, Index]
Places = Mapping[Span, Sequence[Policy]]


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
                found |= universe.sides(policy.subject)[1]
        return found


def by_place(policies: PolicySet) -> Places:
    """The policies by the place of the object that says them."""
    found: dict[Span, list[Policy]] = {}
    for policy in policies.policies():
        found.setdefault(policy.at, []).append(policy)
    return found


def changed_set(policies: PolicySet, gone: Sequence[ObjectFact], new: Sequence[ObjectFact], places: Places) -> Change | None:
    """The set without the policies of some objects, and with those of others. None where objects are not all policies that stand alone, or
    where there is no tier yet for one. ``places``: ``by_place`` of the set."""
    came: list[Policy] = []
    complaints: list[Complaint] = []
    for item in (*gone, *new):
        if not isinstance(item, OtherObjectFact) or f"{group_of(item)}/{item.kind}" not in ALONE:
            return None
    if beside_kubernetes(policies.world.cluster):
        return None
    for item in new:
        assert isinstance(item, OtherObjectFact)
        if policies.world.profile.enforced(group_of(item), item.kind):
            read = list(kinds()[f"{group_of(item)}/{item.kind}"].policies(item, policies.world))
            came += [one for one in read if isinstance(one, Policy)]
            complaints += [one for one in read if isinstance(one, Complaint)]
    went = tuple(policy for item in gone for policy in places.get(item.at, ()))
    if any(not has_tier(policies, policy) for policy in came):
        return None
    planes, homes = rebuilt(policies, went, came)
    found = replace(policies, planes=planes, complaints=(*policies.complaints, *complaints), memory={}, homes=homes)
    return Change(found, went, tuple(came))


def has_tier(policies: PolicySet, policy: Policy) -> bool:
    """Whether there are policies of its tier already."""
    return any(plane.name == policy.plane and any(tier.name == policy.tier for tier in plane.tiers) for plane in policies.planes)


def rebuilt(policies: PolicySet, gone: tuple[Policy, ...], new: list[Policy]) -> tuple[tuple[Plane, ...], Homes]:
    """The planes after the edit, and the index of homes after it."""
    planes, homes, number = [], dict[int, Index](), 0
    for plane in policies.planes:
        tiers = []
        for tier in plane.tiers:
            known = policies.homes.get(number)
            went = [policy for policy in gone if (policy.plane, policy.tier) == (plane.name, tier.name)]
            came = [policy for policy in new if (policy.plane, policy.tier) == (plane.name, tier.name)]
            if len(went) == len(came) == 1 and same_place(went[0], came[0]):
                tier, went, came = instead(tier, went[0], came[0]), [], []
            for policy in went:
                tier, known = without(tier, policy, known)
            for policy in came:
                tier, known = including(tier, policy, known)
            if known is not None:
                homes[number] = known
            tiers.append(tier)
            number += 1
        planes.append(replace(plane, tiers=tuple(tiers)))
    return tuple(planes), homes


def order_of(policy: Policy) -> tuple[float, str]:
    """What a tier's policies are sorted by."""
    return policy.order


def same_place(old: Policy, new: Policy) -> bool:
    """Whether two policies stand at the same place of their tier, and are found under the same namespaces."""
    return old.order == new.order and homes_of(old.subject) == homes_of(new.subject)


def place_of(tier: Tier, policy: Policy) -> int:
    """Where a policy stands."""
    place = bisect_left(tier.policies, policy.order, key=order_of)
    while tier.policies[place] is not policy:
        place += 1
    return place


def instead(tier: Tier, old: Policy, new: Policy) -> Tier:
    """The tier with one policy in the place of another."""
    place = place_of(tier, old)
    return replace(tier, policies=(*tier.policies[:place], new, *tier.policies[place + 1 :]))


def without(tier: Tier, policy: Policy, homes: Index | None) -> tuple[Tier, Index | None]:
    """The tier without a policy, and its index of homes."""
    place = place_of(tier, policy)
    if homes is not None:
        homes = {home: [one - (one > place) for one in places if one != place] for home, places in homes.items()}
    return replace(tier, policies=(*tier.policies[:place], *tier.policies[place + 1 :])), homes


def including(tier: Tier, policy: Policy, homes: Index | None) -> tuple[Tier, Index | None]:
    """The tier with one more policy, behind those of its order, and its index of homes."""
    place = bisect_right(tier.policies, policy.order, key=order_of)
    if homes is not None:
        homes = {home: [one + (one >= place) for one in places] for home, places in homes.items()}
        for home in homes_of(policy.subject) or ("",):
            homes[home] = sorted((*homes.get(home, ()), place))
    return replace(tier, policies=(*tier.policies[:place], policy, *tier.policies[place:])), homes


def recompiled(factors: Factors, change: Change, known: Mentioned) -> Factors | None:
    """The compiled set after the edit; None where the new policies tell apart what the old ones did not (``known``)."""
    if not all(expressible(factors, policy, known) for policy in change.new):
        return None
    egress, ingress = (
        refolded(factors, factor, change.policies, change.touched(factors.universe, direction), direction)
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


def refolded(factors: Factors, factor: Factor, policies: PolicySet, touched: int, direction: Direction) -> Factor:
    """One direction with the touched classes in groups of their own, folded anew, behind the others."""
    if not touched:
        return factor
    compiler = Compiler(narrowed(factors.universe, policies, touched, direction), factors.universe, factors.atoms, direction)
    numbers: dict[Key, int] = {}
    group, classes = list(factor.group), list(factor.classes)
    for number in {group[position] for position in members(touched)}:
        classes[number] &= ~touched
    cells: list[tuple[Cell, ...]] = list(factor.cells)
    for position, key in keys(compiler, touched):
        if (place := numbers.get(key)) is None:
            place = numbers[key] = len(cells)
            cells.append(compiler.cells(key))
            classes.append(0)
        group[position] = place
        classes[place] |= 1 << position
    return Factor(tuple(group), tuple(classes), tuple(cells))


def narrowed(universe: Universe, policies: PolicySet, touched: int, direction: Direction) -> tuple[Plane, ...]:
    """The planes with only the policies that select one of the touched classes, or may; those of one order do not say how they stand."""
    wanted: dict[int, dict[int, Policy]] = {}
    for position in members(touched):
        for number, selected in enumerate(policies.selecting(universe.classes[position], universe.family, direction)):
            wanted.setdefault(number, {}).update((id(item.policy), item.policy) for item in selected)
    planes, number = [], 0
    for plane in policies.planes:
        tiers = []
        for tier in plane.tiers:
            tiers.append(replace(tier, policies=tuple(sorted(wanted.get(number, {}).values(), key=order_of))))
            number += 1
        planes.append(replace(plane, tiers=tuple(tiers)))
    return tuple(planes)


def keys(compiler: Compiler, touched: int) -> Iterable[tuple[int, Key]]:
    """For each of the touched classes what decides over it, as ``Compiler.keys`` has it for all."""
    applied: dict[int, list[Applied]] = {position: [] for position in members(touched)}
    for number, tier in enumerate(compiler.tiers):
        for place, (policy, _, tie) in enumerate(tier.policies):
            sure, may = compiler.universe.sides(policy.subject)
            for position in members(may & touched):
                applied[position].append(Applied(number, place, tie, sure == may or bool(sure >> position & 1)))
    for position, items in applied.items():
        named = compiler.direction is Direction.INGRESS and any(compiler.named[item.tier][item.policy] for item in items)
        ports = compiler.universe.classes[position].ports if named else ()
        yield position, (tuple(items), ports, compiler.own_values(items, position))
