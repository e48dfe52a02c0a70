"""Chains walked by one packet: jumps, returns, policies (net/ipv4/netfilter/ip_tables.c ``ipt_do_table``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.facts.netfilter import Chain, Jump, NfRule, Verdict
from analyzer.solve.walk.netfilter.state import Judgement
from analyzer.solve.walk.netfilter.tables import Prepared, ReadyChain, Table
from analyzer.solve.walk.netfilter.targets import apply
from analyzer.solve.walk.netfilter.visit import ACCEPTED, Stop, Visit

JUMPS = 10_000
"""More jumps in one hook than any real ruleset makes: a capture whose chains jump in circles, which the kernel refuses to load."""


class Frame(NamedTuple):
    """A chain that is being walked: the indexes of the rules that could match and were not looked at yet, and the rules that jumped here."""

    chain: ReadyChain
    rest: Iterator[int]
    came: tuple[object, ...] = ()


def walk(table: Table, base: ReadyChain, visit: Visit) -> Stop:
    """Walks a base chain to its end."""
    if visit.oracle.trail is None:
        return walked(table, base, visit)
    start = visit.start = visit.oracle.trail.now
    stop = walked(table, base, visit)
    visit.met(start, stop)
    return stop


def walked(table: Table, base: ReadyChain, visit: Visit) -> Stop:
    """A base chain rule by rule. A chain that returns from its base, or ends, leaves it to the policy."""
    frames: list[Frame] = [enter(base, visit)]
    outermost = 0
    while frames:
        frame = frames[-1]
        rule = next_match(frame, visit)
        if rule is None:
            frames.pop()
            continue
        if frame.chain is base and len(frames) == 1:
            outermost = rule.number
        target = rule.target
        if isinstance(target, Jump):
            stop = jump(target, rule, frames, table, visit)
        elif isinstance(target, Verdict) and target.name == "RETURN":
            frames.pop()
            stop = None
        else:
            stop = apply(target, rule, name_of(rule, frame, base, outermost, visit), visit)
        if stop is not None:
            return stop
    return policy(base.chain, visit)


def enter(chain: ReadyChain, visit: Visit, came: tuple[object, ...] = ()) -> Frame:
    """A chain from its start, with the rules that this destination could match."""
    rules = chain.all
    if rules is None:
        packet = visit.packet
        rules = chain.chain.rules.candidates(packet.family, ((packet.destination, packet.destination),))
    return Frame(chain, iter(rules), came)


def next_match(frame: Frame, visit: Visit) -> NfRule | None:
    """The chain's next rule that matches; None at its end."""
    chain, rest, _ = frame
    rules = chain.rules
    for index in rest:
        rule = rules[index] or chain.read(index)
        for test, match in rule.tests:
            if not test(match, visit):
                break
        else:
            if not rule.guesses or guessed(rule, frame, index, visit):
                return rule.rule
    return None


def guessed(rule: Prepared, frame: Frame, index: int, visit: Visit) -> bool:
    """Whether the matches hold that need the oracle."""
    if visit.oracle.trail is not None:
        visit.met(visit.start, (*frame.came, frame.chain.chain.name, index))
    return all(guess(match, rule.rule, visit) for guess, match in rule.guesses)


def jump(target: Jump, rule: NfRule, frames: list[Frame], table: Table, visit: Visit) -> Stop | None:
    """Enters another chain; ``-g`` forgets the one it came from."""
    chain = table.chain(target.chain)
    visit.jumps += 1
    if visit.jumps > JUMPS:
        return Stop(Judgement.UNKNOWN, f"the chains of table {visit.table} jump in circles", rule.at)
    if chain is None:
        words = f"{visit.place}: the chain {target.chain} of table {visit.table}, which is not in the text, lets the packet pass unchanged"
        settle = f"capture the whole table {visit.table}"
        if visit.oracle.test(words, rule.at, settle):
            return None
        return Stop(Judgement.UNKNOWN, f"the chain {target.chain} is not in the text", rule.at, settle=settle)
    came = (*frames[-1].came, frames[-1].chain.chain.name, rule.number)
    if target.goto:
        came = frames.pop().came
    frames.append(enter(chain, visit, came))
    return None


def name_of(rule: NfRule, frame: Frame, base: ReadyChain, outermost: int, visit: Visit) -> str:
    """``filter FORWARD rule 3 (KUBE-FIREWALL rule 1)``."""
    first, own = base.chain.name, frame.chain.chain.name
    if own == first:
        return f"{visit.table} {first} rule {rule.number}"
    return f"{visit.table} {first} rule {outermost} ({own} rule {rule.number})"


def policy(chain: Chain, visit: Visit) -> Stop:
    """The end of a base chain."""
    if chain.policy != "DROP":
        return ACCEPTED
    return Stop(Judgement.DROPPED, f"dropped by the policy of {visit.table} {chain.name}", chain.at)
