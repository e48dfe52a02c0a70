"""From what is wanted of each pod to the fewest policies that say it.

- Ingress: pods of one namespace that the same ends are to reach on the same ports are a group with rules of its own. A pod that everybody may
  reach has no policy.
- Egress: only of pods that may not reach all of the outside. Towards pods these admit all, as ingress decides there; or they name the pods, and
  ingress need not keep them out. A pod that is to reach nobody at all is closed in both ways.
- Policies of one namespace that select the same pods are one object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from analyzer.policy.bits import members
from analyzer.query.suggest.cidrs import Block, blocks_for
from analyzer.query.suggest.demands import EVERY_PORT, Demand, Ends, Ports, Scene, by_port
from analyzer.query.suggest.naming import names
from analyzer.query.suggest.planned import ALL_PODS, Group, Peers, Planned, PlannedRule, PodPeer, Rules, UnsayableError
from analyzer.query.suggest.restricting import Demands, has_all, without
from analyzer.query.suggest.selectors import AlikeError, Labels, Selector, labels_by_namespace
from analyzer.query.suggest.sharing import GROUPS, shared
from analyzer.ranges import difference, normalised, union

# So many more values of labels are worth writing to admit nobody but those who are meant.
FEW = 8


class Planner:
    """Makes policies of what is wanted. ``by_egress``: egress of the pods that it restricts names the pods that they may reach, and ingress does not
    care for them; else their egress admits all pods, and ingress decides."""

    def __init__(self, scene: Scene, wanted: Demands, *, by_egress: bool) -> None:
        self.scene, self.wanted, self.by_egress = scene, wanted, by_egress
        self.labels = dict(sorted(labels_by_namespace(scene.pods).items()))
        self.everyone = (1 << len(scene.pods)) - 1
        self.known: dict[tuple[str, int, int], tuple[PodPeer, ...]] = {}
        self.free = wanted.restricted if by_egress else wanted.closed

    def policies(self) -> tuple[Planned, ...]:
        """The policies, by namespace and name. UnsayableError where labels do not tell apart what is to be."""
        return names(self.scene, self.told_by_others(united([*self.ingress(), *self.egress()])))

    def told_by_others(self, found: Sequence[Planned]) -> list[Planned]:
        """The policies without those of one direction whose pods are those of some of the other direction together, which then say the same."""
        kept = dict(enumerate(found))
        inside: dict[str, list[int]] = {}
        for number, item in enumerate(found):
            inside.setdefault(item.namespace, []).append(number)
        for namespace, numbers in inside.items():
            about = {number: self.labels[namespace].selected(found[number].selector) for number in numbers}
            for number in numbers if len(numbers) <= GROUPS else ():
                others = list(carrying(kept, about, number))
                if others:
                    gone = kept.pop(number)
                    kept |= {other: both(kept[other], gone) for other in others}
        return list(kept.values())

    def ingress(self) -> Iterator[Planned]:
        """The policies of ingress."""
        groups: dict[tuple[str, tuple[int, ...], Demand], int] = {}
        for number, pod in enumerate(self.scene.pods):
            families, demand = self.scene.families_spoken(number), without(self.wanted.into[number], self.wanted.closed)
            if not self.open_to_all(number, demand):
                key = (pod.namespace, families, demand)
                groups[key] = groups.get(key, 0) | 1 << number
        found = [
            Group("ingress", namespace, families, demand, pods, self.free | self.alone(pods))
            for (namespace, families, demand), pods in groups.items()
        ]
        for group, selectors, pods in self.selected(found):
            rules = self.admitting(group.namespace, group.families, pods, group.demand, self.free)
            yield from (Planned(group.namespace, selector, pods, ingress=rules) for selector in selectors)

    def egress(self) -> Iterator[Planned]:
        """The policies of egress."""
        groups: dict[tuple[str, tuple[int, ...], bool, Demand], int] = {}
        for number in members(self.wanted.restricted):
            demand = self.wanted.out[number] if self.by_egress else self.wanted.addresses[number]
            closed = bool(self.wanted.closed >> number & 1)
            key = (self.scene.pods[number].namespace, self.scene.families_spoken(number), closed, demand)
            groups[key] = groups.get(key, 0) | 1 << number
        found = [
            Group("egress", namespace, families, demand, pods, self.alone(pods), closed)
            for (namespace, families, closed, demand), pods in groups.items()
        ]
        for group, selectors, pods in self.selected(found):
            rules: Rules = () if group.closed else self.exits(group.namespace, group.families, pods, group.demand)
            yield from (Planned(group.namespace, selector, pods, egress=rules) for selector in selectors)

    def selected(self, groups: Sequence[Group]) -> Iterator[tuple[Group, tuple[Selector, ...], int]]:
        """The groups that have policies, with the selectors of these, and the pods that they select together. What admits nothing may be about any that
        are restricted."""
        restricted = united_by((group.namespace, group.pods) for group in groups)
        for group, pods in shared(groups, self.labels):
            empty = group.closed or not without(group.demand, self.alone(pods))
            others = self.labels[group.namespace].pods & ~pods & ~(restricted[group.namespace] if empty else 0)
            yield group, self.selectors_of(group.namespace, pods, others), pods

    def exits(self, namespace: str, families: tuple[int, ...], pods: int, demand: Demand) -> Rules:
        """The rules of egress: to the pods that are wanted, or to all of them, and to addresses."""
        if self.by_egress:
            return self.admitting(namespace, families, pods, demand)
        rules = self.cheapest(demand, partial(self.exit, families))
        whole = [rule for rule in rules if rule.ports is None]
        rest = tuple(rule for rule in rules if rule.ports is not None)
        return (PlannedRule((ALL_PODS, *(peer for rule in whole for peer in rule.peers or ())), None), *rest)

    def admitting(self, namespace: str, families: tuple[int, ...], pods: int, demand: Demand, free: int = 0) -> Rules:
        """The rules that admit exactly what is wanted of some pods; of those that are ``free`` it does not matter whether they are among the other ends."""
        return self.cheapest(without(demand, self.alone(pods)), partial(self.rule, namespace, families, pods, free))

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

    def selectors_of(self, namespace: str, pods: int, others: int) -> tuple[Selector, ...]:
        """The selectors of the pods of a policy."""
        try:
            return self.labels[namespace].selectors(pods, others)
        except AlikeError as same:
            meant, other = self.scene.pods[same.meant], self.scene.pods[same.other]
            raise UnsayableError(meant, other, "different flows are wanted of them") from None


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


def carrying(kept: Mapping[int, Planned], about: Mapping[int, int], number: int) -> Iterator[int]:
    """Policies of the other direction that are about exactly the pods of one; none where there are none."""
    own, pods = kept[number], kept[number].pods
    if own.ingress is not None and own.egress is not None:
        return
    found, left = [], pods
    for other, selected in about.items():
        if other in kept and opposite(kept[other], own) and not selected & ~pods and selected & left:
            found.append(other)
            left &= ~selected
    if not left:
        yield from found


def opposite(one: Planned, other: Planned) -> bool:
    """Whether a policy says something in a direction in which another one says nothing."""
    return one.ingress is not None if other.ingress is None else one.egress is not None


def both(first: Planned, second: Planned) -> Planned:
    """Two policies with one selector as one."""
    ingress = first.ingress if second.ingress is None else (*(first.ingress or ()), *second.ingress)
    egress = first.egress if second.egress is None else (*(first.egress or ()), *second.egress)
    return replace(first, ingress=ingress, egress=egress)
