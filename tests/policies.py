"""Policies of objects and of folders as the analyzer reads them, and where real data stands."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from analyzer.addresses import address
from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.cluster import Cluster
from analyzer.pipeline import read_input
from analyzer.policy.decision import doubt, exemption
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import Factors
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind, any_of
from analyzer.policy.world import world_of
from analyzer.source import Source

DATA = Path(os.environ.get("ANALYZER_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132, "ICMP": 1, "ICMPv6": 58}


def needs(folder: Path) -> pytest.MarkDecorator:
    """Skips a test, aloud, where the real data is not there."""
    return pytest.mark.skipif(
        not folder.is_dir(), reason=f"no real data at {folder}: set ANALYZER_DATA to the folder that holds it"
    )


def policies_of(objects: Iterable[dict[str, Any]], profile: Profile) -> PolicySet:
    """The policies of objects."""
    return policy_set(world_of(cluster_of(objects), profile))


def cluster_of(objects: Iterable[dict[str, Any]]) -> Cluster:
    """The cluster of objects."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1)
    source = Source("objects.json", text, "kubernetes")
    return build((source,), *facts((source,))).cluster


def policies_at(paths: Iterable[Path], profile: Profile) -> PolicySet:
    """The policies of files and folders."""
    return policy_set(world_of(read_input(tuple(map(str, paths))).network.cluster, profile))


def outside(text: str) -> Entity:
    """An address that nothing of the cluster has."""
    return Entity(text, Kind.OUTSIDE, addresses=(address(text),))


def flow(protocol: str, port: int, family: int = 4) -> Flow:
    """The first packet of a connection."""
    return Flow(family, NUMBERS[protocol], port, 0 if protocol.startswith("ICMP") else 40000)


def compiled(policies: PolicySet, known: Factors, source: Entity, destination: Entity, first: Flow) -> bool | None:
    """The verdict that the compiled policies give over a flow."""
    if exemption(policies.world.profile, source, destination):
        return True
    sure, may = known.pair(class_of(known, source), class_of(known, destination))
    bit = known.atoms.of_flow(first)
    walked = True if sure & bit else None if may & bit else False
    return any_of((doubt(policies.world.profile, source, destination), walked))


def class_of(known: Factors, entity: Entity) -> int:
    """The class of an entity, or that of the addresses outside that no policy tells from its own."""
    if entity.kind is not Kind.OUTSIDE:
        return known.universe.of[entity.name]
    block = known.universe.blocks.smallest(entity.addresses[0])
    classes = zip(known.universe.classes, known.universe.inside, strict=True)
    return next(number for number, (item, inside) in enumerate(classes) if item.kind is Kind.OUTSIDE and inside == (block,))
