"""Romana's topology: what its daemon refuses, and whom it leaves out (romana/core common/client/ipam.go ``setTopology``, common/api/ipam.go
``TopologyUpdateRequest``).

A network is cut at each list of groups: n of them get ``(n - 1).bit_length()`` bits (``bitsForGroupElements``), and blocks begin where a group
begins, as large as the network's ``block_mask`` says (``allocateIP``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from analyzer.addresses import Prefix
from analyzer.model.embedded import Inside, Path, inside
from analyzer.model.network import Network
from analyzer.model.systems.reading import listing, mapping
from analyzer.query.cni.fields import NATURAL, TEXT, TEXTS, Fields, Many, unfit
from analyzer.query.refusals import Refusal, network_in
from analyzer.query.systems import romana_groups
from analyzer.query.systems.flannel import place
from analyzer.source import Span

DEFAULT_MASK = 29
TENANT = re.compile(r"[A-Za-z0-9_-]*")
NETWORK = Fields({"name": TEXT, "cidr": TEXT, "block_mask": NATURAL, "tenants": TEXTS})
REQUEST = Fields({"networks": Many(NETWORK), "topologies": Many(Fields({"networks": TEXTS, "map": romana_groups.GROUPS}))})

Statement = tuple[Path, str, bool]
"""A path of the topology, what is wrong there, and whether the daemon refuses it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A topology in a ConfigMap."""

    inner: Inside
    at: Span


@dataclass(frozen=True, slots=True)
class Given:
    """A network of the topology that can be read, with the length of its blocks."""

    index: int
    name: str
    prefix: Prefix
    mask: int


def documents(network: Network) -> Iterator[Document]:
    """The topologies of ConfigMaps of Romana: each JSON text that speaks of networks."""
    for _, fact in sorted(network.cluster.config_maps.items()):
        for _, located in sorted(fact.data.items()) if "romana" in fact.name else ():
            if '"networks"' in located.value:
                yield Document(inside(located.value, located.at, network.sources.get(located.at.path)), located.at)


def refusals(network: Network) -> Iterator[Refusal]:
    """What makes the daemon refuse a topology, and what it takes for something else."""
    for document in documents(network):
        found = document.inner
        if not isinstance(found.value, Mapping):
            words = f"the topology is no JSON object{': ' + found.problem if found.problem else ''}"
            yield Refusal(place(found, (), document.at), words)
            continue
        wrong = [(problem.path, problem.message, True) for problem in unfit(found.value, REQUEST)]
        for path, message, certain in wrong or dict.fromkeys(statements(found.value)):
            yield Refusal(place(found, path, document.at), message, certain)
        if not wrong:
            for path, message in romana_groups.outside(network, listing(found.value.get("topologies"))):
                yield Refusal(place(found, path, document.at), message, certain=False)


def statements(value: Mapping[str, Any]) -> Iterator[Statement]:
    """What is wrong in a topology whose types fit."""
    items = [mapping(item) for item in listing(value.get("networks"))]
    given = []
    for index, item in enumerate(items):
        told = list(own(index, item))
        yield from told
        if not told and (prefix := network_in(item.get("cidr"))) is not None:
            given.append(Given(index, str(item.get("name") or ""), prefix, mask_of(item, prefix)))
    yield from between(items, given)
    yield from used(listing(value.get("topologies")), items, given)


def mask_of(item: Mapping[str, Any], prefix: Prefix) -> int:
    """The length of blocks: without one 29, or the network's own where that is longer."""
    return item.get("block_mask") or max(DEFAULT_MASK, prefix.length)


def own(index: int, item: Mapping[str, Any]) -> Iterator[Statement]:
    """What is wrong with one network by itself."""
    path: Path = ("networks", index)
    prefix, name = network_in(item.get("cidr")), item.get("name") or ""
    if prefix is None:
        yield (*path, "cidr"), f"network {name}: {item.get('cidr')!r} is no network such as 10.112.0.0/12", True
        return
    if prefix.family != 4:
        yield (*path, "cidr"), f"network {name}: {prefix} is not of IPv4, which is all that Romana's addresses are", True
        return
    if not prefix.length <= mask_of(item, prefix) <= 32:
        words = (
            f"block_mask {item['block_mask']} of network {name} is not from {prefix.length}, the length of its {prefix}, to 32"
        )
        yield (*path, "block_mask"), words, True
    for number, tenant in enumerate(listing(item.get("tenants"))):
        if not TENANT.fullmatch(tenant):
            words = f"tenant {tenant!r} has other than letters, digits, _ and -; networks without tenants are for all of them"
            yield (*path, "tenants", number), words, True


def between(items: list[Mapping[str, Any]], given: list[Given]) -> Iterator[Statement]:
    """Names that are there twice, and networks inside each other."""
    names: list[str] = []
    for index, item in enumerate(items):
        name = item.get("name") or ""
        if name in names:
            yield ("networks", index, "name"), f"there is another network {name!r}", True
        names.append(name)
    for one, two in permutations(given, 2):
        if two.prefix.covers(one.prefix) and (two.prefix != one.prefix or one.index > two.index):
            words = f"{one.prefix} of network {one.name} lies inside {two.prefix} of network {two.name}"
            yield ("networks", one.index, "cidr"), words, True


def used(topologies: Any, items: list[Mapping[str, Any]], given: list[Given]) -> Iterator[Statement]:
    """Topologies: the networks that they are for, and their groups."""
    names, seen = {item.get("name") or "" for item in items}, set()
    for index, topology in enumerate(topologies):
        path: Path = ("topologies", index)
        for number, name in enumerate(listing(mapping(topology).get("networks"))):
            at = (*path, "networks", number)
            if name not in names:
                yield at, f"network {name!r} is none of networks: {', '.join(sorted(names)) or 'there are none'}", True
            if name in seen:
                yield at, f"network {name} has a topology already", True
            seen.add(name)
            for item in given:
                if item.name == name:
                    yield from romana_groups.divided(topology, path, item.name, item.prefix.length, item.mask)
        yield from romana_groups.shapes(listing(mapping(topology).get("map")), (*path, "map"), top=True)
    for item in given:
        if item.name not in seen:
            yield ("networks", item.index), f"network {item.name} is in no topology: no pod gets an address of it", False
