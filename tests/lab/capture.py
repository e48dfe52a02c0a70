"""Captures a network of the lab with the collector that users run."""

from __future__ import annotations

from pathlib import Path

from tests.lab import clouds, objects, romana
from tests.lab.build import Lab
from tests.lab.machine import ROOT
from tests.lab.plan import Node

COLLECTOR = ROOT / "analyzer" / "capture" / "collect.sh"
QUIET = """
conntrack -F 2>/dev/null || true
for version in 4 6; do ip -$version neigh flush all 2>/dev/null || true; done
"""


def settle(lab: Lab) -> None:
    """Forgets connections and learnt neighbours everywhere, so that the capture and the probes meet the same state; of connections there
    are those that the network is to have."""
    names = [name for name in lab.machine.agents if name != "underlay"]
    list(lab.machine.pool.map(lambda name: lab.run(name, QUIET + lab.entries.get(name, "")), names))


def capture(lab: Lab, folder: Path) -> None:
    """Writes the capture of every node and the Kubernetes objects below the folder."""
    if lab.routers:
        clouds.hear(lab)
    list(lab.machine.pool.map(lambda node: _collect(lab, node, folder), lab.machines))
    objects.write(lab, folder)
    if lab.scenario.overlay == "romana":
        for name, text in romana.files(lab).items():
            (folder / "nodes" / lab.nodes[0].name / name).write_text(text)


def _collect(lab: Lab, node: Node, folder: Path) -> None:
    lab.run(node.name, f"sh '{COLLECTOR}' --node {node.name} --output '{folder}'")
