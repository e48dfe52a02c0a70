"""Rules that are for one pod's packets, as Calico has them: chains by the pod's device or address, and what these lead to.

A chain *dispatches* where its rules about pods all look at one thing (the device by which a packet comes, or goes, or one of its addresses): a packet meets those for one pod,
and the rules for all. What they lead to, and nothing else does, belongs to the pod; it is written out in place of the names of chains, with what is known of the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from analyzer.addresses import WIDTH, Address
from analyzer.facts.matches import AddressMatch, InterfaceMatch
from analyzer.facts.netfilter import Jump, NfRule, Pass
from analyzer.model.network import Namespace
from analyzer.query.alike.chains import Met
from analyzer.query.alike.forms import Untold
from analyzer.query.alike.identities import Identities

DEEP = 16
ENTERS = Pass("enters")
Looks = str
"""What rules about pods look at: ``in`` and ``out`` for devices, else the side of an address."""


@dataclass(frozen=True)
class Dispatching:
    """The chains that a base chain leads to, by whom their rules are for."""

    space: Namespace
    known: Identities
    read: Mapping[str, Met]
    base: str

    @cached_property
    def devices(self) -> Mapping[str, object]:
        """The devices that lead to pods."""
        return self.known.devices.get(self.space.scope, {})

    @cached_property
    def looks(self) -> Mapping[str, Looks]:
        """What the chains that dispatch look at."""
        found = {name: {look for rule in met.rules if (look := self.look(rule))} for name, met in self.read.items()}
        return {name: looks.pop() for name, looks in found.items() if len(looks) == 1}

    @cached_property
    def common(self) -> frozenset[str]:
        """The chains that packets get to otherwise than by rules for one pod; and those for single services, with all that these lead to."""
        waiting = [self.base, *(name for name, met in self.read.items() if met.entries)]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.read:
                found.add(name)
                waiting += (rule.target.chain for rule in self.for_all(name) if isinstance(rule.target, Jump))
        return frozenset(found)

    @property
    def apart(self) -> set[str]:
        """The chains with rules for single pods, and those that only such rules lead to."""
        return {*self.looks, *(name for name in self.read if name not in self.common)}

    def look(self, rule: NfRule) -> Looks | None:
        """What a rule about pods looks at; None: it is about everybody."""
        for match in rule.matches:
            match match:
                case InterfaceMatch(negated=False, wildcard=False, name=name) if name in self.devices:
                    return looked_at(match)
                case InterfaceMatch(negated=False, wildcard=True, name=name) if self.of_pods(name):
                    return looked_at(match)
                case AddressMatch(negated=False) if self.pods_own(match):
                    return match.side.value
                case _:
                    pass
        return None

    def of_pods(self, start: str) -> bool:
        """Whether all devices whose names begin so lead to pods, and some do."""
        named = [name for name in self.space.links if name.startswith(start)]
        return bool(named) and all(name in self.devices for name in named)

    def pods_own(self, match: AddressMatch) -> bool:
        """Whether a test is for the address of a pod of this node."""
        every = (1 << WIDTH[match.family]) - 1
        owned = self.known.addresses.get(Address(match.family, match.value)) if match.mask & every == every else None
        return owned is not None and bool(owned[0].namespace) and owned[0].node == self.space.scope.node

    def for_all(self, name: str) -> Iterator[NfRule]:
        """The rules of a chain that are not for one pod."""
        dispatches = name in self.looks
        return (rule for rule in self.read[name].rules if not dispatches or self.look(rule) is None)

    def for_pods(self, name: str) -> Iterator[tuple[str | Address, object]]:
        """The rules of a chain that are for one pod, each with the pod's device or address; of a chain that dispatches by devices all that match each."""
        looks = self.looks.get(name)
        if looks is None:
            return
        before, given = 0, list[tuple[int, NfRule]]()
        for rule in self.read[name].rules:
            if self.look(rule) is None:
                before += 1
            else:
                given.append((before, rule))
        if looks in ("in", "out"):
            yield from self.by_device(name, looks, given)
        else:
            for place, rule in given:
                about = address_of(rule, looks)
                yield about, (about, name, looks, place, self.written(rule, looks, None))

    def by_device(self, name: str, looks: Looks, given: list[tuple[int, NfRule]]) -> Iterator[tuple[str, object]]:
        """Rules by the device that they are for; those for some devices, by the beginnings of their names, for each."""
        single: dict[str, list[int]] = {}
        several: list[tuple[str, int]] = []
        for index, (_, rule) in enumerate(given):
            match = next(
                one for one in rule.matches if isinstance(one, InterfaceMatch) and looked_at(one) == looks and not one.negated
            )
            if match.wildcard:
                several.append((match.name, index))
            else:
                single.setdefault(match.name, []).append(index)
        for device in self.devices:
            met = [index for start, index in several if device.startswith(start)] + single.get(device, [])
            for index in sorted(met):
                place, rule = given[index]
                if fits(rule, looks, device):
                    yield device, (device, name, looks, place, self.written(rule, looks, device))

    def written(self, rule: NfRule, looks: Looks, device: str | None, deep: int = 0) -> object:
        """A rule with all that it leads to, without the tests that the pod's device meets."""
        if deep > DEEP:
            raise Untold
        own = replace(rule, matches=tuple(one for one in rule.matches if not on_device(one, looks))) if device else rule
        target = rule.target
        met = self.read.get(target.chain) if isinstance(target, Jump) and target.chain not in self.common else None
        if met is None or not isinstance(target, Jump):
            return own
        if met.common and not met.jumps:
            return replace(own, target=ENTERS), target.goto, met.common
        inside = tuple(
            self.written(one, looks, device, deep + 1) for one in met.rules if device is None or fits(one, looks, device)
        )
        return replace(own, target=ENTERS), target.goto, inside


def looked_at(match: InterfaceMatch) -> Looks:
    """By which device a test is for packets."""
    return "in" if match.incoming else "out"


def on_device(match: object, looks: Looks) -> bool:
    """Whether a test is of the device that is looked at."""
    return isinstance(match, InterfaceMatch) and looked_at(match) == looks


def fits(rule: NfRule, looks: Looks, device: str) -> bool:
    """Whether packets by a device meet the tests of it."""
    tests = (one for one in rule.matches if isinstance(one, InterfaceMatch) and looked_at(one) == looks)
    return all((device.startswith(one.name) if one.wildcard else device == one.name) != one.negated for one in tests)


def address_of(rule: NfRule, looks: Looks) -> Address:
    """The address that a rule is for."""
    tests = (one for one in rule.matches if isinstance(one, AddressMatch) and one.side.value == looks and not one.negated)
    return next(Address(one.family, one.value) for one in tests if one.mask & (whole := (1 << WIDTH[one.family]) - 1) == whole)
