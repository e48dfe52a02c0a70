"""How kinds of policies are read: one file per group of kinds in ``kinds/``, each ending in ``KIND``.

A reader turns an object into ``Policy`` values, tiers, and ``Complaint`` values for what is wrong with it. It never fails for what an
object holds: a part that cannot be read becomes ``Opaque``, with a complaint at its place, and an object that the API server would
reject is a policy whose selection is opaque, so that no verdict on whom it could concern is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TypeAlias

from analyzer.facts.kubernetes import ObjectFact, OtherObjectFact
from analyzer.parsers._kubectl_policies import RULES, SELECTOR
from analyzer.parsers._view import View
from analyzer.policy.metadata import mislabelled, misnamed
from analyzer.policy.selectors import selector
from analyzer.policy.terms import EVERYONE, Named, Of, Opaque, Peer, both
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong with a policy. ``rejected``: the API server (or the kind's own controller) would not take the object;
    else it is taken, and does something else than its text suggests."""

    at: Span
    message: str
    rejected: bool = False


TOP = ("apiVersion", "kind", "metadata", "spec", "status")
Read: TypeAlias = Policy | TierOrder | Complaint


@dataclass(frozen=True, slots=True)
class PolicyKind:
    """Kinds of objects that say who may talk to whom. ``names`` are ``group/kind``; ``supporting`` are kinds that ``read`` looks up in the
    cluster (network sets, address groups) and that are no policies themselves. ``standing`` gives what holds without any object. ``versions``: those that
    a group has of them; empty where ``read`` looks at the version itself. ``fields``: those of an object. ``denies``: whether one can deny what others admit."""

    names: tuple[str, ...]
    read: Callable[[OtherObjectFact, World], Iterator[Read]]
    tiers: tuple[TierOrder, ...] = ()
    supporting: tuple[str, ...] = field(default=())
    standing: Callable[[World], Iterator[Read]] | None = None
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fields: tuple[str, ...] = TOP
    denies: bool = True

    def policies(self, fact: OtherObjectFact, world: World) -> Iterator[Read]:
        """What an object says. Of a version that its kind does not have, or with a field beside its ``spec`` that no object has, it is refused, and what it would mean is
        not known; with a name or a label that is none, whether it holds."""
        if RULES in fact.unsaid:
            yield listed(fact, denies=self.denies)
            return
        refused = next(self.refused(fact), None)
        if refused is not None:
            yield refused
            yield unreadable(fact, refused.message, denies=self.denies)
            return
        faults = [Complaint(fact.place(*path), text, rejected=True) for path, text in mislabelled(fact)]
        yield from faults
        reasons = [misnamed(fact), *(fault.message for fault in faults)]
        yield from doubted(self.read(fact, world), fact, next(filter(None, reasons), ""))

    def refused(self, fact: OtherObjectFact) -> Iterator[Complaint]:
        """What the API server has against an object before it looks at what it says."""
        group, _, version = fact.api_version.rpartition("/")
        known = self.versions.get(group, ())
        if known and version not in known:
            text = f"{fact.kind} has no version {fact.api_version}: it exists in {', '.join(known)}"
            yield Complaint(fact.place("apiVersion"), text, rejected=True)
        for key in fact.document:
            if key not in self.fields:
                yield Complaint(fact.place(key), f"unknown field {key!r}{meant(str(key), self.fields)}", rejected=True)


def group_of(fact: ObjectFact) -> str:
    """The API group: empty for the core group."""
    return fact.api_version.rpartition("/")[0]


def view_of(fact: ObjectFact) -> View:
    """A view of the object; what it notes is found in its ``gaps``."""
    return View(fact.document, fact.places or {(): fact.at}, "kubernetes", [])


def complaints_of(view: View) -> Iterator[Complaint]:
    """What a view noted, each as something the API server would reject."""
    for gap in view.gaps:
        yield Complaint(gap.at, gap.reason, rejected=True)


def listed(fact: ObjectFact, *, denies: bool) -> Policy:
    """What stands for a policy of which a listing shows at most whom it selects."""
    view = view_of(fact)
    subject = EVERYONE if SELECTOR in fact.unsaid else selector(view.part("spec").part("podSelector"), Of.POD)
    words = "a listing does not show what it admits (kubectl get networkpolicies -A -o yaml does)"
    return unreadable(fact, words, EVERYONE if view.gaps else subject, denies=denies)


def unreadable(fact: ObjectFact, reason: str, subject: Peer = EVERYONE, *, denies: bool = True) -> Policy:
    """What stands for a policy that cannot be read: it may select any pod of its namespace (of the cluster, where it has none) that
    ``subject`` selects, and may admit and deny it anything; one of a kind that never ``denies`` what others admit may only admit, and isolate."""
    doubt = Opaque(f"{fact.kind} {fact.name} cannot be read: {reason}", fact.at)
    inside = Named(Of.NAMESPACE, frozenset({fact.namespace})) if fact.namespace else EVERYONE
    actions = (Action.ALLOW, Action.DENY) if denies else (Action.ALLOW,)
    rules = Rules(tuple(Rule(action, EVERYONE, fact.at) for action in actions))
    selecting = both(both(inside, subject), doubt)
    order = (0.0, f"{fact.namespace}/{fact.name}")
    return Policy(fact.kind, fact.namespace, fact.name, fact.at, selecting, rules, rules, order=order, readable=False)


def doubted(found: Iterable[Read], fact: ObjectFact, reason: str) -> Iterator[Read]:
    """What was read of an object that is not taken for a reason: its policies hold once that is mended, if it is; all of it where there is no reason."""
    doubt = Opaque(f"{fact.kind} {fact.name} is not taken: {reason}", fact.at)
    for item in found:
        yield replace(item, subject=both(item.subject, doubt)) if reason and isinstance(item, Policy) else item


def unknown_fields(view: View, known: Collection[str]) -> frozenset[str]:
    """Notes the fields that an object cannot have, with the one that may be meant and is not there yet; gives those that are meant."""
    if all(key in known for key in view.value):
        return frozenset()
    free = [name for name in known if name not in view.value]
    found = {key: nearest(str(key), free) for key in view.value if key not in known}
    for key, near in found.items():
        view.wrong(f"unknown field {view.name(key)!r}{asked(str(key), near, view.value[key]) if near else ''}", key)
    return frozenset(near for near in found.values() if near)


def asked(key: str, near: str, value: object) -> str:
    """Whether a field is meant; a list, as its name says, does not take the value of one item."""
    return f"; did you mean {near}, a list?" if near == f"{key}s" and not isinstance(value, list) else f"; did you mean {near}?"


def meant(key: str, known: Iterable[str]) -> str:
    """The known name that is nearest to one that is not, in words; empty where none is near."""
    near = nearest(key, known)
    return f"; did you mean {near}?" if near else ""


def nearest(key: str, known: Iterable[str]) -> str:
    """The known name that is nearest to one that is not; empty where none is near."""
    near = get_close_matches(key, sorted(known), 1, 0.75)
    return near[0] if near else ""


__all__ = ["Complaint", "Direction", "PolicyKind", "Read", "complaints_of", "group_of", "unknown_fields", "unreadable", "view_of"]
