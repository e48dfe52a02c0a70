"""Who looks again finds the same pods and nodes alike, and decides the same, as who looks for the first time, whatever was changed in between."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from analyzer.capture import again, load
from analyzer.capture.again import Again
from analyzer.pipeline import Input, analyze, built
from analyzer.query.alike.kinds import Kinds, kinds
from analyzer.query.alike.told import Kept
from analyzer.report import format_named
from analyzer.report.style import Style
from benchmarks.capture import Shape, write
from tests.test_alike import FAULTS, FAULTS_OF_SERVICES, Harm
from tests.test_alike_services import no_rule, one_endpoint_elsewhere, own_service_rule

SHAPE = Shape(nodes=8, pods=2, services=4, node_ports=1)
Edit = Callable[[Harm], None]


def line_gone(at: Harm) -> None:
    """A line of some file of a node or its pods is gone."""
    path = some_file(at)
    lines = path.read_text().splitlines(keepends=True)
    del lines[at.random.randrange(len(lines) or 1) : at.random.randrange(len(lines) or 1) + 1][:1]
    path.write_text("".join(lines))


def of_another(at: Harm) -> None:
    """A pod has the file of another pod: its addresses, routes, neighbours, forwarding entries, rules or switches."""
    path = at.random.choice(sorted((at.root / "netns").glob("*/*")))
    others = sorted((at.root.parent / f"n{at.other}" / "netns").glob(f"*/{path.name}"))
    path.write_text(at.random.choice(others).read_text())


def file_gone(at: Harm) -> None:
    """A file of a node or its pods was not captured."""
    some_file(at).unlink()


def pod_gone(at: Harm) -> None:
    """A pod was not captured."""
    if len(pods := sorted((at.root / "netns").iterdir())) > 1:
        shutil.rmtree(at.random.choice(pods))


def entry_more(at: Harm) -> None:
    """A node knows one neighbour, and one switch, more."""
    with (at.root / "ip_neigh").open("a") as file:
        file.write(f"192.168.0.{at.random.randrange(9, 30)} dev eth0 lladdr 02:ff:00:00:00:01 REACHABLE\n")
    with (at.root / "sysctl_net").open("a") as file:
        file.write(f"net.ipv4.conf.eth0.{at.random.choice(('proxy_arp', 'arp_ignore', 'rp_filter'))} = 1\n")


def address_taken(at: Harm) -> None:
    """A node has an address that is another's, or a service's, besides its own."""
    taken = at.random.choice((at.shape.node_address(at.other), at.shape.pod_address(at.other, 0), at.shape.service_address(0)))
    with (at.root / "ip_-d_addr").open("a") as file:
        file.write(
            f"99: more: <BROADCAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default\n    inet {taken}/32 scope global more\n"
        )


def whole_again(at: Harm) -> None:
    """Everything is as at first."""
    shutil.rmtree(at.root.parent.parent)
    write(at.root.parent.parent, at.shape)


def some_file(at: Harm) -> Path:
    """Some file of a node or its pods."""
    return at.random.choice(sorted(path for path in at.root.rglob("*") if path.is_file()))


EDITS: tuple[Edit, ...] = (
    *(line_gone, line_gone, of_another, file_gone, pod_gone, entry_more, entry_more, address_taken, whole_again),
    *(own_service_rule, no_rule, one_endpoint_elsewhere, *FAULTS, *FAULTS_OF_SERVICES),
)


def seen(folder: Path, known: Again | None) -> Input:
    """One look."""
    return built(load((str(folder),), again=known), again=known)


def shown(found: Kinds | None) -> object:
    """Who is alike; numbers of what chains say of services by who has them."""
    if found is None or found.services is None:
        return found
    said: dict[object, int] = {}
    own = found.services
    every = {
        (scope, address): (said.setdefault(own.at(table, address).form, len(said)), own.at(table, address).others)
        for scope, table in own.tables.items()
        for address in sorted({address for _, address in own.said})
        if own.at(table, address).others
    }
    tables: dict[int, int] = {}
    numbers = {scope: tables.setdefault(table, len(tables)) for scope, table in own.tables.items()}
    kinds_ = (found.known, found.of, found.nodes, found.pods, found.few, found.unread, found.ports)
    return kinds_, every, numbers, own.held, own.chains


def spelled(kept: Kept) -> object:
    """What each namespace is known to say: the forms of its records themselves, of its rules what does not go by numbers."""
    forms = {number: form for form, number in kept.numbers.items()}
    found: dict[object, object] = {}
    for scope, part in kept.parts.items():
        own, rules = part.others, part.rules
        held = [{one: [forms[number] for number in numbers] for one, numbers in said.items()} for said in (own.pods, own.peers)]
        found[scope] = ([forms[number] for number in own.common], held, own[3:7], len(rules.common), rules[3:7], rules[8:12])
    return found


def report(given: Input) -> str:
    """The whole report."""
    return format_named("json").write(analyze(given), Style())


@pytest.mark.parametrize("seed", [3])
def test_another_look_finds_the_same_alike(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "SETTLED", 0)
    looks(seed, tmp_path / "dump", 5)


def looks(seed: int, folder: Path, count: int) -> None:
    """Looks again and again, with changes between."""
    random, known = Random(seed), Again()
    write(folder, SHAPE)
    for step in range(count):
        for _ in range(random.randrange(3) if step else 0):
            node, other = random.sample(range(SHAPE.nodes), 2)
            at = Harm(folder / "nodes" / f"n{node}", SHAPE, node, other, random)
            random.choice(EDITS)(at)
        given, fresh = seen(folder, known), seen(folder, None)
        anew = Kept()
        assert shown(kinds(given.network, given.alike)) == shown(kinds(fresh.network, anew)), f"at step {step}"
        assert spelled(known.alike) == spelled(anew), f"at step {step}"
        if step % 5 == 4:
            assert report(given) == report(fresh), f"at step {step}"
