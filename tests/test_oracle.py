"""The search through the ways to decide: what is walked of it, and what comes of it."""

from __future__ import annotations

from analyzer.solve.packet import Fate, Outcome
from analyzer.solve.walk.oracle import Oracle, explore

YES, NO = Outcome(Fate.REACHABLE, "there"), Outcome(Fate.UNREACHABLE)


def test_what_does_not_matter_is_not_told() -> None:
    def walk(oracle: Oracle) -> Outcome:
        for number in range(8):
            oracle.test(f"the packet is of kind {number}.")
        return YES

    assert explore(walk) == (YES,)


def test_what_every_way_takes_for_granted_is_told() -> None:
    """A verdict for all ways to decide rests on what each of them takes for granted."""

    def walk(oracle: Oracle) -> Outcome:
        if oracle.test("the packet is of the first kind"):
            return YES._replace(assumptions=("one",))
        way = oracle.choose(2, "one of two")
        return YES._replace(assumptions=("two", f"way {way}"))

    assert explore(walk) == (YES._replace(assumptions=("one", "two", "way 0", "way 1")),)


def test_what_a_refusal_in_every_way_takes_for_granted_is_told() -> None:
    def walk(oracle: Oracle) -> Outcome:
        first = oracle.test("the packet is of the first kind")
        return NO._replace(reason=f"{first}", assumptions=(f"it is so in {first}",))

    (found,) = explore(walk)
    assert found.assumptions == ("it is so in True", "it is so in False")


def test_what_is_undecided_already_is_not_walked_in_all_ways() -> None:
    walks = []

    def walk(oracle: Oracle) -> Outcome:
        walks.append(oracle)
        told = [oracle.test(f"the packet is of kind {number}.") for number in range(40)]
        return YES if told[-1] else NO

    (found,) = explore(walk)
    assert found.fate is Fate.UNKNOWN
    assert found.reason == "the packet is of kind 39."
    assert len(walks) == 4


def test_many_tests_that_do_not_matter_are_not_all_tried() -> None:
    walks = []

    def walk(oracle: Oracle) -> Outcome:
        walks.append(oracle)
        for number in range(40):
            oracle.test(f"the packet is of kind {number}.")
        return YES

    found = explore(walk)
    assert [one.fate for one in found] == [Fate.REACHABLE, Fate.UNKNOWN]
    assert len(walks) < 1000


def test_all_choices_of_the_network_are_tried() -> None:
    found = explore(lambda oracle: YES._replace(port_seen=oracle.choose(3000, "one of many")))
    assert len(found) == 3000


def test_little_more_is_walked_where_one_choice_is_undecided() -> None:
    walks = []

    def walk(oracle: Oracle) -> Outcome:
        walks.append(oracle)
        taken = [oracle.choose(2, f"one of two, {number}") for number in range(11)]
        return YES if taken[-1] or oracle.test("it is let in") else NO

    assert {one.fate for one in explore(walk)} == {Fate.UNKNOWN, Fate.REACHABLE}
    assert len(walks) < 400
