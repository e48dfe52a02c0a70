"""The report as a page, opened in a browser: it renders, filters and drills down without an error, and axe finds nothing that keeps people out."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from analyzer.cli import run
from analyzer.findings import Finding, Report, Severity
from analyzer.report.html import write
from analyzer.report.style import Style, safe
from analyzer.source import Span
from tests.format_checks import hostile

ROOT = Path(__file__).parent.parent
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
INPUTS = {
    "capture": ["samples/clusters/peer-pods"],
    "manifests": ["samples/lint/shop", "--config", "samples/lint/analyzer.yaml"],
    "policies": ["samples/ask/shop/input"],
}
browser = pytest.mark.skipif(BROWSER is None, reason="no chromium is there: the page is not opened in a browser")


def page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a sample."""
    monkeypatch.chdir(ROOT)
    target = folder / "report.html"
    run([*INPUTS[name], "-q", "-f", "html", "-o", str(target)])
    return target.read_text()


def opened(text: str, folder: Path) -> str:
    """The document as the browser has it after its scripts ran; errors on its console fail."""
    target = folder / "opened.html"
    target.write_text(text)
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        "--v=0",
    ]
    command += ["--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", "--dump-dom", target.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line]
    assert said == []
    return done.stdout.decode()


def asked(text: str, script: str, folder: Path) -> Any:
    """What a script of the test finds on the page; for it the page's own policy is taken away."""
    body = f"<script>{script}</script><script>Promise.resolve(test()).then(found => {{ const e = document.createElement('pre'); e.id = 'found'; e.textContent = JSON.stringify(found); document.body.append(e); }});</script></body>"
    shown = opened(POLICY.sub("", text).replace("</body>", body), folder)
    found = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None
    return json.loads(html.unescape(found[1]))


@browser
@pytest.mark.parametrize("name", INPUTS)
def test_the_page_opens_without_an_error_and_keeps_nobody_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(name, tmp_path, monkeypatch)
    assert "<h1>" in opened(text, tmp_path), "with its own policy in force"
    axe = pytest.importorskip("axe_core_python")
    library = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text().replace("</script", "<\\/script")
    script = f"{library}\nfunction test() {{ for (const d of document.querySelectorAll('details')) d.open = true; return axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)])); }}"
    assert asked(text, script, tmp_path) == []


@browser
def test_findings_are_filtered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """function test() {
      const shown = () => [...document.querySelectorAll('.finding')].filter(f => !f.hidden).length, before = shown();
      const box = document.getElementById('find-finding');
      box.value = 'no such words'; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      const none = shown(), told = document.getElementById('found-findings').textContent;
      box.value = 'SERVICE-PORT'; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      return [before, none, told, shown()];
    }"""
    assert asked(page("manifests", tmp_path, monkeypatch), script, tmp_path) == [1, 0, "0 of 1 shown", 1]


@browser
def test_many_findings_stand_under_their_rules_and_are_found_there(tmp_path: Path) -> None:
    at = Span("k8s/all.yaml", 1, 1)
    found = [Finding(f"rule-{number % 3}", Severity.WARNING, f"finding {number}", at) for number in range(30)]
    script = """function test() {
      const shown = () => [...document.querySelectorAll('.rule')].filter(g => !g.hidden).map(g => [g.open, g.querySelectorAll('.finding:not([hidden])').length]);
      const before = shown(), box = document.getElementById('find-finding');
      box.value = 'finding 17'; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      const one = shown();
      box.value = 'rule-1'; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      return [before, one, shown()];
    }"""
    text = write(Report((), (), tuple(found), (), ()), Style())
    assert asked(text, script, tmp_path) == [[[False, 10]] * 3, [[True, 1]], [[True, 10]]]


def test_errors_are_open_from_the_start_where_they_are_few() -> None:
    at = Span("k8s/all.yaml", 1, 1)
    found = [Finding("many" if number else "one", Severity.ERROR, f"finding {number}", at) for number in range(30)]
    text = write(Report((), (), tuple(found), (), ()), Style())
    assert re.findall(r'<details class="rule"( open)?>.*?<code>(\w+)</code>', text) == [("", "many"), (" open", "one")]


@browser
def test_a_square_of_the_matrix_shows_its_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """function test() {
      const button = document.querySelector('#matrix button'); button.click();
      return [button.title, document.querySelectorAll('#detail tr').length > 0];
    }"""
    title, rows = asked(page("policies", tmp_path, monkeypatch), script, tmp_path)
    assert "pairs" in title
    assert rows


def test_the_page_says_everything_without_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page("capture", tmp_path, monkeypatch)
    assert "0a:58:0a:84:02:2e" in text
    assert "pod-machine-mac-differs" in text
    assert '<svg class="path"' in text
    assert not re.findall(r'(?:src|href)="(?!#)', text), "nothing is loaded from anywhere"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """A text."""
        self.texts.append(data)


@pytest.mark.parametrize(
    "text",
    [
        "</script><script>alert(1)</script>",
        "\"'><img src=x onerror=alert(1)>",
        "</title><b>",
        "\x1b[31m\u202e",
        "&lt;i&gt;",
        "]]> -->",
    ],
)
def test_hostile_text_stays_text(text: str) -> None:
    elements, plain = Elements(), Elements()
    elements.feed(write(hostile(text, text), Style()))
    plain.feed(write(hostile("x", "x"), Style()))
    assert [tag for tag, _ in elements.found] == [tag for tag, _ in plain.found]
    assert not any(key.startswith("on") for _, attributes in elements.found for key in attributes)
    assert any(safe(text) in shown for shown in elements.texts)


@browser
def test_very_many_findings_become_elements_when_their_rule_is_opened(tmp_path: Path) -> None:
    at = Span("k8s/all.yaml", 1, 1)
    found = [Finding(f"rule-{number % 3}", Severity.WARNING, f"finding <{number}>", at) for number in range(600)]
    script = """async function test() {
      const count = () => [...document.querySelectorAll('.rule')].map(g => g.querySelectorAll('.finding').length);
      const before = count(), box = document.getElementById('find-finding'), told = () => document.getElementById('found-findings').textContent;
      box.value = 'finding <17>'; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      const one = [told(), document.querySelector('.finding:not([hidden]) .said').textContent, count()];
      const first = document.querySelectorAll('.rule')[0];
      first.open = true; await new Promise(done => setTimeout(done, 100));
      const opened = [count(), first.querySelectorAll('.finding:not([hidden])').length];
      box.value = ''; box.form.dispatchEvent(new Event('input', {bubbles: true}));
      return [before, one, opened, told(), first.querySelectorAll('.finding:not([hidden])').length];
    }"""
    text = write(Report((), (), tuple(found), (), ()), Style())
    assert text.count('class="finding"') == 600, "without the script all of them are there"
    one = ["1 of 600 shown", "finding <17>", [0, 0, 200]]
    assert asked(text, script, tmp_path) == [[0, 0, 0], one, [[200, 0, 200], 0], "", 200]
