"""Calico's selectors, such as ``app == 'web' && tier not in {'a', 'b'}``, as tests of labels.

Follows libcalico-go lib/selector (tokenizer.go, parser.go, ast.go): ``!=`` and ``not in`` also hold where the label is absent, the other
comparisons do not; ``!`` binds tighter than ``&&``, that tighter than ``||``. ``grammars/calico_selector.lark`` is the reference: it is read
for the words of an error only.

All tests are of the key as it is written (``Of.POD``): whose label that is depends on where the selector stands (``endpoints.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from analyzer.plugins import shipped
from analyzer.policy.terms import EVERYONE, All, AnyOf, HasLabel, LabelIn, LabelText, Not, Of, Part, Peer

NAMESPACE_KEY = "projectcalico.org/namespace"
# What ``global()`` selects: whatever is in no namespace. No label that anybody writes is of a namespace here.
IN_NAMESPACE: Peer = HasLabel(Of.NAMESPACE, NAMESPACE_KEY)
GLOBAL: Peer = Not(IN_NAMESPACE)
# Parentheses in parentheses, which nobody writes deeper; tests are read recursively.
DEEPEST = 40

KEY = r"[a-zA-Z0-9_./-]+(?![a-zA-Z0-9_./-])"
TEXT = r"""(?:"[^"]*"|'[^']*')"""
OPERAND = re.compile(
    rf"""[ \t]*(?:
      (?P<invert>!)
    | (?P<open>\()
    | has\([ \t]*(?P<has>{KEY})[ \t]*\)
    | (?P<all>all\([ \t]*\))
    | (?P<global>global\([ \t]*\))
    | (?P<key>{KEY})[ \t]*(?:
          (?P<compare>==|!=|contains|starts[ \t]*with|ends[ \t]*with)[ \t]*(?P<text>{TEXT})
        | (?P<among>in|not[ \t]*in)[ \t]*\{{[ \t]*(?P<values>(?:{TEXT}[ \t]*,[ \t]*)*(?:{TEXT}[ \t]*)?)\}}
      )
    )""",
    re.VERBOSE,
)
JOINT = re.compile(r"[ \t]*(?:(?P<both>&&)|(?P<either>\|\|)|(?P<close>\))|(?P<end>\Z))")
QUOTED = re.compile(TEXT)


class SelectorError(ValueError):
    """A selector that Calico would not take. ``column`` counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (at character {column})")
        self.column = column


@dataclass(slots=True)
class Group:
    """A pair of parentheses that is being read: what has been read of it, and whether the whole is inverted."""

    inverted: bool = False
    alternatives: list[Peer] = field(default_factory=list)
    terms: list[Peer] = field(default_factory=list)

    def next_alternative(self) -> None:
        """After ``||``, or at the end."""
        self.alternatives.append(self.terms[0] if len(self.terms) == 1 else All(tuple(self.terms)))
        self.terms = []

    def closed(self) -> Peer:
        """The whole."""
        self.next_alternative()
        found = self.alternatives[0] if len(self.alternatives) == 1 else AnyOf(tuple(self.alternatives))
        return Not(found) if self.inverted else found


@lru_cache(maxsize=1 << 12)
def read_selector(text: str) -> Peer:
    """The selector as a test; the empty one holds of everything. SelectorError says where it is wrong and what was expected."""
    if not text.strip(" \t"):
        return EVERYONE
    groups = [Group()]
    position, inverted = 0, False
    while True:
        match = OPERAND.match(text, position)
        if match is None:
            raise explained(text, position)
        position = match.end()
        if match["invert"]:
            inverted = not inverted
            continue
        if match["open"]:
            groups.append(Group(inverted))
            if len(groups) > DEEPEST:
                raise SelectorError(f"the selector has parentheses in parentheses more than {DEEPEST} deep", position)
        else:
            groups[-1].terms.append(Not(test(match)) if inverted else test(match))
            position, finished = joint(text, position, groups)
            if finished:
                return groups[0].closed()
        inverted = False


def joint(text: str, position: int, groups: list[Group]) -> tuple[int, bool]:
    """What stands behind an operand: closing parentheses, then ``&&``, ``||`` or the end; the position behind it, and whether it was the end."""
    while True:
        match = JOINT.match(text, position)
        if match is None or (match["close"] and len(groups) == 1) or (match.lastgroup == "end" and len(groups) > 1):
            raise explained(text, position)
        position = match.end()
        if match["close"]:
            inner = groups.pop()
            groups[-1].terms.append(inner.closed())
            continue
        if match["either"]:
            groups[-1].next_alternative()
        return position, match.lastgroup == "end"


def test(match: re.Match[str]) -> Peer:
    """The test of one operand."""
    if match["has"]:
        return HasLabel(Of.POD, match["has"])
    if match["all"]:
        return EVERYONE
    if match["global"]:
        return GLOBAL
    key = match["key"]
    if match["among"]:
        values = frozenset(item[1:-1] for item in QUOTED.findall(match["values"]))
        return LabelIn(Of.POD, key, values) if match["among"] == "in" else Not(LabelIn(Of.POD, key, values))
    return comparison(key, match["compare"], match["text"][1:-1])


def comparison(key: str, operator: str, text: str) -> Peer:
    """A label compared with a text."""
    match operator[0]:
        case "=":
            return LabelIn(Of.POD, key, frozenset({text}))
        case "!":
            return Not(LabelIn(Of.POD, key, frozenset({text})))
        case "c":
            return LabelText(Of.POD, key, Part.ANYWHERE, text)
        case "s":
            return LabelText(Of.POD, key, Part.START, text)
        case _:
            return LabelText(Of.POD, key, Part.END, text)


def explained(text: str, position: int) -> SelectorError:
    """The error in the grammar's words; where the grammar finds none, it is at the position."""
    from lark import Lark
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

    grammar = shipped("grammars") / "calico_selector.lark"
    try:
        Lark(grammar.read_text(), parser="lalr").parse(text)
    except UnexpectedCharacters as problem:
        return wrong(text, (problem.pos_in_stream or 0), problem.allowed or set())
    except UnexpectedToken as problem:
        at_end = problem.token.type == "$END"
        return wrong(text, len(text) if at_end else (problem.token.start_pos or 0), set(problem.expected))
    except UnexpectedEOF as problem:
        return wrong(text, len(text), set(problem.expected))
    return SelectorError("the selector cannot be read", position + 1)


WORDS = {
    "KEY": "a label",
    "TEXT": "a text in quotes",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "NOT": "'!'",
    "HAS": "has(",
    "ALL": "all()",
    "GLOBAL": "global()",
    "CONTAINS": "contains",
    "STARTS": "starts with",
    "ENDS": "ends with",
    "IN": "in",
    "NOT_IN": "not in",
    "$END": "the end",
    "OR": "'||'",
    "AND": "'&&'",
    "EQUAL": "'=='",
    "DIFFERENT": "'!='",
}


def wrong(text: str, position: int, expected: set[str]) -> SelectorError:
    """What was found and what should stand there."""
    found = repr(text[position : position + 12]) if position < len(text) else "the end"
    if "(" not in text[:position]:
        expected = expected - {"RPAR"}
    wanted = sorted(WORDS.get(name, name) for name in expected)
    listed = ", ".join(wanted[:-1]) + " or " + wanted[-1] if len(wanted) > 1 else "".join(wanted)
    return SelectorError(f"the selector cannot be read: expected {listed}, but here is {found}", position + 1)


def mapped(peer: Peer, leaf: Callable[[Peer], Peer]) -> Peer:
    """The test with every test inside it that is not made of others replaced; all() counts as one."""
    match peer:
        case Not(term):
            return Not(mapped(term, leaf))
        case All(terms) if terms:
            return All(tuple(mapped(term, leaf) for term in terms))
        case AnyOf(terms) if terms:
            return AnyOf(tuple(mapped(term, leaf) for term in terms))
        case _:
            return leaf(peer)
