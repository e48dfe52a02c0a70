"""Connectivity that np-guard's netpol-analyzer states for its own manifests, pair by pair and port by port, read where it is.

It assumes that a block never matches a pod, that a pod in its node's network is as any other, and exempts no node: so does the profile
here. It knows TCP, UDP and SCTP from port 1, leaves out a workload's traffic to itself, and names pods after the object that owns them. What it
says of an ingress controller and of pods that do not exist is not about policies.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.policy.decision import decide
from analyzer.policy.entities import Entity
from analyzer.policy.planes import PolicySet
from analyzer.policy.profiles import Profile
from tests.policies import DATA, flow, needs, outside, policies_at

HOME = DATA / "netpol" / "np-guard-netpol-analyzer"
PROFILE = Profile("np-guard", blocks_match_pods=False, blocks_match_nodes=False, host_network_pods=True, own_node_admitted=False)
# What is not compared, by the beginning of its name, and why.
NOT_COMPARED = {
    "udn": "networks that users define: what separates them is no policy",
    "cudn": "networks that users define: what separates them is no policy",
    "nad": "secondary networks, with an answer for each",
    "multiple_topology": "secondary networks, with an answer for each",
    "virtual_machines": "virtual machines and networks that users define",
}
# The name of its policy has underscores, with which no API server takes it: whether it holds is not known.
MISNAMED = ("example_pods_w_same_owner_and_labels_gap_with_policy_selector_not_in_gap",)
FILTER = re.compile(r"_focus_workload_.*")
ONE_PORT = re.compile(r"_(?:tcp|udp)-\d+_connlist")  # the same case cut down to a port, which the whole of it holds
PROTOCOLS = ("TCP", "UDP", "SCTP")
Ports = dict[str, list[tuple[int, int]]]
Pairs = dict[tuple[str, str], Ports]


def outputs() -> list[Path]:
    """The files with an expected connectivity that is about policies alone."""
    found = sorted((HOME / "test_outputs" / "connlist").glob("*_connlist_output.*"))
    return [path for path in found if not path.name.startswith(tuple(NOT_COMPARED)) and not ONE_PORT.search(path.name)]


def stated(path: Path) -> Pairs:
    """What a file says: the ports of each pair that is connected."""
    found = {}
    for source, destination, ports in rows(path):
        if "{ingress-controller}" not in source:
            found[source, destination] = ports_of(ports)
    return found


def rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """The pairs of a file with their connections."""
    text = path.read_text()
    if path.suffix == ".json":
        yield from ((item["src"], item["dst"], item["conn"]) for item in json.loads(text))
    elif path.suffix == ".csv":
        yield from ((row[0], row[1], row[2]) for row in list(csv.reader(text.splitlines()))[1:])
    else:
        for line in filter(None, text.splitlines()):
            pair, _, ports = line.partition(" : ")
            source, _, destination = pair.partition(" => ")
            yield source, destination, ports


def ports_of(text: str) -> Ports:
    """``TCP 80,UDP 1-53`` as ranges by protocol."""
    if text == "All Connections":
        return {protocol: [(1, 65535)] for protocol in PROTOCOLS}
    found: Ports = {}
    protocol = ""
    for part in text.split(","):
        *name, ports = part.split(" ")
        protocol = name[0] if name else protocol
        first, _, last = ports.partition("-")
        found.setdefault(protocol, []).append((int(first), int(last or first)))
    return found


def edges(ranges: Iterator[tuple[int, int]], most: int) -> set[int]:
    """Where ranges begin and end, and the numbers beside."""
    near = {number for first, last in ranges for number in (first - 1, first, last, last + 1)}
    return {number for number in near if 1 <= number <= most}


def owner(policies: PolicySet, entity: Entity) -> str:
    """A workload as the files name it: by the object that owns the pod directly."""
    pod = policies.world.cluster.pods.get((entity.namespace, entity.pod_name))
    if pod is None:
        return entity.name
    kind, name = pod.owner or ("Pod", pod.name)
    return f"{entity.namespace}/{name}[{kind or 'Pod'}]"


class Side(NamedTuple):
    """One end of the pairs: an entity, and the names that the file has for it. An address can be in several of its ranges."""

    entity: Entity
    names: tuple[str, ...]


def sides(policies: PolicySet, pairs: Pairs) -> list[Side]:
    """The workloads, and addresses outside at and beside the edges of the ranges that the file tells apart."""
    blocks = {}
    for name in {name for pair in pairs for name in pair if name.endswith("[External]")}:
        first, _, last = name.removesuffix("[External]").partition("-")
        blocks[name] = int(ip_address(first)), int(ip_address(last))
    found = [Side(entity, (owner(policies, entity),)) for entity in policies.world.pods()]
    for number in sorted(edges(iter(blocks.values()), (1 << 32) - 1)) or [8 << 24]:
        names = tuple(name for name, (first, last) in blocks.items() if first <= number <= last)
        found.append(Side(outside(str(ip_address(number))), names))
    return found


def expected(pairs: Pairs, source: Side, destination: Side) -> Ports | None:
    """What the file says of two ends; None where it does not name them together."""
    found = [pairs[pair] for pair in product(source.names, destination.names) if pair in pairs]
    return found[0] if found else None


def wrong(policies: PolicySet, pairs: Pairs, whole: bool) -> tuple[int, list[str]]:
    """How many packets were asked about, and where the analyzer says otherwise. Not ``whole``: only pairs that the file has."""
    ports = sorted({80, *edges((span for item in pairs.values() for spans in item.values() for span in spans), 65535)})
    asked, found = 0, []
    for source, destination in product(sides(policies, pairs), repeat=2):
        outsiders = not source.entity.namespace and not destination.entity.namespace
        says = expected(pairs, source, destination)
        if source.names == destination.names or outsiders or (says is None and not whole):
            continue
        for protocol, port in product(PROTOCOLS, ports):
            admitted = decide(policies, source.entity, destination.entity, flow(protocol, port)).admitted
            asked += 1
            if admitted is not any(first <= port <= last for first, last in (says or {}).get(protocol, [])):
                found.append(f"{source.entity.name} -> {destination.entity.name} {protocol} {port}: {admitted}")
    return asked, found


@needs(HOME)
@pytest.mark.parametrize("path", outputs(), ids=lambda path: path.name)
def test_connectivity(path: Path) -> None:
    name = path.name.split("_connlist_output")[0]
    folder = HOME / "tests" / FILTER.sub("", name)
    pairs = stated(path)
    policies = policies_at([folder], PROFILE)
    names = {owner(policies, entity) for entity in policies.world.pods()}
    assert {end for pair in pairs for end in pair if not end.endswith("[External]")} <= names
    asked, found = wrong(policies, pairs, whole=folder.name == name)
    assert {line.rpartition(" ")[2] for line in found} == ({"None"} if name in MISNAMED else set())
    assert asked > 0


@needs(HOME)
@pytest.mark.parametrize("folder", sorted((HOME / "tests").glob("*anp_bad_path_test_*")), ids=lambda path: path.name)
def test_what_it_refuses_has_a_complaint(folder: Path) -> None:
    assert policies_at([folder], PROFILE).complaints != ()
