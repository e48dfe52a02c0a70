"""Sets of integers as sorted, disjoint, inclusive ranges that do not touch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import chain

Ranges = tuple[tuple[int, int], ...]

EMPTY: Ranges = ()
LAST = 1 << 129


def single(value: int) -> Ranges:
    """The set of one value."""
    return ((value, value),)


def normalised(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Sorts, drops empty pairs and joins what overlaps or touches."""
    result: list[tuple[int, int]] = []
    end = 0
    for pair in sorted(pairs):
        low, high = pair
        if not result or low > end + 1:
            if low <= high:
                result.append(pair)
                end = high
        elif high > end:
            result[-1] = (result[-1][0], high)
            end = high
    return tuple(result)


def union(left: Ranges, right: Ranges) -> Ranges:
    """The values of either set."""
    if not left or left == right:
        return right
    if not right:
        return left
    return normalised(left + right)


def intersection(left: Ranges, right: Ranges) -> Ranges:
    """The values of both sets."""
    if left is right or left == right:
        return left
    if len(left) == 1 and len(right) == 1:
        low, high = max(left[0][0], right[0][0]), min(left[0][1], right[0][1])
        return ((low, high),) if low <= high else EMPTY
    if not left or not right or left[-1][1] < right[0][0] or right[-1][1] < left[0][0]:
        return EMPTY
    if len(left) > 8 * len(right):
        return _restricted(left, right)
    if len(right) > 8 * len(left):
        return _restricted(right, left)
    result, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            result.append((low, high))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(result)


def _restricted(many: Ranges, few: Ranges) -> Ranges:
    """``many`` inside ``few``, by binary search for each range of ``few``."""
    result: list[Ranges] = []
    for low, high in few:
        first = bisect_right(many, (low, low)) - 1
        if first < 0 or many[first][1] < low:
            first += 1
        part = many[first : bisect_right(many, (high, LAST))]
        if part and (part[0][0] < low or part[-1][1] > high):
            part = tuple((max(low, own), min(high, end)) for own, end in part)
        result.append(part)
    return result[0] if len(result) == 1 else tuple(chain.from_iterable(result))


def difference(left: Ranges, right: Ranges) -> Ranges:
    """The values of the first set that the second does not hold."""
    if not left or not right or left[-1][1] < right[0][0] or right[-1][1] < left[0][0]:
        return left
    result: list[tuple[int, int]] = []
    j = max(bisect_right(right, (left[0][0], left[0][0])) - 1, 0)
    for low, high in left:
        while j < len(right) and right[j][1] < low:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= high and low <= high:
            if low < right[k][0]:
                result.append((low, right[k][0] - 1))
            low = right[k][1] + 1
            k += 1
        if low <= high:
            result.append((low, high))
    return tuple(result)


def contains(ranges: Ranges, value: int) -> bool:
    """Whether the set holds the value."""
    if len(ranges) == 1:
        return ranges[0][0] <= value <= ranges[0][1]
    i = bisect_right(ranges, (value, LAST)) - 1
    return i >= 0 and ranges[i][1] >= value


def size(ranges: Ranges) -> int:
    """How many values the set holds."""
    return sum(high - low + 1 for low, high in ranges)


def joined(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """Ascending, disjoint pairs as ranges."""
    result: list[tuple[int, int]] = []
    for low, high in pairs:
        if result and result[-1][1] + 1 >= low:
            result[-1] = (result[-1][0], high)
        else:
            result.append((low, high))
    return tuple(result)


def is_single(ranges: Ranges) -> bool:
    """Whether there is one value only."""
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]
