"""Each folder of ``samples/policies`` is a small cluster in ``objects.yaml`` with its truth table.

``verdicts.txt`` has a question and its verdict a line, ``from to protocol/port verdict``, as in ``shop/web shop/db TCP/80 allowed``. Ends are entities by their
names, or addresses. ``ICMP/8.0`` is a type and a code, ``<53`` behind the port a source port, ``@6`` IPv6. The verdict is ``allowed``, ``denied``, or ``open`` where
it is not known. The network system is the one that the folder's name begins with, else none; ``verdicts.cilium.txt`` is the table as Cilium has it.
``# network: namespace/name`` in a table asks on a secondary network.
``names.hosts`` has addresses of names, ``groups.json`` security groups.
``complaints.txt`` has what is wrong with the objects: line and column, whether the API server would take the object, and the words.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.capture.reading import facts
from analyzer.model.build import build
from analyzer.policy import profiles
from analyzer.policy.decision import decide
from analyzer.policy.detection import settled
from analyzer.policy.entities import Entity, Flow
from analyzer.policy.factors import factors
from analyzer.policy.planes import PolicySet, policy_set
from analyzer.policy.profiles import MULTI_NETWORK_POLICY, UNKNOWN_SYSTEM, Profile
from analyzer.policy.secondary import world_for
from analyzer.policy.terms import Kind
from analyzer.source import Source
from tests.policies import NUMBERS, compiled, outside

SAMPLES = Path(__file__).parent.parent / "samples" / "policies"
FOLDERS = sorted(path.parent for path in SAMPLES.glob("*/objects.yaml"))
TABLES = sorted(SAMPLES.glob("*/verdicts*.txt"))
TEXTS = {"objects.yaml": "kubernetes", "names.hosts": "dns-names", "groups.json": "aws-security-groups"}
NETWORK = re.compile(r"^# network: (\S+)$", re.MULTILINE)
QUESTION = re.compile(r"(\S+) (\S+) (\w+)/([\d.]+)(?:<(\d+))?(?:@([46]))?")
SYSTEMS = {item.name: item for item in vars(profiles).values() if isinstance(item, Profile)}
WORDS = {True: "allowed", False: "denied", None: "open"}


def system_of(folder: Path, table: str = "verdicts.txt") -> Profile:
    """The network system of a table: by its own name, else by the folder's; on the secondary network that the table names."""
    if (folder / table).exists() and (about := NETWORK.search((folder / table).read_text())):
        return replace(MULTI_NETWORK_POLICY, network=about[1])
    if named := table.removeprefix("verdicts").removeprefix(".").removesuffix("txt").removesuffix("."):
        return SYSTEMS[named]
    return next((item for name, item in sorted(SYSTEMS.items()) if folder.name.startswith(f"{name}-")), UNKNOWN_SYSTEM)


def policies_of(folder: Path, system: Profile) -> PolicySet:
    """The policies of a sample as a network system reads them, as the objects set it."""
    sources = tuple(Source(name, (folder / name).read_text(), kind) for name, kind in TEXTS.items() if (folder / name).exists())
    known, gaps = facts(sources)
    assert gaps == ()
    cluster = build(sources, known, gaps).cluster
    return policy_set(world_for(cluster, system if system is UNKNOWN_SYSTEM else settled(system, cluster)))


def end(policies: PolicySet, text: str) -> Entity:
    """An end of a question."""
    return policies.world.by_name.get(text) or outside(text)


def flow(match: re.Match[str], *ends: Entity) -> Flow:
    """The packet of a question. The family is that of an address outside, else IPv4."""
    protocol = NUMBERS.get(match[3]) or int(match[3])
    kind, _, code = match[4].partition(".")
    outsiders = [own.family for item in ends if item.kind is Kind.OUTSIDE for own in item.addresses]
    family = int(match[6] or 0) or (6 if protocol == NUMBERS["ICMPv6"] else outsiders[0] if outsiders else 4)
    return Flow(family, protocol, int(kind) * 256 + int(code) if code else int(kind), int(match[5] or (0 if code else 40000)))


def answered(policies: PolicySet, line: str) -> str:
    """A line of a table with the verdict of the analyzer; comments and empty lines as they are."""
    if not line or line.startswith("#"):
        return line
    match = QUESTION.match(line)
    assert match, f"{line!r} is no question: from to protocol/port verdict"
    ends = end(policies, match[1]), end(policies, match[2])
    return f"{match[0]} {WORDS[decide(policies, *ends, flow(match, *ends)).admitted]}"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_clusters_have_their_verdicts(path: Path, update: bool) -> None:
    policies = policies_of(path.parent, system_of(path.parent, path.name))
    lines = path.read_text().splitlines()
    found = [answered(policies, line) for line in lines]
    if update:
        path.write_text("".join(f"{line}\n" for line in found))
    assert found == lines or update


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_objects_have_their_complaints(folder: Path, update: bool) -> None:
    complaints = policies_of(folder, system_of(folder)).complaints
    found = sorted((item.at.line, item.at.column, item.rejected, item.message) for item in complaints)
    text = "".join(
        f"{line}:{column} {'refused' if rejected else 'taken'}: {message}\n" for line, column, rejected, message in found
    )
    path = folder / "complaints.txt"
    if update and text:
        path.write_text(text)
    elif update:
        path.unlink(missing_ok=True)
    assert text == (path.read_text() if path.exists() else "")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_compiled_policies_have_the_same_verdicts(path: Path) -> None:
    policies = policies_of(path.parent, system_of(path.parent, path.name))
    known = {family: factors(policies, family) for family in (4, 6)}
    for line in path.read_text().splitlines():
        if match := QUESTION.match(line):
            ends = end(policies, match[1]), end(policies, match[2])
            first = flow(match, *ends)
            assert f"{match[0]} {WORDS[compiled(policies, known[first.family], *ends, first)]}" == line
