"""``ovs-ofctl show BRIDGE`` and ``dump-ports-desc BRIDGE``: the numbers of its ports (lib/ofp-print.c, ``ofp_print_phy_port``); names are cut off at 15 characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.openflow import LOCAL_PORT
from analyzer.facts.openvswitch import SwitchPortFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

PORT = re.compile(r"\s*(\d+|LOCAL)\((.*)\): addr:([0-9a-f:]{17})\s*")
CUT = 15
PASSED = re.compile(
    r"\s*(\w+(_REPLY| reply).*|n_tables:.*|capabilities:.*|actions:.*|config:.*|state:.*|current:.*|advertised:.*|supported:.*|peer:.*"
    r"|speed:.*|#.*|flags:.*)\s*"
)


def read(source: Source) -> Iterator[Fact | Gap]:
    """Ports by line."""
    yield from by_line(source, lambda line, at: port_of(source, line, at))


def port_of(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """`` 1(eth0): addr:aa:55:aa:55:00:01``."""
    found = PORT.fullmatch(line)
    if found is None:
        if PASSED.fullmatch(line):
            return
        refuse_errors(line)
        raise ValueError("a port was expected: 1(eth0): addr:aa:55:aa:55:00:01")
    yield SwitchPortFact(
        at=Span(at.path, at.line, found.start(1) + 1),
        scope=source.scope,
        name=found[2].strip('"'),
        bridge=source.subject,
        number=LOCAL_PORT if found[1] == "LOCAL" else int(found[1]),
        cut=len(found[2]) >= CUT,
    )


PARSER = Parser(
    kind="ovs-ports",
    read=read,
    names=(
        r"ovs-ofctl(_-O_\S+?|_-\S+?)*_(?:show|dump-ports-desc)_(?P<subject>[A-Za-z]\S*?)(_-O_?\w+|_--?[\w-]+)*",
        r"(ovs[/_])?ovsports([-_](?P<subject>\S+))?",
    ),
    content=re.compile(r"^OFPT_FEATURES_REPLY|^OFPST_PORT_DESC reply", re.MULTILINE),
)
