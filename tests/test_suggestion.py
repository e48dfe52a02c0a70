"""Suggested policies: random clusters and wants, held packet by packet against the naive reading; sets of labels and of addresses; samples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterator
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.addresses import Address, prefix
from analyzer.api import load
from analyzer.cli import run
from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind
from analyzer.query.policies import Policies
from analyzer.query.suggest import suggestion
from analyzer.query.suggest.boards import MOST, stage
from analyzer.query.suggest.cidrs import Block, blocks_for
from analyzer.query.suggest.demands import Scene, Side
from analyzer.query.suggest.incompatible import Counting, Needs, between
from analyzer.query.suggest.proof import differences, suggested
from analyzer.query.suggest.restricting import demands
from analyzer.query.suggest.selectors import AlikeError, Requirement, Selector, labels_by_namespace
from analyzer.query.suggest.smaller import pruned, says
from analyzer.query.suggest.suggestion import Refused, Suggestion, suggest, wanted_in, wanted_now
from analyzer.ranges import Ranges, contains, difference, normalised, union
from analyzer.solve.smt.boards import Board, Cover, Pair
from analyzer.solve.smt.covers import fewer
from analyzer.source import Source
from tests.naive_policy import NO, YES, Packet, Reading
from tests.naive_verdict import verdict
from tests.policies import policies_of
from tests.test_policy_agreement import PROTOCOLS, READINGS, Maker, Question, questions

SAMPLES = Path(__file__).parent.parent / "samples" / "suggest"
POLICIES = ("NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy")


def asked(policies: PolicySet, objects: list[dict[str, Any]], random: Random) -> Iterator[Question]:
    """The packets that a suggestion is about."""
    families = Policies(policies.world, policies).families()
    for question in questions(policies, objects, random):
        kinds = question.source.kind, question.destination.kind
        counts = all(end.kind is not Kind.HOST or end.addresses for end in (question.source, question.destination))
        known = question.packet.protocol in PROTOCOLS and question.packet.family in families
        if counts and known and Kind.POD in kinds:
            yield question


def alike(random: Random, system: str, aside: Container[str] = ()) -> str:
    """Suggests policies for a random cluster, and holds what they admit against what the cluster's own do."""
    profile, differences = READINGS[system]
    objects = [item for item in Maker(random).objects() if item["kind"] not in aside]
    policies = policies_of(objects, profile)
    found = suggest(wanted_now(Policies(policies.world, policies)))
    if isinstance(found, Refused):
        return found.reasons[0].partition(":")[0] if "labels" not in found.reasons[0] else "labels"
    others = [item for item in objects if item["kind"] not in POLICIES]
    suggested = [*others, *yaml.safe_load_all(found.text)]
    before, after = Reading(objects, **differences), Reading([item for item in suggested if item], **differences)
    for question in asked(policies, objects, random):
        ends = question.one, question.other, question.packet
        old, new = verdict(before, *ends), verdict(after, *ends)
        assert old == new, question.text(suggested, {"the suggestion": new}, old)
    return "kept" if "rules that change nothing" in found.text else "proved"


def policies_that_could_be(
    board: Board, room: str
) -> Iterator[tuple[frozenset[int], frozenset[int] | None, frozenset[int] | None]]:
    """Every policy of a room: whom it is about, and whom it admits in and out; None: it says nothing for the way."""
    own = [place for place, name in enumerate(board.rooms) if name == room]
    ends = range(1 + max(max(pair) for pair in board.wanted))
    ways = [None, *(frozenset(some) for size in range(len(ends) + 1) for some in combinations(ends, size))]
    about = [frozenset(some) for size in range(1, len(own) + 1) for some in combinations(own, size)]
    yield from product(about, ways, ways)


def say(board: Board, chosen: tuple[tuple[frozenset[int], frozenset[int] | None, frozenset[int] | None], ...]) -> bool:
    """Whether policies say what is wanted, of one kind of flows."""
    for pair, flows in board.wanted.items():
        sides = []
        for own, other, way in ((pair.destination, pair.source, 1), (pair.source, pair.destination, 2)):
            of = [item[way] for item in chosen if own in item[0] and item[way] is not None]
            sides.append(not of or any(other in (admitted or ()) for admitted in of))
        if all(sides) is not bool(flows):
            return False
    return True


@pytest.mark.parametrize("seed", range(25))
def test_no_fewer_policies_is_what_trying_all_of_them_says(seed: int) -> None:
    random = Random(seed)
    rooms = tuple(random.choice("ab") for _ in range(2))
    pairs = [Pair(one, other) for one in range(3) for other in range(3) if one != other and min(one, other) < 2]
    board = Board(rooms, 1, {pair: random.choice((0, 1, 1)) for pair in pairs})
    every = [item for room in sorted(set(rooms)) for item in policies_that_could_be(board, room)]
    for most in range(3):
        assert fewer(board, most) is any(say(board, some) for some in combinations(every, most) or ((),))


def test_needs_that_are_at_odds_are_as_many_policies_as_z3_finds() -> None:
    """By Z3 no fewer can say what is wanted than there are needs all at odds, of a cluster with addresses of one family."""
    tried = 0
    for seed in range(200):
        policies = policies_of(Maker(Random(seed)).objects(), READINGS["outside blocks"][0])
        scene = Scene(Policies(policies.world, policies))
        wanted = demands(scene)
        if scene.doubts or len(scene.families) > 1:
            continue
        found = stage(Side(scene, scene.families[0]))
        labels = labels_by_namespace(scene.pods).values()
        least = sum(Needs(scene, wanted, own).least(Counting()) for own in labels)
        if found is not None and least and found.work(least) < MOST:
            assert fewer(found.board, least - 1) is False, seed
            tried += 1
    assert tried > 6


def test_a_selector_of_two_pods_selects_whom_it_cannot_leave_out() -> None:
    labels = ({"app": "a", "tier": "x"}, {"app": "b", "tier": "x"}, {"app": "a", "tier": "y"}, {"tier": "x"})
    known = labels_by_namespace(Entity(f"a/{number}", Kind.POD, "a", labels=found) for number, found in enumerate(labels))["a"]
    assert [between(known, pods) for pods in (0b11, 0b110, 0b1001)] == [0b11, 0b111, 0b1001]


def test_what_a_policy_need_not_say_goes() -> None:
    board = Board(("a", "a"), 2, {Pair(2, 0): 0b01, Pair(2, 1): 0b11, Pair(0, 2): 0b11, Pair(1, 2): 0b11})
    chosen = Cover((0,), {0: 3, 1: 3, 2: 3}, {0: 3, 1: 1, 2: 1})
    assert says(board, [chosen])
    assert pruned(board, [chosen]) == [Cover((0,), None, {0: 0, 1: 0, 2: 1})]


@pytest.mark.parametrize("system", READINGS)
def test_what_is_proved_is_so_by_the_naive_reading(system: str) -> None:
    counts = Counter[str]()
    for seed in range(50):
        try:
            counts[alike(Random(seed), system)] += 1
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert counts["proved"] > 30, counts


@settings(max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))  # type: ignore[untyped-decorator]
@given(random=st.randoms(use_true_random=False), system=st.sampled_from(sorted(READINGS)))  # type: ignore[untyped-decorator]
def test_what_is_proved_is_so_where_it_would_be_shrunk(random: Random, system: str) -> None:
    alike(random, system)


@pytest.mark.parametrize("system", READINGS)
def test_what_stays_of_many_policies_is_proved_by_the_naive_reading(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "MOST", 0)
    counts = Counter(alike(Random(seed), system, POLICIES[1:]) for seed in range(30))
    assert counts["kept"] > 14, counts


def test_rules_that_change_nothing_go_where_the_fewest_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestion, "MOST", 0)
    web = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}
    spec = {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [web, {"ports": [{"port": 80}]}, web]}
    metadata = {"name": "db", "namespace": "shop"}
    found = suggest(
        wanted_now(cluster({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}))
    )
    assert isinstance(found, Suggestion)
    left = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80}]}]}
    assert yaml.safe_load(found.text)["spec"] == left


def told(random: Random, system: str) -> str:
    """Suggests policies for random lines of wanted flows, and holds them packet by packet against the lines."""
    profile, differences = READINGS[system]
    objects = [item for item in Maker(random).objects() if item["kind"] not in POLICIES]
    policies = policies_of(objects, profile)
    known = Policies(policies.world, policies)
    pods = [pod.name for pod in known.world.pods()]
    if not pods:
        return "nobody"
    lines = [
        {"from": one, "to": other, "protocol": random.choice(PROTOCOLS), "port": random.choice((53, 80, "80-81"))}
        for one, other in (random.sample([*pods, random.choice(pods), "8.8.0.0/16"], 2) for _ in range(random.randint(1, 5)))
        if {one, other} & set(pods)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if not lines or isinstance(found := suggest(wanted_in(known, Source("w", text))), Refused):
        return "refused"
    after = Reading([*objects, *filter(None, yaml.safe_load_all(found.text))], **differences)
    for question in asked(policies, objects, random):
        ends = question.source, question.destination
        if question.packet.family == 4 and Kind.HOST not in (ends[0].kind, ends[1].kind):
            itself = question.one == question.other and not question.one.several
            expected = YES if itself or any(wants(line, *ends, question.packet) for line in lines) else NO
            new = verdict(after, question.one, question.other, question.packet)
            assert new == expected, text + question.text(objects, {"the suggestion": new}, expected) + found.text
    return "proved"


def wants(line: dict[str, Any], source: Entity, destination: Entity, packet: Packet) -> bool:
    """Whether a line wants a packet."""
    low, _, high = str(line["port"]).partition("-")
    meant = is_end(line["from"], source) and is_end(line["to"], destination)
    return meant and line["protocol"] == packet.protocol and int(low) <= packet.port <= int(high or low)


def is_end(name: str, end: Entity) -> bool:
    """Whether a name means an end: a pod by its name, an address outside by its block."""
    return name == end.name if "." not in name else end.kind is Kind.OUTSIDE and prefix(name).covers(end.addresses[0])


def test_what_is_wanted_in_a_file_is_what_is_admitted() -> None:
    counts = Counter[str]()
    for seed in range(80):
        try:
            counts[told(Random(seed), "outside blocks")] += 1
        except AssertionError as problem:
            raise AssertionError(f"seed {seed}: {problem}") from None
    assert counts["proved"] > 38, counts


ADDRESSES = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 40)), max_size=6)


def spread(pairs: list[tuple[int, int]]) -> Ranges:
    """Ranges in the last octets of the address space, where the naive reading can count them."""
    return normalised((2**32 - 256 + low, min(2**32 - 1, 2**32 - 256 + low + more)) for low, more in pairs)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)  # type: ignore[untyped-decorator]
@given(wanted=ADDRESSES, unwanted=ADDRESSES)  # type: ignore[untyped-decorator]
def test_blocks_hold_what_is_wanted_and_nothing_that_is_not(
    wanted: list[tuple[int, int]], unwanted: list[tuple[int, int]]
) -> None:
    inside, outside = spread(wanted), difference(spread(unwanted), spread(wanted))
    found = blocks_for(4, inside, outside)
    for block in found:
        assert all(block.cidr.covers(hole) and hole != block.cidr for hole in block.holes)
    for value in range(2**32 - 256, 2**32):
        own = Address(4, value)
        held = any(one.cidr.covers(own) and not any(hole.covers(own) for hole in one.holes) for one in found)
        assert held if contains(inside, value) else not (held and contains(outside, value))


def test_blocks_are_few() -> None:
    def text(*found: Block) -> list[str]:
        return [f"{item.cidr} but {', '.join(map(str, item.holes))}" if item.holes else str(item.cidr) for item in found]

    whole, pods = prefix("0.0.0.0/0"), prefix("10.0.0.0/8")
    rest = difference(((0, whole.last),), ((pods.value, pods.last),))
    one = ((pods.value + 5, pods.value + 5),)
    assert text(*blocks_for(4, ((0, whole.last),), ())) == ["0.0.0.0/0"]
    assert text(*blocks_for(4, rest, ((pods.value, pods.last),))) == ["0.0.0.0/0 but 10.0.0.0/8"]
    assert text(*blocks_for(4, rest, one)) == ["0.0.0.0/0 but 10.0.0.0/8"]
    assert text(*blocks_for(4, one, rest)) == ["10.0.0.0/8"]
    assert text(*blocks_for(4, union(rest, one), difference(((pods.value, pods.last),), one))) == [
        "0.0.0.0/0 but 10.0.0.0/8",
        "10.0.0.5/32",
    ]


LABELS = st.dictionaries(st.sampled_from(("app", "tier", "pod-template-hash")), st.sampled_from(("x", "y", "z")), max_size=3)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)  # type: ignore[untyped-decorator]
@given(labels=st.lists(LABELS, min_size=1, max_size=8), meant=st.integers(1, 255), others=st.integers(0, 255))  # type: ignore[untyped-decorator]
def test_selectors_select_those_who_are_meant_and_none_of_the_others(
    labels: list[dict[str, str]], meant: int, others: int
) -> None:
    every = (1 << len(labels)) - 1
    meant, others = meant & every or 1, others & every & ~(meant & every or 1)
    known = labels_by_namespace(Entity(f"a/{number}", Kind.POD, "a", labels=found) for number, found in enumerate(labels))["a"]
    found: tuple[Selector, ...] = ()
    same: AlikeError | None = None
    try:
        found = known.selectors(meant, others)
    except AlikeError as problem:
        same = problem
    if same is not None:
        assert labels[same.meant] == labels[same.other]
        assert (meant >> same.meant & others >> same.other) & 1
        return
    selected = [any(all(meets(term, own) for term in selector) for selector in found) for own in labels]
    for number, one in enumerate(selected):
        assert one if meant >> number & 1 else not (one and others >> number & 1)


def meets(term: Requirement, labels: dict[str, str]) -> bool:
    """Whether labels meet a requirement, as the API says it (meta/v1 LabelSelectorRequirement)."""
    match term.operator:
        case "In":
            return labels.get(term.key) in term.values
        case "NotIn":
            return labels.get(term.key) not in term.values
        case "Exists":
            return term.key in labels
        case _:
            return term.key not in labels


def cluster(*others: dict[str, Any]) -> Policies:
    """Two pods with addresses in one namespace, and other objects."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
            "spec": {"containers": [{"name": "c"}]},
            "status": {"podIPs": [{"ip": f"10.0.0.{number}"}]},
        }
        for number, name in enumerate(("web", "db"), 1)
    ]
    found = policies_of([*pods, *others], READINGS["unknown"][0])
    return Policies(found.world, found)


def test_a_proof_that_fails_names_the_pairs() -> None:
    spec = {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"ports": [{"port": 80}]}]}
    metadata = {"name": "db", "namespace": "shop"}
    known = cluster({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    after, wrong = suggested(known, "")
    words = "IPv4: wanted TCP 80; suggested TCP 1-65535; UDP 1-65535; SCTP 1-65535"
    assert wrong == ()
    assert sorted(map(str, differences(Scene(known), after))) == [f"0.0.0.0/0 → shop/db, {words}", f"shop/web → shop/db, {words}"]


def test_what_the_api_server_would_reject_is_no_suggestion() -> None:
    text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: b}\nspec: {podSelector: {matchLabels: {a: -}}}\n"
    assert suggested(cluster(), text)[1] == ("suggested policies:4:39: '-' is no label value",)


def test_no_suggested_policy_could_be_left_out() -> None:
    """Without any one of the policies the proof fails."""
    tried = 0
    for seed in range(60):
        policies = policies_of(Maker(Random(seed)).objects(), READINGS["outside blocks"][0])
        known = Policies(policies.world, policies)
        found = suggest(wanted_now(known))
        documents = [] if isinstance(found, Refused) else list(filter(None, found.text.split("---\n")))
        for number in range(len(documents) if len(documents) > 1 else 0):
            less = "---\n".join(documents[:number] + documents[number + 1 :])
            assert any(True for _ in differences(Scene(known), suggested(known, less)[0])), f"seed {seed}: {documents[number]}"
            tried += 1
    assert tried > 25


def test_from_python_the_same_is_suggested() -> None:
    found = load(SAMPLES / "observed" / "capture").suggest("observed")
    assert isinstance(found, Suggestion)
    assert found.text in (SAMPLES / "observed" / "expected.txt").read_text()
    shop = load(SAMPLES / "shop" / "manifests.yaml")
    assert isinstance(shop.suggest(SAMPLES / "shop" / "wanted.jsonl"), Suggestion)
    assert isinstance(shop.suggest(), Refused)
    with pytest.raises(ValueError, match="there is no namespace nobody"):
        shop.suggest(SAMPLES / "shop" / "nobody.jsonl")


@pytest.mark.parametrize("case", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
def test_samples(case: Path, update: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``commands`` has a call on each line; ``expected.txt`` what each prints, and its exit status."""
    monkeypatch.chdir(case)
    told = ""
    for line in (case / "commands").read_text().splitlines():
        status = run(["connectivity", *line.split()])
        printed = capsys.readouterr()
        told += f"$ {line}\n{printed.out}{printed.err}exit status {status}\n\n"
    expected = case / "expected.txt"
    if update:
        expected.write_text(told)
    assert told == expected.read_text()
