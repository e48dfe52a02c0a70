"""``ip rule`` as an edit of facts (ip-rule(8), net/core/fib_rules.c)."""

from __future__ import annotations

from dataclasses import fields, replace

from analyzer.facts.routes import MAIN, RoutingRuleFact
from analyzer.parsers._route_tables import table_number
from analyzer.parsers.ip_rule import PARSER as RULES
from analyzer.query.whatif.state import NodeState, Run, taken, value

VERBS = {"a": "add", "add": "add", "del": "del", "delete": "del", "d": "del", "flush": "flush"}
PRIORITY = ("pref", "priority", "preference", "order")
ACTIONS = frozenset({"lookup", "table", "goto", "blackhole", "unreachable", "prohibit", "nop"})
PLAIN = frozenset({"at", "scope", "family", "priority", "inverted", "action", "table"})
"""What is no selector."""


def routing_rule(state: NodeState, run: Run) -> NodeState:
    """``ip rule add|del …``, ``ip rule flush``."""
    verb = VERBS.get(run.words[0]) if run.words else None
    known = [fact for fact in state.of(RoutingRuleFact, run.scope) if fact.family == run.family]
    if verb == "flush" and len(run.words) == 1:
        # The first rule, of the local table, says no priority and stays (ip/iprule.c, flush_rule).
        return state.without([fact for fact in known if fact.priority])
    if verb not in ("add", "del") or len(run.words) < 2:
        raise run.wrong("expected ip rule add or del, and a rule such as from 10.0.0.0/8 lookup 100, or ip rule flush")
    told = value(run.words, *PRIORITY)
    if told is not None and not told.isdecimal():
        raise run.wrong(f"the priority {told!r} is no number")
    wanted = written(run, told)
    if verb == "del":
        return state.without([gone(run, known, wanted, told)])
    made = replace(wanted, priority=int(told) if told is not None else free(known))
    twin = next(
        (fact for fact in known if replace(fact, at=made.at, table=numbered(fact)) == replace(made, table=numbered(made))), None
    )
    if twin is not None:
        raise run.wrong(f"the kernel refuses it (File exists): {twin.at}")
    return state.joined(made)


def written(run: Run, told: str | None) -> RoutingRuleFact:
    """The rule that is spoken of; one that says no action has no table."""
    words = run.words[1:]
    for key in PRIORITY:
        words = taken(words, key)
    if not any(word in ("from", "not") for word in words[:2]):
        words = ("from", "all", *words)
    acts = bool(ACTIONS.intersection(words))
    text = f"{told or '0'}: {' '.join('lookup' if word == 'table' else word for word in words)}{'' if acts else ' lookup main'}"
    wanted = replace(run.read(RULES, text, RoutingRuleFact), family=run.family)
    if wanted.unknown:
        raise run.wrong(f"{' '.join(wanted.unknown)} is not understood")
    if any(end is not None and end.family != run.family for end in (wanted.source, wanted.destination)):
        raise run.wrong(
            "the kernel refuses it (Invalid source address): addresses of IPv6 are for ip -6 rule, of IPv4 for ip rule"
        )
    return wanted if acts else replace(wanted, table=None, action="" if run.words[0].startswith("d") else wanted.action)


def numbered(fact: RoutingRuleFact) -> int | str | None:
    """The table of a rule, by number where that is known."""
    return table_number(fact.table if fact.table is not None else MAIN) if fact.action == "lookup" else None


def free(known: list[RoutingRuleFact]) -> int:
    """The priority of a rule that states none: just before the second (net/core/fib_rules.c, fib_default_rule_pref)."""
    priorities = sorted(fact.priority for fact in known)
    return max(priorities[1] - 1, 0) if len(priorities) > 1 else 0


def gone(run: Run, known: list[RoutingRuleFact], wanted: RoutingRuleFact, told: str | None) -> RoutingRuleFact:
    """The first rule that has all that a ``del`` says: what it does not say may be anything (net/core/fib_rules.c, rule_find)."""
    plain = RoutingRuleFact(at=wanted.at, family=wanted.family, priority=0)
    said = [one.name for one in fields(wanted) if one.name not in PLAIN and getattr(wanted, one.name) != getattr(plain, one.name)]
    for fact in sorted(known, key=lambda item: item.priority):
        same = all(getattr(fact, name) == getattr(wanted, name) for name in said) and wanted.action in ("", fact.action)
        table = wanted.table is None or numbered(wanted) == numbered(fact)
        if same and table and (told is None or fact.priority == int(told)):
            return fact
    raise run.wrong("there is no such rule (No such file or directory)")
