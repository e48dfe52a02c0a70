"""Questions about policies: what is understood, what is refused and how, and every example of the documentation."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analyzer
from analyzer.cli import run
from analyzer.findings import Verdict
from analyzer.pipeline import read_input
from analyzer.query.ask import QuestionError, ask
from analyzer.query.ask.questions import AnyChange, AnyPod, Details, Mode, Names, Ports, Quantity, Reach, Word
from analyzer.query.ask.syntax import parse
from analyzer.query.policies import Policies, of_network
from analyzer.solve.smt.symbolic_labels import NoExample

ROOT = Path(__file__).parent.parent
SHOP = ROOT / "samples" / "ask" / "shop" / "input"


def examples() -> list[tuple[str, str]]:
    """The questions of the documentation with their verdicts."""
    found, inside = [], False
    for line in (ROOT / "docs" / "ask.md").read_text().splitlines():
        inside = line == "```ask" if line.startswith("```") else inside
        if inside and "#" in line:
            question, _, verdict = line.rpartition("#")
            found.append((question.strip(), verdict.strip()))
    return found


@pytest.fixture(scope="module")
def shop() -> Policies:
    return of_network(read_input((str(SHOP),)).network)


@pytest.mark.parametrize(("question", "verdict"), examples(), ids=[question for question, _ in examples()])
def test_examples_of_the_documentation(shop: Policies, question: str, verdict: str) -> None:
    assert ask(shop, question).verdict is Verdict(verdict)


def test_the_documentation_has_examples_of_every_form() -> None:
    assert len(examples()) > 35


def test_a_question_is_read() -> None:
    assert parse("Can every pod in ns:a reach svc:b/web on 80, 53/UDP, tcp/1-9, icmp/8 through svc:b/web?") == Reach(
        Mode.CAN,
        Names((Word("ns:a", 18),), Quantity.EVERY),
        Names((Word("svc:b/web", 29),)),
        Details(
            (Ports(6, 80, 80), Ports(17, 53, 53), Ports(6, 1, 9), Ports(1, 2048, 2303)),
            through=Word("svc:b/web", 78),
        ),
    )


def test_open_parties_are_read() -> None:
    found = parse("any pod in ns:a with labels b=c,d=e reaches any label change of f/g on tcp")
    assert isinstance(found, Reach)
    assert found.source == AnyPod(Word("ns:a", 12), False, (("b", "c"), ("d", "e")))
    assert found.target == AnyChange(Word("f/g", 65))


ERRORS = {
    "": (1, "the question is empty"),
    "can": (4, "the question ends: expected a name"),
    "can a raech b": (7, "did you mean 'reach'"),
    "can a reach": (12, "the question ends: expected a name"),
    "can a reach b on": (17, "the question ends: expected a name, a number"),
    "can a reach b onn 80": (15, "'onn' is not understood: did you mean 'on'"),
    "can a reach b on 99999": (18, "'99999' is no port"),
    "can a reach b on 9-3": (18, "'9-3' is no port"),
    "can a reach b on 80/FOO": (18, "'FOO' is no protocol: expected TCP"),
    "can a reach b on 80 81": (21, "expected a comma or a protocol before '81'"),
    "can a reach b on 80 on 81": (21, "this is said twice"),
    "can a reach b in at most 0 hops": (15, "hops must be from 1"),
    "can a reach b in at most many hops": (26, "expected a number"),
    "can any pod in ns:a in ns:b reach c": (21, "one namespace only"),
    "can any pod with labels app reach c": (25, "'app' is no label that a pod can have: expected key=value"),
    "can any pod with labels a=b,app!=web reach c": (29, "'app!=web' is no label that a pod can have: expected key=value"),
    "can any pod with labels app=-web reach c": (25, "'app=-web' is no label that a pod can have: expected key=value"),
    "can a reach b in at most eleven hops": (26, "expected a number"),
    "a is a b": (6, "'a' is not understood"),
    "policies a are like b": (16, "expected contained, disjoint or equivalent"),
    "which policies a to b": (16, "decide"),
    "is there a pair that can talk": (30, "the question ends: expected in"),
    "no pod in ns:a cannot reach b": (1, 'goes with "reaches" only'),
    "a reaches no pod in ns:b": (11, "cannot be reached"),
    "can a reach b; drop table": (13, "b;"),
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.items(), ids=[text or "empty" for text in ERRORS])
def test_what_is_not_understood_is_told_with_its_place(shop: Policies, text: str, expected: tuple[int, str]) -> None:
    with pytest.raises(QuestionError) as caught:
        ask(shop, text)
    assert expected[1] in str(caught.value)
    assert caught.value.column == expected[0] or "b;" in expected[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("can shop/wbe reach shop/db", "did you mean shop/web"),
        ("can ns:shpo reach shop/db", "did you mean shop"),
        ("can any pod in ns:nowhere reach shop/db", "there is no namespace nowhere"),
        ("can any label change of ns:shop reach shop/db", "is not one pod"),
        ("any pod reaches shop/db", "on all ports"),
        ("only any pod reaches shop/db", "cannot reach"),
        ("can shop/web reach shop/db through shop/db", "is no service"),
        ("can shop/web reach svc:shop/web on 81", "leads to none"),
        ("can any pod reach shop/db in at most 2 hops", "hops go over pods that are there"),
        ("node:n1 cannot reach shop/db in at most 2 hops", "hops go over pods"),
        ("shop/web reaches shop/db except shop/db", "nobody is left"),
        ("policies nothing are contained in ns:shop", "means no policy"),
        ("which policies decide any pod to shop/db", "about those that are there"),
    ],
)
def test_what_has_no_answer_says_how_to_ask(shop: Policies, text: str, expected: str) -> None:
    with pytest.raises(QuestionError, match=expected):
        ask(shop, text)


WORDS = (
    "can",
    "reach",
    "reaches",
    "only",
    "any",
    "pod",
    "ns:a",
    "a/b",
    "in",
    "on",
    "80",
    "80/TCP",
    "every",
    "no",
    "with",
    "labels",
)
MORE = (
    "k=v",
    "through",
    "svc:a/b",
    "except",
    ",",
    "?",
    "policies",
    "are",
    "contained",
    "most",
    "at",
    "2",
    "hops",
    "label",
    "\x1b[31m",
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(st.lists(st.sampled_from(WORDS + MORE), max_size=12).map(" ".join) | st.text(max_size=60))  # type: ignore[untyped-decorator]
def test_no_text_raises_anything_else(shop_text: str) -> None:
    with suppress(QuestionError):
        parse(shop_text)


def test_a_very_long_question_is_refused() -> None:
    with pytest.raises(QuestionError, match="longer than"):
        parse("can a reach " + "b, " * 100_000 + "c")


def test_exit_status_and_errors_of_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(SHOP)
    assert run(["ask", path, "can shop/web reach shop/api on 9000", "-q"]) == 0
    assert run(["ask", path, "can shop/web reach shop/db", "-q"]) == 1
    assert run(["ask", path, "shop/web reaches only shop/api on 9000, udp/53 except anyone", "-q"]) == 3
    assert run(["ask", path, "can shop/web reach shop/db", "nonsense and so on", "-q"]) == 2
    assert run(["ask", path]) == 2
    assert run(["ask", "can shop/web reach shop/db"]) == 2
    assert run(["ask", path, "can shop/web reach shop/db", "--file", "/nonexistent"]) == 2
    assert run(["ask", path, "can shop/web reach shop/db", "--cni", "nonsense"]) == 2
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO("# a comment\n\ncan shop/web reach shop/api on 9000\n"))
    assert run(["ask", path, "--file", "-", "-q"]) == 0
    assert capsys.readouterr().out.startswith("proved: can shop/web reach shop/api on 9000\n")


def test_nothing_to_analyse_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", str(tmp_path), "can a/b reach c/d", "-q"]) == 3
    assert "nothing to analyse" in capsys.readouterr().err


def test_answers_from_python() -> None:
    network = analyzer.load(SHOP)
    answer = network.ask("can shop/web reach shop/db on 5432")
    assert not answer
    text = "can shop/web reach shop/db on 5432: shop/web to shop/db on TCP port 5432 is denied"
    assert repr(answer) == f"<refuted: {text}>"
    with pytest.raises(ValueError, match="did you mean shop/db"):
        network.ask("can shop/web reach shop/dbb")


def test_an_answer_about_a_capture_says_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    capture = str(ROOT / "samples" / "clusters" / "peer-pods")
    pods = sorted(pod for pod in read_input((capture,)).network.cluster.pods)
    first, second = (f"{namespace}/{name}" for namespace, name in (pods[0], pods[-1]))
    run(["ask", capture, f"can {first} reach {second} on 80", "-q"])
    out = capsys.readouterr().out
    assert " by the policies: " in out.splitlines()[0]
    assert "captured state of nodes" in out


OPEN = (
    "can any pod in ns:apps reach payments/ledger on 7000",
    "any new namespace cannot reach payments/ledger on 7000",
    "any pod in ns:apps with labels clearance=low cannot reach payments/ledger",
    "payments/ledger cannot reach any pod in new namespace on tcp",
    "can any pod with labels clearance=high reach any pod in ns:payments on 7005",
    "any label change of apps/front cannot reach payments/ledger",
    "any pod in new namespace reaches payments/ledger on 7000, 7001",
)


@pytest.mark.parametrize("question", OPEN)
def test_z3_alone_shows_the_same_example(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = of_network(read_input((str(ROOT / "samples" / "ask" / "tiers" / "input"),)).network)
    both = ask(tiers, question)
    monkeypatch.setattr("analyzer.policy.truth_tables.WIDEST", 0)
    alone = ask(tiers, question)
    assert (both.engine, alone.engine) == ("a truth table over the labels that matter, and Z3", "Z3")
    assert both.verdict is alone.verdict
    assert repr(both) == repr(alone)
    if both.witness is not None and alone.witness is not None:
        assert both.witness.imagined == alone.witness.imagined


def test_engines_that_disagree_give_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("analyzer.query.ask.opened.exists", lambda *_, **__: NoExample())
    path = str(ROOT / "samples" / "ask" / "tiers" / "input")
    assert run(["ask", path, "can any pod in ns:apps reach payments/ledger on 7000", "-q"]) == 2
    assert capsys.readouterr().out.startswith("internal error: the truth table and Z3 disagree")
