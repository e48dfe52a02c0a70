"""Policies in a real network of OVN: random ones, enforced as OVN-Kubernetes does it, and what the analyzer says of them. See tests/lab/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import yaml

from analyzer.addresses import address_text
from analyzer.api import load
from analyzer.findings import Guarantee, Verdict
from analyzer.query.guarantees import decide
from tests.lab import compare, ovn, ovn_policies, policies, policy_check
from tests.lab.build import Lab
from tests.lab.capture import capture
from tests.lab.ovn_probes import judge, probes, results

REASON = ovn.missing()

pytestmark = [pytest.mark.lab, pytest.mark.skipif(REASON is not None, reason=REASON or "")]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The network, for all tests of this module."""
    with ovn.running() as built:
        yield built


@pytest.mark.parametrize("seed", [0])
def test_what_ovn_does_about_policies_is_what_they_say(lab: Lab, tmp_path: Path, seed: int) -> None:
    lab.policies = policies.documents(lab, Random(seed))
    ovn_policies.install(lab)
    capture(lab, tmp_path)
    loaded = load(tmp_path)
    chosen = Random(seed).sample(probes(lab, seed), 120)
    happened = results(lab, chosen)
    wrong = [
        compare.explain(told, probe, result)
        for probe, result in zip(chosen, happened, strict=True)
        if judge(told := compare.predict(loaded, probe), probe, result) == "wrong"
    ]
    wrong += policy_check.contradictions(lab, loaded, decide(loaded.given.network).guarantees, chosen, happened)
    assert not wrong, "\n".join(wrong)


STRICT = """
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: default}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress],
   ingress: [{from: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 8080}]}]}}
"""


def test_an_address_that_a_set_still_has_is_told_with_the_packet_that_passes(lab: Lab, tmp_path: Path) -> None:
    """The controller has not taken a pod's address out of the set of a policy's peers."""
    lab.policies = yaml.safe_load(STRICT)
    ovn_policies.install(lab)
    capture(lab, tmp_path / "right")
    stale = ovn.address_of(lab, "a2")
    lab.run(
        lab.nodes[0].name,
        f"for one in $(ovn-nbctl --bare --columns=_uuid list Address_Set); do ovn-nbctl add Address_Set $one addresses {stale}; done; {ovn_policies.SYNCED}",
    )
    capture(lab, tmp_path / "stale")
    right, wrong = (enforced(tmp_path / name) for name in ("right", "stale"))
    assert (right.verdict, right.reason) == (Verdict.PROVED, "")
    assert wrong.verdict is Verdict.REFUTED
    assert wrong.counterexample is not None
    assert address_text(4, wrong.counterexample.packet.source) == stale


def enforced(folder: Path) -> Guarantee:
    """The verdict on what the switches admit."""
    return decide(load(folder).given.network, ["policy-enforced"]).guarantees[0]
