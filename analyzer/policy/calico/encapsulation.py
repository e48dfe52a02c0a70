"""What Felix drops of what pods send, whatever policies say: packets that look like those of its overlays.

Follows felix/rules/endpoints.go (endpointIptablesChain): before all tiers, a pod's chain of egress drops UDP to VXLANPort and IP protocol 4, unless
AllowVXLANPacketsFromWorkloads and AllowIPIPPacketsFromWorkloads say otherwise; libcalico-go lib/apis/v3/felixconfig.go: neither does by default.
Felix's BPF dataplane has no such chains: what becomes of these packets there is open.

This is a plane of its own, which stands only where such packets are asked about (``Profile.encapsulated``): all else that is said of flows leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from analyzer.memory import Same
from analyzer.policy.calico.endpoints import PODS
from analyzer.policy.calico.hosts import Felix, felix_of
from analyzer.policy.profiles import CALICO, CANAL, Profile
from analyzer.policy.terms import EVERYONE, Box, Named, Not, Of, Opaque, Peer, both
from analyzer.policy.tiers import Action, Policy, Rule, Rules, TierOrder
from analyzer.policy.world import World
from analyzer.ranges import single
from analyzer.source import Span

UDP, IPIP, VXLAN_PORT = 17, 4, 4789
PLANE = "encapsulation"
SETTINGS = {"allowVXLANPacketsFromWorkloads": UDP, "allowIPIPPacketsFromWorkloads": IPIP}
TRUE = ("true", "1", "yes", "y", "t")
LEFT_OUT = "what pods send to UDP port {} or as IP protocol 4 is left out: Felix drops it where it is not set otherwise"


def left_out(world: World) -> str:
    """In words: what is said nothing of; empty where that is nothing."""
    return LEFT_OUT.format(vxlan_port(felix_of(world))) if felix_enforces(world.profile) else ""


def felix_enforces(profile: Profile) -> bool:
    """Whether Felix enforces policies."""
    return profile.name in (CALICO.name, CANAL.name)


def profile_for(world: World, asked: Iterable[tuple[int, int, int]]) -> Profile:
    """How policies are read for flows by their protocol and range of ports."""
    found = [one for one in asked if one[0] in (UDP, IPIP)] if felix_enforces(world.profile) else []
    if not found:
        return world.profile
    port = port_in(Same(world))
    looks = any(protocol == IPIP or low <= port <= high for protocol, low, high in found)
    return replace(world.profile, encapsulated=True) if looks else world.profile


@lru_cache(maxsize=4)
def port_in(key: Same[World]) -> int:
    """The port of the overlay of a cluster, worked out once."""
    return vxlan_port(felix_of(key.value))


def vxlan_port(felix: Felix) -> int:
    """The port of the overlay."""
    variable, spec = felix.variables.get("FELIX_VXLANPORT"), felix.spec("", "vxlanPort")
    if variable is not None and variable[0].isdecimal():
        return int(variable[0])
    return spec.number("vxlanPort") if spec is not None else VXLAN_PORT


def encapsulation(world: World) -> Iterator[Policy | TierOrder]:
    """A policy for each of the two kinds of packets, for all pods."""
    if not (world.profile.encapsulated and felix_enforces(world.profile)):
        return
    felix = felix_of(world)
    yield TierOrder("default", 0.0, Action.PASS, PLANE)
    own = sorted(name.removeprefix("node.") for name in felix.objects if name.startswith("node."))
    rest: Peer = Not(Named(Of.PLACE, frozenset(own))) if own else EVERYONE
    for setting in SETTINGS:
        yield from of_pods(felix, setting, "", rest)
        for node in own:
            yield from of_pods(felix, setting, node, Named(Of.PLACE, frozenset({node})))


def of_pods(felix: Felix, setting: str, node: str, where: Peer) -> Iterator[Policy]:
    """What Felix drops of some pods: of those of a node with a configuration of its own, or (``node`` empty) of all others."""
    allowed, at = given(felix, setting, node)
    if allowed:
        return
    bpf, place = given(felix, "bpfEnabled", node)
    peer = Opaque("whether Felix's BPF dataplane drops what looks like a packet of an overlay", place) if bpf else EVERYONE
    traffic = Box(single(UDP), single(vxlan_port(felix))) if SETTINGS[setting] == UDP else Box(single(IPIP))
    found = Rules((Rule(Action.DENY, peer, at, traffic),), isolates=False)
    yield Policy("Felix", "", f"without {setting}", at, both(PODS, where), None, found, order=(0.0, node), plane=PLANE)


def given(felix: Felix, setting: str, node: str) -> tuple[bool, Span]:
    """Whether something is set, and where: the agent's environment comes first."""
    variable, spec = felix.variables.get(f"FELIX_{setting.upper()}"), felix.spec(node, setting)
    if variable is not None:
        return variable[0].lower() in TRUE, variable[1]
    whole = felix.objects.get(f"node.{node}") or felix.objects.get("default")
    unset = whole.at if whole is not None else Span("FelixConfiguration", 1)
    return (spec.truth(setting) is True, spec.at(setting)) if spec is not None else (False, unset)
