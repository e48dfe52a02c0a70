"""``python -m tests.site --output DIR``: the documents as pages that a browser reads without a server and without scripts.

The Markdown files stay what GitHub shows: links between them become links between pages. What a document links to and is no page (a sample, a
schema) is plain text, or leads to the repository, where ``--source URL`` says where that is.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
PROJECT = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
FIRST = ("docs/README.md", "docs/start.md", "docs/recipes.md")
GROUPS = {"docs": "Use", "docs/commands": "Commands", "docs/rules": "Rules", "": "Project"}
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
STYLE = """\
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --soft: #f3f4f6; --line: #d5d9de; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --soft: #20252b; --line: #3a424b; --link: #7db8f5; } }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 16px/1.55 system-ui, sans-serif; display: flex; }
nav { flex: 0 0 15rem; padding: 1rem; border-right: 1px solid var(--line); height: 100vh; position: sticky; top: 0; overflow: auto; font-size: .9rem; }
nav ul { list-style: none; margin: 0 0 .8rem; padding: 0; }
nav [aria-current] { font-weight: bold; }
main { flex: 1; min-width: 0; max-width: 72rem; padding: 1rem 2rem 4rem; }
a { color: var(--link); }
code, pre { font: .88em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: 4px; }
code { padding: .1em .3em; overflow-wrap: anywhere; }
pre { padding: .8rem; overflow-x: auto; border: 1px solid var(--line); }
pre code { padding: 0; overflow-wrap: normal; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
@media (max-width: 60rem) { body { display: block; } nav { height: auto; position: static; border: 0; border-bottom: 1px solid var(--line); } main { padding: 1rem; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def documents() -> tuple[str, ...]:
    """The documents that become pages, by path from the top folder, in the order of the menu."""
    found = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    rest = [path for path in found if path not in FIRST]
    return ("README.md", *FIRST, *sorted(rest, key=lambda path: (path.count("/"), path)), *PROJECT)


def page_of(path: str) -> str:
    """Where the page of a document stands."""
    return "index.html" if path == "README.md" else path.removesuffix(".md") + ".html"


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub has it."""
    return NOT_IN_ANCHORS.sub("", heading.strip().lower()).replace(" ", "-")


def parsed(text: str) -> list[Token]:
    """The tokens of a document; each heading has its anchor."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    seen: dict[str, int] = {}
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            name = anchor(content.content)
            seen[name] = seen.get(name, -1) + 1
            opening.attrSet("id", f"{name}-{seen[name]}" if seen[name] else name)
    return tokens


def anchors(text: str) -> frozenset[str]:
    """The anchors of a document."""
    return frozenset(str(token.attrGet("id")) for token in parsed(text) if token.type == "heading_open")


def links(tokens: Iterable[Token]) -> list[Token]:
    """The links of a document, opening and closing tokens in their order."""
    return [part for token in tokens for part in token.children or () if part.type in ("link_open", "link_close")]


def target(path: str, link: str) -> tuple[str, str]:
    """The file that a link of a document means, by path from the top folder, and the anchor in it."""
    file, fragment = urldefrag(link)
    return (posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path), fragment


def html(path: str, text: str, source: str = "") -> str:
    """The body of a document's page. Markup in a document is not taken: comments are left out, anything else is text."""
    tokens = parsed(text)
    known = frozenset(documents())
    lost = False
    for token in links(tokens):
        if token.type == "link_open":
            link = str(token.attrGet("href"))
            there = link if urlsplit(link).scheme else led(path, link, known, source)
            lost = not there
            token.attrs = {"href": there} if there else {}
        token.tag = "span" if lost else "a"
    writer = MarkdownIt("commonmark").enable("table")
    for kind in ("html_block", "html_inline"):
        writer.add_render_rule(kind, lambda *given: commentless(given[1][given[2]].content))
    body = str(writer.renderer.render(tokens, writer.options, {}))
    body = body.replace("<pre>", '<pre tabindex="0">').replace("<table>", '<div class="wide" tabindex="0"><table>')
    return body.replace("</table>", "</table></div>")


def commentless(markup: str) -> str:
    """Markup as text; nothing for a comment."""
    return "" if markup.strip().startswith("<!--") else escape(markup)


def led(path: str, link: str, known: frozenset[str], source: str) -> str:
    """Where a link leads from the document's page; empty where to nothing that there is."""
    file, fragment = target(path, link)
    behind = f"#{fragment}" if fragment else ""
    if file in known:
        return posixpath.relpath(page_of(file), posixpath.dirname(page_of(path)) or ".") + behind
    return f"{source.rstrip('/')}/{file}{behind}" if source else ""


def title_of(text: str) -> str:
    """The first heading."""
    return next((line.removeprefix("# ").strip() for line in text.splitlines() if line.startswith("# ")), "")


def menu(path: str, titles: Mapping[str, str]) -> str:
    """The menu, as a page has it: all pages by their folder."""
    here = posixpath.dirname(page_of(path)) or "."
    groups: dict[str, list[str]] = {name: [] for name in GROUPS}
    for item, title in titles.items():
        folder = posixpath.dirname(item)
        current = ' aria-current="page"' if item == path else ""
        entry = f'<li><a href="{posixpath.relpath(page_of(item), here)}"{current}>{escape(title)}</a></li>'
        groups["docs" if item == "README.md" else folder if folder in groups else ""].append(entry)
    return "".join(f"<p>{name}</p><ul>{''.join(groups[folder])}</ul>" for folder, name in GROUPS.items())


def page(path: str, text: str, titles: Mapping[str, str], source: str = "") -> str:
    """The whole page of a document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{escape(titles[path])}</title><style>{STYLE}</style></head>\n'
        f'<body><nav aria-label="pages" tabindex="0">{menu(path, titles)}</nav>\n<main>{html(path, text, source)}</main></body></html>\n'
    )


def build(folder: Path, source: str = "") -> tuple[Path, ...]:
    """Writes all pages; where they are."""
    texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in documents()}
    titles = {path: title_of(text) for path, text in texts.items()}
    written = []
    for path, text in texts.items():
        place = folder / page_of(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(page(path, text, titles, source), encoding="utf-8")
        written.append(place)
    return tuple(written)


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds the pages."""
    parser = argparse.ArgumentParser(prog="python -m tests.site", description="the documents as pages")
    parser.add_argument("--output", required=True, metavar="DIR", help="the folder that gets the pages")
    parser.add_argument(
        "--source", default="", metavar="URL", help="where the repository's files can be read, such as …/blob/main"
    )
    options = parser.parse_args(arguments)
    written = build(Path(options.output), options.source)
    print(f"{len(written)} pages; begin with {os.path.join(options.output, 'index.html')}")


if __name__ == "__main__":
    main()
