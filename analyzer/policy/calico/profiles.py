"""Calico's profiles: what decides over an endpoint behind all tiers.

Follows felix/rules/endpoints.go (endpointIptablesChain: each profile in its order, then a drop) and libcalico-go lib/backend/k8s/conversion (NamespaceToProfile: ``kns.NAMESPACE``, which allows
everything; a pod's profiles are that and one of its service account, which has no rules). Where Calico keeps its objects in etcd, profiles may say other things, and a pod's WorkloadEndpoint may name others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from analyzer.facts.kubernetes import OtherObjectFact
from analyzer.parsers._view import View
from analyzer.policy.calico.endpoints import ALLOWING, GROUPS, Endpoints
from analyzer.policy.calico.rules import Reader, itself
from analyzer.policy.entities import Entity
from analyzer.policy.reading import group_of, view_of
from analyzer.policy.terms import EVERYONE, Opaque, either
from analyzer.policy.tiers import Action, Direction, Policy, Rule, Rules
from analyzer.policy.world import World
from analyzer.source import Span

PROFILES = "profiles"
OF_NAMESPACE, OF_ACCOUNT = "kns.", "ksa."
LAST = float("inf")


def of_profiles(names: Iterable[str], at: Span, reader: Reader, direction: Direction) -> Iterator[Rule]:
    """The rules of an endpoint's profiles in their order."""
    given = reader.endpoints.profiles
    for name in names:
        if name == ALLOWING or (name.startswith(OF_NAMESPACE) and name not in given):
            yield Rule(Action.ALLOW, EVERYONE, at, name=name)
        elif name in given:
            yield from reader.rules(view_of(given[name]).part("spec"), direction)
        elif not name.startswith(OF_ACCOUNT):
            yield Rule(Action.ALLOW, Opaque(f"what the profile {name} allows, which is not given", at), at, name=name)


def of_pods(world: World, endpoints: Endpoints) -> Iterator[Policy]:
    """The profiles of pods, where they do not simply allow everything."""
    pods: dict[tuple[str, ...], list[Entity]] = {}
    named = profiles_of(world)
    for pod in world.pods() if named or endpoints.profiles else ():
        names = named.get((pod.namespace, pod.pod_name), (OF_NAMESPACE + pod.namespace,))
        if not allows_all(names, endpoints.profiles):
            pods.setdefault(names, []).append(pod)
    for names, group in sorted(pods.items()):
        reader, at = Reader(endpoints, ""), place_of(names, group, endpoints.profiles)
        into, out = (Rules(tuple(of_profiles(names, at, reader, direction))) for direction in Direction)
        label = ", ".join(names) or "none"
        yield Policy("Profile", "", label, at, either(map(itself, group)), into, out, PROFILES, (LAST, label))


def profiles_of(world: World) -> dict[tuple[str, str], tuple[str, ...]]:
    """The profiles that WorkloadEndpoints name, by the pods that they are of."""
    found = {}
    for item in world.by_kind.get("WorkloadEndpoint", ()):
        spec = view_of(item).part("spec")
        if group_of(item) in GROUPS and spec.text("pod") and spec.value.get("profiles") is not None:
            found[item.namespace or "default", spec.text("pod")] = tuple(spec.texts("profiles"))
    return found


def place_of(names: tuple[str, ...], pods: list[Entity], given: Mapping[str, OtherObjectFact]) -> Span:
    """Where profiles are said: the first that is given, else the first of the pods."""
    found = next((given[name].at for name in names if name in given), None) or next((pod.at for pod in pods if pod.at), None)
    return found or Span("", 1)


def allows_all(names: Iterable[str], given: Mapping[str, OtherObjectFact]) -> bool:
    """Whether the first profile with rules allows everything in both directions."""
    for name in names:
        if name == ALLOWING or (name.startswith(OF_NAMESPACE) and name not in given):
            return True
        if name in given:
            spec = view_of(given[name]).part("spec")
            first = [next(spec.parts(direction.value), None) for direction in Direction]
            if any(first):
                return all(rule is not None and is_open(rule) for rule in first)
    return False


def is_open(rule: View) -> bool:
    """Whether a rule allows everything."""
    return rule.text("action") == "Allow" and not any(
        value for key, value in rule.value.items() if key not in ("action", "metadata")
    )
