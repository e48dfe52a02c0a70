"""``analyze lsp``: the language server, over stdio: findings while typing, a rule's page under the pointer, and what mends or ignores a finding.

The whole folder is analysed, with the texts that are open in the editor in place of the files. It wants ``pygls`` (``pip install 'pygls>=2,<3'``).
"""

from __future__ import annotations

import asyncio
import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from analyzer import __version__
from analyzer.cli.judging import judged, judging
from analyzer.cli.parsers import parser_of
from analyzer.cli.progress import Progress
from analyzer.cli.shared import fail, load
from analyzer.findings import Edit, Report, Severity
from analyzer.query.ignoring.apart import NOT_IGNORED
from analyzer.report.pages import page
from analyzer.report.problems import Problem, problems
from analyzer.source import Gap, Span

if TYPE_CHECKING:
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer

WAIT = 0.3
NAME, SETTINGS = "analyze", "settings"


PLACED = re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong in the folder, by file, with the texts that it was found in."""

    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def options(parser: ArgumentParser) -> None:
    """There are none."""
    del parser


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Serves until the editor ends it."""
    del options, parser
    try:
        server = served()
    except ImportError:
        return fail("the language server wants pygls: pip install 'pygls>=2,<3'")
    server.start_io()
    return 0


def analysed(root: str, texts: Mapping[str, str]) -> Found:
    """What is wrong in a folder, with some texts in place of its files. What cannot be taken of the settings is wrong in the settings."""
    with chdir(root):
        options = parser_of("check").parse_args(["."])
        options.texts = {path: text.encode("utf-8", "surrogatepass") for path, text in texts.items()}
        call = judging(options)
        given = load(options, Progress(quiet=True), call.settings)
        report = judged(given, call, Progress(quiet=True), 1)
    return by_file(report)


def in_settings(text: str, root: str, texts: Mapping[str, str]) -> Found:
    """What is said to be wrong in settings and intents, each line with its place; nothing where a line has none."""
    told = [PLACED.fullmatch(line) for line in text.split("\n") if not line.startswith("  ")]  # A question's line with its caret.
    found: dict[str, list[Problem]] = {}
    for one in told if all(told) else ():
        if one is not None:
            at = Span(one["path"], int(one["line"]), int(one["column"]))
            found.setdefault(at.path, []).append(Problem(SETTINGS, Severity.ERROR, one["text"], at, ""))
    now = {path: texts[path] if path in texts else read(Path(root, path)) for path in found}
    lines = {path: tuple(text.replace("\r\n", "\n").split("\n")) for path, text in now.items()}
    return Found({path: tuple(items) for path, items in found.items()}, {}, lines)


def read(path: Path) -> str:
    """A file's text; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def beside(known: Found, more: Found) -> Found:
    """What was found before in the manifests, and what is wrong in settings now."""
    kept = {path: items for path, items in known.problems.items() if not any(item.rule == SETTINGS for item in items)}
    return Found({**kept, **more.problems}, known.gaps, {**known.lines, **more.lines})


def by_file(report: Report) -> Found:
    """The problems of a report by file."""
    found: dict[str, list[Problem]] = {}
    gaps: dict[str, list[Gap]] = {}
    for item in problems(report, explained=False):
        if item.at is not None:
            found.setdefault(item.at.path, []).append(item)
    for gap in report.gaps:
        gaps.setdefault(gap.at.path, []).append(gap)
    lines = {
        source.path: tuple(source.text.split("\n")) for source in report.sources if source.path in found or source.path in gaps
    }
    return Found(
        {path: tuple(items) for path, items in found.items()}, {path: tuple(items) for path, items in gaps.items()}, lines
    )


def served() -> LanguageServer:
    """The server with its features. ImportError where pygls is not there."""
    from lsprotocol import types
    from pygls.lsp.server import LanguageServer

    server = LanguageServer(NAME, __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
    editor = Editor(server)

    for name in (
        types.INITIALIZED,
        types.TEXT_DOCUMENT_DID_OPEN,
        types.TEXT_DOCUMENT_DID_CHANGE,
        types.TEXT_DOCUMENT_DID_SAVE,
        types.TEXT_DOCUMENT_DID_CLOSE,
    ):
        server.feature(name)(editor.watcher())

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hover(params: types.HoverParams) -> types.Hover | None:
        return editor.hover(params)

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]))
    def actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        return list(editor.actions(params))

    return server


class Editor:
    """What the server knows between two messages: what was found, and the analysis that waits."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self.found = Found()
        self.task: asyncio.Task[None] | None = None
        self.worker = ThreadPoolExecutor(
            1
        )  # One after another: each stands in the folder that it analyses, which the whole process does then.

    @property
    def root(self) -> str:
        """The folder that is analysed."""
        return os.path.realpath(self.server.workspace.root_path or ".")

    def watcher(self) -> Callable[[Any], None]:
        """What answers a notification that something may have changed; one for each, as the server keeps them by function."""

        def changed(_: Any) -> None:  # ``object`` would ask for the server too
            self.later()

        return changed

    def later(self) -> None:
        """Analyses soon; a later change puts it off."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
        self.task = asyncio.ensure_future(self.soon())

    async def soon(self) -> None:
        """Analyses what is there when nothing was typed for a while, in a thread, and publishes it."""
        from lsprotocol import types

        await asyncio.sleep(WAIT)
        texts = {
            path: document.source for uri, document in self.server.workspace.text_documents.items() if (path := self.path(uri))
        }
        try:
            found = await asyncio.get_running_loop().run_in_executor(self.worker, analysed, self.root, texts)
        except ValueError as problem:
            wrong = in_settings(str(problem), self.root, texts)
            if not wrong.problems:
                self.server.window_show_message(types.ShowMessageParams(types.MessageType.Error, f"analyze: {problem}"))
                return
            found = beside(self.found, wrong)
        for path in sorted({*self.found.problems, *self.found.gaps, *found.problems, *found.gaps}):
            diagnostics = list(diagnostics_of(path, found, self.root))
            uri = Path(self.root, path).as_uri()
            self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics))
        self.found = found

    def path(self, uri: str) -> str:
        """The path of a file below the folder; empty for others."""
        path = os.path.realpath(unquote(urlsplit(uri).path))
        return os.path.relpath(path, self.root) if path.startswith(self.root + os.sep) else ""

    def at(self, uri: str, line: int) -> Iterator[Problem]:
        """The problems on a line, from 0."""
        for item in self.found.problems.get(self.path(uri), ()):
            if item.at is not None and item.at.line <= line + 1 <= max(item.at.line, item.at.end_line):
                yield item

    def hover(self, params: types.HoverParams) -> types.Hover | None:
        """The pages of the rules that found something on the line."""
        from lsprotocol import types

        texts = dict.fromkeys(page(item.rule).text for item in self.at(params.text_document.uri, params.position.line))
        shown = "\n\n---\n\n".join(text for text in texts if text)
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, shown)) if shown else None

    def actions(self, params: types.CodeActionParams) -> Iterator[types.CodeAction]:
        """What mends the findings of a place, and what ignores them."""
        from lsprotocol import types

        uri = params.text_document.uri
        lines = self.found.lines.get(self.path(uri), ())
        if not self.is_current(self.path(uri)):
            return
        for line in range(params.range.start.line, params.range.end.line + 1):
            for item in self.at(uri, line):
                assert item.at is not None
                if item.fix and item.fix.edits and all(self.is_current(edit.at.path) for edit in item.fix.edits):
                    changes = self.changes(item.fix.edits)
                    yield types.CodeAction(item.fix.text, types.CodeActionKind.QuickFix, edit=changes, is_preferred=True)
                if (
                    item.rule not in (SETTINGS, *NOT_IGNORED)
                    and "json" not in uri.rsplit(".", 1)[-1]
                    and takes_comment(item.at.line, lines)
                ):
                    end = position(item.at.line, len(lines[item.at.line - 1]) + 1, lines)
                    text = f"  # analyze: ignore[{item.rule}] "
                    changes = types.WorkspaceEdit(changes={uri: [types.TextEdit(types.Range(end, end), text)]})
                    yield types.CodeAction(f"ignore {item.rule} here", types.CodeActionKind.QuickFix, edit=changes)

    def is_current(self, path: str) -> bool:
        """Whether what was found in a file was found in the text that it has now: else its places are others'."""
        if path not in self.found.lines:
            return False
        document = self.server.workspace.get_text_document(Path(self.root, path).as_uri())
        return tuple(document.source.replace("\r\n", "\n").split("\n")) == self.found.lines[path]

    def changes(self, edits: Iterable[Edit]) -> types.WorkspaceEdit:
        """The edits, each in its own file."""
        from lsprotocol import types

        found: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            item = types.TextEdit(range_of(edit.at, self.found.lines.get(edit.at.path, ())), edit.text)
            found.setdefault(Path(self.root, edit.at.path).as_uri(), []).append(item)
        return types.WorkspaceEdit(changes=found)


def diagnostics_of(path: str, found: Found, root: str) -> Iterator[types.Diagnostic]:
    """What is wrong in a file, as the editor shows it."""
    from lsprotocol import types

    levels = {
        Severity.ERROR: types.DiagnosticSeverity.Error,
        Severity.WARNING: types.DiagnosticSeverity.Warning,
        Severity.NOTE: types.DiagnosticSeverity.Information,
    }
    lines = found.lines.get(path, ())
    for item in found.problems.get(path, ()):
        assert item.at is not None
        related = [
            types.DiagnosticRelatedInformation(
                types.Location(Path(root, label.at.path).as_uri(), range_of(label.at, found.lines.get(label.at.path, ()))),
                label.text,
            )
            for label in item.related
        ]
        text = "\n".join((item.message, *([item.note] if item.note else []), *([f"help: {item.fix.text}"] if item.fix else [])))
        yield types.Diagnostic(
            range_of(item.at, lines), text, levels[item.severity], code=item.rule, source=NAME, related_information=related
        )
    for gap in found.gaps.get(path, ()):
        yield types.Diagnostic(
            range_of(gap.at, lines), f"not understood: {gap.reason}", types.DiagnosticSeverity.Information, source=NAME
        )


def takes_comment(line: int, lines: tuple[str, ...]) -> bool:
    """Whether a comment can end a line, from 1: inside of a text over several lines it would be text."""
    if line > len(lines):
        return False
    from yaml import YAMLError

    from analyzer.capture.templates.laying import inside_scalars

    try:
        return line - 1 not in inside_scalars("\n".join(lines))
    except YAMLError:
        return True


def range_of(at: Span, lines: tuple[str, ...]) -> types.Range:
    """A place as a range; to the end of its line where no end is known."""
    from lsprotocol import types

    start = position(at.line, at.column, lines)
    if at.end_line and at.end_column:
        return types.Range(start, position(at.end_line, at.end_column, lines))
    length = len(lines[at.line - 1]) if 0 < at.line <= len(lines) else 0
    return types.Range(start, position(at.line, max(at.column, length + 1), lines))


def position(line: int, column: int, lines: tuple[str, ...]) -> types.Position:
    """A line and column from 1 as the protocol counts: from 0, in UTF-16."""
    from lsprotocol import types

    before = lines[line - 1][: column - 1] if 0 < line <= len(lines) else " " * (column - 1)
    return types.Position(max(0, line - 1), len(before.encode("utf-16-le", "surrogatepass")) // 2)
