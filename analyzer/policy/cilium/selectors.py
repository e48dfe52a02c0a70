"""Selectors as Cilium writes them: label selectors of the Kubernetes API whose keys may begin with the source of the label.

Follows pkg/policy/api/selector.go; ``reserved`` labels are entities, which have no values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from analyzer.parsers._view import View
from analyzer.policy.cilium.labels import Label, LabelReader, label_of
from analyzer.policy.selectors import check_key, check_value
from analyzer.policy.terms import NOBODY, All, AnyOf, Not, Peer
from analyzer.source import Span

EntityOf: TypeAlias = Callable[[str, Span], Peer]


def nobody(name: str, at: Span) -> Peer:
    """No entity is meant."""
    del name, at
    return NOBODY


def keys_of(item: View) -> Iterator[str]:
    """The keys of a selector."""
    labels, expressions = item.value.get("matchLabels"), item.value.get("matchExpressions")
    yield from labels if isinstance(labels, dict) else ()
    for part in expressions if isinstance(expressions, list) else ():
        if isinstance(part, dict):
            yield str(part.get("key", ""))


def selector(item: View, labels: LabelReader, entity: EntityOf = nobody) -> Peer:
    """A selector; the empty one is true of everything. What Cilium would reject is noted in the view."""
    for key in item.value:
        if key not in ("matchLabels", "matchExpressions"):
            item.wrong(f"unknown field {key!r} in a selector", key)
    reader = SelectorReader(labels, entity)
    terms = [*reader.match_labels(item), *reader.match_expressions(item)]
    return terms[0] if len(terms) == 1 else All(tuple(terms))


class SelectorReader:
    """Reads the parts of a selector."""

    def __init__(self, labels: LabelReader, entity: EntityOf) -> None:
        self.labels, self.entity = labels, entity

    def match_labels(self, item: View) -> Iterator[Peer]:
        """``matchLabels``, by key."""
        for key, value in sorted(item.strings("matchLabels").items()):
            label = label_of(key)
            check_key(item, label.key, "matchLabels", key)
            check_value(item, value, "matchLabels", key)
            yield self.has_value(label, frozenset({value}), item.at("matchLabels", key))

    def match_expressions(self, item: View) -> Iterator[Peer]:
        """``matchExpressions``."""
        for part in item.parts("matchExpressions"):
            label, operator, values = label_of(part.text("key")), part.text("operator"), part.texts("values")
            check_key(part, label.key, "key")
            for index, value in enumerate(values):
                check_value(part, value, "values", index)
            if operator in ("In", "NotIn") and not values:
                part.wrong(f"operator {operator} needs values", "operator")
            yield self.requirement(part, label, operator, frozenset(values))

    def requirement(self, part: View, label: Label, operator: str, values: frozenset[str]) -> Peer:
        """One requirement."""
        match operator:
            case "In":
                return self.has_value(label, values, part.at())
            case "NotIn":
                return Not(self.has_value(label, values, part.at()))
            case "Exists":
                return self.is_there(label, part.at())
            case "DoesNotExist":
                return Not(self.is_there(label, part.at()))
            case _:
                part.wrong(f"{operator!r} is no operator: it must be In, NotIn, Exists or DoesNotExist", "operator")
                return AnyOf()

    def has_value(self, label: Label, values: frozenset[str], at: Span) -> Peer:
        """A label has one of the values; reserved labels have the empty one."""
        if label.reserved:
            return self.entity(label.key, at) if "" in values else NOBODY
        return self.labels.has_value(label, values, at)

    def is_there(self, label: Label, at: Span) -> Peer:
        """A label is there."""
        return self.entity(label.key, at) if label.reserved else self.labels.is_there(label, at)
