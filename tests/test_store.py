"""What is kept on the disk never changes an answer: edited input, foreign and torn entries, programs that are killed or run at once."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.__main__ import main
from analyzer.capture.reading import facts
from analyzer.capture.store import HASH, PART, Store, name_of, name_of_texts, opened
from analyzer.cli import caching
from analyzer.facts.kubernetes import ObjectFact
from analyzer.source import Scope, Source

ROOT = Path(__file__).parent.parent
SHOP = ROOT / "samples" / "lint" / "shop"
NAME = name_of("test", "value")
DOCUMENT = (
    "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: s{0}\nspec:\n  selector: {{app: a{0}}}\n  ports:\n  - port: 8{0}\n"
)
TEXT = "".join(DOCUMENT.format(number) for number in range(300))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = opened(tmp_path / "cache" / "analyze")
    assert found is not None
    return found


def whole(sources: list[Source], store: Store | None) -> str:
    """All that is known of sources, with every value and place."""
    found, gaps = facts(sources, store)
    documents = [(fact.document, dict(fact.places)) for fact in found if isinstance(fact, ObjectFact)]
    return repr((found, [fact.at for fact in found], documents, gaps))


def test_what_was_put_is_there_for_who_comes_later(store: Store) -> None:
    source = Source("a", "text")
    store.put(NAME, [source, "x"], [source])
    again = opened(store.folder)
    assert again == store
    assert again is not None
    same, text = again.get(NAME, [source])
    assert same is source
    assert text == "x"


class Trap:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("sprung",)


def test_an_entry_of_somebody_else_is_never_unpickled(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = Store(store.folder, b"k" * HASH)
    other.put(NAME, Trap())
    assert store.get(NAME) is None
    (store.folder / NAME).write_bytes(pickle.dumps(Trap()))
    assert store.get(NAME) is None
    assert not (tmp_path / "sprung").exists()
    assert other.get(name_of("test", "other")) is None


@given(st.data())  # type: ignore[untyped-decorator]
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # type: ignore[untyped-decorator]
def test_a_damaged_entry_is_none(store: Store, data: st.DataObject) -> None:
    store.put(NAME, ["value", 1])
    content = bytearray((store.folder / NAME).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    (store.folder / NAME).write_bytes(content)
    assert store.get(NAME) is None


def test_an_entry_under_another_name_is_none(store: Store) -> None:
    store.put(NAME, "value")
    other = name_of("test", "other")
    shutil.copy(store.folder / NAME, store.folder / other)
    assert store.get(other) is None


@pytest.mark.parametrize("what", ["folder", "key", "link", "short"])
def test_what_others_could_have_written_is_no_store(store: Store, what: str) -> None:
    match what:
        case "folder":
            store.folder.chmod(0o750)
        case "key":
            (store.folder / "key").chmod(0o640)
        case "link":
            store.folder.rename(store.folder.parent / "real")
            store.folder.symlink_to("real")
        case _:
            (store.folder / "key").write_bytes(b"short")
    assert opened(store.folder) is None


def test_the_oldest_go_first(store: Store) -> None:
    small = Store(store.folder, store.key, largest=2500)
    names = [name_of("test", number) for number in range(3)]
    for age, name in enumerate(names):
        small.put(name, "x" * 1000)
        os.utime(store.folder / name, (age + 1000, age + 1000))
    small.get(names[0])
    small.trim()
    assert [small.get(name) is not None for name in names] == [True, False, True]


def test_what_a_killed_program_left_goes_too(store: Store) -> None:
    left = store.folder / f"0123.abc{PART}"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    store.put(NAME, "value")
    store.trim()
    assert not left.exists()
    assert store.get(NAME) == "value"


@given(st.data())  # type: ignore[untyped-decorator]
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # type: ignore[untyped-decorator]
def test_an_edit_is_always_seen(store: Store, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TEXT) - 1))
    changed = TEXT[:place] + data.draw(st.characters(exclude_categories=["Cs"])) + TEXT[place + data.draw(st.integers(0, 1)) :]
    for text in (TEXT, changed, TEXT, changed):
        source = Source("a.yaml", text, "kubernetes")
        assert whole([source], store) == whole([source], None)


def test_all_that_is_said_of_a_text_tells_it_apart() -> None:
    sources = [Source(path, text, kind, scope, subject) for path in "ab" for text in "ab" for kind in "ab"
               for scope in (None, Scope("a"), Scope("a", "b")) for subject in "ab"]  # fmt: skip
    assert len({name_of_texts([source]) for source in sources}) == len(sources)
    assert name_of_texts([Source("a", "xy"), Source("b", "")]) != name_of_texts([Source("a", "x"), Source("b", "y")])


def check(folder: Path, *arguments: str, cache: Path) -> subprocess.Popen[str]:
    """A check in a process of its own."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "analyzer", "check", str(folder), "-q", "-f", "json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    folder = tmp_path / "k8s"
    folder.mkdir()
    for number in range(caching.SMALLEST // len(TEXT) + 2):
        (folder / f"{number}.yaml").write_text(TEXT.replace("name: s", f"name: s{number}-"))
    return folder


def test_two_at_once_and_one_that_is_killed_do_no_harm(large: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = check(large, "--no-cache", cache=cache).communicate()[0]
    assert not cache.exists()
    killed = check(large, cache=cache)
    while not list(cache.glob("analyze/*")):
        pass
    killed.kill()
    killed.communicate()
    both = [check(large, cache=cache) for _ in range(2)]
    assert [one.communicate()[0] for one in both] == [expected, expected]
    assert check(large, cache=cache).communicate()[0] == expected
    (large / "0.yaml").write_text((large / "0.yaml").read_text().replace("app: a7}", "app: other}"))
    assert check(large, cache=cache).communicate()[0] == check(large, "--no-cache", cache=cache).communicate()[0] != expected


@pytest.mark.parametrize("option", ["--no-cache", ""])
def test_it_can_be_switched_off(
    option: str, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not option:
        monkeypatch.setenv("ANALYZE_CACHE", "off")
    main([str(large), "-q", *([option] if option else [])])
    assert not (tmp_path / "analyze").exists()
    capsys.readouterr()


def test_a_small_input_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    main([str(SHOP), "-q"])
    assert not (tmp_path / "analyze").exists()
    capsys.readouterr()


def test_other_options_are_another_report(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def said(*arguments: str) -> tuple[int, str]:
        return main([str(large), "-q", *arguments]), capsys.readouterr().out

    plain = said()
    assert said("--ignore", "address-plan-*,cluster-*,service-*") == said(
        "--ignore", "address-plan-*,cluster-*,service-*", "--no-cache"
    )
    assert said("-f", "concise") == said("-f", "concise", "--no-cache")
    assert said("--fail-on", "never")[0] == said("--fail-on", "never", "--no-cache")[0]
    assert said() == said("--no-cache") == plain


def test_the_command_shows_and_clears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = opened()
    assert store is not None
    store.put(NAME, "value")
    assert main(["cache"]) == 0
    assert " 1 entries, 0.0 MiB of at most 1024 MiB" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert store.get(NAME) is None
    store.folder.chmod(0o777)
    assert main(["cache"]) == 2
    assert "not used as a cache" in capsys.readouterr().err
