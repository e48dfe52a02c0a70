"""What the texts of rules say, looked at before the rules: of many chains on many nodes that is sooner told than of each."""

from __future__ import annotations

from collections.abc import Iterable

from analyzer.facts.netfilter import RulesetFact
from analyzer.model.network import Network


def may_say(network: Network, fact: RulesetFact, words: Iterable[str]) -> bool:
    """Whether the text that rules of iptables were read from has one of the words; of other texts that is not told."""
    source = network.sources.get(fact.at.path)
    return source is None or not source.kind.startswith("iptables") or any(map(source.says, words))
