"""What-if edits: on objects they are as if the input had been written so, and the quick answer is that of a full compile."""

from __future__ import annotations

import copy
import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.model.cluster import Cluster
from analyzer.policy.bits import members
from analyzer.policy.edited import by_place, changed_set, recompiled, told_apart
from analyzer.policy.factors import Factors, factors
from analyzer.policy.planes import policy_set
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.policy.world import world_of
from analyzer.query.differences.difference import Difference, difference
from analyzer.query.policies import Policies, policies
from analyzer.query.whatif.edits import (
    Apply,
    Delete,
    Edit,
    EditError,
    Label,
    Move,
    NewPod,
    Object,
    delete,
    label,
    move,
    new_pod,
    scale,
)
from analyzer.query.whatif.loaded import Loaded
from analyzer.query.whatif.objects import edited, key_of
from analyzer.query.witness import flow_in
from analyzer.source import Source
from tests.test_policy_agreement import Maker

Item = dict[str, Any]


def cluster_of(objects: list[Item], path: str = "objects.json") -> Cluster:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=1)
    source = Source(path, text, "kubernetes")
    known, gaps = facts((source,))
    return build((source,), known, gaps).cluster


def applied(*objects: Item) -> Apply:
    return Apply(
        Source("edit.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}, indent=1), "kubernetes")
    )


def told(found: Difference) -> list[tuple[object, ...]]:
    """A difference without the places of lines, which an edit has elsewhere."""
    return [
        (item.change, item.because, item.sources, item.destinations, item.families, item.old, item.new, item.witness.flow)
        for item in found.changes
    ] + [found.appeared, found.disappeared, found.scaled]


def between(found: Cluster, after: Cluster) -> list[tuple[object, ...]]:
    return told(difference(policies(found), policies(after)))


def name_of(item: Item) -> Object:
    return Object(item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])


def edit_of(random: Random, objects: list[Item]) -> tuple[Edit, list[Item]]:
    """An edit, and the objects as somebody would have written them after it."""
    after = copy.deepcopy(objects)
    place = random.randrange(len(objects))
    item = after[place]
    pods = [one for one in after if one["kind"] == "Pod"]
    match random.randrange(5):
        case 0 if item["kind"] not in ("Namespace",):
            return Delete(name_of(item)), [one for one in after if one is not item]
        case 1 if item["kind"] in ("Pod", "Namespace"):
            change: dict[str, str | None] = {"a": random.choice(("1", "2")), "b": None}
            item["metadata"]["labels"] = {"a": change["a"]}
            return Label(name_of(item), change), after
        case 2 if item["kind"] == "Pod":
            target, item["metadata"]["namespace"] = name_of(item), "n9"
            return Move(target, "n9"), after
        case 3:
            labels = {"a": random.choice(("1", "2"))}
            made = {"name": "fresh", "namespace": pods[0]["metadata"]["namespace"], "labels": labels}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": {"containers": []}}
            return NewPod(made["namespace"], "fresh", labels), [*after, pod]
        case _:
            pass
    new = next((one for one in Maker(random).objects() if one["kind"] == item["kind"]), item)
    new["metadata"] = {**new["metadata"], "name": item["metadata"]["name"]}
    if "namespace" in item["metadata"]:
        new["metadata"]["namespace"] = item["metadata"]["namespace"]
    after[place] = new
    return applied(new), after


@settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False))  # type: ignore[untyped-decorator]
def test_an_edit_is_as_if_the_input_had_been_written_so(random: Random) -> None:
    objects = Maker(random).objects()
    edit, after = edit_of(random, objects)
    before = cluster_of(objects)
    assert between(cluster_of(after), edited(before, [edit]).cluster) == [(), (), ()], (edit, json.dumps(objects))
    assert told(Loaded(before).whatif([edit])) == between(before, cluster_of(after)), (edit, json.dumps(objects))


def same(one: Factors, other: Factors) -> None:
    """Two compiled sets admit the same between all entities and addresses outside."""
    outside = [item for item in other.universe.classes if item.blocks]
    for source in (*one.policies.world.entities, *outside):
        for destination in (*one.policies.world.entities, *outside):
            here, there = ((flows_at(found, source), flows_at(found, destination)) for found in (one, other))
            mine, theirs = one.pair(*here), other.pair(*there)
            for position in members(other.atoms.all):
                flow = flow_in(other.atoms, 1 << position, other.universe.family, destination)
                answers = [
                    (side[0] & bit > 0, side[1] & bit > 0)
                    for side, bit in ((mine, one.atoms.of_flow(flow)), (theirs, 1 << position))
                ]
                assert answers[0] == answers[1], (source, destination, flow)


def flows_at(found: Factors, entity: Any) -> int:
    """The class of an entity, or of addresses outside that the other set tells apart no less."""
    known = found.universe.of.get(entity.name)
    if known is not None:
        return known
    block = found.universe.blocks.smallest(entity.blocks[0])
    return next(
        place for place, inside in enumerate(found.universe.inside) if inside == (block,) and found.universe.classes[place].blocks
    )


def test_what_is_compiled_anew_is_what_a_full_compile_gives() -> None:
    counts = Counter[str]()
    for seed in range(100):
        random = Random(seed)
        objects = Maker(random).objects()
        chosen = [item for item in objects if "Policy" in item["kind"]]
        if not chosen:
            continue
        cluster, item = cluster_of(objects), random.choice(chosen)
        before = policy_set(world_of(cluster, UNKNOWN_SYSTEM))
        others = [one for one in Maker(random).objects() if one["kind"] == item["kind"]]
        new = [{**others[0], "metadata": item["metadata"]}] if others and seed % 3 else []
        after = edited(cluster, [applied(*new)] if new else [Delete(name_of(item))]).cluster
        old = {key_of(fact): fact for fact in cluster.others}
        now = {key_of(fact): fact for fact in after.others}
        gone = [fact for key, fact in old.items() if now.get(key) is not fact]
        change = changed_set(before, gone, [fact for key, fact in now.items() if old.get(key) is not fact], by_place(before))
        if change is None:
            counts["no tier"] += 1
            continue
        quick = recompiled(factors(before, 4), change, told_apart(before))
        counts["compiled whole" if quick is None else "quick"] += 1
        if quick is not None:
            same(quick, factors(policy_set(world_of(after, UNKNOWN_SYSTEM)), 4))
    assert counts["quick"] > 50, counts
    assert counts["compiled whole"] > 10, counts


def many_edits(random: Random, objects: list[Item]) -> list[Edit]:
    """Edits of pods and namespaces, some together with policies."""
    namespaces = sorted({item["metadata"]["namespace"] for item in objects if item["kind"] == "Pod"})
    found = [edit_of(random, objects)[0]]
    if random.random() < 0.3:
        found = [Delete(Object("Namespace", "", random.choice(namespaces)))]
    elif random.random() < 0.3:
        ports = [{"name": random.choice(("web", "dns")), "containerPort": random.choice((53, 80, 7777))}]
        spec = {"containers": [{"name": "c", "ports": ports}]}
        made = {"name": "fresh", "namespace": random.choice(namespaces), "labels": {"a": random.choice("129")}}
        found.append(applied({"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": spec}))
    return found


def test_further_positions_are_what_a_full_compile_gives() -> None:
    counts = Counter[str]()
    for seed in range(100):
        random = Random(seed)
        objects = Maker(random).objects()
        before = Loaded(cluster_of(objects))
        edits = many_edits(random, objects)
        try:
            cluster = edited(before.cluster, edits).cluster
        except EditError:
            continue
        assert told(before.whatif(edits)) == between(before.cluster, cluster), seed
        world = world_of(cluster, UNKNOWN_SYSTEM, before.policies.world)
        change = before.reread(world)
        joints = before.joints(Policies(world, change.policies), change) if change is not None else None
        counts["compiled whole" if joints is None else "quick"] += 1
        for both in joints or ():
            family = both.new.universe.family
            counts["fresh"] += len(both.new.egress.cells) > len(both.old.egress.cells)
            same(both.old, before.policies.factors(family))
            same(both.new, factors(policy_set(world_of(cluster, UNKNOWN_SYSTEM)), family))
    assert min(counts["quick"], counts["fresh"]) > 22, counts


def test_who_is_the_first_that_a_policy_admits_is_told() -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "only-admins", "namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "admin"}}}], "ports": [{"port": 9999}]}],
        },
    }
    objects = [pod("a"), pod("b", labels={"app": "other"}), policy]
    before = cluster_of(objects)
    edit = label("shop/b", "role=admin")
    assert told(Loaded(before).whatif([edit])) == between(before, edited(before, [edit]).cluster)
    (found,) = Loaded(before).whatif([edit]).changes
    assert (found.sources, found.destinations, found.new.allowed) == (
        ("shop/b[Pod]",),
        ("shop/a[Pod]",),
        (((6, 6), ((9999, 9999),)),),
    )


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}},
}


def pod(name: str, **metadata: Any) -> Item:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}} | metadata,
        "spec": {"containers": [{"name": "c"}]},
    }


OWNED = {
    "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d", "uid": "u"}],
    "labels": {"app": "web", "pod-template-hash": "5d"},
}
SHOP = cluster_of([DEPLOYMENT, pod("web-5d-a", **OWNED), pod("web-5d-b", **OWNED), pod("other")])


def pods_after(*edits: Edit) -> list[str]:
    return ["/".join(key) for key in edited(SHOP, edits).cluster.pods]


def test_scaling_takes_the_last_pods_away_or_brings_more_like_the_first() -> None:
    assert pods_after(scale("deploy/shop/web=1")) == ["shop/other", "shop/web-5d-a"]
    assert pods_after(scale("deploy/shop/web=3")) == ["shop/other", "shop/web-5d-a", "shop/web-5d-b", "shop/web-new-1"]
    assert edited(SHOP, [scale("deploy/shop/web=3")]).cluster.pods["shop", "web-new-1"].labels["app"] == "web"


def test_a_workload_takes_its_pods_with_it() -> None:
    assert pods_after(delete("deployments/shop/web")) == ["shop/other"]
    assert pods_after(move("deploy/shop/web=else")) == ["else/web-5d-a", "else/web-5d-b", "shop/other"]
    assert pods_after(delete("ns/shop")) == []
    assert pods_after(move("ns/shop=else")) == ["else/other", "else/web-5d-a", "else/web-5d-b"]


def test_labels_of_a_workload_are_those_of_its_template_and_its_pods() -> None:
    found = edited(SHOP, [label("deploy:shop/web", "app=new")]).cluster
    assert found.pods["shop", "web-5d-a"].labels == {"app": "new", "pod-template-hash": "5d"}
    assert found.pods["shop", "other"].labels == {"app": "web"}
    assert next(item for item in found.others if item.name == "web").document["spec"]["template"]["metadata"]["labels"] == {
        "app": "new"
    }


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: delete("shop"), "KIND/NAMESPACE/NAME"),
        (lambda: label("shop", "a=b"), "NS/POD"),
        (lambda: label("shop/web", "=b"), "labels such as"),
        (lambda: label("shop/web", ""), "labels such as"),
        (lambda: scale("deploy/shop/web=many"), "=N"),
        (lambda: move("deploy/shop/web=Not A Name"), "=NAMESPACE"),
        (lambda: new_pod("shop", "a=b"), "NAMESPACE/NAME"),
        (lambda: new_pod("shop/x", "a-"), "with values"),
        (lambda: edited(SHOP, [delete("netpol/shop/web")]), "did you mean Deployment/shop/web"),
        (lambda: edited(SHOP, [scale("pod/shop/other=2")]), "only a workload"),
        (lambda: edited(SHOP, [new_pod("shop/other", "a=b")]), "a pod of this name"),
        (lambda: edited(SHOP, [Apply(Source("x.yaml", "nothing: here", "kubernetes"))]), "no Kubernetes object"),
        (lambda: edited(SHOP, [label("ns:nowhere", "a=b")]), "no ns/nowhere in the input"),
    ],
)
def test_an_edit_that_does_not_fit_says_what_was_expected(edit: Any, message: str) -> None:
    with pytest.raises(EditError, match=message):
        edit()
