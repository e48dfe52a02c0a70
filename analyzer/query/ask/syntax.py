"""Reads questions by ``grammars/ask.lark``; what cannot be read is told with its column and what was expected there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from analyzer.plugins import shipped
from analyzer.policy.ports import NUMBERS
from analyzer.policy.selectors import is_key, is_value
from analyzer.query.ask.questions import (
    AnyChange,
    AnyPod,
    Compare,
    Details,
    Mode,
    Names,
    OneWay,
    Party,
    Ports,
    Quantity,
    Question,
    Reach,
    Relation,
    Which,
    Word,
)

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

LONGEST, MOST_HOPS = 4000, 64
COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
T = TypeVar("T")
MODES = {
    "can": Mode.CAN,
    "can_be_reached": Mode.CAN,
    "cannot": Mode.CANNOT,
    "reaches": Mode.REACHES,
    "reaches_only": Mode.REACHES_ONLY,
    "only_reaches": Mode.ONLY_REACHES,
    "isolated": Mode.ISOLATED,
}
WORDS = {
    "$END": "the end",
    "NAME": "a name",
    "NUMBER": "a number",
    "COUNT": "a number",
    "COMMA": "a comma",
    "QMARK": "?",
    "_REACH": "reach",
    "_EVERY": "every",
    "_PODS": "pod",
    "_PORT": "port",
    "_LABELS": "labels",
    "_HOPS": "hops",
    "_DECIDE": "decide",
    "_DOES": "does",
}
# What questions begin with that are not answered by yes or no, and what answers them.
ELSEWHERE = {
    "who": "`analyze connectivity PATH --to NAME` lists who",
    "what": "`analyze connectivity PATH --from NAME` lists what",
    "which": '`analyze connectivity PATH --to NAME` lists who; "which policies decide NAME to NAME" is a question',
    "why": 'ask "can NAME reach NAME", which says why; `analyze trace` shows each step',
    "how": "`analyze trace PATH --from NAME --to NAME` shows each step",
}
EXAMPLES = "can NS/POD reach NS/POD on 80/TCP"


class QuestionError(ValueError):
    """A question that cannot be understood: the column that it stops at (from 1), what is wrong there, and what was expected."""

    def __init__(self, text: str, column: int, message: str, expected: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.text, self.column, self.message, self.expected = text, column, message, expected

    def __str__(self) -> str:
        """The question with a caret under the place."""
        return f"{self.message}\n  {self.text}\n  {' ' * (self.column - 1)}^"


def parse(text: str) -> Question:
    """The question that a text asks; QuestionError where it asks none."""
    from lark.exceptions import UnexpectedInput

    shown = " ".join(text[:LONGEST].split())
    if len(text) > LONGEST:
        raise QuestionError(shown[:60] + "…", 1, f"the question is longer than {LONGEST} characters")
    if not shown:
        raise QuestionError("", 1, f"the question is empty: expected one such as {EXAMPLES!r}")
    try:
        return question(shown, branches(grammar().parse(shown))[0])
    except UnexpectedInput as problem:
        raise explained(shown, problem) from None


@lru_cache(maxsize=1)
def grammar() -> Lark:
    """The grammar, read when it is first needed."""
    from lark import Lark

    path = shipped("grammars") / "ask.lark"
    return Lark(path.read_text(encoding="utf-8"), parser="lalr", propagate_positions=True)


def explained(text: str, problem: Exception) -> QuestionError:
    """What was expected where reading stopped."""
    token = getattr(problem, "token", None)
    at_end = token is not None and token.type == "$END"
    column = len(text) + 1 if at_end else max(1, int(getattr(problem, "column", 1)))
    names = getattr(problem, "accepts", None) or getattr(problem, "expected", None) or getattr(problem, "allowed", None) or ()
    expected = tuple(
        sorted({WORDS.get(name, name.lower().removeprefix("_")) for name in names}, key=lambda word: (word == "the end", word))
    )
    found = "the question ends" if at_end else f"{word_at(text, column)!r} is not understood"
    if elsewhere := ELSEWHERE.get(word_at(text, 1).lower()):
        return QuestionError(
            text, column, f"column {column}: {found}: a question is answered by yes or no; {elsewhere}", expected
        )
    near = [] if at_end else get_close_matches(word_at(text, column).lower(), expected, 1, 0.6)
    hint = f": did you mean {near[0]!r}?" if near else f": expected {listed(expected)}"
    return QuestionError(text, column, f"column {column}: {found}{hint}", expected)


def word_at(text: str, column: int) -> str:
    """The word that begins at a column."""
    return text[column - 1 :].partition(" ")[0]


def listed(words: tuple[str, ...]) -> str:
    """Words with "or" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}" if words else "nothing more"


def question(text: str, tree: Tree[Token]) -> Question:
    """A question from its tree."""
    if tree.data in ("contained", "equivalent", "disjoint"):
        left, right = (words(text, branch.children) for branch in branches(tree))
        return Compare(Relation[tree.data.upper()], left, right)
    if tree.data == "one_way":
        inside = [branch for branch in branches(tree) if branch.data == "inside"]
        among = Names(words(text, branches(inside[0])[0].children) if inside else ())
        return OneWay(among, details(text, [branch for branch in branches(tree) if branch.data != "inside"]))
    first, second, *rest = [branch for branch in branches(tree) if branch.data != "from_by"]
    how = details(text, rest)
    if tree.data == "which":
        return Which(party(text, first), party(text, second), how)
    if tree.data == "can_be_reached":
        first, second = second, first
    mode = MODES[tree.data]
    if first.data == "none":
        if mode is not Mode.REACHES:
            raise QuestionError(text, column_of(first), '"no pod …" goes with "reaches" only')
        mode = Mode.CANNOT
    if second.data == "none":
        raise QuestionError(text, column_of(second), '"no pod" cannot be reached: ask "… cannot reach …"')
    return Reach(mode, party(text, first), party(text, second), how)


def branches(tree: Tree[Token]) -> list[Tree[Token]]:
    """The branches of a tree that are trees."""
    from lark import Tree

    return [branch for branch in tree.children if isinstance(branch, Tree)]


def column_of(tree: Tree[Token]) -> int:
    """Where a branch begins."""
    return 1 if tree.meta.empty else tree.meta.column


def words(text: str, tokens: Iterable[object]) -> tuple[Word, ...]:
    """Names; several may be joined by commas without blanks, but for the labels of one name."""
    found = []
    for token in tokens:
        column = int(getattr(token, "column", 1) or 1)
        written = str(token)
        parts = [written] if "=" in written else written.split(",")
        for part in parts:
            if not part:
                raise QuestionError(text, column, f"column {column}: a name is empty")
            found.append(Word(part, column))
            column += len(part) + 1
    return tuple(found)


def party(text: str, tree: Tree[Token]) -> Party:
    """A party from its branch."""
    inner = branches(tree)
    if tree.data == "any_pod":
        return any_pod(text, inner)
    if tree.data == "any_namespace":
        return AnyPod(new=True, labels=pairs(text, inner[0].children) if inner else ())
    if tree.data == "internet":
        return Names((Word("outside", column_of(tree)),))
    if tree.data == "any_change":
        return AnyChange(words(text, tree.children)[0])
    quantity = {"every": Quantity.EVERY, "some": Quantity.SOME}.get(tree.data, Quantity.UNSAID)
    return Names(words(text, inner[0].children) if inner else (), quantity)


def any_pod(text: str, wheres: list[Tree[Token]]) -> AnyPod:
    """``any pod`` with where it is and what labels it has."""
    namespace, new, labels = None, False, dict[str, str]()
    for where in wheres:
        if where.data == "in_new":
            new = True
        elif where.data == "in_namespace":
            if namespace is not None:
                raise QuestionError(text, column_of(where), "a pod is in one namespace only")
            namespace = words(text, where.children)[0]
        else:
            labels |= dict(pairs(text, branches(where)[0].children))
    if new and namespace is not None:
        raise QuestionError(text, namespace.column, "a pod is in one namespace only, a new one or this")
    return AnyPod(namespace, new, tuple(sorted(labels.items())))


def pairs(text: str, tokens: Iterable[object]) -> tuple[tuple[str, str], ...]:
    """Labels ``key=value``."""
    found = {}
    for token in tokens:
        column = int(getattr(token, "column", 1) or 1)
        for part in str(token).split(","):
            key, equals, value = part.partition("=")
            if not equals or not is_key(key) or not is_value(value):
                raise QuestionError(
                    text, column, f"column {column}: {part!r} is no label that a pod can have: expected key=value"
                )
            found[key] = value
            column += len(part) + 1
    return tuple(sorted(found.items()))


def details(text: str, modifiers: list[Tree[Token]]) -> Details:
    """How, from the modifiers; each may be given once."""
    found: dict[str, Tree[Token]] = {}
    for item in modifiers:
        key = item.data.removesuffix("_all")
        if key in found:
            raise QuestionError(text, column_of(item), f"column {column_of(item)}: this is said twice")
        found[key] = item
    on, through, without, within = (found.get(key) for key in ("on", "through", "except_for", "within"))
    asked = () if on is None or on.data == "on_all" else tuple(item for port in branches(on) for item in ports(text, port))
    hops = count(str(within.children[0])) if within else 1
    if not 1 <= hops <= MOST_HOPS:
        raise QuestionError(text, column_of(within) if within else 1, f"hops must be from 1 to {MOST_HOPS}")
    return Details(
        asked,
        on is not None and on.data == "on_all",
        words(text, through.children)[0] if through else None,
        words(text, branches(without)[0].children) if without else (),
        hops,
    )


def count(written: str) -> int:
    """A number in digits or, up to ten, in words."""
    return int(written) if written.isdecimal() else COUNTS.index(written.lower()) + 1


def ports(text: str, tree: Tree[Token]) -> tuple[Ports, ...]:
    """``80``, ``80/TCP``, ``tcp/80``, ``TCP 80``, ``1-1024``, ``tcp`` or ``icmp/8``; a number alone is of TCP."""
    found = []
    given = words(text, tree.children)
    if len(given) == 2 and given[1].text[:1].isdigit() and given[0].text[:1].isdigit():
        raise QuestionError(
            text, given[1].column, f"column {given[1].column}: expected a comma or a protocol before {given[1].text!r}"
        )
    for word in given if len(given) == 1 else (Word("/".join(item.text for item in given), given[0].column),):
        number, slash, name = word.text.replace(":", "/").partition("/")
        if slash and not number[:1].isdigit():
            number, name = name, number
        elif not slash and not number[:1].isdigit():
            number, name = "", number
        found.append(port_range(text, word, number, name or "TCP"))
    return tuple(found)


def port_range(text: str, word: Word, number: str, name: str) -> Ports:
    """A range of a protocol's ports."""
    protocol = {key.upper(): value for key, value in NUMBERS.items()}.get(name.upper())
    if protocol is None:
        known = ", ".join(NUMBERS)
        raise QuestionError(
            text,
            word.column,
            f"column {word.column}: {name!r} is no protocol: expected {known}{'' if number else ', or a port such as 80, 80/TCP or 1-1024/UDP'}",
        )
    icmp = protocol in (1, 58)
    low, dash, high = number.partition("-")
    if not number:
        return Ports(protocol, 0, 65535)
    most = 255 if icmp else 65535
    if not (low.isdecimal() and (high.isdecimal() or not dash)) or not int(low) <= int(high or low) <= most:
        expected = f"a {'type' if icmp else 'port'} or a range of them up to {most}, such as 80, 80/TCP or 1-1024/UDP"
        raise QuestionError(text, word.column, f"column {word.column}: {word.text!r} is no port: expected {expected}")
    first, last = int(low), int(high or low)
    return Ports(protocol, first * 256, last * 256 + 255) if icmp else Ports(protocol, first, last)
