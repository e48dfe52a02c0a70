"""YAML scalars as the API server reads them.

sigs.k8s.io/yaml resolves by goyaml.v2 (resolve.go) and then goes through JSON: ``yes`` and ``on`` are booleans, ``0777`` is octal,
``08080`` is 8080, ``1_000`` is 1000, ``1.0`` is 1; there are no sexagesimal numbers (a MAC address, ``12:30`` stay text), and dates stay text.
"""

from __future__ import annotations

import base64
import math
import re
from functools import lru_cache

Scalar = str | int | float | bool | None

FIRST = frozenset("+-0123456789.yYnNtTfFoO~")
WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
POINT_FLOAT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
BASES = {"x": 16, "b": 2, "o": 8}
UNSIGNED_LIMIT = 1 << 64
JSON_INTEGER = 1e21
STANDARD = "tag:yaml.org,2002:"


@lru_cache(maxsize=1 << 16)
def plain(text: str) -> Scalar:
    """The value of an unquoted scalar. ValueError for what JSON cannot hold (infinity, not a number)."""
    if text and text[0] not in FIRST:
        return text
    if text in WORDS:
        return finite(WORDS[text])
    if not text or text[0] not in "+-.0123456789":
        return text
    if text[0] == ".":
        return number(text) if POINT_FLOAT.fullmatch(text) else text
    digits = text.replace("_", "")
    if INTEGER.fullmatch(digits) and -(1 << 63) <= (value := integer(digits)) < UNSIGNED_LIMIT:
        return value
    return number(digits, text) if FLOAT.fullmatch(digits) else text


def integer(digits: str) -> int:
    """``strconv.ParseInt`` with base 0: 0x, 0b, 0o and a leading 0 as octal."""
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-")
    if len(body) > 80:
        return UNSIGNED_LIMIT
    if len(body) > 1 and body[0] == "0":
        base = BASES.get(body[1].lower())
        return sign * (int(body[2:], base) if base else int(body, 8))
    return sign * int(body)


def number(digits: str, text: str = "") -> Scalar:
    """A floating point number, whole ones as integers as JSON has them; the text where it is out of range."""
    value = float(digits)
    if math.isinf(value):
        return text or digits
    return int(value) if value.is_integer() and abs(value) < JSON_INTEGER else value


def finite(value: Scalar) -> Scalar:
    """The value; ValueError for infinity and not a number."""
    if isinstance(value, float):
        raise ValueError(f"{value} cannot be a value in a Kubernetes object")
    return value


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag; ValueError where the two do not agree."""
    name = tag.removeprefix(STANDARD)
    if tag == name or name == "str":
        return text
    if name == "binary":
        return base64.b64decode(text, validate=False).decode("utf-8", "replace")
    value = plain(text)
    kinds: dict[str, type | tuple[type, ...]] = {"bool": bool, "int": int, "float": (int, float), "null": type(None)}
    if name in kinds and isinstance(value, kinds[name]) and not (isinstance(value, bool) and name != "bool"):
        return value
    if name == "timestamp":
        return text
    raise ValueError(f"{text!r} is no {name}")


def key_text(value: object) -> str:
    """A mapping's key as JSON has it; ValueError for keys that cannot be one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("a key must be text, a number or a boolean")
