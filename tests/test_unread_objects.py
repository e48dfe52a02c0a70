"""Where a document of objects could not be read, what rests on all of them is not proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Verdict

NODE = "- {apiVersion: v1, kind: Node, metadata: {name: n1}, spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}}\n"
POD = (
    "- {{apiVersion: v1, kind: Pod, metadata: {{name: {0}, namespace: default}}, spec: {{nodeName: n1, containers: [{{name: c, image: i,"
    " ports: [{{containerPort: 80}}]}}]}}, status: {{phase: Running, podIP: 10.244.1.{1}, podIPs: [{{ip: 10.244.1.{1}}}]}}}}\n"
)
WHOLE = f"apiVersion: v1\nitems:\n{NODE}{POD.format('a', 5)}{POD.format('b', 6)}kind: List\n"
ABOUT_ALL = ("unique-pod-addresses", "unique-pod-cidrs", "container-to-container")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (WHOLE, Verdict.PROVED),
        (WHOLE.removesuffix("kind: List\n"), Verdict.UNDECIDED),
        (WHOLE[: WHOLE.index("podIP: 10.244.1.6")], Verdict.UNDECIDED),
    ],
)
def test_objects_that_could_not_be_read_may_be_pods(text: str, wanted: Verdict, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(text)
    (tmp_path / "node.yaml").write_text(NODE.removeprefix("- "))
    (tmp_path / "pod.yaml").write_text(POD.format("a", 5).removeprefix("- "))
    found = {item.id: item for item in load(tmp_path).check().guarantees}
    assert {found[name].verdict for name in ABOUT_ALL} == {wanted}
    assert wanted is Verdict.PROVED or "all.yaml" in found["unique-pod-addresses"].reason
