"""Weave Net: the environment of its container (weaveworks/weave prog/weave-kube/launch.sh)."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model.cluster import Range, Setting
from analyzer.model.systems import Objects, System
from analyzer.model.systems.reading import ranges_of, settings_of

NAME = "weave"
VARIABLES = {"WEAVE_MTU": "mtu", "EXPECT_NPC": "policies", "WEAVE_NO_FASTDP": "sleeve", "HAIRPIN_MODE": "hairpin"}


def ranges(objects: Objects) -> Iterator[Range]:
    """The range that all peers share out among themselves."""
    for program in objects.programs:
        if program.container == "weave":
            yield from ranges_of("pod", program.environment.get("IPALLOC_RANGE"), f"IPALLOC_RANGE of {program.title}", NAME)


def settings(objects: Objects) -> Iterator[Setting]:
    """The variables."""
    for program in objects.programs:
        if program.container == "weave":
            found = ((key, program.environment.get(name), f"{name} of {program.title}") for name, key in VARIABLES.items())
            yield from settings_of(NAME, found)


SYSTEM = System(NAME, ranges, settings)
