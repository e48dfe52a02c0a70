"""Findings about policies that are several policies here: for pods, and for what Calico makes of nodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.pipeline import read_input
from analyzer.policy.behind import Rectangle
from analyzer.policy.factors import factors
from analyzer.policy.profiles import CALICO as CALICO_PROFILE
from analyzer.policy.redundancy import Group, redundancies
from analyzer.query.policies import policies
from analyzer.query.policy_findings import idle, redundant, unselective
from analyzer.query.policy_tiers import never_asked
from analyzer.source import Source
from benchmarks.policies import Shape, cluster
from tests.policies import policies_of
from tests.test_calico_agreement import Maker as Tiers
from tests.test_policy_agreement import Maker

SAMPLES = Path(__file__).parent.parent / "samples" / "policies"


@pytest.mark.parametrize("sample", ["calico-auto-hosts", "calico-hosts"])
def test_a_policy_for_nodes_selects_somebody(sample: str) -> None:
    assert list(unselective(read_input((str(SAMPLES / sample),)).network)) == []


def test_a_rule_of_several_parts_is_redundant_where_all_of_them_are() -> None:
    found = redundant(read_input((str(SAMPLES / "anp-first-releases"),)).network)
    assert [str(item.policy) for item in found] == []


@pytest.mark.parametrize("seed", range(6))
def test_rules_that_only_admit_are_redundant_where_folding_without_them_changes_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three ways to the same rules: what others match, what stands behind each, and the tiers folded once more."""
    made = policies(cluster(Shape(pods=60, namespaces=4, policies=50, seed=seed, admin=seed % 2)))
    known = redundancies(made.all, made.every_family())
    for way, answer in (("only_admits", False), ("behind", None)):
        monkeypatch.setattr(f"analyzer.policy.redundancy.{way}", lambda *_, answer=answer: answer)
        assert known == redundancies(made.all, made.every_family())
    assert any(not item.nothing for item in known)


def folded_whole(group: Group, _: Sequence[Rectangle]) -> bool:
    """Whether all flows are admitted as before."""
    return group.compiler.cells(group.key) == group.cells


@pytest.mark.parametrize("seed", range(25))
def test_a_rule_is_redundant_where_what_it_matches_goes_on_without_it_as_it_did(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of admin policies, ties and blocks: what stands behind a rule, the flows that it matches, and all flows, say the same."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": Maker(Random(seed)).objects()})
    source = Source("objects.json", text, "kubernetes")
    made = policies(build((source,), *facts((source,))).cluster)
    known = redundancies(made.all, made.every_family())
    monkeypatch.setattr("analyzer.policy.redundancy.behind", lambda *_: None)
    assert known == redundancies(made.all, made.every_family())
    monkeypatch.setattr(Group, "equal_within", folded_whole)
    assert known == redundancies(made.all, made.every_family())


@pytest.mark.parametrize("seed", range(20))
def test_what_stands_behind_a_rule_says_the_same_of_tiers_that_pass(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calico's tiers, with rules that pass and ends that deny."""
    made = policies_of(Tiers(Random(seed), hosts=seed % 2 == 0).objects(), CALICO_PROFILE)
    compiled = [factors(made, family) for family in (4, 6)]
    known = redundancies(made, compiled)
    monkeypatch.setattr("analyzer.policy.redundancy.behind", lambda *_: None)
    assert known == redundancies(made, compiled)


CALICO = """\
apiVersion: v1
kind: Node
metadata: {name: n}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: one}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: two}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: other, labels: {app: db}}
status: {podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: offices, labels: {role: office}}
spec: {nets: [203.0.113.0/24]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n-all, labels: {of: nodes}}
spec: {node: n, interfaceName: "*", expectedIPs: [192.168.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nodes}
spec: {selector: "of == 'nodes'", types: [Ingress], ingress: [{action: Allow, source: {selector: "role == 'office'"}}]}
---
"""


def network_of(folder: Path, text: str = "") -> Network:
    """The network of the objects of ``CALICO`` and others."""
    (folder / "objects.yaml").write_text(CALICO + text)
    return read_input((str(folder),)).network


def test_a_peer_of_pods_and_network_sets_matches_whoever_one_of_them_does(tmp_path: Path) -> None:
    assert list(idle(network_of(tmp_path))) == []


def test_a_peer_that_is_several_here_matches_somebody_if_one_of_them_does(tmp_path: Path) -> None:
    """Namespaces whose label differs from the subject's: one rule for each value that there is, and for those that there are not."""
    text = """\
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: apart}
spec:
  priority: 1
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {notSameLabels: [team]}}]}]
"""
    assert list(idle(network_of(tmp_path, text))) == []
    assert [
        str(item.policy) for item in idle(network_of(tmp_path, text.replace("notSameLabels: [team]", "sameLabels: [none]")))
    ] == ["AdminNetworkPolicy apart"]


def test_a_host_endpoint_says_a_mode_and_is_not_told_to_be_never_asked(tmp_path: Path) -> None:
    assert list(never_asked(network_of(tmp_path))) == []


def test_a_rule_that_may_decide_is_not_redundant(tmp_path: Path) -> None:
    """Where the tier stands, and what its end does, is not known."""
    text = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: nowhere.web}
spec: {tier: nowhere, selector: "app == 'web'", types: [Ingress], ingress: [{action: Deny, source: {selector: "app == 'db'"}}]}
"""
    tier = "---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: nowhere}\nspec: {order: 1}\n"
    assert list(redundant(network_of(tmp_path, text))) == []
    assert [str(item.policy) for item in redundant(network_of(tmp_path, text + tier))] == ["GlobalNetworkPolicy nowhere.web"]
