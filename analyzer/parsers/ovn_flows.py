"""``ovn-sbctl lflow-list`` and ``dump-flows``: logical flows (utilities/ovn-sbctl.c, ``cmd_lflow_list``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.ovn import LogicalFlowFact
from analyzer.parsers import UNREADABLE, Parser, gap, reason
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

HEAD = re.compile(r'\s*Datapath: (?:"([^"]*)"|(\S+))(?: aka "[^"]*")? *(?:\(([0-9a-f-]+)\))? +Pipeline: (ingress|egress)\s*')
FLOW = re.compile(r"\s*(?:uuid=0x[0-9a-f]+, )?table=(\d+) ?\(([^)]*?) *\), priority=(\d+) *, match=\((.*)\), action=\((.*)\)\s*")
# ``--ovs`` puts the flows of the switch below each logical flow (``print_datapath_flows``).
PASSED = re.compile(r"\s*(#.*|\$ .*|\.\.\.|(?:cookie=\S+ )?table=\d+ .*actions=.*|no OpenFlow flows.*)\s*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Flows by line, each of the datapath above it."""
    datapath, pipeline = "", ""
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        head = HEAD.fullmatch(line)
        if head is not None:
            datapath, pipeline = head[1] or head[2] or "", head[4]
            continue
        try:
            yield from flow_of(source, datapath, pipeline, line, Span(source.path, number))
        except UNREADABLE as problem:
            yield gap(source, number, reason(problem))


def flow_of(source: Source, datapath: str, pipeline: str, line: str, at: Span) -> Iterator[Fact]:
    """``  table=0 (ls_in_check_port_sec), priority=100, match=(…), action=(…)``."""
    found = FLOW.fullmatch(line.rstrip())
    if found is None:
        if PASSED.fullmatch(line):
            return
        refuse_errors(line)
        raise ValueError("a logical flow was expected: table=0 (stage), priority=100, match=(…), action=(…)")
    yield LogicalFlowFact(
        at=at,
        scope=source.scope,
        datapath=datapath,
        pipeline=pipeline,
        table=int(found[1]),
        stage=found[2],
        priority=int(found[3]),
        match=found[4],
        action=found[5],
    )


PARSER = Parser(
    kind="ovn-flows",
    read=read,
    names=(r"(kubectl_ko_sbctl|ovn-sbctl)(_-\S+)*(_\d+)?_(lflow-list|dump-flows)(_\S+)?",),
    content=re.compile(r"^Datapath: .* Pipeline: (ingress|egress)$", re.MULTILINE),
)
