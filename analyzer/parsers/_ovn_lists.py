"""Lines of the lists of ``ovn-nbctl``: ``lr-policy-list``, ``lr-route-list``, ``lb-list``, as they also stand in the output of ``kubectl ko diagnose``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from analyzer.facts.base import Fact
from analyzer.facts.ovn import LogicalObjectFact
from analyzer.source import Scope, Span

# The patterns take time that grows with the square of a line's blanks.
LONGEST = 4000
POLICY = re.compile(r"\s+(\d+) +(\S.*?) +(allow|drop|reroute|jump)(?: +(\S.*?))?\s*")
ROUTE = re.compile(r"\s+([0-9a-f.:]+(?:/\d+)?) +(\S+) (dst-ip|src-ip)(.*)")
BALANCER = re.compile(r"(?:([0-9a-f-]{36}) +(\S+)?|\s+) +(tcp|udp|sctp|tcp/udp) +(\S+) +(\S+)?\s*")
HEADINGS = re.compile(r"\s*(Routing Policies|IPv[46] Routes|Route Table .*:|UUID +LB +PROTO.*|[A-Z][A-Z ]{6,}.*)\s*")


def listed(line: str, at: Span, scope: Scope | None) -> Iterator[Fact] | None:
    """What a line of a list says, or nothing where it is a heading; None: it is no such line."""
    if len(line) > LONGEST:
        return None
    if HEADINGS.fullmatch(line):
        return iter(())
    if (policy := POLICY.fullmatch(line)) is not None:
        columns = {"priority": policy[1], "match": policy[2], "action": policy[3], "nexthops": policy[4] or ""}
        return row("Logical_Router_Policy", columns, at, scope)
    if (route := ROUTE.fullmatch(line)) is not None:
        columns = {"ip_prefix": route[1], "nexthop": route[2], "policy": route[3], "options": route[4].strip()}
        return row("Logical_Router_Static_Route", columns, at, scope)
    if (balancer := BALANCER.fullmatch(line)) is not None:
        columns = {"protocol": balancer[3], "vips": f"{balancer[4]}={balancer[5] or ''}"}
        return row("Load_Balancer", columns, at, scope, balancer[2] or "")
    return None


def row(table: str, columns: dict[str, str], at: Span, scope: Scope | None, name: str = "") -> Iterator[Fact]:
    """A row of a table."""
    told = tuple(sorted((key, value) for key, value in columns.items() if value))
    yield LogicalObjectFact(at=at, scope=scope, table=table, name=name, columns=told)
