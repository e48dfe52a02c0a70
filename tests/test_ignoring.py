"""Ignores in comments: how they may be written, and what is said of those that leave out less than they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.cli import run

OBJECTS = """\
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: c, image: i}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: db, namespace: shop}}
spec:
  selector: {{app: db}}  {comment}
  ports: [{{port: 80}}]
"""


def said(folder: Path, comment: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is reported of a service that selects nothing, with a comment beside its selector."""
    (folder / "all.yaml").write_text(OBJECTS.format(comment=comment))
    run([str(folder), "--no-config", "-q", "-f", "concise"])
    return [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    "sign", ["# analyze: ignore[{}]", "# analyze:ignore[{}]", "#analyze: ignore [{}]", "# db of others # analyze:  ignore[{}]:"]
)
def test_blanks_in_a_comment_do_not_matter(tmp_path: Path, sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, f"{sign.format('service-selects-nothing')} it comes in March", capsys) == []


def test_a_name_that_leaves_nothing_out_is_told_beside_one_that_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "service-selects-nothing, service-port-unserved, service-selects-nothin, policy-*"
    assert said(tmp_path, f"# analyze: ignore[{names}] it comes in March", capsys) == [
        "warning[unused-ignore] nothing is found here that ignoring service-port-unserved, policy-* would leave out",
        "warning[unused-ignore] there is no rule service-selects-nothin to ignore; did you mean service-selects-nothing?",
    ]


def test_a_rule_that_did_not_run_is_not_unused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "all.yaml").write_text(
        OBJECTS.format(comment="# analyze: ignore[service-selects-nothing, policy-rejected] in March")
    )
    run([str(tmp_path), "--no-config", "-q", "-f", "concise", "--ignore", "policy-*"])
    assert capsys.readouterr().out == ""
