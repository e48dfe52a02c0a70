"""What the lowering knows while it works: the network, one family, and the numbers of interfaces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

from analyzer.addresses import WIDTH, Address, Prefix, prefix_of
from analyzer.facts.links import AddressFact, LinkFact
from analyzer.model.hardware import GROUP, held, with_mac
from analyzer.model.link_filters import open_chain, words
from analyzer.model.namespaces import by_default
from analyzer.model.network import Interface, Namespace, Network
from analyzer.ranges import Ranges, single
from analyzer.source import Scope
from analyzer.transfer.ir import (
    KEEP,
    Assign,
    Call,
    Drop,
    End,
    Field,
    Goto,
    If,
    In,
    Match,
    Opaque,
    Point,
    Seq,
    Transfer,
    Unknown,
)
from analyzer.transfer.netfilter.sharing import Sharing

Found = TypeVar("Found")
BROADCAST = (1 << 48) - 1
OF_TUNNEL = In(Field.TTL, single(0))
"""A tunnel's packet: its TTL is left at 0, and every other packet starts with one."""


@dataclass(slots=True)
class Names:
    """Numbers for names (of interfaces: the same in every namespace); 0 is none."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """The name's number."""
        return self.numbers.setdefault(name, len(self.numbers) + 1)


@dataclass
class Context:
    """The network that is lowered, for one family. ``assumptions`` are what was taken for granted so far, each once; ``made`` holds what
    the parts of the lowering work out once."""

    network: Network
    family: int
    names: Names = field(default_factory=Names)
    assumptions: dict[str, None] = field(default_factory=dict)
    matches: dict[object, Match] = field(default_factory=dict)
    made: dict[object, object] = field(default_factory=dict)
    macs: Names = field(default_factory=Names)

    sharing: Sharing = field(init=False)

    def __post_init__(self) -> None:
        self.sharing = Sharing(self.network, self.family)
        self.names.number("lo")
        for space in self.network.namespaces.values():
            for device in space.links:
                self.names.number(device)

    @cached_property
    def other(self) -> Context:
        """The same for the other family, with the same numbers for names: for packets around this family's (``other_version``)."""
        return Context(self.network, 10 - self.family, self.names, macs=self.macs)

    @property
    def width(self) -> int:
        """The width of an address in bits."""
        return WIDTH[self.family]

    @cached_property
    def held(self) -> dict[Interface, tuple[AddressFact, ...]]:
        """The family's addresses of each interface, in listing order."""
        found: dict[Interface, list[AddressFact]] = {}
        for scope, space in self.network.namespaces.items():
            for fact in space.addresses:
                if fact.address.family == self.family:
                    found.setdefault(Interface(scope, fact.device), []).append(fact)
        return {at: tuple(facts) for at, facts in found.items()}

    @cached_property
    def ports(self) -> dict[Interface, tuple[str, ...]]:
        """The ports of each bridge (or other master), in the order of the listing."""
        found: dict[Interface, list[str]] = {}
        for scope, space in self.network.namespaces.items():
            for device in space.links:
                if (master := self.master(scope, device)) is not None:
                    found.setdefault(Interface(scope, master), []).append(device)
        return {at: tuple(devices) for at, devices in found.items()}

    @cached_property
    def uppers(self) -> dict[Interface, tuple[Interface, ...]]:
        """The devices over each device."""
        found: dict[Interface, list[Interface]] = {}
        for upper, under in self.network.lower.items():
            found.setdefault(under, []).append(upper)
        return {at: tuple(devices) for at, devices in found.items()}

    def space(self, scope: Scope) -> Namespace:
        """A namespace of the capture."""
        return self.network.namespaces[scope]

    def link(self, at: Interface) -> LinkFact | None:
        """An interface's record."""
        space = self.network.namespaces.get(at.scope)
        link = space.links.get(at.device) if space else None
        return link if link is None or (link.mac is not None and not link.mac & GROUP) else with_mac(at, link)

    @cached_property
    def hardware(self) -> Counter[int]:
        """How many interfaces have each captured MAC."""
        return held(self.network)

    def master(self, scope: Scope, device: str) -> str | None:
        """The bridge, bond, switch or VRF that a device is a port of."""
        space = self.space(scope)
        port, link = space.ports.get(device), space.links.get(device)
        return (link.master if link else None) or (port.master if port else None)

    def is_device(self, name: str) -> Match:
        """Whether the packet came in by a device."""
        return In(Field.IN_INTERFACE, single(self.names.number(name)))

    def setting(self, scope: Scope, device: str, name: str) -> str | None:
        """A switch of a device: its own value, else that of ``default``; None when it was not captured."""
        family = f"net.ipv{self.family}.conf"
        own = self.switch(scope, f"{family}.{device.replace('.', '/')}.{name}")
        return own if own is not None else self.switch(scope, f"{family}.default.{name}")

    def without_six(self, at: Interface) -> bool:
        """Whether packets are of IPv6, which the device does not take (ip6_rcv_core of net/ipv6/ip6_input.c)."""
        return self.family == 6 and number(self.setting(at.scope, at.device, "disable_ipv6")) != 0

    def whole(self, scope: Scope, name: str) -> str | None:
        """A switch of all devices."""
        return self.switch(scope, f"net.ipv{self.family}.conf.all.{name}")

    def switch(self, scope: Scope, key: str) -> str | None:
        """A kernel switch's number; None when it was not captured or is none."""
        words = (self.space(scope).sysctl(key) or "").split()
        return words[0] if words and words[0].lstrip("-").isdecimal() and len(words[0]) < 12 else None

    def assume(self, text: str) -> None:
        """Notes what is taken for granted."""
        self.assumptions.setdefault(text)

    def once(self, key: object, work: Callable[[], Found]) -> Found:
        """What some work comes to, done once; what it takes for granted is noted each time."""
        known = cast(tuple[Found, tuple[str, ...]] | None, self.made.get(key))
        if known is None:
            before, self.assumptions = self.assumptions, {}
            made = work()
            known = self.made[key] = (made, tuple(self.assumptions))
            self.assumptions = before
        self.assumptions.update(dict.fromkeys(known[1]))
        return known[0]

    def granted(self, scope: Scope, *keys: str) -> None:
        """Notes the parts that were not captured and are taken to be as the kernel has them by default."""
        space = self.space(scope)
        known = {**by_default(space), **space.assumed}
        for key in keys:
            if (words := known.get(key)) is not None:
                self.assume(words)


def number(text: str | None, otherwise: int = 0) -> int:
    """The value of a switch."""
    return int(text) if text is not None and text.lstrip("-").isdecimal() else otherwise


def goto(scope: Scope, stage: str, detail: str = "") -> End:
    """Leaves for a stage."""
    return End(Goto(Point(scope, stage, detail)))


def call(scope: Scope, stage: str, detail: str = "") -> Call:
    """Runs a stage and comes back."""
    return Call(Point(scope, stage, detail))


def drop(reason: str) -> End:
    """The end of the packet."""
    return End(Drop(reason))


def unless(words: str, then: Transfer) -> Transfer:
    """What happens where an unread part lets the packet pass unchanged; where not, nobody knows."""
    return If(Opaque(words), then, End(Unknown(words)))


def barred(context: Context, scope: Scope, family: str, hooks: tuple[str, ...] = ()) -> Transfer:
    """What comes by where a chain of the families arp and bridge may do more than accept it."""
    space = context.space(scope)
    chain = open_chain(space, family, hooks)
    return KEEP if chain is None else unless(words(chain, space), KEEP)


def set_to(device: Field, value: int) -> Assign:
    """Gives a field a value."""
    return Assign(device, value)


def seq(*parts: Transfer) -> Transfer:
    """One after the other, without those that do nothing."""
    kept = tuple(part for part in parts if part != KEEP)
    return kept[0] if len(kept) == 1 else Seq(kept)


def dispatch(name: Field, rows: Sequence[tuple[tuple[int, int], Transfer]], otherwise: Transfer) -> Transfer:
    """What follows by the range that the field's value is in: a balanced tree over disjoint ranges, which are sorted."""
    if not rows:
        return otherwise
    if len(rows) == 1:
        return If(In(name, (rows[0][0],)), rows[0][1], otherwise)
    middle = len(rows) // 2
    low, high = dispatch(name, rows[:middle], otherwise), dispatch(name, rows[middle:], otherwise)
    return If(In(name, ((0, rows[middle][0][0] - 1),)), low, high)


def by_value(name: Field, rows: dict[int, Transfer], otherwise: Transfer) -> Transfer:
    """What follows by the field's value."""
    return dispatch(name, [((value, value), transfer) for value, transfer in sorted(rows.items())], otherwise)


def span_of(network: Prefix) -> tuple[int, int]:
    """A network's addresses as a range."""
    return network.value, network.last


def own_network(fact: AddressFact) -> Prefix:
    """The network of an address: its peer's where it has one."""
    if fact.peer is not None:
        return prefix_of(fact.peer, fact.peer_length if fact.peer_length is not None else WIDTH[fact.peer.family])
    return prefix_of(fact.address, fact.length)


def flattened(networks: Sequence[Prefix]) -> Iterator[tuple[tuple[int, int], tuple[Prefix, ...]]]:
    """Disjoint ranges, ascending, each with the networks that hold it, the most specific last; what no network holds is left out."""
    stack: list[Prefix] = []
    position = 0
    for network in sorted(set(networks), key=lambda item: (item.value, item.length)):
        while stack and stack[-1].last < network.value:
            yield from _piece(position, stack[-1].last, stack)
            position = stack.pop().last + 1
        if stack:
            yield from _piece(position, network.value - 1, stack)
        stack.append(network)
        position = network.value
    while stack:
        yield from _piece(position, stack[-1].last, stack)
        position = stack.pop().last + 1


def _piece(low: int, high: int, stack: Sequence[Prefix]) -> Iterator[tuple[tuple[int, int], tuple[Prefix, ...]]]:
    if low <= high:
        yield (low, high), tuple(stack)


def everything(width: int) -> Ranges:
    """All values of a width."""
    return ((0, (1 << width) - 1),)


Outcome = Callable[[Address], Transfer]
