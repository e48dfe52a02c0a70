"""Random native nft tables on a router between two namespaces: the lowered network and the concrete walk say the same of random flows.

``LOWERING_RULESETS`` sets how many rulesets are tried (60), ``LOWERING_SEED`` the first seed (1).
"""

from __future__ import annotations

import dataclasses
from random import Random

import pytest

from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Network
from analyzer.parsers import nft
from analyzer.solve.packet import Fate
from analyzer.solve.walk.concrete import walk
from analyzer.transfer.graph import NetworkProgram
from tests.lowered import agree, outcomes, walked, within
from tests.nft_early_random import EarlyRules
from tests.nft_random import NftRules
from tests.open_random import OpenNftRules
from tests.test_lowering_netfilter import COUNT, ROUTER, SEED, facts, flows, network
from tests.words_random import RawRules


def native_network(
    seed: int, picked: bool = True, of: type[NftRules] = NftRules, zones: bool = False
) -> tuple[Network, int, str]:
    """A network with random native tables on its router. The language leaves ways back open in IPv6; of several nat
    chains at a hook it takes one that translates to what the packet has already for one that does not decide."""
    random, family = Random(seed), 4 if seed % 3 else 6
    text = of(random, family, ways=family == 4, alone=True, picked=picked, zones=zones).ruleset()
    read = tuple(facts(nft.PARSER, "n/nft_list_ruleset", text))
    tables = tuple(item for item in read if isinstance(item, NftTableFact))
    early = tuple(item for item in read if isinstance(item, NftChainFact) and item.hook in ("ingress", "egress"))
    made = network(family, (), {})
    router = dataclasses.replace(made.namespaces[ROUTER], nft_tables=tables, nft_chains=early)
    return dataclasses.replace(made, namespaces={**made.namespaces, ROUTER: router}), family, text


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_random_tables(seed: int) -> None:
    """What only the walk looks at, the third packet of a handshake, is left out."""
    made, family, text = native_network(seed)
    assert not (wrong := differing(made, family, seed)), f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_chains_of_devices(seed: int) -> None:
    made, family, text = native_network(seed, of=EarlyRules)
    assert not (wrong := differing(made, family, seed)), f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"
    flow = next(flows(Random(-seed), family))
    assert not any("the nft chain" in end.reason for end in walk(made, flow).outcomes)


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_raw_payloads(seed: int) -> None:
    made, family, text = native_network(seed, picked=False, of=RawRules)
    wrong = differing(made, family, seed, True)
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_open_tests(seed: int) -> None:
    made, family, text = native_network(seed, picked=False, of=OpenNftRules)
    wrong = differing(made, family, seed, True)
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT // 5))
def test_random_zones(seed: int) -> None:
    """What the language does not decide of a template is enough."""
    made, family, text = native_network(seed, zones=True)
    wrong = differing(made, family, seed, True)
    assert not wrong, f"seed {seed}, {len(wrong)} wrong\n" + "\n".join(wrong[:3]) + f"\n{text}"


def differing(made: Network, family: int, seed: int, open_too: bool = False) -> list[str]:
    """The random flows of which walk and language say different things; ``open_too``: also where the language leaves open what the walk does not."""
    program = NetworkProgram(made, family)
    wrong = []
    for flow in flows(Random(-seed), family):
        told, found = walked(walk(made, flow)), outcomes(program, flow)
        undecided = any(end.fate is Fate.UNKNOWN for end in told) and any(end.fate is Fate.UNKNOWN or end.open for end in found)
        later = any(end.reason.startswith("the packet that ends the handshake") for end in told)
        undecided |= open_too and (within(found, told) or any(end.fate is Fate.UNKNOWN for end in found))
        if not undecided and not later and not agree(found, told):
            wrong.append(f"{flow}\n  walked:  {sorted(map(str, told))}\n  lowered: {sorted(map(str, found))}")
    return wrong
