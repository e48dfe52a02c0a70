"""Semantic differences that np-guard's netpol-analyzer states for its own manifests, flow by flow, read where they are (see ``test_policy_np_guard.py``)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.addresses import Address
from analyzer.policy.entities import Flow
from analyzer.policy.joint import Couple, Joint, joint
from analyzer.policy.planes import PolicySet
from analyzer.policy.terms import Kind
from analyzer.query.differences.blocks import Block, blocks
from tests.policies import NUMBERS, needs, policies_at
from tests.test_policy_np_guard import HOME, PROFILE, PROTOCOLS, Ports, edges, owner, ports_of

LINE = re.compile(r"diff-type: (\w+), source: (\S+), destination: (\S+), \w+: (.*?), \w+: (.*?)(?:, workloads-diff-info: .*)?")
# What is not compared though it is there, and why.
NOT_COMPARED = {"udn_test_1": "networks that users define: what separates them is no policy"}
Pairs = dict[tuple[str, str], tuple[Ports, Ports]]


class Case(NamedTuple):
    """A file, and its two inputs: the files name the new one first."""

    path: Path
    old: Path
    new: Path


def cases() -> Iterator[Case]:
    """The files whose inputs are both there. np-guard's other files are about manifests that the collection does not hold."""
    for path in sorted((HOME / "test_outputs" / "diff").glob("*.*")) if HOME.exists() else ():
        for new, old in splits(path.stem):
            inputs = HOME / "tests" / old, HOME / "tests" / new
            if all(item.is_dir() for item in inputs) and new not in NOT_COMPARED:
                yield Case(path, *inputs)
                break


def splits(stem: str) -> Iterator[tuple[str, str]]:
    """The ways in which a name can be two: names have ``_and_`` in them too."""
    parts = stem.partition("diff_between_")[2].split("_and_")
    for place in range(1, len(parts)):
        yield "_and_".join(parts[:place]), "_and_".join(parts[place:])


def stated(path: Path) -> Pairs:
    """What a file says: the ports of each pair before and after. What it says of an ingress controller is not about policies."""
    text = path.read_text()
    rows = (
        list(csv.reader(text.splitlines()))[1:]
        if path.suffix == ".csv"
        else [found.groups() for found in map(LINE.fullmatch, text.splitlines()) if found]
    )
    return {(row[1], row[2]): (ports(row[3]), ports(row[4])) for row in rows if "{ingress-controller}" not in row[1]}


def ports(text: str) -> Ports:
    """A side's connections."""
    return {} if text == "No Connections" else ports_of(text)


def named(policies: tuple[PolicySet, PolicySet], couple: Couple) -> str:
    """A workload as the files name it."""
    return owner(policies[0] if couple.new is None else policies[1], couple.known)


def spans(pairs: Pairs) -> dict[str, tuple[int, int]]:
    """The ranges of addresses that a file names."""
    found = {}
    for name in {name for pair in pairs for name in pair if name.endswith("[External]")}:
        first, _, last = name.removesuffix("[External]").partition("-")
        found[name] = int(ip_address(first)), int(ip_address(last))
    return found


class Ours:
    """The difference as the analyzer finds it, asked flow by flow."""

    def __init__(self, old: PolicySet, new: PolicySet) -> None:
        self.policies = old, new
        self.both: Joint = joint(old, new, 4)
        self.found: list[Block] = list(blocks(self.both))
        couples = [couple for group in self.both.members for couple in group]
        self.pods = [couple for couple in couples if couple.known.kind is Kind.POD]
        self.outside = [couple for couple in couples if couple.known.kind is Kind.OUTSIDE]
        self.pairs = {(id(one), id(other)): item for item in self.found for one in item.sources for other in item.destinations}

    def at(self, number: int) -> Couple:
        """The addresses outside that one is among."""
        address = Address(4, number)
        return next(couple for couple in self.outside if any(block.covers(address) for block in couple.known.blocks))

    def sides(self, source: Couple, destination: Couple, flow: Flow) -> tuple[bool, bool]:
        """Whether a flow passes before and after, where it is said to change; else twice the same."""
        block = self.pairs.get((id(source), id(destination)))
        bit = self.both.atoms.of_flow(flow)
        return (bool(block.old[0] & bit), bool(block.new[0] & bit)) if block is not None else (False, False)


def wrong(ours: Ours, pairs: Pairs) -> tuple[int, list[str]]:
    """How many flows change, and where the two say otherwise."""
    ranges = spans(pairs)
    numbers = sorted(
        {80, *edges((span for item in pairs.values() for side in item for found in side.values() for span in found), 65535)}
    )
    ends: list[tuple[Couple, tuple[str, ...]]] = [(couple, (named(ours.policies, couple),)) for couple in ours.pods]
    for number in sorted(edges(iter(ranges.values()), (1 << 32) - 1)) or [8 << 24]:
        ends.append((ours.at(number), tuple(name for name, (low, high) in ranges.items() if low <= number <= high)))
    changed, found = 0, []
    for (source, names), (destination, others) in product(ends, repeat=2):
        if names == others or (source in ours.outside and destination in ours.outside):
            continue
        says = next((pairs[pair] for pair in product(names, others) if pair in pairs), ({}, {}))
        for protocol, port in product(PROTOCOLS, numbers):
            theirs = tuple(any(low <= port <= high for low, high in side.get(protocol, [])) for side in says)
            mine = ours.sides(source, destination, Flow(4, NUMBERS[protocol], port))
            changed += theirs[0] != theirs[1]
            if (mine[0] != mine[1] or theirs[0] != theirs[1]) and mine != theirs:
                found.append(
                    f"{names or source.known.name} -> {others or destination.known.name} {protocol} {port}: {mine}, not {theirs}"
                )
    return changed, found


@needs(HOME)
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.path.name[:100])
def test_the_difference_is_the_stated_one(case: Case) -> None:
    pairs = stated(case.path)
    changed, found = wrong(Ours(policies_at([case.old], PROFILE), policies_at([case.new], PROFILE)), pairs)
    assert not found, "\n".join(found[:20])
    assert changed > 0 or not pairs


@needs(HOME)
def test_there_is_something_to_compare() -> None:
    assert len(list(cases())) > 8
