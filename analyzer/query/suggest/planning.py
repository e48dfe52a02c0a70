"""From what is wanted of each pod to the fewest policies that say it.

- Ingress: pods of one namespace that the same ends are to reach on the same ports are a group with rules of its own. A pod that everybody may
  reach has no policy.
- Egress: only of pods that may not reach all of the outside. Towards pods these admit all, as ingress decides there; or they name the pods, and
  ingress need not keep them out. A pod that is to reach nobody at all is closed in both ways.
- Policies of one namespace that select the same pods are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from analyzer.policy.bits import members
from analyzer.policy.entities import Entity
from analyzer.query.suggest.cidrs import Block, blocks_for, cost
from analyzer.query.suggest.demands import EVERY_PORT, Demand, Ends, Ports, Scene, by_port, incoming, merged, outgoing
from analyzer.query.suggest.naming import names
from analyzer.query.suggest.selectors import EVERY_POD, AlikeError, Labels, Selector, labels_by_namespace
from analyzer.ranges import difference, normalised, union


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


@dataclass(frozen=True, slots=True)
class Group:
    """Pods of a namespace of which the same is wanted in a direction. ``free``: pods of which it does not matter whether they are among the other ends; ``closed``: nothing is to leave the
    pods; ``others`` must not be selected, and ``count`` selectors tell the pods from them."""

    way: str
    namespace: str
    families: tuple[int, ...]
    demand: Demand
    pods: int
    free: int
    closed: bool = False
    others: int = 0
    count: int = 1


class UnsayableError(ValueError):
    """Two pods with the same labels of which different flows are wanted."""

    def __init__(self, meant: Entity, other: Entity, what: str) -> None:
        super().__init__(
            f"{meant.name} and {other.name} have the same labels, and {what}: no NetworkPolicy can tell them apart; "
            "give one of them a label of its own, or want the same of both"
        )


@dataclass(frozen=True, slots=True)
class Demands:
    """What is wanted of each pod, by number: who may send to it, and where it may send to, pods and addresses. ``restricted`` are the pods that may
    not send everything to all addresses, ``closed`` those of them that may send nothing to anybody."""

    into: tuple[Demand, ...]
    addresses: tuple[Demand, ...]
    out: tuple[Demand, ...]
    restricted: int
    closed: int


def demands(scene: Scene) -> Demands:
    """What is wanted of the pods of a scene."""
    into, addresses = incoming(scene), outgoing(scene)
    restricted = 0
    for number, demand in enumerate(addresses):
        if not has_all(scene, scene.families_spoken(number), dict(demand).get(EVERY_PORT, Ends())):
            restricted |= 1 << number
    sent = reversed_demands(into, restricted)
    out = tuple(merged((demand, sent[number])) for number, demand in enumerate(addresses))
    alone = ((number, scene.itself(number)) for number in members(restricted))
    closed = sum(1 << number for number, itself in alone if not without(out[number], itself))
    return Demands(tuple(into), tuple(addresses), out, restricted, closed)


def reversed_demands(into: list[Demand], senders: int) -> list[Demand]:
    """For each of the senders the pods that it may send to."""
    alike: dict[Demand, int] = {}
    for number, demand in enumerate(into):
        alike[demand] = alike.get(demand, 0) | 1 << number
    found: list[dict[Ports, int]] = [{} for _ in into]
    for demand, pods in alike.items():
        for ports, ends in demand:
            for sender in members(ends.pods & senders):
                found[sender][ports] = found[sender].get(ports, 0) | pods
    return [tuple(sorted((ports, Ends(pods)) for ports, pods in each.items())) for each in found]


def without(demand: Demand, pods: int) -> Demand:
    """A demand with some pods aside."""
    found = ((ports, ends._replace(pods=ends.pods & ~pods)) for ports, ends in demand)
    return tuple((ports, ends) for ports, ends in found if ends != Ends())


def has_all(scene: Scene, families: tuple[int, ...], ends: Ends) -> bool:
    """Whether all addresses of the families that count are among some ends."""
    known = dict(ends.addresses)
    return not any(difference(scene.spaces[one].counted, known.get(one, ())) for one in families)


class Planner:
    """Makes policies of what is wanted. ``by_egress``: egress of the pods that it restricts names the pods that they may reach, and ingress does not
    care for them; else their egress admits all pods, and ingress decides. ``groups`` are those that policies were made for."""

    def __init__(self, scene: Scene, wanted: Demands, *, by_egress: bool) -> None:
        self.scene, self.wanted, self.by_egress = scene, wanted, by_egress
        self.labels = dict(sorted(labels_by_namespace(scene.pods).items()))
        self.everyone = (1 << len(scene.pods)) - 1
        self.known: dict[tuple[str, int, int], tuple[PodPeer, ...]] = {}
        self.free = wanted.restricted if by_egress else wanted.closed
        self.groups: list[Group] = []

    def policies(self) -> tuple[Planned, ...]:
        """The policies, by namespace and name. UnsayableError where labels do not tell apart what is to be."""
        return names(self.scene, united([*self.ingress(), *self.egress()]))

    def ingress(self) -> Iterator[Planned]:
        """The policies of ingress."""
        groups: dict[tuple[str, tuple[int, ...], Demand], int] = {}
        for number, pod in enumerate(self.scene.pods):
            families, demand = self.scene.families_spoken(number), without(self.wanted.into[number], self.wanted.closed)
            if not self.open_to_all(number, demand):
                key = (pod.namespace, families, demand)
                groups[key] = groups.get(key, 0) | 1 << number
        restricted = united_by((namespace, pods) for (namespace, _, _), pods in groups.items())
        for (namespace, families, demand), pods in groups.items():
            own = without(demand, self.alone(pods))
            rules = self.cheapest(own, partial(self.rule, namespace, families, pods, self.free))
            group = Group("ingress", namespace, families, demand, pods, self.free | self.alone(pods))
            for selector in self.subject(group, 0 if rules else restricted[namespace]):
                yield Planned(namespace, selector, pods, ingress=rules)

    def egress(self) -> Iterator[Planned]:
        """The policies of egress."""
        groups: dict[tuple[str, tuple[int, ...], bool, Demand], int] = {}
        for number in members(self.wanted.restricted):
            demand = self.wanted.out[number] if self.by_egress else self.wanted.addresses[number]
            closed = bool(self.wanted.closed >> number & 1)
            key = (self.scene.pods[number].namespace, self.scene.families_spoken(number), closed, demand)
            groups[key] = groups.get(key, 0) | 1 << number
        restricted = united_by((namespace, pods) for (namespace, _, _, _), pods in groups.items())
        for (namespace, families, closed, demand), pods in groups.items():
            rules: Rules = () if closed else self.exits(namespace, families, pods, demand)
            group = Group("egress", namespace, families, demand, pods, self.alone(pods), closed)
            for selector in self.subject(group, 0 if rules else restricted[namespace]):
                yield Planned(namespace, selector, pods, egress=rules)

    def exits(self, namespace: str, families: tuple[int, ...], pods: int, demand: Demand) -> Rules:
        """The rules of egress: to the pods that are wanted, or to all of them, and to addresses."""
        if self.by_egress:
            own = without(demand, self.alone(pods))
            return self.cheapest(own, partial(self.rule, namespace, families, pods, 0))
        rules = self.cheapest(demand, partial(self.exit, families))
        whole = [rule for rule in rules if rule.ports is None]
        rest = tuple(rule for rule in rules if rule.ports is not None)
        return (PlannedRule((ALL_PODS, *(peer for rule in whole for peer in rule.peers or ())), None), *rest)

    def open_to_all(self, number: int, demand: Demand) -> bool:
        """Whether everybody may send everything to a pod."""
        whole = dict(demand).get(EVERY_PORT, Ends())
        missing = self.partners(number) & ~whole.pods & ~self.free & ~self.scene.itself(number)
        return not missing and has_all(self.scene, self.scene.families_spoken(number), whole)

    def alone(self, pods: int) -> int:
        """The pods, where they are one pod: it always reaches itself."""
        return self.scene.itself(pods.bit_length() - 1) if pods & (pods - 1) == 0 else 0

    def partners(self, number: int) -> int:
        """The pods that share a family with a pod."""
        found = 0
        for family in self.scene.families_spoken(number):
            found |= self.scene.speaking[family]
        return found

    def cheapest(self, demand: Demand, rule: Callable[[tuple[Ports, Ends]], PlannedRule]) -> Rules:
        """The rules of a demand: by its ends, or by its ports, whichever is less to read."""
        ways = (tuple(map(rule, way)) for way in (demand, by_port(demand)))
        return min(ways, key=lambda rules: (len(rules), sum(one.cost for one in rules)))

    def rule(self, namespace: str, families: tuple[int, ...], pods: int, free: int, wanted: tuple[Ports, Ends]) -> PlannedRule:
        """A rule of a group of pods; of the pods that are ``free`` it does not matter whether they are among its peers."""
        ports, ends = wanted
        others = self.partners((pods & -pods).bit_length() - 1) & ~ends.pods & ~free & ~self.alone(pods)
        if not others and has_all(self.scene, families, ends):
            return PlannedRule(None, none_if_all(ports))
        peers: Peers = (*self.pod_peers(namespace, ends.pods, others), *self.blocks(families, ends, others))
        return PlannedRule(peers, none_if_all(ports))

    def pod_peers(self, namespace: str, pods: int, others: int) -> tuple[PodPeer, ...]:
        """Peers that are these pods and none of the others. Where it is as short, no pod of which it does not matter, either."""
        key = (namespace, pods, others)
        if key not in self.known:
            self.known[key] = self.shorter(namespace, pods, others)
        return self.known[key]

    def shorter(self, namespace: str, pods: int, others: int) -> tuple[PodPeer, ...]:
        """The peers without those of whom it does not matter, or with them."""
        loose = tuple(self.peers_of(namespace, pods, others))
        try:
            strict = tuple(self.peers_of(namespace, pods, ~pods))
        except UnsayableError:
            return loose
        return strict if len(strict) <= len(loose) and sum(map(values_in, strict)) <= FEW + sum(map(values_in, loose)) else loose

    def peers_of(self, namespace: str, pods: int, others: int) -> Iterator[PodPeer]:
        """Peers that are these pods and none of the others."""
        if pods and not others & self.everyone:
            yield ALL_PODS
            return
        inside: dict[Selector, list[str]] = {}
        for name, labels in self.labels.items():
            if here := pods & labels.pods:
                for selector in self.described(labels, here, others & labels.pods):
                    inside.setdefault(selector, []).append(name)
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
            pods = [pair for number in members(others if matched and wanted else 0) for pair in space.held.get(number, ())]
            unwanted = union(space.counted, normalised(pods)) if wanted else ()
            yield from blocks_for(family, wanted, difference(unwanted, wanted))

    def exit(self, families: tuple[int, ...], wanted: tuple[Ports, Ends]) -> PlannedRule:
        """A rule of egress to addresses."""
        return PlannedRule(tuple(self.blocks(families, wanted[1], 0)), none_if_all(wanted[0]))

    def subject(self, group: Group, allowed: int) -> tuple[Selector, ...]:
        """The selectors of the pods of a policy; ``allowed`` are others who may be selected as well."""
        labels = self.labels[group.namespace]
        others = labels.pods & ~group.pods & ~allowed
        try:
            found = labels.selectors(group.pods, others)
        except AlikeError as same:
            meant, other = self.scene.pods[same.meant], self.scene.pods[same.other]
            raise UnsayableError(meant, other, "different flows are wanted of them") from None
        self.groups.append(replace(group, others=others, count=len(found)))
        return found


def united_by(found: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The pods of each namespace together."""
    known: dict[str, int] = {}
    for namespace, pods in found:
        known[namespace] = known.get(namespace, 0) | pods
    return known


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
