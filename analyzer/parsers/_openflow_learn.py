"""``learn(…)`` (lib/learn.c, ``learn_parse__``; ovs-actions(7), "The learn action")."""

from __future__ import annotations

from analyzer.facts.openflow import WIDTHS, Learn, Subfield
from analyzer.parsers._openflow_fields import PARTS, number, subfield, valued

TOLD = frozenset({"idle_timeout", "hard_timeout", "cookie", "fin_idle_timeout", "fin_hard_timeout", "limit", "result_dst"})
FLAGS = frozenset({"send_flow_rem", "delete_learned"})


def learned(text: str) -> Learn:
    """The flow that is added: ``table=10,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]``."""
    table, priority = "1", 32768
    tests: list[tuple[Subfield, int | Subfield]] = []
    loads: list[tuple[Subfield, int | Subfield]] = []
    leaves: Subfield | None = None
    for word in text.replace("\\", "").split(","):
        name, equals, value = word.strip().partition("=")
        if name == "table":
            table = value.strip('"')
        elif name == "priority":
            priority = int(value)
        elif name.startswith("load:"):
            origin, _, target = word.strip()[5:].partition("->")
            where = subfield(target)
            loads.append((where, number(origin) if origin[:1].isdigit() else subfield(origin)))
        elif name.startswith("output:"):
            leaves = subfield(name[7:])
        elif name and name not in TOLD and name not in FLAGS:
            where = subfield(name)
            tests.append((where, origin_of(name, where, value) if equals else where))
    return Learn(table, priority, tuple(tests), tuple(loads), leaves)


def origin_of(name: str, target: Subfield, text: str) -> int | Subfield:
    """What a test compares with: bits of the packet, or a value."""
    if "[" in text:
        return subfield(text)
    whole = target.low == 0 and target.width == WIDTHS.get(target.field) and name not in PARTS
    return valued(target.field, text) if whole else number(text)
