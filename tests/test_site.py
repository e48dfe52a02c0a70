"""Links in documents lead to what is there, and the pages that are made of them hold together."""

from __future__ import annotations

import posixpath
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest

from tests.site import ROOT, anchors, build, documents, html, links, parsed, target
from tests.test_page import asked, browser

TRIED = ("index.html", "docs/start.html", "docs/commands/trace.html", "docs/rules/INDEX.html")
VOID = {"meta", "br", "hr", "img"}


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to. Its elements are closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        known = dict(attrs)
        self.links += [known["href"] or ""] if tag == "a" else []
        self.places |= {known["id"] or ""} if "id" in known else set()
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", documents())
def test_links_lead_to_what_is_there(path: str) -> None:
    for token in links(parsed((ROOT / path).read_text())):
        link = str(token.attrGet("href") or "")
        if not link or urlsplit(link).scheme:
            continue
        file, fragment = target(path, link)
        assert (ROOT / file).exists(), f"{path}: {link} leads to nothing"
        assert not fragment or fragment in anchors((ROOT / file).read_text()), f"{path}: {link}: there is no such heading"


def test_every_document_is_in_the_table_of_contents() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    named = {target("docs/README.md", str(token.attrGet("href")))[0] for token in links(parsed(text)) if token.attrGet("href")}
    below = {path for path in documents() if path.startswith("docs/") and not path.startswith("docs/rules/")}
    assert below - named == {"docs/README.md"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


def test_pages_link_to_pages(site: Path) -> None:
    pages = {path.relative_to(site).as_posix(): Page(path.read_text()) for path in site.rglob("*.html")}
    assert len(pages) == len(documents())
    for name, page in pages.items():
        assert not page.seen & {"script", "img", "iframe", "form"}
        for link in page.links:
            if urlsplit(link).scheme:
                continue
            file, fragment = urldefrag(link)
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), file)) if file else name
            assert there in pages, f"{name}: {link}"
            assert not fragment or fragment in pages[there].places, f"{name}: {link}"


@browser
@pytest.mark.parametrize("name", TRIED)
def test_a_page_opens_without_an_error_and_keeps_nobody_out(name: str, site: Path, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_core_python")
    library = next(Path(axe.__file__).parent.rglob("axe.min.js")).read_text().replace("</script", "<\\/script")
    script = (
        f"{library}\nfunction test() {{ return axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)])); }}"
    )
    assert asked((site / name).read_text(), script, tmp_path) == []


def test_the_pages_are_the_same_again(site: Path, tmp_path: Path) -> None:
    for path in build(tmp_path):
        assert path.read_bytes() == (site / path.relative_to(tmp_path)).read_bytes()


def test_markup_in_a_document_is_text() -> None:
    found = html(
        "docs/x.md",
        "<!-- left out -->\n\n<script>x</script>\n\ntext <b>bold</b> [a](javascript:x) [b](../samples) [c](start.md#install)\n",
    )
    assert "left out" not in found
    assert "<script" not in found
    assert "<b>" not in found
    assert 'href="javascript' not in found
    assert "<span>b</span>" in found
    assert '<a href="start.html#install">c</a>' in found
    assert '<a href="https://example.org/r/samples">b</a>' in html("docs/x.md", "[b](../samples)", "https://example.org/r/")
