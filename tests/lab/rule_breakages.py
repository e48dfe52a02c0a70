"""Routing by rules, broken: a rule is gone, stands behind the main table, or its table leads elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from tests.lab.machine import CommandError
from tests.lab.plan import Node

if TYPE_CHECKING:
    from tests.lab.build import Lab

Apply = Callable[["Lab", Random], None]
KERNELS = (0, 32766, 32767)


def chosen(lab: Lab, random: Random) -> tuple[Node, dict[str, Any]]:
    """A rule of a node that is not the kernel's own."""
    listed = [(node, rule) for node in lab.nodes for rule in json.loads(lab.run(node.name, "ip -j -N rule"))]
    own = [(node, rule) for node, rule in listed if rule["priority"] not in KERNELS]
    if not own:
        raise CommandError("no node has a rule of its own any more")
    return random.choice(own)


def words(rule: dict[str, Any]) -> str:
    """The selectors and the table of a rule, as ``ip rule`` takes them."""
    found = [f"{key} {rule[name]}" for key, name in (("from", "src"), ("to", "dst")) if rule.get(name, "all") != "all"]
    found += [f"fwmark {rule['fwmark']}/{rule.get('fwmask', '0xffffffff')}"] if "fwmark" in rule else []
    return " ".join([*(found or ["from all"]), f"lookup {rule['table']}"])


def pod_rule_missing(lab: Lab, random: Random) -> None:
    node, rule = chosen(lab, random)
    lab.run(node.name, f"ip rule del {words(rule)} priority {rule['priority']}")


def pod_rule_late(lab: Lab, random: Random) -> None:
    """A rule is asked only after the main table, which has a default route."""
    node, rule = chosen(lab, random)
    lab.run(node.name, f"ip rule del {words(rule)} priority {rule['priority']}\nip rule add {words(rule)} priority 32766")


def own_table_elsewhere(lab: Lab, random: Random) -> None:
    """The table that rules look up leads to a node that is not the one, or nowhere."""
    node, rule = chosen(lab, random)
    table = rule["table"] if rule["table"] != "254" else "10"
    for route in listed(lab.run(node.name, f"ip -j -N route show table {table} 2>/dev/null || true")):
        other = random.choice([one for one in lab.nodes if one is not node])
        way = random.choice((f"via {other.address()} dev eth0", "blackhole"))
        kind, rest = ("blackhole", "") if way == "blackhole" else ("", way)
        lab.run(node.name, f"ip route replace {kind} {route['dst']} {rest} table {table}")
        return


def listed(text: str) -> list[dict[str, Any]]:
    """The routes of a table; none where there is no such table (an error stands behind what is printed then)."""
    found: list[dict[str, Any]] = json.JSONDecoder().raw_decode(text)[0] if text.strip() else []
    return found


ALL: tuple[Apply, ...] = (pod_rule_missing, pod_rule_late, own_table_elsewhere)
