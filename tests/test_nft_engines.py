"""Native nft tables on a router between two namespaces: sets and Z3 say of them what the plain reading of the language says."""

from __future__ import annotations

import os

import pytest

from analyzer.addresses import address
from analyzer.ranges import Ranges, normalised
from analyzer.solve import interpreter
from analyzer.solve.interpreter import Interpreter
from analyzer.solve.sets import regions
from analyzer.solve.sets.diagrams import Sets
from analyzer.solve.smt.questions import exists
from analyzer.solve.smt.ways import Never
from analyzer.transfer.graph import NetworkProgram
from analyzer.transfer.ir import Field
from tests.engines import interpreted, members, named
from tests.test_lowering_netfilter import CLIENT, HELD
from tests.test_lowering_nft import native_network

SEEDS = range(1, 1 + int(os.environ.get("NFT_ENGINES", "60")))
PORTS = (53, 80, 443, 8080)


def hosts(family: int) -> list[int]:
    """Everybody's addresses."""
    return sorted({address(text).value for held in HELD[family].values() for texts in held.values() for text in texts})


def space(family: int) -> dict[Field, int | Ranges]:
    """The packets that the client sends."""
    return {
        Field.SOURCE: address(HELD[family][CLIENT]["eth0"][0]).value,
        Field.DESTINATION: normalised((value, value) for value in hosts(family)),
        Field.PROTOCOL: ((6, 6), (17, 17)),
        Field.DESTINATION_PORT: normalised((port, port) for port in PORTS),
        Field.SOURCE_PORT: 4000,
        Field.TTL: 64,
        Field.LENGTH: 60,
        Field.TCP_FLAGS: 2,
    }


def packets(family: int) -> list[dict[Field, int]]:
    """Some of them."""
    own = {
        Field.SOURCE: address(HELD[family][CLIENT]["eth0"][0]).value,
        Field.SOURCE_PORT: 4000,
        Field.TTL: 64,
        Field.LENGTH: 60,
        Field.TCP_FLAGS: 2,
    }
    pairs = [(host, PORTS[(number + step) % 4]) for number, host in enumerate(hosts(family)) for step in (0, 1)]
    return [
        {**own, Field.DESTINATION: host, Field.PROTOCOL: (6, 17)[number % 3 == 0], Field.DESTINATION_PORT: port}
        for number, (host, port) in enumerate(pairs)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_sets_and_the_interpreter_agree(seed: int) -> None:
    made, family, text = native_network(seed, picked=False)
    program = NetworkProgram(made, family)
    start = program.start(CLIENT)
    results = Sets(program).explore([(start, regions.start(space(family)))])
    assert not any(result.beyond for result in results)
    for packet in packets(family):
        wanted = {interpreted(state, way) for way, state in Interpreter(program).walk(start, interpreter.start(packet))}
        assert {item for result in results for item in members(result, named(packet))} == wanted, f"{packet}\n{text}"


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_z3_and_the_interpreter_agree(seed: int) -> None:
    made, family, text = native_network(seed, picked=False)
    program = NetworkProgram(made, family)
    start = program.start(CLIENT)
    for packet in packets(family)[::4]:
        region = regions.start({**space(family), **{name: ((value, value),) for name, value in packet.items()}})
        ends = {way for way, _ in Interpreter(program).walk(start, interpreter.start(packet))}
        assert exists(program, [(start, region)], lambda way, ends=ends: way not in ends) == Never(), text  # type: ignore[misc]
        for end in ends:
            assert exists(program, [(start, region)], lambda way, end=end: way == end) != Never(), text  # type: ignore[misc]
