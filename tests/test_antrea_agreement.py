"""Random policies and groups of Antrea over random pods and nodes: what the analyzer decides and compiles, held against the naive reading of the same objects."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.profiles import ANTREA
from tests.naive_antrea import TIERS, Cluster, End, Packet, verdict
from tests.naive_policy import NO, YES
from tests.policies import compiled, outside, policies_of

Object = dict[str, Any]
SPACES = ("a", "b", "c")
OUTSIDE = ("203.0.113.9", "10.0.0.9")
BLOCKS = ("0.0.0.0/0", "10.0.0.0/29", "10.0.0.2/32", "203.0.113.0/24", "192.0.2.0/31")
KEYS = ("app", "tier", "example.org/x.y")
FLOWS = (Packet(6, 80, 40000), Packet(6, 81, 7), Packet(17, 80, 9), Packet(1, 8 * 256, 0), Packet(1, 3 * 256 + 1, 0))
API = "crd.antrea.io/v1beta1"


def thing(kind: str, name: str, spec: Object, namespace: str = "", version: str = API, **more: Any) -> Object:
    named = {"name": name, **({"namespace": namespace} if namespace else {}), **more}
    return {"apiVersion": version, "kind": kind, "metadata": named, "spec": spec}


def labels(random: Random) -> dict[str, str]:
    return {key: random.choice(("1", "2", "")) for key in KEYS if random.random() < 0.7}


def selector(random: Random) -> Object:
    if random.random() < 0.2:
        return {}
    if random.random() < 0.6:
        return {"matchLabels": {random.choice(KEYS): random.choice(("1", "2", ""))}}
    operator = random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    values = {"values": random.sample(("1", "2", ""), random.choice((1, 2)))} if operator.endswith("In") else {}
    return {"matchExpressions": [{"key": random.choice(KEYS), "operator": operator, **values}]}


def block(random: Random) -> Object:
    cidr = random.choice(BLOCKS)
    holes = {"0.0.0.0/0": ["10.0.0.0/30", "203.0.113.9/32"], "10.0.0.0/29": ["10.0.0.3/32"], "203.0.113.0/24": ["203.0.113.8/31"]}
    return {"cidr": cidr, **({"except": random.sample(holes[cidr], 1)} if cidr in holes and random.random() < 0.4 else {})}


def selectors(random: Random) -> Object:
    keys = random.choice((("podSelector",), ("namespaceSelector",), ("podSelector", "namespaceSelector")))
    return {key: selector(random) for key in keys}


def subject(random: Random, own: str) -> Object:
    dice = random.random()
    if dice < 0.2:
        return {"group": random.choice(("one", "two", "all", "none"))}
    if dice < 0.35 and not own:
        return {"serviceAccount": {"name": random.choice(("x", "y")), "namespace": random.choice(SPACES)}}
    return {"podSelector": selector(random)} if own else selectors(random)


def peer(random: Random, own: str, side: str) -> Object:
    dice = random.random()
    if dice < 0.2:
        return {"ipBlock": block(random)}
    if dice < 0.4:
        return {"group": random.choice(("one", "two", "all", "none", "blocks", "served"))}
    if dice < 0.5 and not own:
        return {"namespaces": random.choice(({"match": "Self"}, {"sameLabels": ["app"]}, {"sameLabels": ["app", "tier"]}))}
    if dice < 0.6 and not own:
        return {"namespaces": {"match": "Self"}, "podSelector": selector(random)}
    if dice < 0.7:
        return {"serviceAccount": {"name": random.choice(("x", "y")), "namespace": random.choice(SPACES)}}
    if dice < 0.78:
        return {"nodeSelector": selector(random)}
    if dice < 0.92 and side == "egress":
        return {"fqdn": random.choice(("*.example.org", "*.a.svc.cluster.local"))}
    return selectors(random)


def port(random: Random) -> Object:
    found: Object = {"protocol": random.choice(("TCP", "TCP", "UDP"))} if random.random() < 0.7 else {}
    if random.random() < 0.8:
        found["port"] = random.choice((80, 81, 79, "web", "web"))
        if isinstance(found["port"], int) and random.random() < 0.3:
            found["endPort"] = 85
    if random.random() < 0.2:
        found["sourcePort"] = 7
        if random.random() < 0.5:
            found["sourceEndPort"] = 9
    return found


def rule(random: Random, own: str, side: str, apart: bool, last: bool) -> Object:
    choices = ("Allow", "Drop", "Reject") if last else ("Allow", "Drop", "Reject", "Pass")
    found: Object = {"action": random.choice(choices), "logLabel": "seen", "enableLogging": random.random() < 0.5}
    if random.random() < 0.8:
        found["from" if side == "ingress" else "to"] = [peer(random, own, side) for _ in range(random.choice((0, 1, 1, 2)))]
    if random.random() < 0.4:
        found["ports"] = [port(random) for _ in range(random.choice((0, 1, 2)))]
    if random.random() < 0.2:
        icmp = random.choice(({}, {"icmpType": 8}, {"icmpType": 3, "icmpCode": 1}, {"icmpType": 0}, {"icmpCode": 1}))
        found["protocols"] = [{"icmp": icmp}]
    if found["action"] == "Allow" and "protocols" not in found and random.random() < 0.1:
        found["l7Protocols"] = [{"http": {"method": "GET"}}]
        found.pop("ports", None)
    if apart:
        found["appliedTo"] = [subject(random, own) for _ in range(random.choice((1, 2)))]
    return found


def native(random: Random, number: int) -> Object:
    own = random.choice(("", "", *SPACES[:2]))
    tier = random.choice(("", "", "emergency", "securityops", "custom", "baseline", "application"))
    spec: Object = {"priority": random.choice((1, 2, 2.5)), **({"tier": tier} if tier else {})}
    apart = random.random() < 0.3
    for side in ("ingress", "egress"):
        if random.random() < 0.7:
            spec[side] = [rule(random, own, side, apart, tier == "baseline") for _ in range(random.choice((0, 1, 2, 3)))]
    if not apart or not (spec.get("ingress") or spec.get("egress")):
        spec["appliedTo"] = [subject(random, own) for _ in range(random.choice((1, 2)))]
    return thing("NetworkPolicy" if own else "ClusterNetworkPolicy", f"policy{number}", spec, own)


def groups(random: Random) -> list[Object]:
    found = []
    for kind, own in (("ClusterGroup", ""), ("Group", "a"), ("Group", "b")):
        by_pods = (lambda: {"podSelector": selector(random)}) if own else (lambda: selectors(random))
        found += [thing(kind, name, by_pods(), own) for name in ("one", "two")]
        found.append(thing(kind, "all", {"childGroups": random.choice((["one", "two"], ["one"], ["one", "gone"]))}, own))
        found.append(thing(kind, "blocks", {"ipBlocks": [block(random) for _ in range(random.choice((1, 2)))]}, own))
        found.append(thing(kind, "served", {"serviceReference": {"name": "web", "namespace": own or "a"}}, own))
    return found


def upstream(random: Random) -> Object:
    spec: Object = {"podSelector": selector(random), "policyTypes": []}
    for side in random.choice((("ingress",), ("egress",), ("ingress", "egress"))):
        spec["policyTypes"].append(side.capitalize())
        spec[side] = [{"ports": [{"port": random.choice((80, 81, "web"))}]}, {}][: random.choice((0, 1, 1, 2))]
    return thing("NetworkPolicy", "upstream", spec, random.choice(SPACES), "networking.k8s.io/v1")


def pods(random: Random) -> list[Object]:
    found = []
    for number in range(6):
        ports = [{"name": "web", "containerPort": random.choice((80, 81)), "protocol": random.choice(("TCP", "UDP"))}]
        spec = {
            "containers": [{"name": "c", "image": "x", "ports": ports if random.random() < 0.8 else []}],
            "serviceAccountName": random.choice(("x", "y")),
            "nodeName": "n1",
        }
        one = thing("Pod", f"p{number}", spec, SPACES[number % 3], "v1", labels=labels(random))
        found.append(one | {"status": {"podIPs": [{"ip": f"10.0.0.{number + 1}"}]}})
    return found


def cluster(seed: int) -> tuple[list[Object], list[Object]]:
    random = Random(seed)
    ends = pods(random)
    node = thing("Node", "n2", {}, "", "v1", labels=labels(random))
    ends.append(node | {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}})
    spaces = [thing("Namespace", name, {}, "", "v1", labels=labels(random)) for name in SPACES]
    services = [
        thing("Service", "web", {"selector": {"app": "1"}, "ports": [{"port": 80}]}, space, "v1")
        for space in "ab"[: random.randint(0, 2)]
    ]
    tiers = [thing("Tier", "custom", {"priority": random.choice((10, 120, 249))})]
    policies = [native(random, number) for number in range(random.randint(1, 4))]
    more = [upstream(random)] if random.random() < 0.7 else []
    return ends, [*spaces, *services, *tiers, *groups(random), *policies, *more]


def test_policies_of_antrea_decide_as_the_plain_reading_says() -> None:
    counts = Counter[str]()
    for seed in range(50):
        agree(seed, counts)
    assert min(counts[word] for word in ("True", "False", "None")) > 5, counts


def agree(seed: int, counts: Counter[str]) -> None:
    ends, objects = cluster(seed)
    custom = next(item for item in objects if item["kind"] == "Tier")
    read = policies_of([*ends, *objects], ANTREA)
    assert not [item.message for item in read.complaints if item.rejected], (seed, read.complaints)
    known = factors(read, 4)
    whole = Cluster([*ends, *objects])
    assert custom["spec"]["priority"] not in TIERS.values()
    pairs: list[tuple[End, Entity]] = [(End(text), outside(text)) for text in OUTSIDE]
    for item in ends:
        space = item["metadata"].get("namespace")
        text = item["status"]["podIPs"][0]["ip"] if space else item["status"]["addresses"][0]["address"]
        name = f"{space}/{item['metadata']['name']}" if space else f"node:{item['metadata']['name']}"
        pairs.append((End(text, item), read.world.by_name[name]))
    for source, one in pairs:
        for destination, other in pairs:
            if one is other or not (source.pod or destination.pod):
                continue
            for packet in FLOWS:
                flow = Flow(4, *packet)
                answers = verdict(whole, source, destination, packet)
                wanted = True if answers == YES else False if answers == NO else None
                found = decide(read, one, other, flow).admitted
                about = seed, one.name, other.name, packet, found, wanted
                assert found is wanted, about
                assert compiled(read, known, one, other, flow) is found, about
                counts[str(wanted)] += 1
