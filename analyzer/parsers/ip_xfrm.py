"""``ip xfrm policy`` and ``ip xfrm state``: what IPsec does to packets, which is not followed; a gap says so where policies transform any (iproute2 ip/xfrm_policy.c, ip/ipxfrm.c).

Policies of sockets (``socket in``), which key daemons put on their own, transform nothing, and neither do those without a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.parsers import Parser, gap
from analyzer.source import Gap, Source

POLICY = re.compile(r"^src (?P<source>\S+) dst (?P<target>\S+)")
DIRECTION = re.compile(r"^\s+dir (?P<direction>in|out|fwd)\b(?P<rest>.*)")
TEMPLATE = re.compile(r"^\s+tmpl ")


def read(source: Source) -> Iterator[Fact | Gap]:
    """One gap, at the first policy that transforms or blocks packets, with how many there are."""
    found = list(policies(source.text.split("\n")))
    if found:
        number, words = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield gap(source, number, f"IPsec transforms or blocks packets ({words}{more}): what becomes of these is not followed")


def policies(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The line of each policy that does something, and which packets it is about."""
    at, ends, direction = 0, "", ""
    for number, line in enumerate(lines, 1):
        if head := POLICY.match(line):
            at, ends, direction = number, f"{head['source']} to {head['target']}", ""
        elif told := DIRECTION.match(line):
            direction = told["direction"]
            if "action block" in told["rest"]:
                yield at, f"{ends}, {direction}, blocked"
        elif direction and TEMPLATE.match(line):
            yield at, f"{ends}, {direction}"
            direction = ""


PARSER = Parser(
    kind="ip-xfrm",
    read=read,
    names=(r"ip(_-\S+)*_x(f(rm?)?)?_(p|pol|policy|s|st|state)(_\S*)?", r"(.*_)?ip-xfrm-(policy|state)"),
    content=re.compile(
        r"^src \S+ dst \S+(?: (?:proto|sport|dport|type|code|dev) \S+)* ?\n\s+(?:dir (?:in|out|fwd) |socket (?:in|out) |proto (?:esp|ah|comp) spi )",
        re.MULTILINE,
    ),
)
