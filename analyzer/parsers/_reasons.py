"""What stopped a parser, in the words of who reads the report: what was expected, and what stands there instead.

The interpreter's own messages (CPython Objects/*.c, Lib/json/decoder.py) speak of its types and calls; what parsers say themselves passes as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from json import JSONDecodeError

KINDS: Mapping[str, str] = {
    "NoneType": "nothing",
    "str": "a text",
    "bytes": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
}
JSON: Mapping[str, str] = {
    "Expecting value": "a value was expected",
    "Expecting ',' delimiter": "a comma, or the end of the list or object, was expected",
    "Expecting ':' delimiter": "a colon was expected",
    "Expecting property name enclosed in double quotes": "a name in double quotes was expected",
    "Illegal trailing comma before end of object": "a comma stands behind the last entry",
    "Illegal trailing comma before end of array": "a comma stands behind the last entry",
    "Unterminated string starting at": "the text that begins here does not end",
    "Invalid control character at": "a text in quotes breaks off, or a control character stands in it",
    "Invalid \\escape": "a backslash stands before a character that needs none",
    "Invalid \\uXXXX escape": "four hexadecimal digits were expected behind \\u",
    "Extra data": "more stands behind the end of the value",
}
VALUES: tuple[tuple[str, str], ...] = (
    (r"invalid literal for int\(\) with base 16: (?P<text>.*)", "a hexadecimal number was expected, not {text}"),
    (r"invalid literal for int\(\) with base \d+: (?P<text>.*)", "a number was expected, not {text}"),
    (r"could not convert string to float: (?P<text>.*)", "a number was expected, not {text}"),
    (r"Exceeds the limit .* for integer string conversion.*", "a number has more digits than any that can stand here"),
    (
        r"negative shift count|cannot convert float .*|.*(chr|byte|bytes|int).* not in range.*|bytes must be in range.*",
        "a number is too large or too small",
    ),
    (
        r"not enough values to unpack \(expected (at least )?(?P<more>\d+), got (?P<got>\d+)\)",
        "{more} parts were expected, and there are {got}",
    ),
    (r"too many values to unpack \(expected (?P<more>\d+).*\)", "{more} parts were expected, and there are more"),
    (
        r"non-hexadecimal number found in fromhex\(\).*|(Odd-length|Non-hexadecimal digit).*",
        "hexadecimal digits were expected, two by two",
    ),
    (
        r"substring not found|.* (is )?not in (list|tuple|deque|range)|(list|tuple)\.index.*",
        "a word or sign that belongs here is missing",
    ),
    (r"dictionary update sequence element .*", "pairs of names and values were expected"),
    (
        r"(min|max)\(\) .*|empty separator|.* empty (sequence|iterable|range).*",
        "at least one entry was expected, and there is none",
    ),
    (
        r"Invalid isoformat string.*|time data .* does not match.*|(year|month|day|hour|minute|second) .*range.*",
        "a time was expected",
    ),
    (r"Invalid base64.*|Incorrect padding|.*base64.*|Excess data after padding", "a text in base64 was expected"),
    (r"'[\w-]+' codec can't (de|en)code.*", "it is no text in UTF-8"),
    (r"embedded null (byte|character)", "a NUL stands in it"),
)
TYPES: tuple[tuple[str, str], ...] = (
    (r"'(?P<kind>\w+)' object has no attribute '(get|items|values|keys)'", "an object was expected, not {kind}"),
    (r"'(?P<kind>\w+)' object has no attribute '(append|extend|index|sort)'", "a list was expected, not {kind}"),
    (r"'NoneType' object (has no attribute '\w+'|is not subscriptable)", "it is in no form that is known"),
    (r"'(?P<kind>\w+)' object has no attribute '\w+'", "a text was expected, not {kind}"),
    (r"string indices must be integers.*", "an object was expected, not a text"),
    (r"(list|tuple) indices must be integers.*", "an object was expected, not a list"),
    (r"'(?P<kind>\w+)' object is not subscriptable", "an object or a list was expected, not {kind}"),
    (r"'(?P<kind>\w+)' object is not iterable|cannot unpack non-iterable (?P<type>\w+) object|argument of type '(?P<other>\w+)' is not .*", "a list was expected, not {kind}"),
    (r"unhashable type: '(?P<kind>\w+)'", "a text or a number was expected, not {kind}"),
    (r"expected (string|str).* got '?(?P<kind>\w+)'?.*|.*expected str instance, (?P<type>\w+) found", "a text was expected, not {kind}"),
    (r"(int|float)\(\) argument must be .* not '(?P<kind>\w+)'", "a number was expected, not {kind}"),
)  # fmt: skip
LONGEST = 60
VALUES_READ = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in VALUES)
TYPES_READ = tuple((re.compile(pattern, re.DOTALL), words) for pattern, words in TYPES)


def reason(problem: Exception) -> str:
    """A parser's exception in words."""
    match problem:
        case JSONDecodeError():
            return f"this JSON is broken: {json_words(problem.msg)}"
        case KeyError():
            return f"missing {str(problem.args[0])[:LONGEST]!r}" if problem.args else "missing value"
        case RecursionError():
            return "it is nested too deeply"
        case OverflowError():
            return "a number is too large or too small"
        case IndexError():
            return "it ends before all that was expected"
        case TypeError() | AttributeError():
            return said(str(problem), TYPES_READ) or "a value is of another kind than was expected"
        case _:
            return said(str(problem), VALUES_READ) or str(problem) or "it is in no form that is known"


def json_words(message: str) -> str:
    """What the decoder of JSON says, in words."""
    return JSON.get(message, message)


def said(message: str, forms: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    """The words for a message of one of these forms; empty where it has none of them."""
    for pattern, words in forms:
        if (found := pattern.fullmatch(message)) is not None:
            groups = {name: text for name, text in found.groupdict().items() if text is not None}
            kind = groups.get("kind") or groups.get("type") or groups.get("other") or ""
            return words.format_map(
                {**groups, "text": groups.get("text", "")[:LONGEST], "kind": KINDS.get(kind, "something else")}
            )
    return ""


def broken_at(problem: Exception, text: str) -> tuple[int, int]:
    """The line and column of a text, from 1, where the decoder of JSON stopped; the beginning where that is not known."""
    if isinstance(problem, JSONDecodeError) and problem.doc == text:
        return problem.lineno, problem.colno
    return 1, 1
