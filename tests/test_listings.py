"""Tables of kubectl and its descriptions in the place of objects: they decide some of what the objects do, and never anything else."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from analyzer.__main__ import main
from analyzer.capture.reading import facts
from analyzer.findings import Verdict
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.policy.detection import settled
from analyzer.policy.planes import policy_set
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.policy.secondary import world_for
from analyzer.query.ask import ask
from analyzer.query.guarantees import decide
from analyzer.query.policies import of_network
from analyzer.query.policy_parties import entities_named
from analyzer.query.rules import check
from analyzer.source import Source
from tests import kubectl_texts as kubectl
from tests import test_policy_samples as samples
from tests.captures import files_of, network_of
from tests.lab import record

ROOT = Path(__file__).parent.parent / "samples"
HEALTHY = [ROOT / "healthy" / f"{name}.txt" for name in ("calico-ipip", "cilium-maps", "cilium-native-policies", "ipvs-metallb")]
TRUTH = [
    path
    for path in sorted((ROOT / "truth").glob("*services*.txt"))
    if path.stem in ("calico-services-itp-local-no-local", "calico-services-not-forwarding", "flannel-vxlan-services")
]
FORMS = ("tables", "descriptions", "old descriptions")


def files(path: Path, folder: Path) -> dict[str, str]:
    """The files of a sample, by path."""
    text = path.read_text()
    if path.parent.name == "healthy":
        return files_of(text)
    record.unpack(text, folder)
    return {str(one.relative_to(folder)): one.read_text() for one in sorted(folder.rglob("*")) if one.is_file()}


def is_objects(name: str) -> bool:
    """Whether a file holds objects."""
    return name.startswith("k8s/") and name.endswith((".yaml", ".json"))


def objects(given: dict[str, str]) -> list[dict[str, Any]]:
    """The objects of the files."""
    found: list[dict[str, Any]] = []
    for name in filter(is_objects, given):
        for document in yaml.safe_load_all(given[name]):
            found += document["items"] if document and "items" in document else [document] if document else []
    return found


def listed(given: dict[str, str], form: str) -> dict[str, str]:
    """The same files, with what kubectl prints of the objects in their place."""
    found = {name: text for name, text in given.items() if not is_objects(name)}
    of: dict[str, list[dict[str, Any]]] = {}
    for item in objects(given):
        of.setdefault(item["kind"], []).append(item)
    slices = [*of.get("EndpointSlice", ()), *of.get("Endpoints", ())]
    session = f"$ kubectl get pods -A -o wide\n{kubectl.pods(of.get('Pod', ()))}"
    session += f"$ kubectl get nodes -o wide\n{kubectl.nodes(of.get('Node', ()))}"
    session += f"$ kubectl get networkpolicies -A\n{kubectl.policies(of.get('NetworkPolicy', ()))}"
    if form == "tables":
        session += f"$ kubectl get svc -A -o wide\n{kubectl.services(of.get('Service', ()))}"
        session += f"$ kubectl get endpoints -A\n{kubectl.endpoints(slices)}"
    else:
        for item in of.get("Service", ()):
            own = [
                one
                for one in slices
                if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == item["metadata"]["name"]
            ]
            session += f"$ kubectl describe svc -n {kubectl.home(item)} {item['metadata']['name']}\n"
            session += kubectl.service(item, own, internal=form == "descriptions")
    return {**found, "session.txt": session}


def verdicts(network: Network) -> dict[str, Verdict]:
    """The verdicts by guarantee; a proof that leaves out something is about less."""
    found = decide(network).guarantees
    return {one.id: one.verdict for one in found if one.verdict is not Verdict.PROVED or "left out" not in one.scope}


@cache
def by_objects(path: Path) -> dict[str, Verdict]:
    """The verdicts on a sample as it is."""
    with TemporaryDirectory() as folder:
        given = files(path, Path(folder) / "packed")
        return verdicts(network_of(given, Path(folder) / "whole"))


SURE = {
    Verdict.PROVED: {Verdict.PROVED, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE},
    Verdict.REFUTED: {Verdict.REFUTED, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [*HEALTHY, *TRUTH], ids=lambda path: path.stem)
def test_listings_decide_nothing_else_than_objects(path: Path, form: str, tmp_path: Path) -> None:
    given = files(path, tmp_path / "packed")
    shown = network_of(listed(given, form), tmp_path / "shown")
    want, found = by_objects(path), verdicts(shown)
    other = {
        name: f"{want.get(name)} by objects, {verdict} by listings"
        for name, verdict in found.items()
        if verdict not in SURE.get(want.get(name, verdict), {want.get(name, verdict), Verdict.UNDECIDED, Verdict.NOT_APPLICABLE})
    }
    assert not other


POLICIES = [
    path
    for path in samples.TABLES
    if path.parent.name.startswith("np-") and path.parent.name not in ("np-refused", "np-leading-zeros", "np-icmp")
]


def in_words(folder: Path, form: str) -> tuple[Source, ...]:
    """The objects of a sample, its NetworkPolicies as kubectl prints them."""
    every = [item for item in yaml.safe_load_all((folder / "objects.yaml").read_text()) if item]
    every = [one for item in every for one in item.get("items", [item])]
    shown = [item for item in every if item["kind"] == "NetworkPolicy"]
    rest = yaml.safe_dump_all(item for item in every if item["kind"] != "NetworkPolicy")
    text = kubectl.policies(shown) if form == "table" else "\n\n".join(kubectl.policy(item, form == "new") for item in shown)
    beside = [name for name in samples.TEXTS if name != "objects.yaml" and (folder / name).exists()]
    texts = [Source(name, (folder / name).read_text(), samples.TEXTS[name]) for name in beside]
    return (Source("objects.yaml", rest, "kubernetes"), Source("shown.txt", text, "kubernetes-listing"), *texts)


@pytest.mark.parametrize("form", ["new", "old", "table"])
@pytest.mark.parametrize("path", POLICIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_policies_in_words_say_what_the_objects_do(path: Path, form: str) -> None:
    """Beside a range of ports, all of it; else, and where a table shows only whom they select, nothing else."""
    sources = in_words(path.parent, form)
    known, _ = facts(sources)
    cluster = build(sources, known, ()).cluster
    system = samples.system_of(path.parent, path.name)
    policies = policy_set(world_for(cluster, system if system is UNKNOWN_SYSTEM else settled(system, cluster)))
    told = [line for line in path.read_text().splitlines() if samples.QUESTION.match(line)]
    found = [samples.answered(policies, line) for line in told]
    assert told
    assert [(want, got) for want, got in zip(told, found, strict=True) if got not in (want, opened(want))] == []
    if form == "new" and path.parent.name == "np-ports":
        assert found == told


def opened(line: str) -> str:
    """A line whose verdict is open."""
    return f"{line.rsplit(' ', 1)[0]} open"


def test_tables_that_contradict_each_other_say_nothing_for_sure(tmp_path: Path) -> None:
    row = "shop        web    1/1     Running   0          5d    {}   n1     <none>           <none>\n"
    head = "NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES\n"
    one, other = (
        f"$ kubectl get pods -A -o wide{more}\n{head}{row.format(own)}"
        for more, own in (("", "10.244.1.5"), (" --sort-by=.x", "10.244.1.6"))
    )
    assert [item.name for item in network_of({"a.txt": one}, tmp_path / "a").cluster.listed.pods] == ["web"]
    assert network_of({"a.txt": one, "b.txt": other}, tmp_path / "b").cluster.listed.pods == ()


def test_an_object_that_is_there_whole_stands_for_its_listing(tmp_path: Path) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {nodeName: n1}\n"
    table = kubectl.pods([yaml.safe_load(pod) | {"status": {"podIP": "10.244.1.5"}}])
    cluster = network_of({"k8s/pod.yaml": pod, "t.txt": f"$ kubectl get pods -A -o wide\n{table}"}, tmp_path).cluster
    assert (cluster.listed.pods, [pod.labels for pod in cluster.pods.values()]) == ((), [{"app": "web"}])


@pytest.mark.parametrize("name", ["10.244.1.5", "shop/web"])
def test_policies_are_not_asked_about_a_pod_that_is_only_listed(name: str, tmp_path: Path) -> None:
    """Neither as an address outside, nor as a pod without labels."""
    pod = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "n1"}, "status": {"podIP": "10.244.1.5"}}
    policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: shop}\nspec: {podSelector: {}}\n"
    table = f"$ kubectl get pods -A -o wide\n{kubectl.pods([pod])}"
    network = network_of({"k8s/policy.yaml": policy, "t.txt": table}, tmp_path)
    with pytest.raises(ValueError, match="only listed"):
        entities_named(of_network(network), name)


LISTED = """NAMESPACE   NAME   READY   STATUS    RESTARTS   AGE   IP           NODE   NOMINATED NODE   READINESS GATES
shop        cl     1/1     Running   0          5d    10.244.2.7   n2     <none>           <none>
"""
SHOP = "".join(
    f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: a, labels: {{app: {name}}}}}\n"
    f"spec: {{nodeName: n1}}\nstatus: {{podIP: {own}}}\n---\n"
    for name, own in (("web", "10.244.1.5"), ("db", "10.244.1.6"))
) + (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: a}\nspec:\n  podSelector: {matchLabels: {app: db}}\n"
    "  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]\n"
)

DENIED = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: shop}\nspec: {podSelector: {}}\n"
)


@pytest.mark.parametrize(
    ("question", "alone", "beside"),
    [
        ("only a/web reaches a/db", Verdict.PROVED, Verdict.UNDECIDED),
        ("a/web reaches only a/db, outside", Verdict.PROVED, Verdict.UNDECIDED),
        ("every pod reaches a/web", Verdict.PROVED, Verdict.UNDECIDED),
        ("labels:app=web reaches a/db", Verdict.PROVED, Verdict.UNDECIDED),
        ("outside cannot reach a/db", Verdict.PROVED, Verdict.PROVED),
        ("outside cannot reach a/db in at most 3 hops", Verdict.REFUTED, Verdict.REFUTED),
        ("can a/db reach a/web in at most 2 hops on 80", Verdict.PROVED, Verdict.PROVED),
        ("is there a pair in ns:a that can talk in one direction only on tcp", Verdict.REFUTED, Verdict.REFUTED),
        ("is there a pair that can talk in one direction only on tcp", Verdict.REFUTED, Verdict.UNDECIDED),
        ("only a/web reaches a/web", Verdict.REFUTED, Verdict.REFUTED),
        ("a/web reaches a/db", Verdict.PROVED, Verdict.PROVED),
        ("ns:a reaches a/web", Verdict.PROVED, Verdict.PROVED),
        ("can any pod in ns:a reach a/web on 80", Verdict.PROVED, Verdict.PROVED),
        ("policies a/db are contained in a/db", Verdict.PROVED, Verdict.UNDECIDED),
    ],
)
def test_nothing_is_proved_of_all_where_pods_are_only_listed(
    question: str, alone: Verdict, beside: Verdict, tmp_path: Path
) -> None:
    """What one flow shows stays so."""
    whole = network_of({"k8s/a.yaml": SHOP}, tmp_path / "whole")
    more = network_of({"k8s/a.yaml": SHOP, "t.txt": f"$ kubectl get pods -A -o wide\n{LISTED}"}, tmp_path / "more")
    found = [ask(of_network(network), question) for network in (whole, more)]
    assert [item.verdict for item in found] == [alone, beside]
    if alone is not beside:
        assert any("shop/cl" in text for text in found[1].settle)


def test_connectivity_says_of_which_pods_it_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.txt").write_text(f"$ kubectl get pods -A -o wide\n{LISTED}")
    assert main(["connectivity", str(tmp_path), "-q"]) == 0
    assert "nothing is said of pods that are only listed\n  shop/cl: " in capsys.readouterr().out
    assert main(["connectivity", str(tmp_path), "-q", "-f", "json", "--strict"]) == 3
    assert json.loads(capsys.readouterr().out)["left_out"] == ["shop/cl"]


def test_suggested_policies_say_which_pods_they_leave_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(SHOP)
    (tmp_path / "t.txt").write_text(f"$ kubectl get pods -A -o wide\n{LISTED}")
    assert main(["connectivity", str(tmp_path), "-q", "--suggest", "current"]) == 0
    assert "# pods that are only listed are left aside, and the policies may close them: shop/cl\n" in capsys.readouterr().out


def test_what_changes_for_pods_that_are_only_listed_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"old": SHOP, "moved": f"# moved\n{SHOP}", "new": f"{SHOP}---\n{DENIED}"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(text)
        (tmp_path / name / "t.txt").write_text(f"$ kubectl get pods -A -o wide\n{LISTED}")
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "moved"), "-q"]) == 0
    assert capsys.readouterr().out == "nothing changes\n"
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new"), "-q"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("nothing is known to change\n")
    assert "shop/cl" in out


def test_endpoints_of_a_table_are_those_of_a_service_that_is_there_whole(tmp_path: Path) -> None:
    """Of the endpoints of a service with one port it is known whose they are, unless some are not shown."""
    given = files_of((ROOT / "healthy" / "cilium-maps.txt").read_text())
    every = objects(given)
    slices = [item for item in every if item["kind"] in ("EndpointSlice", "Endpoints")]
    rest = yaml.safe_dump_all(item for item in every if item not in slices)
    shown = {name: text for name, text in given.items() if not is_objects(name)} | {"k8s/all.yaml": rest}
    shown["session.txt"] = f"$ kubectl get endpoints -A\n{kubectl.endpoints(slices)}"
    found = {one.id: one for one in decide(network_of(shown, tmp_path)).guarantees}
    whole = {one.id: one for one in decide(network_of(given, tmp_path / "whole")).guarantees}
    assert (found["pod-to-service"].verdict, found["pod-to-service"].scope) == (Verdict.PROVED, whole["pod-to-service"].scope)


def test_a_pod_that_is_listed_and_not_captured_is_a_party_too(tmp_path: Path) -> None:
    given = files_of((ROOT / "healthy" / "cilium-maps.txt").read_text())
    shown = listed(given, "tables")
    row = "\nshop        far   1/1     Running   0          5d    10.99.1.5   n9     <none>           <none>\n"
    head = "NAMESPACE   NAME   READY   STATUS   RESTARTS   AGE   IP          NODE   NOMINATED NODE   READINESS GATES"
    shown["more.txt"] = f"$ kubectl get pods -n shop -o wide\n{head}{row}"
    found = {one.id: one for one in decide(network_of(shown, tmp_path)).guarantees}
    assert found["pod-to-pod"].verdict is Verdict.UNDECIDED
    assert "shop/far" in found["pod-to-pod"].reason


def test_rules_say_nothing_of_whom_a_listed_pod_may_be(tmp_path: Path) -> None:
    """A policy or a service that selects none of the pods that are there whole may select one that is only listed."""
    objects_text = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: front}}}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.9, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: shop, labels: {app: other}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {phase: Running, podIP: 10.244.1.9}
"""
    pod = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "n1"}, "status": {"podIP": "10.244.1.5"}}
    table = f"$ kubectl get pods -A -o wide\n{kubectl.pods([pod])}"
    alone = network_of({"k8s/all.yaml": objects_text}, tmp_path / "alone")
    listed_too = network_of({"k8s/all.yaml": objects_text, "t.txt": table}, tmp_path / "listed")
    assert {one.rule for one in check(alone)} >= {
        "policy-selects-nothing",
        "policy-peer-matches-nothing",
        "service-selects-nothing",
    }
    assert [one.rule for one in check(listed_too) if "nothing" in one.rule] == []


def test_a_table_of_endpoint_slices_is_told_to_leave_open_whose_they_are(tmp_path: Path) -> None:
    text = "$ kubectl get endpointslices -n shop\nNAME        ADDRESSTYPE   PORTS   ENDPOINTS    AGE\nweb-abcde   IPv4          8080    10.244.0.5   5d\n"
    network = network_of({"pasted.txt": text}, tmp_path)
    assert [(gap.at.line, gap.reason.partition(":")[0]) for gap in network.gaps] == [
        (2, "a table of kubectl get does not show of which services slices are, and which endpoints are ready")
    ]
