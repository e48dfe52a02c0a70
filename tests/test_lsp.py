"""The language server, by a client of its own over stdio."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analyzer.cli import lsp

pytest.importorskip("pygls")
POLICY = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelecter: {}\n"
)


class Client:
    """An editor."""

    def __init__(self, root: Path, started_in: Path | None = None) -> None:
        command = [sys.executable, "-m", "analyzer", "lsp"]
        self.process = subprocess.Popen(command, cwd=started_in or root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.root, self.number = root, 0
        folders = [{"uri": root.as_uri(), "name": "root"}]
        self.ask("initialize", {"processId": None, "rootUri": root.as_uri(), "capabilities": {}, "workspaceFolders": folders})
        self.tell("initialized", {})

    def tell(self, method: str, params: object, number: int | None = None) -> None:
        """Sends a message."""
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})
        data = json.dumps(message).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next message."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found = json.loads(self.process.stdout.read(length))
        assert isinstance(found, dict)
        return found

    def ask(self, method: str, params: object) -> Any:
        """The answer to a request; notifications before it are passed over."""
        self.number += 1
        self.tell(method, params, self.number)
        while (message := self.read()).get("id") != self.number:
            pass
        return message["result"]

    def diagnostics(self, name: str) -> list[dict[str, Any]]:
        """What is published next about a file."""
        while True:
            message = self.read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"].endswith(name):
                found = message["params"]["diagnostics"]
                assert isinstance(found, list)
                return found

    def end(self) -> None:
        """Ends the server."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        self.process.wait(20)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / ".git").mkdir()
    (tmp_path / "policy.yaml").write_text(POLICY)
    editor = Client(tmp_path)
    yield editor
    editor.end()


def document(client: Client) -> dict[str, str]:
    return {"uri": (client.root / "policy.yaml").as_uri()}


def test_a_finding_is_shown_explained_mended_and_gone(client: Client) -> None:
    opened = {"languageId": "yaml", "version": 1, "text": POLICY}
    client.tell("textDocument/didOpen", {"textDocument": document(client) | opened})
    (shown,) = client.diagnostics("policy.yaml")
    assert shown["code"] == "policy-rejected"
    assert shown["range"] == {"start": {"line": 4, "character": 2}, "end": {"line": 4, "character": 13}}
    hover = client.ask("textDocument/hover", {"textDocument": document(client), "position": {"line": 4, "character": 5}})
    assert "## How to mend" in hover["contents"]["value"]
    wanted = {"textDocument": document(client), "range": shown["range"], "context": {"diagnostics": [shown]}}
    actions = client.ask("textDocument/codeAction", wanted)
    assert [action["title"] for action in actions] == ["write podSelector", "ignore policy-rejected here"]
    (edit,) = actions[0]["edit"]["changes"][document(client)["uri"]]
    assert edit["newText"] == "podSelector"
    text = POLICY.replace("podSelecter", "podSelector")
    client.tell("textDocument/didChange", {"textDocument": document(client) | {"version": 2}, "contentChanges": [{"text": text}]})
    assert client.diagnostics("policy.yaml") == []


def test_findings_about_ignores_cannot_be_ignored(client: Client) -> None:
    text = POLICY.replace("podSelecter: {}", "podSelector: {}  # analyze: ignore policy-rejected: later")
    client.tell("textDocument/didOpen", {"textDocument": document(client) | {"languageId": "yaml", "version": 1, "text": text}})
    assert [one["code"] for one in client.diagnostics("policy.yaml")] == ["unused-ignore"]
    assert actions_of(client) == []


def test_columns_are_those_of_the_protocol(client: Client) -> None:
    text = POLICY.replace("  podSelecter: {}", "  ? '😀'\n  : {}")
    client.tell("textDocument/didOpen", {"textDocument": document(client) | {"languageId": "yaml", "version": 1, "text": text}})
    (shown,) = client.diagnostics("policy.yaml")
    assert shown["range"]["end"]["character"] - shown["range"]["start"]["character"] == 2  # in UTF-16


def test_half_written_text_keeps_the_server_alive(client: Client) -> None:
    opened = {"languageId": "yaml", "version": 1, "text": POLICY + "  ingress: [{from: [{"}
    client.tell("textDocument/didOpen", {"textDocument": document(client) | opened})
    assert client.diagnostics("policy.yaml")
    client.tell(
        "textDocument/didChange", {"textDocument": document(client) | {"version": 2}, "contentChanges": [{"text": POLICY}]}
    )
    assert client.diagnostics("policy.yaml")[0]["code"] == "policy-rejected"


def type_in(client: Client, version: int, text: str) -> None:
    """Changes the policy's text."""
    client.tell(
        "textDocument/didChange", {"textDocument": document(client) | {"version": version}, "contentChanges": [{"text": text}]}
    )


def actions_of(client: Client) -> list[str]:
    """What is offered for the policy's fifth line and what follows."""
    place = {"start": {"line": 4, "character": 0}, "end": {"line": 9, "character": 0}}
    wanted = {"textDocument": document(client), "range": place, "context": {"diagnostics": []}}
    return [action["title"] for action in client.ask("textDocument/codeAction", wanted) or []]


def test_nothing_is_offered_for_a_text_that_is_no_longer_there(client: Client) -> None:
    client.tell("textDocument/didOpen", {"textDocument": document(client) | {"languageId": "yaml", "version": 1, "text": POLICY}})
    assert client.diagnostics("policy.yaml")
    assert actions_of(client)
    type_in(client, 2, POLICY.replace("spec:", "spec: # a comment\n"))
    assert actions_of(client) == []
    assert client.diagnostics("policy.yaml")[0]["range"]["start"] == {"line": 5, "character": 2}
    assert actions_of(client)[0] == "write podSelector"


def test_analyses_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An analysis stands in the folder that it reads, and with it the whole process: a second one beside it would leave it elsewhere."""
    running: list[int] = []
    most: list[int] = []

    def slow(root: str, texts: object) -> lsp.Found:
        del root, texts
        running.append(1)
        most.append(len(running))
        time.sleep(3 * lsp.WAIT)
        running.pop()
        return lsp.Found()

    async def typed() -> None:
        editor = lsp.Editor(server)
        for _ in range(3):
            editor.later()
            await asyncio.sleep(1.5 * lsp.WAIT)
        assert editor.task is not None
        await editor.task

    server: Any = SimpleNamespace(workspace=SimpleNamespace(root_path=str(tmp_path), text_documents={}))
    monkeypatch.setattr(lsp, "analysed", slow)
    asyncio.run(typed())
    assert (max(most), len(most) > 1) == (1, True)


def test_a_text_typed_key_by_key_is_followed_to_its_end(tmp_path: Path) -> None:
    """The server may have been started in another folder than the one that it serves."""
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "policy.yaml").write_text(POLICY)
    client = Client(tmp_path / "root", tmp_path / "elsewhere")
    client.tell("textDocument/didOpen", {"textDocument": document(client) | {"languageId": "yaml", "version": 0, "text": ""}})
    for length in range(len(POLICY) + 1):
        type_in(client, length + 1, POLICY[:length])
        time.sleep(0.35 if length % 12 == 0 else 0.01)
    found: list[dict[str, Any]] = []
    while not any(one.get("code") == "policy-rejected" for one in found):
        found = client.diagnostics("policy.yaml")
    type_in(client, 1000, "")
    while client.diagnostics("policy.yaml"):  # What was found while typing comes first.
        pass
    assert client.process.poll() is None
    client.end()


def test_the_server_ends_in_silence(tmp_path: Path) -> None:
    def framed(message: dict[str, object]) -> bytes:
        data = json.dumps({"jsonrpc": "2.0"} | message).encode()
        return b"Content-Length: %d\r\n\r\n%s" % (len(data), data)

    start: dict[str, object] = {"processId": None, "rootUri": tmp_path.as_uri(), "capabilities": {}}
    said: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": start},
        {"id": 2, "method": "shutdown"},
        {"method": "exit"},
    ]
    command = [sys.executable, "-m", "analyzer", "lsp"]
    ended = subprocess.run(command, cwd=tmp_path, input=b"".join(map(framed, said)), capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_settings_that_are_wrong_are_told_in_their_file(client: Client) -> None:
    settings = client.root / "analyzer.yaml"
    settings.write_text("strict: true\nfial-on: error\n")
    client.tell("textDocument/didSave", {"textDocument": document(client)})
    (shown,) = client.diagnostics("analyzer.yaml")
    assert shown["message"] == "there is no setting fial-on; did you mean fail-on?"
    assert (shown["range"]["start"]["line"], shown["severity"]) == (1, 1)
    wanted = {"textDocument": {"uri": settings.as_uri()}, "range": shown["range"], "context": {"diagnostics": [shown]}}
    assert client.ask("textDocument/codeAction", wanted) == []
    settings.write_text("strict: true\n")
    client.tell("textDocument/didSave", {"textDocument": document(client)})
    assert client.diagnostics("analyzer.yaml") == []


def test_settings_and_intents_are_read_as_they_are_typed(client: Client) -> None:
    texts = {"analyzer.yaml": "intents: [intents.yaml]\n", "intents.yaml": "intents: [shop/web reaches shop/db]\n"}
    for name, text in texts.items():
        (client.root / name).write_text(text)
        shown = {"uri": (client.root / name).as_uri(), "languageId": "yaml", "version": 1, "text": text}
        client.tell("textDocument/didOpen", {"textDocument": shown})

    def typed(name: str, version: int, text: str, *wanted: tuple[int, str]) -> None:
        place = {"uri": (client.root / name).as_uri(), "version": version}
        client.tell("textDocument/didChange", {"textDocument": place, "contentChanges": [{"text": text}]})
        while [(one["range"]["start"]["line"], one["message"]) for one in client.diagnostics(name)] != [*wanted]:
            pass  # What was analysed before the change may still come.

    misspelt = "there is no setting fial-on; did you mean fail-on?"
    typed("analyzer.yaml", 2, "# what counts\nfial-on: error\nintents: [intents.yaml]\n", (1, misspelt))
    typed("analyzer.yaml", 3, texts["analyzer.yaml"])
    reaches = "column 10: 'reches' is not understood: did you mean 'reach'?"
    typed("intents.yaml", 2, "intents:\n- shop/web reches shop/db\n", (1, reaches))
    assert all((client.root / name).read_text() == text for name, text in texts.items())


def test_no_comment_is_written_into_a_text() -> None:
    lines = ("kind: ConfigMap", "data:", "  conf: |", '    {"a": 1,', '     "b": 2}', "  other: x", "spec:", "  c: d")
    assert [lsp.takes_comment(line, lines) for line in (1, 3, 4, 5, 8, 9)] == [True, True, False, False, True, False]
