"""Rules fire at exactly the wanted lines of their bad samples and stay silent on their good ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from analyzer.api import load
from analyzer.findings import Certainty, Label, Severity
from analyzer.model.build import build
from analyzer.model.network import Network
from analyzer.query.needed import concerned, needed_rules, there
from analyzer.query.rules import INTERNAL, all_rules, causes_first, check, chosen, lines
from analyzer.rule import Finding, Rule
from analyzer.source import Span
from tests.captures import files_of, network_of

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples" / "rules"
SECTIONS = ("What it finds", "Why it matters", "Example", "How to mend", "Sources")


@dataclass(frozen=True)
class Sample:
    """A capture in one text, and the lines that it wants to be named."""

    files: dict[str, str]
    want: tuple[str, ...]


def sample(path: Path) -> Sample:
    files = files_of(path.read_text())
    want = files.pop("want", None)
    assert want is not None, f"{path.name} must end in -- want --"
    return Sample(files, tuple(line.strip() for line in want.splitlines() if line.strip()))


def kinds(suffix: str) -> list[Rule]:
    return [rule for rule in all_rules() if (SAMPLES / f"{rule.id}.{suffix}.txt").exists()]


def samples_of(suffix: str) -> list[tuple[Rule, Path]]:
    """Every sample of every rule: ``<id>.bad.txt``, and what cannot stand in the same cluster: ``<id>.bad-<form>.txt``."""
    found = [(rule, path) for rule in all_rules() for path in (SAMPLES / f"{rule.id}.{suffix}.txt", *more(rule, suffix))]
    return [(rule, path) for rule, path in found if path.exists()]


def more(rule: Rule, suffix: str) -> list[Path]:
    return sorted(SAMPLES.glob(f"{rule.id}.{suffix}-*.txt"))


NEEDED = {rule.id: rule for rule in needed_rules()}


def named(value: Rule | Path) -> str:
    return value.id if isinstance(value, Rule) else value.name.removesuffix(".txt").rpartition(".")[2]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_rule_has_its_page_its_name_and_both_samples(rule: Rule) -> None:
    files = [path for path in (ROOT / "rules").rglob("*.py") if path.stem == rule.id]
    assert len(files) == 1, "a rule's id is its file's name"
    for section in SECTIONS:
        assert f"## {section}\n" in rule.doc
    assert len(rule.doc.splitlines()[0]) <= 140
    for suffix in ("bad", "good"):
        assert (SAMPLES / f"{rule.id}.{suffix}.txt").exists()


@pytest.mark.parametrize(("rule", "path"), samples_of("bad"), ids=named)
def test_fires_at_the_wanted_lines(rule: Rule, path: Path, tmp_path: Path, update: bool) -> None:
    given = sample(path)
    network = network_of(given.files, tmp_path)
    found = [f"{one.rule} {one.at.path}:{one.at.line}" for one in check(network, rules=(rule,))]
    assert concerned(NEEDED[rule.id], there(network)), "pytest --update tests/test_rule_index.py: it looks at something else now"
    if update:
        path.write_text(path.read_text().partition("-- want --\n")[0] + "-- want --\n" + "".join(f"{line}\n" for line in found))
        return
    assert given.want, "a bad sample wants at least one line"
    assert found == list(given.want)


FOLLOWING = [(rule, cause) for rule in all_rules() for cause in rule.follows]


@pytest.mark.parametrize(("rule", "cause"), FOLLOWING, ids=lambda item: item if isinstance(item, str) else item.id)
def test_what_a_rule_follows_is_shown_by_a_sample(rule: Rule, cause: str, tmp_path: Path) -> None:
    """In a bad sample of either a finding of the rule names a line that one of its cause names, and is told behind it."""
    pair = tuple(one for one in all_rules() if one.id in (rule.id, cause))
    assert len(pair) == 2, f"there is no rule {cause}"
    both = [path for one, path in samples_of("bad") if one in pair]
    for number, path in enumerate(both):
        told = check(network_of(sample(path).files, tmp_path / str(number)), rules=pair)
        if any((one.rule, two.rule) == (cause, rule.id) and lines(one) & lines(two) for one, two in pairwise(told)):
            return
    pytest.fail(f"no sample of {rule.id} or {cause} has both for one fault")


@pytest.mark.parametrize(("rule", "path"), samples_of("good"), ids=named)
def test_stays_silent(rule: Rule, path: Path, tmp_path: Path) -> None:
    given = sample(path)
    assert not given.want
    assert [one.message for one in check(network_of(given.files, tmp_path), rules=(rule,))] == []


@pytest.mark.parametrize(("rule", "path"), samples_of("bad"), ids=named)
def test_findings_say_what_and_where(rule: Rule, path: Path, tmp_path: Path) -> None:
    given = sample(path)
    network = network_of(given.files, tmp_path)
    for finding in check(network, rules=(rule,)):
        places = [finding.at, *(label.at for label in finding.related)]
        for at in places:
            assert at.path in network.sources, f"{at} is in no source"
            text = network.sources[at.path].text
            assert 1 <= at.line <= text.count("\n") + 1, f"{at} is no line"
            assert network.sources[at.path].line(at.line).strip() or at.line > text.rstrip().count("\n"), f"{at} is an empty line"
        assert finding.message == finding.message.strip()
        assert "\n" not in finding.message


@pytest.mark.parametrize("rule", kinds("bad"), ids=lambda rule: rule.id)
def test_a_part_that_is_missing_gives_no_certain_new_finding(rule: Rule, tmp_path: Path) -> None:
    """With any one file left out, a rule may say less, or say it less surely, but it does not fail."""
    given = sample(SAMPLES / f"{rule.id}.bad.txt")
    for number, name in enumerate(given.files):
        rest = {path: text for path, text in given.files.items() if path != name}
        found = check(network_of(rest, tmp_path / str(number)), rules=(rule,)) if rest else ()
        assert not [one for one in found if one.rule == INTERNAL]


def test_a_rule_that_fails_does_not_lose_the_others() -> None:
    def broken(network: Network) -> Iterator[Finding]:
        yield good.finding(next(iter([])), str(network))  # raises StopIteration inside a generator: a RuntimeError

    def works(network: Network) -> Iterator[Finding]:
        assert not network.namespaces
        yield good.finding(Span("x", 1), "found")

    good = Rule("good", Severity.ERROR, "", works)
    bad = Rule("bad", Severity.ERROR, "", broken)
    network = build((), (), ())
    found = check(network, rules=(bad, good))
    assert [one.rule for one in found] == ["good", INTERNAL]
    assert found[1].certainty is Certainty.POSSIBLE


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("tunnel-port-taken", [("tunnel-port-taken", 11), ("tunnel-down", 11)]),
        ("node-without-pod-network", [("node-networks-exhausted", 49), ("node-without-pod-network", 32)]),
    ],
)
def test_what_follows_from_another_finding_is_told_behind_it(name: str, first: list[tuple[str, int]], tmp_path: Path) -> None:
    (tmp_path / "capture.txt").write_text((SAMPLES / f"{name}.bad.txt").read_text().partition("-- want --")[0])
    report = load(tmp_path / "capture.txt").check()
    assert [(one.rule, one.at.line) for one in report.findings][:2] == first
    assert len(set(report.findings)) == len(report.findings)


def test_findings_that_follow_from_each_other_are_told_once() -> None:
    one, two, three = (Finding(name, Severity.ERROR, name, Span("a", line)) for name, line in (("x", 1), ("y", 1), ("z", 2)))
    assert list(causes_first([one, two, three], {"x": ("y",), "y": ("x",)})) == [two, one, three]
    late = Finding("w", Severity.NOTE, "w", Span("a", 9), related=(Label(Span("a", 1), ""), Label(Span("a", 2), "")))
    assert list(causes_first([one, two, three, late], {"x": ("w",), "z": ("w",)})) == [late, one, three, two]


def test_rules_are_chosen_by_id_and_pattern() -> None:
    rules = tuple(Rule(name, Severity.NOTE, "", lambda _: iter(())) for name in ("a-one", "a-two", "b"))
    assert [rule.id for rule in rules if chosen(rule.id, ("a-*",), ("a-two",))] == ["a-one"]
    assert [rule.id for rule in rules if chosen(rule.id, ("b,a-one",), ())] == ["a-one", "b"]
    assert [rule.id for rule in rules if chosen(rule.id, (), ("b",))] == ["a-one", "a-two"]


def test_a_healthy_cluster_has_no_findings(tmp_path: Path) -> None:
    from benchmarks.capture import Shape, write

    write(tmp_path, Shape(nodes=3, pods=2, services=20))
    found = check(network_of({}, tmp_path))
    assert [f"{one.rule}: {one.message}" for one in found] == []


def test_rules_say_the_same_twice(tmp_path: Path) -> None:
    files = sample(SAMPLES / "tunnel-down.bad.txt").files
    assert check(network_of(files, tmp_path)) == check(network_of(files, tmp_path))


@pytest.mark.parametrize("rule", kinds("bad"), ids=lambda rule: rule.id)
def test_no_rule_fails_on_damaged_text(rule: Rule, tmp_path: Path) -> None:
    """Every sample with one file cut or garbled: all rules run to their end."""
    dice = random.Random(rule.id)
    files = sample(SAMPLES / f"{rule.id}.bad.txt").files
    for number in range(3):
        name = dice.choice(sorted(files))
        text = files[name]
        place = dice.randrange(len(text) + 1)
        damaged = (
            text[:place] if number else text[:place] + dice.choice(["\x1b", "999999999999", "::", "/", " dev "]) + text[place:]
        )
        found = check(network_of({**files, name: damaged}, tmp_path / str(number)))
        assert [one.message for one in found if one.rule == INTERNAL] == []
