"""The shipped rules without their files: each is imported when it is run, and run where something is there that it looks at.

``_rules.py`` says of each rule, among others, which parts of a network and its cluster it looks at where all of them are empty. Where these are empty it
looks at nothing else, whatever the other parts have, and finds nothing: a check is a function of the network alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

from analyzer.findings import Severity
from analyzer.model.cluster import Cluster
from analyzer.model.network import Network
from analyzer.plugins import checked, load_file, shipped
from analyzer.query._rules import INDEX
from analyzer.rule import Finding, Options, Rule

WHOLE = "cluster"
PARTS = tuple(item.name for item in fields(Network) if item.name != WHOLE)
OF_CLUSTER = tuple(item.name for item in fields(Cluster))


def needed_rules() -> tuple[Rule, ...]:
    """Every shipped rule, without its manual page. A rule that the index does not have yet is imported, and always run."""
    folder = shipped("rules")
    return tuple(by_index(path, folder) if path.stem in INDEX else loaded(path, folder) for path in sorted(folder.glob("*/*.py")))


def loaded(path: Path, folder: Path) -> Rule:
    """The rule of a file."""
    return checked(load_file(path, folder), "RULE", Rule)


@lru_cache(maxsize=1024)
def by_index(path: Path, folder: Path) -> Rule:
    """The rule of a file, which is imported when it is run."""
    severity, follows, options, looks_at, absence = INDEX[path.stem]

    def check(network: Network) -> Iterable[Finding]:
        return loaded(path, folder).check(network)

    def tuned(network: Network, values: Options) -> Iterable[Finding]:
        rule = loaded(path, folder)
        return rule.tuned(network, values) if rule.tuned else rule.check(network)

    return Rule(path.stem, Severity(severity), "", check, options, tuned if options else None, follows, looks_at, absence)


def there(network: Network) -> frozenset[str]:
    """The parts of a network that have something, and those of its cluster as ``cluster.nodes``."""
    own = {name for name in PARTS if getattr(network, name)}
    return frozenset(own | {f"{WHOLE}.{name}" for name in OF_CLUSTER if getattr(network.cluster, name)})


def concerned(rule: Rule, parts: frozenset[str]) -> bool:
    """Whether something is there that the rule looks at; so it is taken to be where that is not known of the rule."""
    return not rule.looks_at or not parts.isdisjoint(rule.looks_at)
