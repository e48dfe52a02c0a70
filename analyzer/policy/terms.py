"""What a policy can say about the two ends of a flow and about the flow: one small algebra, and its value for one of them.

An *entity* is whatever can be an end of a flow (``entities.py``). A ``Peer`` is a test of an entity, a ``Traffic`` a test of a flow
towards a destination. Both are three-valued: what the analyzer cannot know is ``Opaque``, and a test that rests on it has the
value None (Kleene's logic), which never becomes "allowed" nor "denied".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeAlias, TypeVar, Union

from analyzer.addresses import Prefix
from analyzer.ranges import Ranges
from analyzer.source import Span

T = TypeVar("T")
Test = TypeVar("Test", "Peer", "Traffic")
ALL_PROTOCOLS: Ranges = ((0, 255),)
ALL_PORTS: Ranges = ((0, 65535),)


class Of(StrEnum):
    """Whose labels or name a test is about."""

    POD = "pod"
    NAMESPACE = "namespace"
    ACCOUNT = "service account"
    NODE = "node"
    PLACE = "node that it is on"
    SERVICE = "service that is asked"


class Kind(StrEnum):
    """What an entity is. HOST: a node's own network namespace, and what runs in it. OUTSIDE: an address that nothing of the input has."""

    POD = "pod"
    HOST = "host"
    OUTSIDE = "outside"


class Part(StrEnum):
    """Where in a label's value a text must stand (Calico's selectors)."""

    START = "starts with"
    END = "ends with"
    ANYWHERE = "contains"


@dataclass(frozen=True, slots=True)
class Not(Generic[T]):
    """The test does not hold."""

    term: T


@dataclass(frozen=True, slots=True)
class All(Generic[T]):
    """Each of the tests holds; of none: true."""

    terms: tuple[T, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf(Generic[T]):
    """One of the tests holds; of none: false."""

    terms: tuple[T, ...] = ()


@dataclass(frozen=True, slots=True)
class Opaque:
    """A test whose value is not known; ``text`` says in words what it is about. ``open``: who wrote the rules left it open, so that a system may
    read it either way."""

    text: str
    at: Span = field(compare=False, repr=False)
    open: bool = False


@dataclass(frozen=True, slots=True)
class LabelIn:
    """The label is there and has one of the values."""

    of: Of
    key: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class HasLabel:
    """The label is there."""

    of: Of
    key: str


@dataclass(frozen=True, slots=True)
class LabelText:
    """The label is there and its value has the text in it."""

    of: Of
    key: str
    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Named:
    """The entity's pod, namespace, service account or node has one of the names. NODE: hosts only; PLACE: the node that a pod is on, too. SERVICE: the one by which it
    is reached (``namespace/name``); of whatever is reached directly it is false."""

    of: Of
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Is:
    """The entity is of one of the kinds. A pod in its node's network namespace (hostNetwork) is HOST."""

    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class InBlocks:
    """The entity's address, in the family that is asked about, is in one of the blocks.

    ``pods``, ``hosts``: whether addresses of pods, of nodes count; False where a network system compares blocks with others only.
    """

    blocks: tuple[Prefix, ...]
    pods: bool = True
    hosts: bool = True


PeerLeaf: TypeAlias = LabelIn | HasLabel | LabelText | Named | Is | InBlocks | Opaque
Peer: TypeAlias = Union[PeerLeaf, "Not[Peer]", "All[Peer]", "AnyOf[Peer]"]


class Box(NamedTuple):
    """Flows by protocol number and ports. For ICMP (1, 58) the destination port is ``type * 256 + code``, the source port is 0."""

    protocols: Ranges = ALL_PROTOCOLS
    destinations: Ranges = ALL_PORTS
    sources: Ranges = ALL_PORTS


@dataclass(frozen=True, slots=True)
class PortName:
    """Flows to the ports that the destination's containers give this name; ``protocols``: only those of them."""

    name: str
    protocols: Ranges = ALL_PROTOCOLS


Traffic: TypeAlias = Union[Box, PortName, Opaque, "Not[Traffic]", "All[Traffic]", "AnyOf[Traffic]"]
Leaf: TypeAlias = PeerLeaf | Box | PortName

EVERYONE: Peer = All()
NOBODY: Peer = AnyOf()
ANY_TRAFFIC: Traffic = Box()
NO_TRAFFIC: Traffic = AnyOf()


def all_of(values: Iterable[bool | None]) -> bool | None:
    """Kleene's "and"."""
    result: bool | None = True
    for value in values:
        if value is False:
            return False
        if value is None:
            result = None
    return result


def any_of(values: Iterable[bool | None]) -> bool | None:
    """Kleene's "or"."""
    result: bool | None = False
    for value in values:
        if value is True:
            return True
        if value is None:
            result = None
    return result


def not_(value: bool | None) -> bool | None:
    """Kleene's "not"."""
    return None if value is None else not value


def both(first: Peer, second: Peer) -> Peer:
    """The two tests together, without needless nesting."""
    if first == EVERYONE:
        return second
    return first if second == EVERYONE else All((first, second))


def either(terms: Iterable[Peer]) -> Peer:
    """One of the tests."""
    found = tuple(dict.fromkeys(terms))
    return found[0] if len(found) == 1 else AnyOf(found)


def leaves(test: Peer | Traffic) -> Iterator[Leaf]:
    """The tests inside a test that are not made of others, in their order."""
    waiting = [test]
    while waiting:
        term = waiting.pop()
        if isinstance(term, (All, AnyOf)):
            waiting.extend(reversed(term.terms))
        elif isinstance(term, Not):
            waiting.append(term.term)
        else:
            yield term


def opaque_in(test: Peer | Traffic) -> Iterator[Opaque]:
    """The tests inside a test whose value is not known."""
    return (leaf for leaf in leaves(test) if isinstance(leaf, Opaque))


def distinct_leaves(tests: Iterable[Test]) -> list[Test]:
    """The leaves of any of the tests, each object once: what many tests share is gone through once."""
    waiting, seen, found = list(tests), set[int](), list[Test]()
    while waiting:
        term = waiting.pop()
        if id(term) in seen:
            continue
        seen.add(id(term))
        if isinstance(term, (All, AnyOf)):
            waiting.extend(term.terms)
        elif isinstance(term, Not):
            waiting.append(term.term)
        else:
            found.append(term)
    return found
