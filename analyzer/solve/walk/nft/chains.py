"""Chains of native nft tables walked by one packet (net/netfilter/nf_tables_core.c ``nft_do_chain``)."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.facts.netfilter import Jump, Verdict
from analyzer.facts.nftables import NftChain
from analyzer.solve.walk.netfilter.state import Judgement
from analyzer.solve.walk.netfilter.visit import ACCEPTED, Stop, Visit
from analyzer.solve.walk.nft.statements import run_rule
from analyzer.solve.walk.nft.tables import NativeChain, NativeTable, Place

JUMPS = 10_000


@dataclass(slots=True)
class Frame:
    """A chain that is being walked: the rule that is next, and the one that was looked at last."""

    chain: NftChain
    next: int = 0
    last: int = 0

    def step(self) -> int:
        """Goes on to the next rule."""
        self.last, self.next = self.next, self.next + 1
        return self.last


def walk_native(native: NativeChain, visit: Visit) -> Stop:
    """Walks a base chain to its end."""
    start = visit.start = visit.oracle.trail.now if visit.oracle.trail is not None else 0
    stop = walked(native, visit)
    visit.met(start, stop)
    return stop


def walked(native: NativeChain, visit: Visit) -> Stop:
    """A base chain rule by rule. What its rules do not end is left to the policy."""
    table, frames = native.table, [Frame(native.chain)]
    visit.table = table.label
    while frames:
        frame = frames[-1]
        if frame.next >= len(frame.chain.rules):
            frames.pop()
            continue
        index = frame.step()
        if not (todo := table.statements(frame.chain, index)):
            continue
        if visit.oracle.trail is not None:
            visit.met(visit.start, tuple((one.chain.name, one.next) for one in frames))
        place = Place(table, frame.chain.rules[index], name_of(table, frames))
        found = run_rule(todo, place, visit)
        match found:
            case Jump():
                stop = jump(found, place, frames, visit)
            case Verdict():
                frames.pop()
                stop = None
            case _:
                stop = found
        if stop is not None:
            return stop
    return policy(native)


def name_of(table: NativeTable, frames: list[Frame]) -> str:
    """``inet firewall forward rule 3 (web rule 1)``."""
    first, own = frames[0], frames[-1]
    outer = f"{table.label} {first.chain.name} rule {first.last + 1}"
    return outer if own is first else f"{outer} ({own.chain.name} rule {own.last + 1})"


def jump(target: Jump, place: Place, frames: list[Frame], visit: Visit) -> Stop | None:
    """Enters another chain; after ``goto`` the rest of this one is not looked at."""
    chain = place.table.fact.chains.get(target.chain)
    visit.jumps += 1
    if visit.jumps > JUMPS:
        return Stop(Judgement.UNKNOWN, f"the chains of table {visit.table} jump in circles", place.rule.at)
    if chain is None:
        words = f"{visit.place}: the chain {target.chain} of table {visit.table}, which is not in the text, lets the packet pass unchanged"
        settle = f"capture the whole table {visit.table}"
        if visit.oracle.test(words, place.rule.at, settle):
            return None
        return Stop(Judgement.UNKNOWN, f"the chain {target.chain} is not in the text", place.rule.at, settle=settle)
    if target.goto:
        frames[-1].next = len(frames[-1].chain.rules)
    frames.append(Frame(chain))
    return None


def policy(native: NativeChain) -> Stop:
    """The end of a base chain."""
    if native.base.policy != "drop":
        return ACCEPTED
    words = f"dropped by the policy of {native.table.label} {native.chain.name}"
    return Stop(Judgement.DROPPED, words, native.chain.at)
