"""Weave Net: the environment of its container (weaveworks/weave prog/weave-kube/launch.sh)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.addresses import prefix
from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.programs import Program
from analyzer.model.systems.reading import ranges_of, settings_of

NAME = "weave"
RANGE = "IPALLOC_RANGE"
DEFAULT = "10.32.0.0/12"
VARIABLES = {RANGE: "range", "WEAVE_MTU": "mtu", "EXPECT_NPC": "policies", "WEAVE_NO_FASTDP": "sleeve", "HAIRPIN_MODE": "hairpin"}


def ranges(objects: Objects) -> Iterator[Range]:
    """The range that all peers share out among themselves: that of the variable, else of launch.sh."""
    for program in objects.programs:
        if program.container == "weave":
            told = program.environment.get(RANGE)
            yield from ranges_of("pod", told, f"{RANGE} of {program.title}", NAME)
            if (told is None or not told.value) and defaults(program):
                yield Range("pod", prefix(DEFAULT), program.at, f"{program.title} without {RANGE}", NAME)


def defaults(program: Program) -> bool:
    """Whether launch.sh sets the range: the variable comes from no other object. Pods say once more what their DaemonSet does."""
    whole = program.elsewhere is not None and RANGE not in program.elsewhere
    return whole and program.fact.kind != "Pod"


def settings(objects: Objects) -> Iterator[Setting]:
    """The variables."""
    for program in objects.programs:
        if program.container == "weave":
            found = ((key, program.environment.get(name), f"{name} of {program.title}") for name, key in VARIABLES.items())
            yield from settings_of(NAME, found)


SYSTEM = System(NAME, ranges, settings)
