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
from analyzer.pipeline import read_input
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import Profile
from analyzer.policy.terms import Kind
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
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1)
    source = Source("objects.json", text, "kubernetes")
    known, gaps = facts((source,))
    return policy_set(world_of(build((source,), known, gaps).cluster, profile))


def policies_at(paths: Iterable[Path], profile: Profile) -> PolicySet:
    """The policies of files and folders."""
    return policy_set(world_of(read_input(tuple(map(str, paths))).network.cluster, profile))


def outside(text: str) -> Entity:
    """An address that nothing of the cluster has."""
    return Entity(text, Kind.OUTSIDE, addresses=(address(text),))


def flow(protocol: str, port: int, family: int = 4) -> Flow:
    """The first packet of a connection."""
    return Flow(family, NUMBERS[protocol], port, 0 if protocol.startswith("ICMP") else 40000)
