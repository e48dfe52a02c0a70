"""Manifests alone: the verdicts are those of the whole machinery, without loading it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from analyzer.query.guarantees import decide
from analyzer.query.static import without_state
from tests.captures import network_of

ROOT = Path(__file__).parent.parent
HEAVY = (
    "z3",
    "analyzer.transfer",
    "analyzer.solve.walk.concrete",
    "analyzer.solve.sets.diagrams",
    "lark",
    "networkx",
    "jsonschema",
)


def test_without_nodes_the_verdicts_need_no_packets(tmp_path: Path) -> None:
    for number, path in enumerate(sorted((ROOT / "samples").glob("policy*/**/*.yaml"))[:12]):
        found = network_of({"k8s/all.yaml": path.read_text()}, tmp_path / str(number))
        assert not found.namespaces
        decided = decide(found)
        answers = without_state(found)
        assert tuple(one for one, _ in answers) == decided.guarantees, path
        assert tuple(item for _, broken in answers for item in broken) == decided.breaches, path


def test_manifests_load_nothing_that_packets_need() -> None:
    script = "import sys; from analyzer.cli import run; run(['samples/lint/shop', '-q', '--no-config']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stderr
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []
