"""``ovs-ofctl dump-flows BRIDGE`` (every version of OpenFlow, with and without statistics and names), ``ovs-appctl bridge/dump-flows`` (ofproto/ofproto.c,
``flow_stats_ds``), and flows as ``add-flows`` takes them.

The bridge is the file's (``ovs-ofctl_dump-flows_br-int``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.openvswitch import FlowFact
from analyzer.parsers import Parser, by_line, gap
from analyzer.parsers._openflow_actions import actions_of
from analyzer.parsers._openflow_fields import number
from analyzer.parsers._openflow_match import match_of
from analyzer.parsers._words import refuse_errors
from analyzer.source import Gap, Source, Span

PASSED = re.compile(
    r"\s*(#.*|\w+_FLOW\w* reply.*|OFPST?_FLOW.*|NXST_FLOW.*|FLOW|\.\.\.|\(?OF\d.*|\[root@.*|\$ .*|duration.*s, table.*NXST.*)\s*"
)
ACTIONS = re.compile(r"[,\s]actions?=")
# What is told of a flow that is no test: counters, ages, flags.
TOLD = frozenset(
    {
        *("duration", "n_bytes", "idle_age", "hard_age", "idle_timeout", "hard_timeout", "importance", "out_port", "out_group"),
        *("flags", "ofp_version", "packet_count", "byte_count", "n_offload_packets", "n_offload_bytes"),
    }
)
BARE = frozenset(
    {"send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts", "allow_hidden_fields", "out"}
)
WORDS = re.compile(r'(?:[^\s,("]|\([^)]*\)|"[^"]*")+')


FILTERED = re.compile(r"(?P<bridge>.+?)_(?:\w+=|(?:ip|ipv6|tcp6?|udp6?|icmp6?|sctp6?|r?arp)(?:_|$)).*")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Flows by line; none of those that a match chose, as what the others do to a packet is not known."""
    bridge = source.subject
    if found := FILTERED.fullmatch(bridge):
        yield gap(
            source,
            source.extent()[0],
            f"only the flows of {found['bridge']} that match are listed: what the others do is not known",
        )
        return
    yield from by_line(source, lambda line, at: flow_of(source, bridge, line, at))


def flow_of(source: Source, bridge: str, line: str, at: Span) -> Iterator[Fact]:
    """`` cookie=0x0, duration=3s, table=0, n_packets=1, n_bytes=60, priority=1,in_port=2 actions=output:3``."""
    found = ACTIONS.search(line)
    if found is None:
        if PASSED.fullmatch(line):
            return
        refuse_errors(line)
        raise ValueError("a flow with its actions was expected: priority=1,in_port=2 actions=output:3")
    told: dict[str, str] = {}
    tests: list[str] = []
    head = line[: found.start()].rstrip()
    for word in head.replace(",", " ").split() if "(" not in head and '"' not in head else WORDS.findall(head):
        name, equals, value = word.partition("=")
        if name in KEPT:
            told[name] = value
        elif name in TOLD or (not equals and name in BARE):
            continue
        else:
            tests.append(word)
    if told.get("table_id") == HIDDEN:
        return
    packets = told.get("n_packets")
    yield FlowFact(
        at=at,
        scope=source.scope,
        bridge=bridge,
        table=told.get("table", told.get("table_id", "0")).strip('"'),
        priority=int(told.get("priority", "32768")),
        in_port=port(told.get("in_port", "")),
        match=match_of(tests),
        actions=actions_of(line[found.end() :].strip()),
        cookie=number(told.get("cookie", "0").partition("/")[0]),
        packets=int(packets) if packets is not None else None,
    )


KEPT = frozenset({"cookie", "table", "table_id", "n_packets", "priority", "in_port"})
HIDDEN = "254"
"""The table of Open vSwitch's own flows, which ``bridge/dump-flows`` shows too (ofproto/ofproto-dpif.h, ``TBL_INTERNAL``)."""


def port(text: str) -> str:
    """A port as it is written, without quotes."""
    word = text.strip('"')
    return word.upper() if word.lower() in ("local", "any", "none") else word


PARSER = Parser(
    kind="ovs-flows",
    read=read,
    names=(
        r"ovs-ofctl(_-\S+?)*_dump-flows_(?P<subject>\S+?)",
        r"ovs-ofctl(_-O_\S+?)?(_--\S+)*_dump-flows(_-\S+)*_(?P<subject>[A-Za-z]\S*?)(_\d+)?(_-O_?\w+|_--?[\w-]+)*",
        r"ovs-appctl(_-\S+)*_bridge[._]dump-flows(_--?[\w-]+)*_(?P<subject>[A-Za-z]\S*?)",
        r"(ovs[/_])?(flows|openflow|ovs-flows|dump-flows)([-_](?P<subject>\S+))?",
    ),
    content=re.compile(
        r"^(OFPST|NXST)_FLOW reply|^ ?cookie=0x[0-9a-f]+, duration=|^ *(table=\w+, )?priority=\d+[, ]\S* ?actions=", re.MULTILINE
    ),
)
