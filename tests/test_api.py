"""The Python API: how policies are read, intents, ignores and baselines; and what notebooks show of the answers, which are HTML that nothing in the input can change."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Protocol

import pytest

import analyzer
from analyzer.display import MOST, table
from analyzer.findings import Verdict

SAMPLES = Path(__file__).parent.parent / "samples"
SHOP = SAMPLES / "policy-trace" / "shop" / "manifests"
DIFFERING = SAMPLES / "policy-trace" / "differing-systems" / "manifests"
LINT = SAMPLES / "lint"
ELEMENTS = {"p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td"}


class Shown(Protocol):
    """What a notebook can show."""

    def _repr_html_(self) -> str: ...


class Elements(HTMLParser):
    """The elements and the text of a page; elements must be closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert [name for name, _ in attrs if name != "style"] == []
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def displayed(answer: Shown) -> str:
    """The text that is shown; the elements are those of tables."""
    found = Elements(answer._repr_html_())
    assert found.seen <= ELEMENTS
    return found.text


def test_a_report_shows_itself() -> None:
    report = analyzer.load(SAMPLES / "clusters" / "peer-pods").check()
    assert repr(report) == "<report: guarantees: 2 proved, 1 refuted, 2 undecided; 1 cause, 1 finding, 0 gaps>"
    text = displayed(report)
    for part in ("node-to-pod", "pod-machine-mac-differs", "nodes/podvm-nginx-priv-8b726648/netns/podns/ip_-d_link:2:16"):
        assert f"{part}\n" in text


def test_the_page_is_that_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    from analyzer.cli import run

    run([str(LINT / "shop"), "-q", "--no-config", "-f", "html"])
    written, own = capsys.readouterr().out, analyzer.load(LINT / "shop").html()
    assert own.startswith("<!DOCTYPE html>")
    assert "service-port-unserved" in own
    assert len(own.splitlines()) == len(written.splitlines())


def test_a_trace_shows_itself() -> None:
    trace = analyzer.load(SHOP).trace("tools/probe", "shop/db-0", port=5432)
    assert repr(trace).startswith("<unreachable: TCP 10.1.0.9:40000 -> 10.1.0.4:5432; no rule of ingress admits it")
    assert "shop.yaml:68:18\n" in displayed(trace)


def test_an_answer_shows_itself() -> None:
    answer = analyzer.load(SHOP).ask("which policies decide shop/web to shop/db-0 on 5432")
    text = displayed(answer)
    assert "NetworkPolicy shop/db-from-web\nshop.yaml:68:18\n" in text
    assert "shop/web[Deployment] to shop/db-0 on TCP port 5432 is admitted\n" in text


def test_connectivity_shows_itself() -> None:
    text = displayed(analyzer.load(SHOP).connectivity())
    assert "shop/web[Deployment]\nshop/db-0[Pod]\nTCP 5432\n" in text
    assert "why it is not certain\n" in text


def test_a_comparison_shows_itself() -> None:
    case = SAMPLES / "diff" / "port-changed"
    found = analyzer.load(case / "old").diff(analyzer.load(case / "new"))
    assert (
        repr(found)
        == "<old -> new: 1 change of who may talk to whom, 0 ways through services, 0 verdicts, 0 findings more, 0 fewer>"
    )
    assert "changed\nshop/front[Deployment]\nshop/api[Deployment]\n" in displayed(found)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", 'a" onmouseover="x', "&lt;b&gt;", "\x00\x1b[31m\u202e"])
def test_nothing_in_the_input_is_markup(text: str) -> None:
    class Given:
        def _repr_html_(self) -> str:
            return table((text,), [(text, None)], title=text)

    shown = displayed(Given())
    assert re.sub("[\x00-\x09\x0b-\x1f\u202e]", "\N{REPLACEMENT CHARACTER}", text) in shown


def test_a_name_with_markup_stays_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: '<img src=x>', namespace: a}\nspec: {podSelecter: {}}\n"
    )
    assert "<img" not in analyzer.load(tmp_path).check()._repr_html_()


def test_a_long_table_says_what_it_leaves_out() -> None:
    assert table(("n",), [(number,) for number in range(MOST + 3)]).endswith("<p>… and 3 more</p>")
    assert table(("n",), []) == ""


def test_policies_are_read_as_it_is_said() -> None:
    capture = analyzer.load(DIFFERING)
    question = "can x/a reach x/b on 80"
    assert {name: capture.read_as(cni=name).ask(question).verdict for name in ("calico", "cilium")} == {
        "calico": Verdict.PROVED,
        "cilium": Verdict.REFUTED,
    }
    assert capture.read_as(switches={"blocks-match-pods": "no"}).ask(question).verdict is Verdict.REFUTED
    assert capture.read_as(cni="calico").diff(capture.read_as(cni="cilium")).differs
    for wrong in ({"cni": "clico"}, {"network": "a/b"}, {"switches": {"x": "y"}}):
        with pytest.raises(ValueError, match=r"\w"):
            capture.read_as(**wrong)


def test_policies_that_nobody_enforces_are_read_as_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    from analyzer.cli import run

    sample, question = str(SAMPLES / "rules" / "policy-not-enforced.bad.txt"), "can outside reach shop/web"
    run(["ask", sample, question, "-q", "--no-config"])
    said = capsys.readouterr().out.partition(":")[0]
    assert said == str(analyzer.load(sample).ask(question).verdict) == "proved"


def test_names_have_the_addresses_that_a_file_gives(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("192.0.2.7 api.example.org\n")
    (tmp_path / "objects.yaml").write_text("""\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: a}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: out, namespace: x}
spec: {endpointSelector: {matchLabels: {app: a}}, egress: [{toFQDNs: [{matchName: api.example.org}]}]}
""")
    capture = analyzer.load(tmp_path / "objects.yaml").read_as(cni="cilium")
    told = capture.read_as(dns=[tmp_path / "hosts"])
    question = "can x/a reach 192.0.2.7 on 443"
    assert [item.ask(question).verdict for item in (capture, told)] == [Verdict.UNDECIDED, Verdict.PROVED]
    with pytest.raises(ValueError, match="nowhere"):
        capture.read_as(dns=["nowhere"])


def test_a_rule_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="there is no rule polcy-selects-nothing; did you mean policy-selects-nothing"):
        analyzer.load(LINT / "shop").check(select=("polcy-selects-nothing",))


def test_intents_are_held() -> None:
    report = analyzer.load(LINT / "shop").check(intents=[LINT / "intents.yaml"])
    assert [item.verdict for item in report.intents] == [Verdict.PROVED] * 3


def test_comments_ignore_findings_and_a_baseline_knows_them(tmp_path: Path) -> None:
    from analyzer.report.json import write
    from analyzer.report.style import Style

    capture = analyzer.load(LINT / "shop")
    report, everything = capture.check(), capture.check(ignores=False)
    assert [item.finding.rule for item in report.suppressed] == ["policy-selects-nothing"]
    assert "policy-selects-nothing" in {item.rule for item in everything.findings}
    (tmp_path / "known.json").write_text(write(report, Style()))
    assert capture.check(baseline=tmp_path / "known.json").findings == ()


def test_what_lives_elsewhere_takes_part_and_files_are_left_out(tmp_path: Path) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: gone}\nspec: {podSelector: {}}\n"
    )
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"
    (tmp_path / "old").mkdir()
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "space.yaml").write_text(space % "here")
    (tmp_path / "old" / "space.yaml").write_text(space % "gone")
    rule = ("policy-namespace-missing",)
    assert analyzer.load(tmp_path).check(rule).findings == ()
    without = analyzer.load(tmp_path, exclude=["old/**"])
    assert [item.rule for item in without.check(rule).findings] == list(rule)
    assert analyzer.load(tmp_path, exclude=["old/**"], assume=[space % "gone"]).check(rule).findings == ()
    broken = policy.replace("podSelector", "podSelecter")
    assert analyzer.load(tmp_path, assume=[tmp_path / "old" / "space.yaml", broken]).check(("policy-rejected",)).findings == ()
