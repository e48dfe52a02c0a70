"""Rules of an AuthorizationPolicy: sources, operations and conditions, as far as they are about connections.

What is about requests (methods, paths, hosts, headers, tokens) is a condition in words where the policy allows, and leaves open where it denies. A node's proxy (ztunnel) sees no requests: it leaves
out such a rule of a policy that allows, and what the rule says of requests where the policy denies (pilot/pkg/serviceregistry/ambient, handleRule).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from analyzer.addresses import prefix
from analyzer.parsers._view import View
from analyzer.policy.istio.mesh import Mesh, all_together
from analyzer.policy.ports import any_of_traffic
from analyzer.policy.terms import (
    ANY_TRAFFIC,
    EVERYONE,
    NO_TRAFFIC,
    NOBODY,
    All,
    Box,
    InBlocks,
    Not,
    Opaque,
    Peer,
    Traffic,
    either,
)
from analyzer.ranges import normalised, single
from analyzer.source import Span

TCP: Traffic = Box(single(6))
REQUEST_SOURCES = ("requestPrincipals", "remoteIpBlocks")
REQUEST_OPERATIONS = ("hosts", "methods", "paths")
SOURCES = ("principals", "namespaces", "serviceAccounts", "ipBlocks", *REQUEST_SOURCES)
OPERATIONS = ("ports", *REQUEST_OPERATIONS)


def negative(name: str) -> str:
    """The field that says the opposite."""
    return f"not{name[0].upper()}{name[1:]}"


@dataclass(slots=True)
class Meaning:
    """What a rule, or a part of one, says: tests of the other end, of the subject and of the connection, all of which have to hold, and
    what is left in words."""

    peers: list[Peer] = field(default_factory=list)
    own: list[Peer] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def peer(self) -> Peer:
        """The test of the other end."""
        return all_together(self.peers) if self.peers else EVERYONE

    @property
    def connections(self) -> Traffic:
        """The test of the connection."""
        return All(tuple(self.traffic)) if self.traffic else ANY_TRAFFIC


class Text(NamedTuple):
    """One text of a field, with its place."""

    text: str
    view: View
    key: str
    number: int

    @property
    def at(self) -> Span:
        """Where it is."""
        return self.view.at(self.key, self.number)


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads the rules of a policy of a namespace."""

    mesh: Mesh
    namespace: str

    def meanings(self, rule: View, denies: bool) -> Iterator[Meaning]:
        """A rule: what it says of connections alone, and what it says with words about requests; apart for pods that only their node's proxy stands for."""
        for item in self.by_proxies(rule, denies):
            if self.mesh.behind == NOBODY or all(peer == EVERYONE for peer in item.peers):
                yield item
                continue
            doubt = Opaque("whether it comes through a waypoint, with the identity that the waypoint has", rule.at())
            yield joined([item, Meaning(own=[Not(self.mesh.behind)])])
            yield joined([replace(item, peers=[doubt]), Meaning(own=[self.mesh.behind])])

    def by_proxies(self, rule: View, denies: bool) -> Iterator[Meaning]:
        """What a rule says to sidecars, and to the proxies of nodes."""
        found = list(self.of_sidecar(rule))
        by_nodes = self.mesh.by_nodes
        if by_nodes == NOBODY or not any(item.words for item in found):
            yield from found
            return
        yield from (joined([item, Meaning(own=[Not(by_nodes)])]) for item in found)
        if denies:
            yield joined([replace(found[-1], words=[]), Meaning(own=[by_nodes])])

    def of_sidecar(self, rule: View) -> Iterator[Meaning]:
        """What a rule says of connections alone, and what it says with words about requests."""
        known(rule, ("from", "to", "when"))
        sources = [self.source(item.part("source")) for item in rule.parts("from")] or [Meaning()]
        operations = [self.operation(item.part("operation")) for item in rule.parts("to")] or [Meaning()]
        conditions = joined([self.condition(item) for item in rule.parts("when")])
        plain = [item for item in sources if not item.words], [item for item in operations if not item.words]
        if all(plain) and not conditions.words:
            yield combined(*plain, conditions)
        if conditions.words or [len(items) for items in plain] != [len(sources), len(operations)]:
            yield combined(sources, operations, conditions)

    def source(self, item: View) -> Meaning:
        """Who a request is from: all fields have to hold."""
        known(item, (*SOURCES, *map(negative, SOURCES)))
        if not any(item.value.values()):
            item.wrong("a source must have at least one field that is not empty")
        readers: Mapping[str, Callable[[Text], Peer]] = {
            "principals": self.principal,
            "namespaces": self.space,
            "serviceAccounts": self.account,
            "ipBlocks": block,
        }
        peers = [test for name, read in readers.items() for test in choices(item, name, read)]
        return Meaning(peers, words=list(requests(item, REQUEST_SOURCES)))

    def principal(self, item: Text) -> Peer:
        """Who has a principal."""
        return self.mesh.principal(item.text, item.at)

    def space(self, item: Text) -> Peer:
        """Who is in a namespace."""
        return self.mesh.namespace(item.text)

    def account(self, item: Text) -> Peer:
        """A service account: of the policy's namespace unless it is ``namespace/account``."""
        space, slash, name = item.text.partition("/")
        return self.mesh.account(space, name) if slash else self.mesh.account(self.namespace, item.text)

    def operation(self, item: View) -> Meaning:
        """What is asked for: all fields have to hold."""
        known(item, (*OPERATIONS, *map(negative, OPERATIONS)))
        if not any(item.value.values()):
            item.wrong("an operation must have at least one field that is not empty")
        return Meaning(traffic=list(to_ports(item, "ports")), words=list(requests(item, REQUEST_OPERATIONS)))

    def condition(self, item: View) -> Meaning:
        """One condition of ``when``: a key with one of the values, and none of ``notValues``."""
        known(item, ("key", "values", "notValues"))
        if not item.value.get("values") and not item.value.get("notValues"):
            item.wrong("a condition must have values or notValues")
        match item.text("key"):
            case "destination.port":
                return Meaning(traffic=list(to_ports(item, "values")))
            case "destination.ip":
                return Meaning(own=list(choices(item, "values", block)))
            case "source.ip":
                return Meaning(list(choices(item, "values", block)))
            case "source.principal":
                return Meaning(list(choices(item, "values", self.principal)))
            case "source.namespace":
                return Meaning(list(choices(item, "values", self.space)))
            case "source.serviceAccount":
                return Meaning(list(choices(item, "values", self.account)))
            case key:
                return Meaning(words=list(requests(item, ("values",), key)))


def known(view: View, names: tuple[str, ...]) -> None:
    """Notes the fields that there are none of."""
    for key in view.value:
        if key not in names:
            view.wrong(f"unknown field {view.name(key)!r}", key)


def choices(item: View, name: str, read: Callable[[Text], Peer]) -> Iterator[Peer]:
    """One of the values of a field, and none of those of its opposite."""
    for key in (name, negative(name)):
        if texts := item.texts(key):
            chosen = either(read(Text(text, item, key, index)) for index, text in enumerate(texts))
            yield chosen if key == name else Not(chosen)


def to_ports(item: View, name: str) -> Iterator[Traffic]:
    """To one of the ports of a field, and to none of those of its opposite."""
    for key in (name, negative(name)):
        if texts := item.texts(key):
            chosen = ports(item, key, texts)
            yield chosen if key == name else Not(chosen)


def block(item: Text) -> Peer:
    """A block of addresses, or an address."""
    try:
        return InBlocks((prefix(item.text),))
    except ValueError:
        item.view.wrong(f"{item.text!r} is no address and no CIDR", item.key, item.number)
        return NOBODY


def joined(parts: list[Meaning]) -> Meaning:
    """What all parts say."""
    found = Meaning()
    for part in parts:
        found.peers += part.peers
        found.own += part.own
        found.traffic += part.traffic
        found.words += part.words
    return found


def combined(sources: list[Meaning], operations: list[Meaning], conditions: Meaning) -> Meaning:
    """One of the sources with one of the operations, and all conditions."""
    chosen = Meaning([either(item.peer for item in sources)])
    chosen.traffic.append(any_of_traffic(tuple(dict.fromkeys(item.connections for item in operations))))
    words = (" and ".join(item.words) for item in (*sources, *operations) if item.words)
    chosen.words += [" or ".join(dict.fromkeys(words))] if any(item.words for item in (*sources, *operations)) else []
    return joined([chosen, conditions])


def requests(item: View, names: tuple[str, ...], called: str = "") -> Iterator[str]:
    """Fields about requests, in words."""
    for name in names:
        for key, join in ((name, "is"), (negative(name), "is not")):
            if texts := item.texts(key):
                yield f"{called or name} {join} {' or '.join(texts)}"


def ports(item: View, key: str, texts: list[str]) -> Traffic:
    """Ports by number."""
    found = []
    for index, text in enumerate(texts):
        if not text.isdecimal() or not 1 <= int(text) <= 65535:
            item.wrong(f"port {text!r} must be a number from 1 to 65535", key, index)
        else:
            found.append((int(text), int(text)))
    return Box(single(6), normalised(found)) if found else NO_TRAFFIC


def denying(meaning: Meaning, view: View) -> Traffic:
    """The connections that a denying rule refuses: not known for sure where it is about requests."""
    terms: list[Traffic] = [TCP, *meaning.traffic]
    if meaning.words:
        terms.append(Opaque(f"whether requests have {' and '.join(meaning.words)}", view.at()))
    return All(tuple(terms))
