"""The IP sets that rules of a namespace change while packets pass (``-j SET``): what a capture says of them was true once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.netfilter import ChangeSet, NfRules
from analyzer.model.network import Namespace


class Changing(NamedTuple):
    """Whether rules add to a set, and whether they take members away."""

    added: bool = False
    removed: bool = False


def changing_sets(space: Namespace) -> dict[str, Changing]:
    """The sets that rules change, also by way of the lists that hold them, or that the changed lists hold."""
    found: dict[str, Changing] = {}
    for target in targets(space):
        for name in (target.added[0],) if target.added else ():
            found[name] = Changing(True, found.get(name, Changing()).removed)
        for name in (target.removed[0],) if target.removed else ():
            found[name] = Changing(found.get(name, Changing()).added, True)
    for name in tuple(found):
        fact = space.sets.get(name)
        for member in fact.members if fact is not None and fact.type == "list:set" else ():
            found[member.split()[0]] = Changing(True, True)
    return found


def targets(space: Namespace) -> Iterator[ChangeSet]:
    """The targets that change sets. Only chains whose text has such a word are read."""
    for ruleset in space.rulesets:
        for table in ruleset.tables.values():
            for chain in table.values():
                yield from of_chain(chain.rules)


def of_chain(rules: NfRules) -> Iterator[ChangeSet]:
    """Those of one chain."""
    if " SET " not in rules.whole():
        return
    for index in range(len(rules)):
        if " SET " in rules.line(index) and isinstance(target := rules[index].target, ChangeSet):
            yield target
