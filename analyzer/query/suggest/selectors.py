"""Sets of pods of one namespace as label selectors: as few as can be found, each of which selects none of the pods that are not meant.

A selector is a conjunction of requirements (apimachinery, meta/v1 LabelSelector). One requirement is looked for first, then a conjunction, then
several selectors. ``In`` comes before the others, as what is admitted by it does not grow with pods that are not there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.policy.entities import Entity

PREFERRED = (
    "app",
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "k8s-app",
    "name",
    "component",
    "tier",
    "role",
)
# What controllers write: it changes with every roll-out, or names one pod.
VOLATILE = (
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
)
OPERATORS = ("In", "Exists", "NotIn", "DoesNotExist")


class Requirement(NamedTuple):
    """One requirement of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


Selector = tuple[Requirement, ...]
EVERY_POD: Selector = ()


class AlikeError(ValueError):
    """Two pods that no labels tell apart, by their numbers: ``meant`` is to be selected, ``other`` is not."""

    def __init__(self, meant: int, other: int) -> None:
        super().__init__(meant, other)
        self.meant, self.other = meant, other


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of the pods of a namespace, by number: for each key the pods of each value."""

    pods: int
    by_key: Mapping[str, Mapping[str, int]]
    known: dict[tuple[int, int], tuple[Selector, ...]] = field(default_factory=dict, repr=False)

    def selectors(self, meant: int, others: int) -> tuple[Selector, ...]:
        """Selectors that select all pods that are meant, and none of the others. AlikeError where labels do not tell them apart."""
        found = self.known.get((meant, others))
        if found is None:
            single = self.single(meant, others)
            found = self.known[meant, others] = (single,) if single is not None else tuple(self.cover(meant, others))
        return found

    def selected(self, selector: Selector) -> int:
        """The pods that a selector selects."""
        found = self.pods
        for term in selector:
            values = self.by_key.get(term.key, {})
            named = union(values.get(value, 0) for value in term.values) if term.values else union(values.values())
            found &= named if term.operator in ("In", "Exists") else ~named
        return found

    def single(self, meant: int, others: int) -> Selector | None:
        """One selector for all that are meant; None where a conjunction does not do."""
        if not others:
            return EVERY_POD
        terms = sorted(self.terms(meant, others), key=lambda item: rank(item[0]))
        for term, selected in terms:
            if not selected & others:
                return (term,)
        return conjunction(terms, others)

    def terms(self, meant: int, others: int) -> Iterator[tuple[Requirement, int]]:
        """The requirements that all who are meant meet, with the pods that meet them."""
        for key, values in self.by_key.items():
            having = union(values.values())
            if not meant & ~having:
                own = tuple(sorted(value for value, pods in values.items() if pods & meant))
                yield Requirement(key, "In", own), union(values[value] for value in own)
                yield Requirement(key, "Exists"), having
                continue
            foreign = tuple(sorted(value for value, pods in values.items() if pods & others and not pods & meant))
            if foreign:
                yield Requirement(key, "NotIn", foreign), self.pods & ~union(values[value] for value in foreign)
            if not meant & having:
                yield Requirement(key, "DoesNotExist"), self.pods & ~having

    def cover(self, meant: int, others: int) -> Iterator[Selector]:
        """Selectors that select those who are meant together: each takes in as many as one conjunction can."""
        left = meant
        while left:
            taken = left & -left
            if (selector := self.single(taken, others)) is None:
                raise AlikeError(first(taken), self.twin(taken, others))
            for number in members(left & ~taken):
                more = taken | 1 << number
                if (wider := self.single(more, others)) is not None:
                    taken, selector = more, wider
            yield selector
            left &= ~taken

    def twin(self, meant: int, others: int) -> int:
        """Somebody else with the same labels as a pod."""
        for values in self.by_key.values():
            own = next((pods for pods in values.values() if pods & meant), None)
            others &= own if own is not None else ~union(values.values())
        return first(others)


def conjunction(terms: list[tuple[Requirement, int]], others: int) -> Selector | None:
    """Requirements that together leave out all others, each the one that leaves out most of those that are left; None where they do not."""
    chosen: list[Requirement] = []
    while others and terms:
        term, pods = min(terms, key=lambda item: (others & item[1]).bit_count())
        if not others & ~pods:
            return None
        chosen.append(term)
        others &= pods
    return None if others else tuple(sorted(chosen))


def rank(term: Requirement) -> tuple[object, ...]:
    """What is preferred first: the operator that admits least, few values, the usual keys."""
    place = PREFERRED.index(term.key) if term.key in PREFERRED else len(PREFERRED)
    return term.key in VOLATILE, OPERATORS.index(term.operator), len(term.values), place, term.key


def first(pods: int) -> int:
    """The lowest number."""
    return (pods & -pods).bit_length() - 1


def union(sets: Iterable[int]) -> int:
    """The union."""
    found = 0
    for one in sets:
        found |= one
    return found


def labels_by_namespace(pods: Iterable[Entity]) -> dict[str, Labels]:
    """The labels of the pods of each namespace; a pod's number is its place among all of them."""
    inside: dict[str, int] = {}
    found: dict[str, dict[str, dict[str, int]]] = {}
    for number, pod in enumerate(pods):
        inside[pod.namespace] = inside.get(pod.namespace, 0) | 1 << number
        keys = found.setdefault(pod.namespace, {})
        for key, value in pod.labels.items():
            values = keys.setdefault(key, {})
            values[value] = values.get(value, 0) | 1 << number
    return {name: Labels(inside[name], dict(sorted(keys.items()))) for name, keys in found.items()}
