"""Random policies of a mesh over random pods: what the analyzer decides and compiles, held against the naive reading of the same objects."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from analyzer.api import load
from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.profiles import UNKNOWN_SYSTEM
from analyzer.solve.packet import Fate
from tests.naive_istio import INJECT, MODE, ROOT, Cluster, End, verdict
from tests.naive_policy import NO, YES
from tests.policies import compiled, outside, policies_of

SPACES = ("a", "b", ROOT)
OUTSIDE = ("203.0.113.9", "198.51.100.1")
BLOCKS = ("0.0.0.0/0", "10.0.0.0/30", "10.0.0.2/32", "203.0.113.0/24")
PRINCIPALS = ("*", "cluster.local/ns/a/sa/x", "cluster.local/ns/b/*", "*/ns/a/sa/default", "cluster.local/ns/b/sa/x")
FLOWS = ((6, 80), (6, 443), (6, 15021), (17, 53))
NOTES = {
    "traffic.sidecar.istio.io/excludeInboundPorts": ("80", "443,80", ""),
    "traffic.sidecar.istio.io/includeInboundPorts": ("*", "443", ""),
    "ambient.istio.io/bypass-inbound-capture": ("true", "false"),
}
VALUES = {
    "principals": PRINCIPALS,
    "namespaces": ("a", "b", "*", "istio-*"),
    "serviceAccounts": ("x", "b/x", "a/default"),
    "ipBlocks": BLOCKS,
    "ports": ("80", "443"),
    "methods": ("GET",),
    "requestPrincipals": ("*",),
}
CONDITIONS = {
    "source.principal": PRINCIPALS,
    "source.namespace": ("a", "b"),
    "source.ip": BLOCKS,
    "destination.ip": BLOCKS,
    "destination.port": ("80", "443"),
    "request.headers[x]": ("1",),
}


def spaces(random: Random) -> dict[str, dict[str, str]]:
    enabled, ambient = {"istio-injection": "enabled"}, {MODE: "ambient"}
    injections: tuple[dict[str, str], ...] = random.choice(
        (({},), ({}, enabled, enabled, ambient, {"istio-injection": "disabled"}))
    )
    return {name: dict(random.choice(injections)) for name in SPACES}


def pods(random: Random) -> list[dict[str, Any]]:
    found = []
    for number in range(5):
        labels = {"app": random.choice("12"), "tier": random.choice("12")}
        if random.random() < 0.3:
            labels[INJECT] = random.choice(("true", "false"))
        if random.random() < 0.1:
            labels[MODE] = random.choice(("ambient", "none"))
        notes = {key: random.choice(values) for key, values in NOTES.items() if random.random() < 0.1}
        metadata = {"name": f"p{number}", "namespace": SPACES[number % 3], "labels": labels, "annotations": notes}
        found.append(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": {"containers": [{"name": "c"}], "serviceAccountName": random.choice(("x", "default"))},
                "status": {"podIP": f"10.0.0.{number + 1}", "podIPs": [{"ip": f"10.0.0.{number + 1}"}]},
            }
        )
    return found


def selector(random: Random) -> dict[str, Any]:
    labels = {key: random.choice("12") for key in random.sample(("app", "tier"), random.choice((1, 1, 2)))}
    return {"selector": {"matchLabels": labels}} if random.random() < 0.5 else {}


def some(random: Random, names: tuple[str, ...]) -> dict[str, list[str]]:
    found = {}
    for name in random.sample(names, random.choice((1, 1, 2))):
        key = f"not{name[0].upper()}{name[1:]}" if random.random() < 0.25 else name
        found[key] = random.sample(VALUES[name], min(len(VALUES[name]), random.choice((1, 2))))
    return found


def rule(random: Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if random.random() < 0.6:
        names = ("principals", "namespaces", "serviceAccounts", "ipBlocks", "requestPrincipals")
        sources = [some(random, names) for _ in range(random.choice((1, 2)))]
        for one in sources:
            if "serviceAccounts" in one:
                one.pop("principals", None)
                one.pop("namespaces", None)
        found["from"] = [{"source": one} for one in sources]
    if random.random() < 0.5:
        found["to"] = [{"operation": some(random, ("ports", "methods"))} for _ in range(random.choice((1, 2)))]
    if random.random() < 0.3:
        key = random.choice(list(CONDITIONS))
        kind = "values" if key == "destination.ip" or random.random() < 0.7 else "notValues"
        found["when"] = [{"key": key, kind: random.sample(CONDITIONS[key], 1)}]
    return found


def authorization(random: Random, number: int) -> dict[str, Any]:
    spec = {**selector(random), "action": random.choice(("ALLOW", "ALLOW", "DENY", "CUSTOM"))}
    if spec["action"] == "CUSTOM":
        spec["provider"] = {"name": "outer"}
    rules = [rule(random) for _ in range(random.choice((0, 1, 1, 2)))]
    return thing("AuthorizationPolicy", f"policy{number}", random.choice(SPACES), spec | ({"rules": rules} if rules else {}))


def authentication(random: Random, number: int) -> dict[str, Any]:
    spec = selector(random)
    modes = ("STRICT", "STRICT", "PERMISSIVE", "UNSET")
    if random.random() < 0.8:
        spec["mtls"] = {"mode": random.choice(modes)}
    if "selector" in spec and random.random() < 0.6:
        spec["portLevelMtls"] = {random.choice((80, 443)): {"mode": random.choice(modes)}}
    found = thing("PeerAuthentication", f"peer{number}", random.choice(SPACES), spec)
    if random.random() < 0.9:
        found["metadata"]["creationTimestamp"] = f"2024-01-{random.randrange(1, 28):02}T0{number}:00:00Z"
    return found


def thing(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@pytest.mark.parametrize("block", range(10))
def test_policies_of_a_mesh_decide_as_the_plain_reading_says(block: int) -> None:
    counts = Counter[str]()
    for seed in range(block * 30, block * 30 + 30):
        random = Random(seed)
        labels, given = spaces(random), pods(random)
        policies = [authorization(random, number) for number in range(random.randint(0, 3))]
        policies += [authentication(random, number) for number in range(random.randint(0, 4))]
        named = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": of}} for n, of in labels.items()]
        read = policies_of([*named, *given, *policies], UNKNOWN_SYSTEM)
        known, cluster = factors(read, 4), Cluster(labels, policies, given)
        ends: list[tuple[End, Entity]] = [(End(text), outside(text)) for text in OUTSIDE]
        for pod in given:
            name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            ends.append((End(pod["status"]["podIP"], pod), read.world.by_name[name]))
        for source, one in ends:
            for destination, other in ends:
                if one is other or {source.address, destination.address} <= set(OUTSIDE):
                    continue
                for protocol, port in FLOWS:
                    flow = Flow(4, protocol, port)
                    answers = verdict(cluster, source, destination, protocol, port)
                    wanted = True if answers == YES else False if answers == NO else None
                    found = decide(read, one, other, flow).admitted
                    about = seed, source.address, destination.address, protocol, port, found, wanted
                    # Which policy is the older one is a doubt for each of them, also where all say the same.
                    unclear = found is None and any(
                        item["kind"] == "PeerAuthentication" and "creationTimestamp" not in item["metadata"] for item in policies
                    )
                    assert found is wanted or unclear, about
                    assert compiled(read, known, one, other, flow) is found, about
                    counts[str(wanted)] += 1
    assert min(counts[word] for word in ("True", "False", "None")) > 5, counts


def test_what_denies_for_sure_is_named_where_an_external_authorizer_is_asked_before(tmp_path: Path) -> None:
    """CUSTOM is open, since nobody here knows what the authorizer says; a DENY behind it decides all the same, and is the reason."""
    pod = {"nodeName": "x", "containers": [{"name": "istio-proxy", "image": "x"}]}
    items: list[dict[str, object]] = [
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n1", "labels": {"app": name}},
            "spec": pod, "status": {"podIP": f"10.0.0.{number}", "podIPs": [{"ip": f"10.0.0.{number}"}]},
        }
        for number, name in enumerate("ab", 1)
    ]  # fmt: skip
    for name, more in (("asked", {"action": "CUSTOM", "provider": {"name": "far"}}), ("never", {"action": "DENY"})):
        spec = {"selector": {"matchLabels": {"app": "b"}}, "rules": [{"to": [{"operation": {"ports": ["80"]}}]}], **more}
        kind = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
        items.append({**kind, "metadata": {"name": name, "namespace": "n1"}, "spec": spec})
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    told = load(tmp_path).trace("n1/a", "n1/b", port=80)
    assert told.fate is Fate.UNREACHABLE
    assert [one.reason for one in told.outcomes] == ["ingress of AuthorizationPolicy n1/never denies it"]
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items[:-1]}))
    told = load(tmp_path).trace("n1/a", "n1/b", port=80)
    assert told.fate is Fate.UNKNOWN
    assert "what the external authorizer says" in told.outcomes[0].reason
