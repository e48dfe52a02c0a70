"""From what is wanted of each pod to the fewest policies that say it.

- Ingress: pods of one namespace that the same ends are to reach on the same ports are a group with rules of its own. A pod that everybody may
  reach has no policy.
- Egress: only of pods that may not reach all of the outside, or nobody. Towards pods these admit all, as ingress decides there. A pod that is to reach
  nobody at all is closed, and it does not matter then whether ingress of others would let it in.
- Policies of one namespace that select the same pods are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.query.suggest.cidrs import Block, blocks_for, cost
from analyzer.query.suggest.demands import EVERY_PORT, Demand, Ends, Ports, Scene, by_port, incoming, outgoing
from analyzer.query.suggest.naming import names
from analyzer.query.suggest.selectors import EVERY_POD, AlikeError, Labels, Selector, labels_by_namespace
from analyzer.ranges import difference, union


class PodPeer(NamedTuple):
    """Pods by labels: in the policy's own namespace (None), in these, in all (none named)."""

    namespaces: tuple[str, ...] | None
    selector: Selector


Peers = tuple[PodPeer | Block, ...]
ALL_PODS = PodPeer((), EVERY_POD)
# So many more values of labels are worth writing to admit nobody but those who are meant.
FEW = 8


class PlannedRule(NamedTuple):
    """A rule; ``peers`` None: everyone, ``ports`` None: all traffic."""

    peers: Peers | None
    ports: Ports | None

    @property
    def cost(self) -> int:
        """How much has to be read of it."""
        return 1 + sum(cost((peer,)) if isinstance(peer, Block) else 1 + len(peer.selector) for peer in self.peers or ())


Rules = tuple[PlannedRule, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """One NetworkPolicy. ``ingress`` and ``egress`` None: it says nothing in the direction. ``pods`` are those that it selects."""

    namespace: str
    selector: Selector
    pods: int
    ingress: Rules | None = None
    egress: Rules | None = None
    name: str = ""


class UnsayableError(ValueError):
    """Two pods with the same labels of which different flows are wanted."""

    def __init__(self, meant: Entity, other: Entity, what: str) -> None:
        super().__init__(
            f"{meant.name} and {other.name} have the same labels, and {what}: no NetworkPolicy can tell them apart; "
            "give one of them a label of its own, or want the same of both"
        )


class Planner:
    """Makes policies of what is wanted."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.into, self.out = incoming(scene), outgoing(scene)
        self.labels = labels_by_namespace(scene.pods)
        self.talking = 0
        for number, demand in enumerate(self.into):
            for _, ends in demand:
                self.talking |= ends.pods & ~scene.itself(number)
        self.closed = sum(1 << number for number, demand in enumerate(self.out) if not demand) & ~self.talking
        self.closed &= sum(1 << number for number in range(len(scene.pods)) if not self.reaches_all(number, Ends()))

    def policies(self) -> tuple[Planned, ...]:
        """The policies, by namespace and name."""
        return names(self.scene, united([*self.ingress(), *self.egress()]))

    def ingress(self) -> Iterator[Planned]:
        """The policies of ingress."""
        groups: dict[tuple[str, tuple[int, ...], Demand], int] = {}
        for number, pod in enumerate(self.scene.pods):
            families, demand = self.scene.families_spoken(number), self.without(self.into[number], self.closed)
            if not self.open_to_all(number, demand):
                key = (pod.namespace, families, demand)
                groups[key] = groups.get(key, 0) | 1 << number
        restricted: dict[str, int] = {}
        for (namespace, _, _), pods in groups.items():
            restricted[namespace] = restricted.get(namespace, 0) | pods
        for (namespace, families, demand), pods in groups.items():
            own = self.without(demand, self.alone(pods))
            rules = self.cheapest(own, partial(self.entry, namespace, families, pods))
            for selector in self.subject(namespace, pods, self.widened(rules, namespace, restricted)):
                yield Planned(namespace, selector, pods, ingress=rules)

    def without(self, demand: Demand, pods: int) -> Demand:
        """What is wanted of ingress, some pods aside."""
        found = ((ports, ends._replace(pods=ends.pods & ~pods)) for ports, ends in demand)
        return tuple((ports, ends) for ports, ends in found if ends != Ends())

    def open_to_all(self, number: int, demand: Demand) -> bool:
        """Whether everybody may send everything to a pod."""
        whole = dict(demand).get(EVERY_PORT, Ends())
        missing = self.partners(number) & ~whole.pods & ~self.closed & ~self.scene.itself(number)
        return not missing and self.reaches_all(number, whole)

    def alone(self, pods: int) -> int:
        """The pods, where they are one pod: it always reaches itself."""
        return self.scene.itself(pods.bit_length() - 1) if pods & (pods - 1) == 0 else 0

    def partners(self, number: int) -> int:
        """The pods that share a family with a pod."""
        found = 0
        for family in self.scene.families_spoken(number):
            found |= self.scene.speaking[family]
        return found

    def reaches_all(self, number: int, ends: Ends) -> bool:
        """Whether all addresses that count are among some ends."""
        return self.has_all(self.scene.families_spoken(number), ends)

    def has_all(self, families: tuple[int, ...], ends: Ends) -> bool:
        """Whether all addresses of the families that count are among some ends."""
        known = dict(ends.addresses)
        return not any(difference(self.scene.spaces[one].counted, known.get(one, ())) for one in families)

    def cheapest(self, demand: Demand, rule: Callable[[tuple[Ports, Ends]], PlannedRule]) -> Rules:
        """The rules of a demand: by its ends, or by its ports, whichever is less to read."""
        ways = (tuple(map(rule, way)) for way in (demand, by_port(demand)))
        return min(ways, key=lambda rules: (len(rules), sum(one.cost for one in rules)))

    def entry(self, namespace: str, families: tuple[int, ...], pods: int, wanted: tuple[Ports, Ends]) -> PlannedRule:
        """A rule of ingress of a group of pods."""
        ports, ends = wanted
        first = (pods & -pods).bit_length() - 1
        others = self.partners(first) & ~ends.pods & ~self.closed & ~self.alone(pods)
        if not others and self.has_all(families, ends):
            return PlannedRule(None, none_if_all(ports))
        peers: Peers = (*self.pod_peers(namespace, ends.pods, others), *self.blocks(families, ends, others))
        return PlannedRule(peers, none_if_all(ports))

    def pod_peers(self, namespace: str, pods: int, others: int) -> tuple[PodPeer, ...]:
        """Peers that are these pods and none of the others. Where it is as short, no pod of which it does not matter, either."""
        loose = tuple(self.peers_of(namespace, pods, others))
        try:
            strict = tuple(self.peers_of(namespace, pods, ~pods))
        except UnsayableError:
            return loose
        return strict if len(strict) <= len(loose) and sum(map(values_in, strict)) <= FEW + sum(map(values_in, loose)) else loose

    def peers_of(self, namespace: str, pods: int, others: int) -> Iterator[PodPeer]:
        """Peers that are these pods and none of the others."""
        inside: dict[Selector, list[str]] = {}
        everywhere = True
        for name, labels in sorted(self.labels.items()):
            here, rest = pods & labels.pods, others & labels.pods
            everywhere = everywhere and not rest
            for selector in self.described(labels, here, rest) if here else ():
                inside.setdefault(selector, []).append(name)
        if pods and everywhere:
            yield ALL_PODS
            return
        for selector, named in sorted(inside.items(), key=lambda item: (item[1] != [namespace], item[1], item[0])):
            yield PodPeer(None if named == [namespace] else tuple(named), selector)

    def described(self, labels: Labels, pods: int, others: int) -> tuple[Selector, ...]:
        """The selectors of some pods among the sources of a group."""
        try:
            return labels.selectors(pods, others)
        except AlikeError as same:
            meant, other = self.scene.pods[same.meant], self.scene.pods[same.other]
            raise UnsayableError(meant, other, "only the first is to send what it may send") from None

    def blocks(self, families: tuple[int, ...], ends: Ends, others: int) -> Iterator[Block]:
        """Blocks with the addresses of the ends, and with no pod that is none of them."""
        known = dict(ends.addresses)
        matched = self.scene.policies.profile.blocks_match_pods is not False
        for family in families:
            space, wanted = self.scene.spaces[family], known.get(family, ())
            unwanted = difference(space.counted, wanted)
            for number in members(others) if matched and wanted else ():
                unwanted = union(unwanted, space.held.get(number, ()))
            yield from blocks_for(family, wanted, difference(unwanted, wanted))

    def egress(self) -> Iterator[Planned]:
        """The policies of egress."""
        groups: dict[tuple[str, tuple[int, ...], bool, Demand], int] = {}
        restricted: dict[str, int] = {}
        for number, pod in enumerate(self.scene.pods):
            demand = self.out[number]
            if not self.reaches_all(number, dict(demand).get(EVERY_PORT, Ends())):
                closed = bool(self.closed >> number & 1)
                key = (pod.namespace, self.scene.families_spoken(number), closed, demand)
                groups[key] = groups.get(key, 0) | 1 << number
                restricted[pod.namespace] = restricted.get(pod.namespace, 0) | 1 << number
        for (namespace, families, closed, demand), pods in groups.items():
            rules: Rules = () if closed else self.exits(families, demand)
            for selector in self.subject(namespace, pods, self.widened(rules, namespace, restricted)):
                yield Planned(namespace, selector, pods, egress=rules)

    def exits(self, families: tuple[int, ...], demand: Demand) -> Rules:
        """The rules of egress: to all pods, and to addresses."""
        rules = self.cheapest(demand, partial(self.exit, families))
        whole = [rule for rule in rules if rule.ports is None]
        rest = tuple(rule for rule in rules if rule.ports is not None)
        return (PlannedRule((ALL_PODS, *(peer for rule in whole for peer in rule.peers or ())), None), *rest)

    def exit(self, families: tuple[int, ...], wanted: tuple[Ports, Ends]) -> PlannedRule:
        """A rule of egress to addresses."""
        return PlannedRule(tuple(self.blocks(families, wanted[1], 0)), none_if_all(wanted[0]))

    def widened(self, rules: Rules, namespace: str, restricted: dict[str, int]) -> int:
        """The further pods that a policy may select: one that admits nothing, all that others restrict in the direction."""
        return 0 if rules else restricted[namespace]

    def subject(self, namespace: str, pods: int, allowed: int) -> tuple[Selector, ...]:
        """The selectors of the pods of a policy."""
        labels = self.labels[namespace]
        try:
            return labels.selectors(pods, labels.pods & ~pods & ~allowed)
        except AlikeError as same:
            meant, other = self.scene.pods[same.meant], self.scene.pods[same.other]
            raise UnsayableError(meant, other, "different flows are wanted of them") from None


def values_in(peer: PodPeer) -> int:
    """How many values of labels are written for a peer."""
    return len(peer.namespaces or ()) + sum(len(term.values) for term in peer.selector)


def none_if_all(ports: Ports) -> Ports | None:
    """Ports as a rule has them: none are named where all are meant."""
    return None if ports == EVERY_PORT else ports


def united(found: list[Planned]) -> list[Planned]:
    """Policies that select the same pods by the same words as one."""
    known: dict[tuple[str, Selector], Planned] = {}
    for item in found:
        key = (item.namespace, item.selector)
        first = known.get(key)
        known[key] = item if first is None else both(first, item)
    return list(known.values())


def both(first: Planned, second: Planned) -> Planned:
    """Two policies with one selector as one."""
    ingress = first.ingress if second.ingress is None else (*(first.ingress or ()), *second.ingress)
    egress = first.egress if second.egress is None else (*(first.egress or ()), *second.egress)
    return replace(first, ingress=ingress, egress=egress)
