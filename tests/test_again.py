"""Who looks again opens what changed, and comes to what a first look would: files, facts, network and report, whatever was changed in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from random import Random

import pytest

from analyzer.capture import Loaded, again, files, load
from analyzer.capture.again import Again
from analyzer.capture.limits import Budget
from analyzer.model.network import Network
from analyzer.pipeline import Input, built
from benchmarks import capture

NEIGHBOUR = "192.168.0.1 dev eth0 lladdr 02:ff:00:00:00:01 REACHABLE\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A capture of three nodes, whose files count as settled at once."""
    capture.write(tmp_path / "dump", capture.Shape(3, 2, 20, 2))
    monkeypatch.setattr(again, "SETTLED", 0)
    return tmp_path / "dump"


def seen(folder: Path, known: Again | None) -> tuple[Loaded, Input]:
    """One look."""
    loaded = load((str(folder),), again=known)
    return loaded, built(loaded, again=known)


def places(network: Network) -> list[object]:
    """What every namespace holds, with the places."""
    found: list[object] = []
    for space in network.namespaces.values():
        found += [(one.name, repr(getattr(space, one.name))) for one in fields(space) if one.name != "rulesets"]
        for ruleset in space.rulesets:
            chains = [chain for table in ruleset.tables.values() for chain in table.values()]
            found.append((ruleset.at, [(chain.name, chain.at, chain.policy, chain.content) for chain in chains]))
        routes = [route for tables in space.routes.values() for table in tables.values() for route in table]
        found += [fact.at for fact in (*space.links.values(), *space.addresses, *space.neighbours, *space.forwarding, *routes)]
    return found


def edits(folder: Path) -> list[Callable[[Random], None]]:
    """Ways to change a capture."""

    def some(random: Random, name: str = "") -> Path:
        found = [path for path in sorted(folder.rglob("*")) if path.is_file() and (not name or path.name == name)]
        return random.choice(found)

    def cut(random: Random) -> None:
        path = some(random)
        path.write_text(path.read_text()[: -random.randrange(1, 40)])

    def doubled(random: Random) -> None:
        path = some(random)
        path.write_text(path.read_text() * 2)

    def line_gone(random: Random) -> None:
        path = some(random, random.choice(["iptables-save", "ip_route_show_table_all", "bridge_fdb", "pods.yaml"]))
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for number, line in enumerate(lines) if number != len(lines) // 2))

    def more(random: Random) -> None:
        with some(random, "ip_neigh").open("a") as file:
            file.write(NEIGHBOUR)

    def failed(random: Random) -> None:
        path = some(random, "sysctl_net")
        path.rename(path.with_name("sysctl_net.error"))

    def named(random: Random) -> None:
        (some(random, "ip_rule").parent / "hostname").write_text(f"other-{random.randrange(9)}\n")

    def braces(random: Random) -> None:
        with some(random, "ss_-tunlp").open("a") as file:
            file.write("{{ no socket }}\n")

    return [cut, doubled, line_gone, more, failed, named, braces, lambda random: some(random).unlink()]


def test_another_look_is_what_a_first_one_would_be(folder: Path) -> None:
    random, known = Random(7), Again()
    seen(folder, known)
    ways = edits(folder)
    for step in range(16):
        for _ in range(random.randrange(3)):
            random.choice(ways)(random)
        (loaded, given), (wanted, fresh) = seen(folder, known), seen(folder, None)
        assert loaded == wanted, f"at step {step}"
        assert (given.gaps, given.unreadable) == (fresh.gaps, fresh.unreadable)
        assert places(given.network) == places(fresh.network)
        assert given.network == fresh.network


def test_only_what_changed_is_opened_and_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, opened = Again(), list[str]()
    _, before = seen(folder, known)
    content = files.content

    def counted(target: str, budget: Budget) -> bytes:
        opened.append(os.path.basename(target))
        return content(target, budget)

    monkeypatch.setattr(files, "content", counted)
    with (folder / "nodes" / "n1" / "ip_neigh").open("a") as file:
        file.write(NEIGHBOUR)
    _, after = seen(folder, known)
    assert {name for name in opened if not name.endswith(".yaml")} == {"ip_neigh"}
    other = {scope for scope, space in after.network.namespaces.items() if space is not before.network.namespaces[scope]}
    assert {str(scope) for scope in other} == {"n1"}


def test_what_was_written_to_a_moment_ago_is_opened_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SETTLED", 3600_000_000_000)
    known = Again()
    seen(folder, known)
    assert not known.files


def test_all_is_read_anew_once_in_a_while(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "LOOKS", 2)
    known = Again()
    first, second, third = (seen(folder, known)[1] for _ in range(3))
    spaces = [given.network.namespaces for given in (first, second, third)]
    assert not any(one is spaces[0][scope] for scope, one in spaces[1].items())
    assert all(one is spaces[1][scope] for scope, one in spaces[2].items())
    assert second.network == first.network
