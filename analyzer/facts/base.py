"""What every fact has: the place that says it and the namespace that it is about."""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.source import Scope, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A statement of the text. Equality ignores where it stands.

    ``scope`` is the network namespace that the statement is about; None for the cluster's objects.
    """

    at: Span = field(compare=False, repr=False)
    scope: Scope | None = field(default=None, compare=False, repr=False)
