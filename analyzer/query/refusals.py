"""What a system's objects and texts may not say: one problem with its place and with what refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.addresses import Address, Prefix
from analyzer.addresses import address as read_address
from analyzer.addresses import prefix as read_prefix
from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.network import Network
from analyzer.query.cni.fields import is_address, is_network
from analyzer.source import Span


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that is refused. ``certain`` False: it is taken, and means something else than what is written."""

    at: Span
    message: str
    certain: bool = True


def objects(network: Network, kind: str, group: str) -> Iterator[ObjectFact]:
    """The objects of a kind in a group, by name."""
    found = (item for item in network.cluster.others if item.kind == kind and group in item.api_version.rpartition("/")[0])
    return iter(sorted(found, key=lambda item: (item.namespace, item.name)))


def spec_of(fact: ObjectFact) -> Mapping[str, Any]:
    """The ``spec`` of an object."""
    found = fact.document.get("spec")
    return found if isinstance(found, Mapping) else {}


def network_in(text: object) -> Prefix | None:
    """The network that a text is; None where it is none, or has no length."""
    return read_prefix(text) if isinstance(text, str) and is_network(text) else None


def address_in(text: object) -> Address | None:
    """The address that a text is; None where it is none."""
    return read_address(text) if isinstance(text, str) and is_address(text) else None


def host_bits(text: str) -> bool:
    """Whether a network is written with an address inside it."""
    found, first = network_in(text), address_in(text.partition("/")[0])
    return found is not None and first is not None and first.value != found.value


def word_of(fact: ObjectFact, key: str, known: tuple[str, ...]) -> Iterator[Refusal]:
    """A word of the spec that is none of those that the system knows."""
    value = spec_of(fact).get(key)
    if value not in (None, "") and value not in known:
        yield Refusal(fact.place("spec", key), f"{key} {value!r} is none of {', '.join(known)}")


def number_of(fact: ObjectFact, key: str, low: int, high: int) -> Iterator[Refusal]:
    """A number of the spec that lies outside."""
    value = spec_of(fact).get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high):
        yield Refusal(fact.place("spec", key), f"{key} {value!r} is no number from {low} to {high}")
