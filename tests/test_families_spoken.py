"""Which families pods without an address in the input speak: those of everybody else, where any address is given; ``connectivity``, ``trace`` and ``ask`` say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

import analyzer
from analyzer.api import Capture
from analyzer.findings import Verdict
from analyzer.solve.packet import Fate

WITHOUT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: app}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: x}]}}
"""


def pod(*addresses: str) -> str:
    """A pod with addresses."""
    own = ", ".join(f'{{ip: "{item}"}}' for item in addresses)
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: db, namespace: app}}
spec: {{containers: [{{name: c}}]}}
status: {{podIPs: [{own}]}}
"""


FOUR, SIX = "192.0.2.9", "2001:db8::9"
CASES = [
    ("none given", "", "app/web", FOUR, True),
    ("none given, IPv6", "", "app/web", SIX, True),
    ("of IPv4 alone", pod("10.0.0.1"), "app/web", FOUR, True),
    ("of IPv4 alone, IPv6", pod("10.0.0.1"), "app/web", SIX, False),
    ("its own is of IPv4", pod("10.0.0.1"), "app/db", SIX, False),
    ("of IPv6 alone", pod("fd00::1"), "app/web", FOUR, False),
    ("its own is of IPv6", pod("fd00::1"), "app/db", SIX, True),
    ("of both", pod("10.0.0.1", "fd00::1"), "app/web", SIX, True),
]


@pytest.mark.parametrize(("name", "given", "one", "other", "spoken"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("away", [True, False], ids=["to outside", "from outside"])
def test_the_three_commands_agree(name: str, given: str, one: str, other: str, spoken: bool, away: bool, tmp_path: Path) -> None:
    del name
    (tmp_path / "objects.yaml").write_text(WITHOUT + given)
    capture = analyzer.load(str(tmp_path))
    source, destination = (one, other) if away else (other, one)
    assert [traced(capture, source, destination), asked(capture, source, destination)] == [spoken, spoken]
    assert told(capture, one, other, away) is spoken


def traced(capture: Capture, source: str, destination: str) -> bool:
    """Whether ``trace`` says that it is reached."""
    return capture.trace(source, destination, port=80).fate is Fate.REACHABLE


def asked(capture: Capture, source: str, destination: str) -> bool:
    """Whether ``ask`` says that it may be reached."""
    return capture.ask(f"can {source} reach {destination} on 80").verdict is Verdict.PROVED


def told(capture: Capture, one: str, other: str, away: bool) -> bool:
    """Whether ``connectivity`` lists the pair."""
    found = capture.connectivity(target=other) if away else capture.connectivity(source=other)
    ends = {name.partition("[")[0] for link in found.links for name in (*link.sources, *link.destinations)}
    return one in ends
