"""Whether a text is another one with a slip of the pen: where what is meant may be unknown to us, as a label of a namespace that lives elsewhere or a field of another release.

Closeness alone does not tell that: ``wireguardListeningPortV6`` and ``bpfConnectTimeLoadBalancingEnabled`` are no slips for the same without their ends. Numbers are none either.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORDS = re.compile(r"[-_./]")
LEAST = 5
"""Of how many letters the longer of two words is, at least: shorter ones are often alike by chance."""


@lru_cache(maxsize=1 << 14)
def slip(asked: str, there: str, least: int = LEAST) -> bool:
    """Whether a text is another one with a slip in one of its words: one letter too many, too few, another one, or two changed over; or letters in another case."""
    if asked == there or asked.casefold() == there.casefold():
        return asked != there
    mine, other = WORDS.split(asked), WORDS.split(there)
    differing = [pair for pair in zip(mine, other, strict=False) if pair[0] != pair[1]]
    return len(mine) == len(other) and len(differing) == 1 and slipped(*differing[0], least)


def slipped(one: str, other: str, least: int) -> bool:
    """The same of a word."""
    if max(len(one), len(other)) < least:
        return False
    start = next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    one, other = one[start:], other[start:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    changed_over = len(one) == 2 and one == other[::-1]
    return (changed_over or max(len(one), len(other)) == 1) and not any(letter.isdigit() for letter in one + other)
