"""Selectors of peers that only exclude: by the API they mean pods; where a system holds them against all labels that an end has, also who has none."""

from __future__ import annotations

from collections.abc import Mapping

from analyzer.policy.profiles import Profile
from analyzer.policy.terms import EVERYONE, Is, Kind, Opaque, Peer, both, either
from analyzer.source import Span

EXCLUDING = ("NotIn", "DoesNotExist")


def only_excludes(selector: Mapping[str, object]) -> bool:
    """Whether a selector asks for no label: the empty one does not."""
    expressions = selector.get("matchExpressions")
    found = expressions if isinstance(expressions, list) else []
    return not selector.get("matchLabels") and all(isinstance(item, dict) and item.get("operator") in EXCLUDING for item in found)


def beside(pods: Peer, profile: Profile, at: Span) -> Peer:
    """The pods of a selector that only excludes, with whoever else the profile says it holds for."""
    return either((pods, *others(profile, at)))


def others(profile: Profile, at: Span) -> tuple[Peer, ...]:
    """Nodes and addresses outside, as far as they are meant."""
    switches = ((Kind.OUTSIDE, profile.exclusions_match_outside), (Kind.HOST, profile.exclusions_match_nodes))
    doubt = Opaque("whether a selector that only excludes holds for who is in no namespace, in which network systems differ", at)
    return tuple(both(Is(frozenset({kind})), EVERYONE if value else doubt) for kind, value in switches if value is not False)
