"""The table that a listing of routes is of, as its command says: ``ip route show table 100`` does not print it again (iproute2 ip/iproute.c, ``print_route``: ``!filter.tb``)."""

from __future__ import annotations

import re

from analyzer.facts.routes import MAIN

NAMES = r"(?P<table>\d+|(?<=[_-])[A-Za-z][\w.-]*?)(?:_(?:dev|via|proto|scope|type|root|match|exact)_\S*)?(?:\.(?:json|txt|log|out|md))?$"
TABLE = re.compile(r"(?:(?:^|[_-])table[_-]?|^ip_\S*_t(?:ab?l?)?_)" + NAMES)
VRF = re.compile(r"_(?:r|ro|rou|rout|route)_(?:\S+_)?vrf_(?P<name>[\w-]+)")
EVERY = frozenset({"all", "0", "unspec", "cache"})
NAMED_TABLES = {"main": MAIN, "local": 255, "default": 253, "unspec": 0}


def table_number(text: str | int) -> int | str:
    """The number of a table, or its name where only rt_tables knows the number."""
    if isinstance(text, int):
        return text
    return NAMED_TABLES[text] if text in NAMED_TABLES else int(text) if text.isdecimal() else text


def table_told(name: str) -> int | str | None:
    """The one table that a listing is of, by the name of its file (or that its command would have); None where it is of several, or of the main one by default."""
    found = TABLE.search(name)
    return None if found is None or found["table"] in EVERY else table_number(found["table"])


def vrf_told(name: str) -> str:
    """The VRF that a listing is of: the number of its table is its device's."""
    found = VRF.search(name)
    return found["name"] if found else ""
