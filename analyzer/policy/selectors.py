"""Label selectors of the Kubernetes API (apimachinery, meta/v1 LabelSelector) as tests of labels.

``selector`` of an absent or null field is the caller's to decide: it means "everything" in one field and "nothing" in another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache

from analyzer.parsers._view import View
from analyzer.policy.terms import All, AnyOf, HasLabel, LabelIn, Not, Of, Peer

NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
DOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
FIELDS = ("matchLabels", "matchExpressions")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def selector(view: View, of: Of) -> Peer:
    """A LabelSelector: all of ``matchLabels`` and ``matchExpressions``; the empty one is true of everything.

    What the API server would reject is noted in the view."""
    if (known := of_labels(view.value, of)) is not None:
        return known
    terms = [*labels(view, of), *expressions(view, of)]
    for key in view.value:
        if key not in FIELDS:
            near = next(iter(get_close_matches(str(key), [name for name in FIELDS if name not in view.value], 1, 0.75)), "")
            meant = (
                f"; did you mean {near}?" if near else f": labels stand below {FIELDS[0]}" if FIELDS[0] not in view.value else ""
            )
            view.wrong(f"unknown field {key!r} in a label selector{meant}", key)
    return terms[0] if len(terms) == 1 else All(tuple(terms))


def of_labels(value: object, of: Of) -> Peer | None:
    """The selector that a value is, where it is one of labels alone, as most are; None where it is written otherwise, or has anything to complain of."""
    given = value.get("matchLabels") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(given, dict) or not all(item.__class__ is str for item in given.values()):
        return None
    return all_labels(of, tuple(given.items()))


@lru_cache(maxsize=1 << 14)
def all_labels(of: Of, given: tuple[tuple[str, str], ...]) -> Peer | None:
    """The test for labels: one object for equal ones. None where one is none."""
    if not all(isinstance(key, str) and is_key(key) and is_value(value) for key, value in given):
        return None
    terms = tuple(label_is(of, key, value) for key, value in sorted(given))
    return terms[0] if len(terms) == 1 else All(terms)


@lru_cache(maxsize=1 << 12)
def label_is(of: Of, key: str, value: str) -> LabelIn:
    """The test for one value of a label: one object for equal ones."""
    return LabelIn(of, key, frozenset({value}))


def labels(view: View, of: Of) -> Iterator[Peer]:
    """``matchLabels``, by key."""
    if "matchLabels" not in view.value:
        return
    for key, value in sorted(view.strings("matchLabels").items()):
        check_key(view, key, "matchLabels", key)
        check_value(view, value, "matchLabels", key)
        yield label_is(of, key, value)


def expressions(view: View, of: Of) -> Iterator[Peer]:
    """``matchExpressions``: In, NotIn (also true where the label is absent), Exists, DoesNotExist."""
    if "matchExpressions" not in view.value:
        return
    for item in view.parts("matchExpressions"):
        key, operator, values = item.text("key"), item.text("operator"), item.texts("values")
        check_key(item, key, "key")
        for index, value in enumerate(values):
            check_value(item, value, "values", index)
        if operator in ("In", "NotIn") and not item.value.get("values"):
            item.wrong(f"operator {operator} needs values", "operator")
        if operator in ("Exists", "DoesNotExist") and values:
            item.wrong(f"operator {operator} takes no values", "values")
        yield expression(item, of, key, operator, values)


def expression(view: View, of: Of, key: str, operator: str, values: list[str]) -> Peer:
    """One requirement."""
    match operator:
        case "In":
            return LabelIn(of, key, frozenset(values))
        case "NotIn":
            return Not(LabelIn(of, key, frozenset(values)))
        case "Exists":
            return HasLabel(of, key)
        case "DoesNotExist":
            return Not(HasLabel(of, key))
        case _:
            view.wrong(f"{operator!r} is no operator of a label selector: it must be one of {', '.join(OPERATORS)}", "operator")
            return AnyOf()


def check_key(view: View, key: str, *path: str | int) -> None:
    """A label's key: an optional DNS subdomain and a name (apimachinery, validation.IsQualifiedName)."""
    if not is_key(key):
        view.wrong(f"{key!r} is no label key", *path)


@lru_cache(maxsize=1 << 12)
def is_key(key: str) -> bool:
    """Whether a text can be a label's key."""
    domain, slash, name = key.rpartition("/")
    domain_good = not slash or (len(domain) <= 253 and DOMAIN.fullmatch(domain) is not None)
    return domain_good and len(name) <= 63 and NAME.fullmatch(name) is not None


def check_value(view: View, value: str, *path: str | int) -> None:
    """A label's value: empty, or up to 63 characters that begin and end with a letter or digit (validation.IsValidLabelValue)."""
    if not is_value(value):
        view.wrong(f"{value!r} is no label value", *path)


@lru_cache(maxsize=1 << 12)
def is_value(value: str) -> bool:
    """Whether a text can be a label's value."""
    return not value or (len(value) <= 63 and NAME.fullmatch(value) is not None)
