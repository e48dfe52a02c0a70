"""Pods that could be: what of a pod is settled, what is open, and which values of the open part policies can tell apart.

A pod that does not exist yet may have any labels, any account, node, name and address; one in a future namespace may have a namespace with any
labels, whose name (and label ``kubernetes.io/metadata.name``) no existing namespace has. The open part is a set of *variables*, each with the values
that some test tells apart, and one more for all others. ``truth_tables.py`` and Z3 (``solve/smt/symbolic_labels.py``) read the same variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, combinations, groupby
from typing import NamedTuple, TypeAlias

from analyzer.addresses import Address, Prefix
from analyzer.policy.addressing import blocks_of, remainders
from analyzer.policy.classes import LabelTest
from analyzer.policy.entities import Entity, NamedPort
from analyzer.policy.evaluation import holds, label_holds
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import All, AnyOf, HasLabel, InBlocks, Is, Kind, LabelIn, LabelText, Named, Not, Of, Opaque, Part, Peer
from analyzer.policy.tiers import Action, Direction, Policy, Rules, actions
from analyzer.policy.world import NAME_LABEL

MANY_TEXTS = 4


@dataclass(frozen=True, slots=True)
class Possible:
    """Pods that could be. ``base`` holds what is settled: the namespace and its labels, the labels of the keys in ``settled``.

    ``new_namespace``: the namespace is none of ``existing``. ``free``: account, node, name, address and named ports are open as well, else they are
    the base's. ``networks``: where its address is, None where that is not known."""

    base: Entity
    settled: frozenset[str] = frozenset()
    new_namespace: bool = False
    free: bool = True
    networks: tuple[Prefix, ...] | None = None
    existing: frozenset[str] = frozenset()


End: TypeAlias = Entity | Possible


class About(NamedTuple):
    """A thing that is open: an ``Of`` label by its key, or one of the words ``name``, ``namespace``, ``account``, ``node``, ``address``."""

    what: str
    key: str = ""


class Variable(NamedTuple):
    """A thing that is open about the source or the destination of a flow."""

    end: str
    about: About


Value: TypeAlias = str | Address | bool | None
Leaf: TypeAlias = LabelTest | Named | InBlocks | Is | Opaque


class TooMany(ValueError):
    """The tests tell more values apart than are looked at."""


class PartPolicy(NamedTuple):
    """A policy and its rules in a direction."""

    policy: Policy
    rules: Rules


class TierPart(NamedTuple):
    """The policies of a tier that could select a subject: one by one in their order, or several together that are tied."""

    groups: tuple[tuple[PartPolicy, ...], ...]
    end: Action


class PlanePart(NamedTuple):
    """The tiers of a plane."""

    tiers: tuple[TierPart, ...]
    default: Action


def parts(policies: PolicySet, subject: End, family: int, direction: Direction) -> tuple[PlanePart, ...]:
    """The policies that could select the subject in a direction, in their order."""
    found, number = [], 0
    for plane in policies.planes:
        tiers = []
        for tier in plane.tiers:
            if isinstance(subject, Entity):
                items = [PartPolicy(item.policy, item.rules) for item in policies.selecting(subject, family, direction)[number]]
            else:
                home = "" if subject.new_namespace else subject.base.namespace
                known = ((policy, policy.direction(direction)) for policy in policies.candidates(number, tier, home))
                items = [PartPolicy(policy, rules) for policy, rules in known if rules is not None]
            tiers.append(TierPart(tuple(in_groups(items, direction)), tier.end))
            number += 1
        found.append(PlanePart(tuple(tiers), plane.default))
    return tuple(found)


def in_groups(items: list[PartPolicy], direction: Direction) -> Iterator[tuple[PartPolicy, ...]]:
    """One by one, but together where it matters which of them is asked first."""
    for _, group in groupby(items, lambda item: item.policy.order):
        together = tuple(group)
        if len(together) > 1 and len(actions((item.policy for item in together), direction)) > 1:
            yield together
        else:
            yield from ((item,) for item in together)


def read(leaf: Leaf, end: End, family: int) -> bool | About | None:
    """The value of a test, or what it is about where that is open."""
    if isinstance(end, Entity):
        return holds(leaf, end, family)
    match leaf:
        case Opaque():
            return None
        case Is(kinds):
            return Kind.POD in kinds
        case InBlocks():
            return of_address(leaf, end, family)
        case Named(of) | LabelIn(of) | HasLabel(of) | LabelText(of):
            about = opened(end, of, "" if isinstance(leaf, Named) else leaf.key)
            return holds(leaf, end.base, family) if about is None else about


def opened(end: Possible, of: Of, key: str) -> About | None:
    """What a test is about, by whose name (no key) or label it tests; None where that is settled."""
    match of:
        case Of.POD if key:
            return None if key in end.settled else About("label", key)
        case Of.NAMESPACE if end.new_namespace:
            return About("namespace") if key in ("", NAME_LABEL) else About("namespace label", key)
        case Of.ACCOUNT if end.free:
            return About("account label", key) if key else About("account")
        case Of.POD if end.free:
            return About("name")
        case Of.PLACE if end.free:
            return About("node")
        case _:
            return None


def of_address(leaf: InBlocks, end: Possible, family: int) -> bool | About | None:
    """A test of the address."""
    if not end.free:
        return holds(leaf, end.base, family)
    within = [block for block in leaf.blocks if block.family == family]
    if not leaf.pods or not within:
        return False
    if any(block.length == 0 for block in within):
        return True
    if end.networks is None:
        return None
    return About("address") if any(block.overlaps(own) for block in within for own in end.networks) else False


def true_of(leaf: Leaf, value: Value) -> bool:
    """Whether a test of something open holds for a value of it."""
    match leaf:
        case InBlocks(blocks):
            return isinstance(value, Address) and any(block.covers(value) for block in blocks)
        case Named(_, names):
            return value in names
        case LabelIn() | HasLabel() | LabelText():
            return isinstance(value, str) and label_holds(leaf, {leaf.key: value})
        case Is() | Opaque():
            raise AssertionError("these are never about something open")


def values(about: About, leaves: Iterable[Leaf], end: Possible, family: int) -> tuple[Value, ...]:
    """The values that the tests tell apart, the most ordinary first. TooMany where there are too many."""
    known = list(leaves)
    if about.what == "port name":
        return False, True
    if about.what == "address":
        return tuple(regions(known, end, family))
    mentioned = {
        text
        for leaf in known
        for text in (leaf.values if isinstance(leaf, LabelIn) else leaf.names if isinstance(leaf, Named) else ())
    }
    mentioned |= set(made([leaf for leaf in known if isinstance(leaf, LabelText)]))
    if about.what == "namespace":
        mentioned -= end.existing
    other = fresh(
        {"namespace": "new-namespace", "name": "new-pod", "account": "default", "node": "other-node"}.get(about.what, "other"),
        known,
        mentioned | end.existing,
    )
    if about.what in ("label", "namespace label", "account label"):
        return in_order((None, *sorted(mentioned), other), about, end)
    return (other, *sorted(mentioned - {other}))


def in_order(known: tuple[Value, ...], about: About, end: Possible) -> tuple[Value, ...]:
    """The values, the one that a pod of the input has now before the others."""
    own = end.base.labels.get(about.key) if not end.free and about.what == "label" else None
    return (own, *(value for value in known if value != own)) if own is not None else known


def fresh(start: str, leaves: list[Leaf], taken: set[str] | frozenset[str]) -> str:
    """A text that no test is true of, but those that are true of any."""
    for text in chain(
        (start,),
        (f"{start}-{number}" for number in range(2, 100)),
        (letter * length for length in range(1, 4) for letter in "zqxjkv0"),
    ):
        if text not in taken and not any(true_of(leaf, text) for leaf in leaves if isinstance(leaf, LabelText | LabelIn | Named)):
            return text
    return next(text for text in (f"{start}-{number}" for number in range(2, 1 << 20)) if text not in taken)


def made(tests: list[LabelText]) -> Iterator[str]:
    """Texts for every combination of beginnings, contents and ends that tests ask for."""
    starts = sorted({test.text for test in tests if test.part is Part.START})
    ends = sorted({test.text for test in tests if test.part is Part.END})
    inner = sorted({test.text for test in tests if test.part is Part.ANYWHERE})
    if len(inner) > MANY_TEXTS or len(starts) * len(ends) > 400:
        raise TooMany("policies look for too many texts in the values of one label")
    gap = next((letter for letter in "-_.xyz0189" if not any(letter in text for text in (*starts, *ends, *inner))), "-")
    groups = [group for count in range(len(inner) + 1) for group in combinations(inner, count)]
    for start in ("", *starts):
        for group in groups:
            for end in ("", *ends):
                if start or group or end:
                    yield gap.join(part for part in (start or "a", *group, end or "a"))
                    yield from (whole for whole in (start, end) if whole)


def regions(leaves: list[Leaf], end: Possible, family: int) -> Iterator[Address]:
    """An address of the end's networks for every set of blocks that it could be in."""
    tests: list[Peer] = [leaf for leaf in leaves if isinstance(leaf, InBlocks)]
    own = InBlocks(end.networks or ())
    for _, rest in remainders(blocks_of([*tests, own], family)):
        inside = next((block for block in rest if any(net.covers(block) for net in own.blocks)), None)
        if inside is not None:
            yield Address(family, inside.value)


def leaves_of(peer: Peer) -> Iterator[Leaf]:
    """The tests inside a test that are not made of others."""
    match peer:
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from leaves_of(term)
        case Not(term):
            yield from leaves_of(term)
        case _:
            yield peer


def entity_of(end: End, name: str, assignment: Mapping[Variable, Value], family: int, flow: tuple[int, int]) -> Entity:
    """An entity as the values say; ``name`` says which end it is, ``flow`` which protocol and port a named port is about."""
    if isinstance(end, Entity):
        return end
    found = {variable.about: value for variable, value in assignment.items() if variable.end == name}
    labels = {**end.base.labels, **of_kind(found, "label")}
    changed = replace(end.base, labels={key: value for key, value in labels.items() if value is not None})
    return created(end, changed, found, family, flow) if end.free else changed


def of_kind(found: Mapping[About, Value], what: str) -> dict[str, str | None]:
    """The labels of a kind that have, or must not have, a value."""
    return {about.key: value if isinstance(value, str) else None for about, value in found.items() if about.what == what}


def created(end: Possible, base: Entity, found: Mapping[About, Value], family: int, flow: tuple[int, int]) -> Entity:
    """A pod that does not exist yet."""
    namespace = (
        str(found.get(About("namespace"), fresh("new-namespace", [], end.existing))) if end.new_namespace else base.namespace
    )
    space = {NAME_LABEL: namespace, **of_kind(found, "namespace label")} if end.new_namespace else base.namespace_labels
    address = found.get(About("address"), default_address(end, family))
    return replace(
        base,
        name=f"{namespace}/{found.get(About('name'), 'new-pod')}",
        namespace=namespace,
        namespace_labels={key: value for key, value in space.items() if value is not None},
        account=str(found.get(About("account"), "default")),
        account_labels={key: value for key, value in of_kind(found, "account label").items() if value is not None},
        node=str(found.get(About("node"), "other-node")),
        node_labels=None,
        addresses=(address,) if isinstance(address, Address) else (),
        ports=tuple(NamedPort(about.key, *flow) for about, value in found.items() if about.what == "port name" and value),
    )


def default_address(end: Possible, family: int) -> Address | None:
    """An address of the end's networks; None where they are not known."""
    own = sorted(network for network in end.networks or () if network.family == family)
    return Address(family, min(own[0].value + 2, own[0].last)) if own else None
