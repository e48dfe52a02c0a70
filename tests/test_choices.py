"""Whether all who ask can be served: flow, greedy choice and Z3 against every assignment tried one by one."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.query.ipam.choices import Demand, Impossible, Possible, Question, Resource, settle
from analyzer.source import Span

AT = Span("x", 1)
NAMES = "abcd"


def question(demands: list[tuple[int, list[str]]], capacities: list[int]) -> Question:
    """Demands with options such as ``a`` or ``ab`` (one unit of each)."""
    resources = {name: Resource(name, number, name, AT) for name, number in zip(NAMES, capacities, strict=True)}
    made = tuple(Demand(f"d{index}", count, tuple(map(tuple, options)), AT) for index, (count, options) in enumerate(demands))
    return Question(made, resources)


def possible(demands: list[tuple[int, list[str]]], left: dict[str, int]) -> bool:
    """Pod by pod, every option."""
    rest = next(((index, item) for index, item in enumerate(demands) if item[0]), None)
    if rest is None:
        return True
    index, (count, options) = rest
    for option in options:
        if all(left[name] > 0 for name in option):
            smaller = {name: number - (name in option) for name, number in left.items()}
            changed = [(count - 1, options) if position == index else item for position, item in enumerate(demands)]
            if possible(changed, smaller):
                return True
    return False


def needs(found: Impossible, asked: Question) -> bool:
    """Whether the conflict is one: its demands cannot be served even where all other resources are without end."""
    kept = {item.name for item in found.resources}
    left = {name: item.capacity if name in kept else 99 for name, item in asked.resources.items()}
    return not possible([(item.count, ["".join(option) for option in item.options]) for item in found.demands], left)


SINGLES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
SEVERAL = st.lists(
    st.sampled_from([*NAMES, *("".join(pair) for pair in combinations(NAMES, 2))]), min_size=1, max_size=3, unique=True
)
CAPACITIES = st.lists(st.integers(0, 3), min_size=4, max_size=4)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(st.lists(st.tuples(st.integers(0, 3), SINGLES), max_size=3), CAPACITIES)  # type: ignore[untyped-decorator]
def test_a_flow_decides_where_options_take_one_thing(demands: list[tuple[int, list[str]]], capacities: list[int]) -> None:
    asked = question(demands, capacities)
    found = settle(asked)
    assert isinstance(found, Possible) == possible(demands, dict(zip(NAMES, capacities, strict=True)))
    if isinstance(found, Impossible):
        assert found.wanted > found.there
        assert needs(found, asked)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)  # type: ignore[untyped-decorator]
@given(st.lists(st.tuples(st.integers(0, 2), SEVERAL), max_size=3), CAPACITIES)  # type: ignore[untyped-decorator]
def test_the_solver_decides_where_options_take_several(demands: list[tuple[int, list[str]]], capacities: list[int]) -> None:
    asked = question(demands, capacities)
    found = settle(asked)
    assert isinstance(found, Possible) == possible(demands, dict(zip(NAMES, capacities, strict=True)))
    if isinstance(found, Impossible):
        assert needs(found, asked)
        for one in found.demands:
            rest = Impossible(tuple(item for item in found.demands if item.options != one.options), found.resources)
            assert single(asked) or not rest.demands or not needs(rest, asked)


def single(asked: Question) -> bool:
    """Whether the flow answered, whose conflict need not be smallest."""
    return all(len(option) == 1 for item in asked.demands if item.count for option in item.options)


def test_who_has_no_option_is_the_conflict() -> None:
    asked = question([(1, ["a"]), (1, [])], [1, 0, 0, 0])
    found = settle(asked)
    assert isinstance(found, Impossible)
    assert [item.title for item in found.demands] == ["d1"]


def test_many_pods_are_one_number() -> None:
    asked = question([(10_000_000, ["a", "b"]), (5, ["ab"])], [10_000_000, 10, 0, 0])
    assert isinstance(settle(asked), Possible)
    asked = question([(10_000_000, ["a", "b"]), (6, ["ab"])], [10_000_000, 11, 0, 0])
    assert isinstance(settle(asked), Impossible)


def test_thousands_of_workloads_on_hundreds_of_nodes_are_few_numbers() -> None:
    resources = {f"r{index}": Resource(f"r{index}", 100, "", AT) for index in range(200)}
    every = tuple((name,) for name in resources)
    some = every[::2]
    demands = tuple(Demand(f"d{index}", 4, some if index % 3 else every, AT) for index in range(4000))
    found = settle(Question(demands, resources))
    assert isinstance(found, Impossible)
    assert (len(found.demands), found.wanted, found.there) == (2666, 10664, 10000)
