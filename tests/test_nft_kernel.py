"""The walk through native nft chains against the kernel: random tables on a router between two namespaces, real packets across it.

``pytest -m lab`` runs it; it needs root. ``NFT_RULESETS`` sets how many rulesets are tried (70), ``NFT_SEED`` the first seed (1).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from analyzer.facts.links import LinkFact
from analyzer.facts.matches import ReversePathMatch
from analyzer.facts.netfilter import NftChainFact
from analyzer.facts.nftables import NftTableFact
from analyzer.model.network import Namespace
from analyzer.parsers import nft
from analyzer.solve.walk.netfilter.hooks import HookPacket, Surroundings
from tests.netfilter_lab import ROUTER, Lab, can_run, lab, run
from tests.nft_early_random import EarlyRules
from tests.nft_random import NftRules
from tests.open_random import OpenNftRules
from tests.test_netfilter_kernel import SCOPE, Router, disagreements, facts
from tests.words_random import RawRules

pytestmark = pytest.mark.lab
COUNT, SEED = int(os.environ.get("NFT_RULESETS", "70")), int(os.environ.get("NFT_SEED", "1"))


@pytest.fixture(scope="module")
def built() -> Iterator[Lab]:
    if why := can_run() or ("" if shutil.which("nft") else "nft is not installed"):
        pytest.skip(f"the kernel cannot be asked here: {why}")
    with lab() as made:
        yield made


@dataclass(frozen=True)
class NativeRouter(Router):
    """The router with the way back of nft's ``fib``."""

    def surroundings(self) -> Surroundings:
        def back(_: ReversePathMatch, at: HookPacket) -> bool:
            return at.in_device == "lo" or (at.packet.source not in self.own() and self.device(at.packet.source) == at.in_device)

        return super().surroundings()._replace(reverse_path=back)


def load(built: Lab, seed: int, family: int, zones: bool = False) -> tuple[Namespace, str]:
    """Loads random tables on the router and reads them back, in both forms."""
    read, listed, listed_json = loaded(built, NftRules(Random(seed), family, zones=zones).ruleset())
    again = [item for item in facts(nft.PARSER, "n/nft_list_ruleset.json", listed_json) if isinstance(item, NftTableFact)]
    assert [item for item in read if isinstance(item, NftTableFact)] == again, listed
    return Namespace(SCOPE, nft_tables=tuple(item for item in read if isinstance(item, NftTableFact))), listed


def load_zones(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with zones of conntrack."""
    return load(built, seed, family, True)


def load_raw(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with raw payloads."""
    read, listed, _ = loaded(built, RawRules(Random(seed), family).ruleset())
    return Namespace(SCOPE, nft_tables=tuple(item for item in read if isinstance(item, NftTableFact))), listed


def load_open(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with tests that ask what no capture tells."""
    read, listed, _ = loaded(built, OpenNftRules(Random(seed), family).ruleset())
    return Namespace(SCOPE, nft_tables=tuple(item for item in read if isinstance(item, NftTableFact))), listed


def load_early(built: Lab, seed: int, family: int) -> tuple[Namespace, str]:
    """The same with chains of devices, which the other form does not name in nft 1.0.6."""
    read, listed, _ = loaded(built, EarlyRules(Random(seed), family).ruleset())
    tables = tuple(item for item in read if isinstance(item, NftTableFact))
    chains = tuple(item for item in read if isinstance(item, NftChainFact))
    links = {device: LinkFact(at=chains[0].at, scope=SCOPE, name=device, flags=frozenset({"UP"})) for device in ("near", "far")}
    return Namespace(SCOPE, nft_tables=tables, nft_chains=chains, links=links), listed


def loaded(built: Lab, text: str) -> tuple[list[object], str, str]:
    """Loads tables: what is read of them, and both forms."""
    with built.inside(ROUTER):
        run("nft", "flush", "ruleset")
        run("nft", "-f", "-", text=text)
        listed, listed_json = run("nft", "list", "ruleset"), run("nft", "-j", "list", "ruleset")
    return list(facts(nft.PARSER, "n/nft_list_ruleset", listed)), listed, listed_json


def test_random_tables(built: Lab) -> None:
    tried = 0
    for seed in range(SEED, SEED + COUNT):
        wrong = disagreements(built, seed, load, NativeRouter)
        assert not wrong, "\n".join(wrong)
        tried += 1
    assert tried == COUNT


def others(place: int) -> range:
    """Seeds that no other test has: a seed's packets are of connections that the kernel knows afterwards."""
    first = SEED + place * COUNT
    return range(first, first + COUNT // 5)


def test_random_zones(built: Lab) -> None:
    for seed in others(2):
        wrong = disagreements(built, seed, load_zones, NativeRouter)
        assert not wrong, "\n".join(wrong)


def test_random_open_tests(built: Lab) -> None:
    for seed in others(7):
        wrong = disagreements(built, seed, load_open, NativeRouter, open_too=True)
        assert not wrong, "\n".join(wrong)


def test_random_raw_payloads(built: Lab) -> None:
    for seed in others(4):
        wrong = disagreements(built, seed, load_raw, NativeRouter, open_too=True)
        assert not wrong, "\n".join(wrong)


def test_random_chains_of_devices(built: Lab) -> None:
    for seed in others(3):
        wrong = disagreements(built, seed, load_early, NativeRouter)
        assert not wrong, "\n".join(wrong)
