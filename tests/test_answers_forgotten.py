"""States that differ in the answers to tests only: in fewer sets they are the same states."""

from __future__ import annotations

from itertools import product
from random import Random

from analyzer.solve.sets.regions import start
from analyzer.solve.sets.uniting import Answers, fewer, merged

TEXTS = ("a", "b", "c", "d")
STATE = start({})


def answered(sets: list[Answers]) -> set[tuple[bool, ...]]:
    """All the answers that some of the sets allow."""
    every = product((False, True), repeat=len(TEXTS))
    return {one for one in every if any(own <= set(zip(TEXTS, one, strict=True)) for own in sets)}


def test_no_answers_are_lost_and_none_come_up() -> None:
    random, fell = Random(1), 0
    for _ in range(400):
        sets = [
            frozenset((text, random.random() < 0.5) for text in random.sample(TEXTS, random.randint(1, 4)))
            for _ in range(random.randint(2, 9))
        ]
        found = list(fewer({own: STATE._replace(answers=own) for own in sets}))
        assert answered(found) == answered(sets)
        fell += len(found) < len(set(sets))
    assert fell > 100


def test_rules_that_end_alike_are_one_state() -> None:
    texts = [f"rule {number:03}" for number in range(60)]
    before: Answers = frozenset()
    states = []
    for text in texts:
        states.append(STATE._replace(answers=before | {(text, True)}))
        before |= {(text, False)}
    assert [state.answers for state in merged([*states, STATE._replace(answers=before)])] == [frozenset()]
    assert len(merged(states)) == len(states)
