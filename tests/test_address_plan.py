"""What each network system's configuration states: ranges and settings with their places, beside each sample of ``samples/plan``."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.model.network import Network
from analyzer.model.plan import every_system
from tests.captures import network_of

SAMPLES = Path(__file__).parent.parent / "samples" / "plan"
FILES = sorted(SAMPLES.glob("*.yaml"))


def said(network: Network) -> str:
    """Ranges and settings, a line for each."""
    ranges = [f"{item.at.line}:{item.at.column} {item.purpose} {item.prefix} {item.said_by}" for item in network.cluster.ranges]
    settings = [
        f"{item.at.line}:{item.at.column} {item.system} {item.key}={item.value} {item.said_by}"
        for item in network.cluster.settings
    ]
    return "".join(f"{line}\n" for line in (*ranges, *settings))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_configuration_states_ranges_and_settings(path: Path, tmp_path: Path, update: bool) -> None:
    network = network_of({"k8s/all.yaml": path.read_text()}, tmp_path)
    assert network.gaps == ()
    expected = path.with_suffix(".plan")
    if update:
        expected.write_text(said(network))
    assert said(network) == expected.read_text()


def test_every_system_has_a_sample() -> None:
    assert {system.name for system in every_system()} <= {path.stem for path in FILES}
