"""Copies of one object: what they say differently is told where it could matter, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.facts.kubernetes import ObjectFact
from analyzer.model.merging_objects import of_networks
from analyzer.policy.planes import kinds
from analyzer.source import Span
from tests.captures import network_of


def test_every_kind_of_policy_is_one_whose_copies_are_compared() -> None:
    for name in kinds():
        group, _, kind = name.rpartition("/")
        fact = ObjectFact(at=Span("x", 1), scope=None, api_version=f"{group}/v1", kind=kind, name="x")
        assert of_networks(fact), name


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ("spec: {containers: [{name: c, image: a}]}", "spec: {containers: [{name: c, image: b}]}", False),
        (
            "spec: {containers: [{name: c, image: a}]}",
            "spec: {containers: [{name: c, image: a, ports: [{containerPort: 1}]}]}",
            True,
        ),
        ("spec: {hostNetwork: true, containers: []}", "spec: {containers: []}", True),
    ],
)
def test_copies_that_differ_beside_networks_say_the_same(one: str, two: str, told: bool, tmp_path: Path) -> None:
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\n"
    found = network_of({"a.yaml": head + one + "\n", "b.yaml": head + two + "\n"}, tmp_path)
    assert any("is not the same" in gap.reason for gap in found.gaps) is told


def test_copies_of_what_nobody_reads_are_not_compared(tmp_path: Path) -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: x}\nresources: ["
    found = network_of({"a.yaml": text + "a.yaml]\n", "b.yaml": text + "b.yaml]\n"}, tmp_path)
    assert not found.gaps
