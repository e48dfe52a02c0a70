"""Interfaces and attachments by what they have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TypeVar

from analyzer.model.network import Attachment, Interface
from analyzer.source import Scope

T = TypeVar("T")


def by_scope(attachments: Iterable[Attachment]) -> dict[Scope, tuple[Attachment, ...]]:
    """The pods of each namespace, in order."""
    found: dict[Scope, list[Attachment]] = defaultdict(list)
    for one in attachments:
        found[one.scope].append(one)
    return {scope: tuple(pods) for scope, pods in found.items()}


def gathered(pairs: Iterable[tuple[Interface, T]]) -> dict[T, tuple[Interface, ...]]:
    """Interfaces by what they point to, in order."""
    found: dict[T, list[Interface]] = defaultdict(list)
    for interface, target in pairs:
        found[target].append(interface)
    return {target: tuple(sorted(interfaces)) for target, interfaces in found.items()}
