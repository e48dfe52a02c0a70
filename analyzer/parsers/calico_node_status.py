"""``calicoctl node status``: what Calico says of its sessions with BGP peers (projectcalico/calico node/pkg/status/populators/bgppeers.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.addresses import address
from analyzer.facts.base import Fact
from analyzer.facts.bgp import ESTABLISHED, SessionFact
from analyzer.parsers import Parser, by_line
from analyzer.parsers._words import refuse_errors, word_at
from analyzer.source import Gap, Source, Span

AROUND = re.compile(
    r"\+[-+]+\+$|\| *PEER ADDRESS|Calico process is (not )?running|IPv[46] BGP status|No IPv[46] peers found|The BGP backend process|Unable to check|IPv[46] socket|BGP Status"
)
TYPES = {"node-to-node mesh": "Mesh", "node specific": "Node", "global": "Global"}
STATES = re.compile(r"(Idle|Connect|Active|OpenSent|OpenConfirm|Established|Close|Passive|Down)\b\s*(?P<rest>.*)")


def read(source: Source) -> Iterator[Fact | Gap]:
    """Sessions by line."""
    return by_line(source, lambda line, at: row(source, line.strip(), at))


def row(source: Source, line: str, at: Span) -> Iterator[Fact]:
    """``| 172.17.8.102 | node-to-node mesh | up | 23:30:04 | Established |``."""
    refuse_errors(line)
    if AROUND.match(line):
        if "is not running" in line:
            raise ValueError(f"the command failed: {line}")
        return
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if not line.startswith("|") or len(cells) < 5:
        raise ValueError(f"expected a line of calicoctl node status, not {line[:60]!r}")
    peer, kind, up, _, info = cells[:5]
    found = STATES.match(info)
    text = re.sub(r"\(\d+\)$|\.port\.\d+$|_port_\d+$", "", peer)
    yield SessionFact(
        at=word_at(at, line, peer),
        scope=source.scope,
        program="calico",
        name=TYPES.get(kind, kind),
        peer=address(text),
        state=found[1] if found else ESTABLISHED if up == "up" else "Idle",
        disabled=up == "down" and not info,
        problem=found["rest"].strip() if found else "" if up == "up" else info,
    )


PARSER = Parser(
    kind="calico-node-status",
    read=read,
    names=(r"(sudo_)?calicoctl(_-\S+)?_node_status", r"calico[-_]node[-_]status"),
    content=re.compile(r"^\| +PEER ADDRESS +\| +PEER TYPE +\| +STATE", re.MULTILINE),
)
