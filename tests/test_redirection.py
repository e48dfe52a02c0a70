"""Whose filters text of ``tc`` is, and what a rule says where nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Certainty
from analyzer.query.rules import all_rules, check
from tests.captures import files_of, network_of

GOOD = Path(__file__).parent.parent / "samples" / "rules" / "address-held-twice.good.txt"
FILTER = (
    '[{"protocol":"all","pref":49152,"kind":"matchall","chain":0,"options":{"handle":1,"actions":[{"order":1,"kind":"mirred",'
    '"mirred_action":"redirect","direction":"egress","to_dev":"vxlan1","control_action":{"type":"stolen"}}]}}]'
)
COMMANDS = [
    "tc -j filter show dev eth0 ingress",
    "tc -j filter show ingress dev eth0",
    "tc -j filter show dev eth0 parent ffff:",
    "tc -j filter show parent ffff: dev eth0",
    "tc -json filter list dev eth0 ingress",
    "tc filter ls dev eth0 ingress -j",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_device_is_the_one_that_was_asked_for(command: str, tmp_path: Path) -> None:
    (tmp_path / "session.txt").write_text(f"$ ip netns exec podns {command}\n{FILTER}\n")
    found = [item for space in load(tmp_path).given.network.namespaces.values() for item in space.filters.items()]
    assert [(device, filters[0].hook) for device, filters in found] == [("eth0", "ingress")]


@pytest.mark.parametrize("command", ["tc -j filter show", "tc -j filter show block 1"])
def test_a_device_that_is_not_named_is_a_gap(command: str, tmp_path: Path) -> None:
    (tmp_path / "session.txt").write_text(f"$ ip netns exec podns {command}\n{FILTER}\n")
    spaces = load(tmp_path).given.network.namespaces.values()
    assert not any(space.filters for space in spaces)
    assert [gap.reason for space in spaces for gap in space.gaps["tc-filter"]] == ["the filter's device is not named"]


@pytest.mark.parametrize(("name", "wanted"), [("tc_filter_eth0_ingress.json", []), ("tc_filter.json", [Certainty.POSSIBLE])])
def test_a_pod_whose_redirection_is_not_known_holds_no_address_for_certain(
    name: str, wanted: list[Certainty], tmp_path: Path
) -> None:
    files = files_of(GOOD.read_text())
    files.pop("want", None)
    place = next(path for path in files if path.endswith("netns/default_web/tc_filter"))
    files.pop(place)
    files[place.replace("tc_filter", name)] = FILTER + "\n"
    found = check(network_of(files, tmp_path), rules=tuple(rule for rule in all_rules() if rule.id == "address-held-twice"))
    assert [one.certainty for one in found] == wanted
