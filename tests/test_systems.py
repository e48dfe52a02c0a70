"""What ``docs/systems.md`` says of network systems is there, and the page is what its command prints."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer import parsers
from analyzer.parsers import Parser
from analyzer.plugins import package_constants
from analyzer.policy.profiles import PROFILES
from analyzer.query.cni.configs import plugins
from tests.lab.scenarios import GUEST_SCENARIOS, MORE_IN_GUEST, SCENARIOS
from tests.systems import System
from tests.systems.document import document, guarantees, rules, systems

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("ANALYZER_DATA", ROOT.parent / "shared" / "data"))
PAGE = ROOT / "docs" / "systems.md"
SCENARIO_NAMES = frozenset(one.name for one in (*SCENARIOS, *GUEST_SCENARIOS, *MORE_IN_GUEST))
NAMED = (
    *("Flannel", "Calico", "Canal", "Cilium", "Kube-router", "Romana", "Weave Net", "OVN-Kubernetes", "Kube-OVN", "Terway"),
    *(
        "Kata peer-pods",
        "Docker bridges",
        "bridge and ptp",
        "macvlan, ipvlan and vlan",
        "Chained CNI plugins",
        "host-local",
        "dhcp and static",
    ),
    *(
        "whereabouts",
        "Multus",
        "kube-proxy in iptables mode",
        "kube-proxy in IPVS mode",
        "kube-proxy in nftables mode",
        "kube-proxy in userspace mode",
    ),
    *("CoreDNS", "NodeLocal DNS"),
)


def missing(item: System) -> Iterator[str]:
    """What a row names and is not there."""
    kinds = {parser.kind for parser in package_constants(parsers, "PARSER", Parser)}
    yield from (f"parser {name}" for name in item.parsers if name not in kinds)
    yield from (f"plugin {name}" for name in item.plugins if name not in plugins())
    yield from (f"settings {name}" for name in item.settings if not (ROOT / "analyzer/model/systems" / f"{name}.py").exists())
    yield from (f"rule {pattern}" for pattern in item.rules if not rules((pattern,)))
    yield from (f"scenario {name}" for name in item.scenarios if name not in SCENARIO_NAMES)
    yield from (f"test {name}" for name in item.tests if not (ROOT / "tests" / f"{name}.py").exists())
    yield from (f"sample {name}" for name in (*item.decided, *item.samples) if not list((ROOT / "samples").glob(name)))
    yield from [f"profile {item.profile}"] if item.profile and item.profile not in PROFILES else []


@pytest.mark.parametrize("item", systems(), ids=lambda item: item.title)
def test_what_a_row_names_is_there(item: System) -> None:
    assert list(missing(item)) == []
    assert item.parsers or item.plugins
    assert item.samples or item.decided
    assert item.limits


@pytest.mark.skipif(not DATA.is_dir(), reason=f"REAL FILES ARE ABSENT: {DATA} is no folder (set ANALYZER_DATA)")
@pytest.mark.parametrize("item", systems(), ids=lambda item: item.title)
def test_the_real_files_of_a_row_are_there(item: System) -> None:
    assert [pattern for pattern in item.real if not any(True for _ in DATA.glob(pattern))] == []


def test_every_system_that_is_named_has_its_row() -> None:
    assert set(NAMED) <= {item.title for item in systems()}
    assert len({item.title for item in systems()}) == len(systems())


@pytest.mark.parametrize("item", [one for one in systems() if one.decided], ids=lambda item: item.title)
def test_a_capture_of_a_system_decides_guarantees(item: System) -> None:
    assert "unique-pod-addresses" in guarantees(item)


def test_the_page_is_what_its_command_prints(update: bool) -> None:
    found = document()
    if update:
        PAGE.write_text(found)
    assert PAGE.read_text() == found
