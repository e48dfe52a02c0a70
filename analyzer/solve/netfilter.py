"""The netfilter hooks of a network namespace, walked by one packet over the records of its rulesets.

``HookTables.of`` prepares a namespace once per family; ``run_hook`` takes one packet through one hook: the base chains of the tables of both back ends and
native nft chains in the order of the kernel's priorities (``enum nf_ip_hook_priorities``), conntrack and address translation in between. Where both
back ends have a chain at one priority, the nft back end's goes first; no capture tells the order in which they were registered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.facts.netfilter import Chain, NftChainFact
from analyzer.model.network import Namespace
from analyzer.solve.netfilter_chains import walk
from analyzer.solve.netfilter_state import (
    Connection,
    Connections,
    Flow,
    Hook,
    HookPacket,
    HookResult,
    Judgement,
    Surroundings,
    Tracked,
)
from analyzer.solve.netfilter_tracking import bind, confirm, manipulated, track, undecided
from analyzer.solve.netfilter_visit import ACCEPTED, Sets, Stop, Visit
from analyzer.solve.oracle import Oracle

__all__ = [
    "Connection",
    "Connections",
    "Flow",
    "Hook",
    "HookPacket",
    "HookResult",
    "HookTables",
    "Judgement",
    "Surroundings",
    "Tracked",
    "run_hook",
]

TRACK, CONFIRM, TRANSLATE_DESTINATION, TRANSLATE_SOURCE = -200, 1 << 31, -100, 100
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
HOOKS_OF = {
    "raw": (Hook.PREROUTING, Hook.OUTPUT),
    "mangle": tuple(Hook),
    "nat": (Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT, Hook.POSTROUTING),
    "filter": (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT),
    "security": (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT),
}
NATIVE_HOOKS = {**{hook.value.lower(): hook for hook in Hook}, "ingress": Hook.PREROUTING, "egress": Hook.POSTROUTING}
FAMILIES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}
Chains = Mapping[str, Chain]


@dataclass(frozen=True, slots=True)
class TableStep:
    """The base chain of a table that is no nat table."""

    table: str
    chains: Chains


@dataclass(frozen=True, slots=True)
class TrackStep:
    """Conntrack looks at the packet."""


@dataclass(frozen=True, slots=True)
class TranslateStep:
    """The nat chains of the back ends, in order."""

    destination: bool
    rulesets: tuple[tuple[str, Chains], ...]


@dataclass(frozen=True, slots=True)
class ConfirmStep:
    """The packet's new connection is stored."""


@dataclass(frozen=True, slots=True)
class UnreadStep:
    """Something that sees the packet and is not walked: a native nft chain, or a ruleset that was not captured."""

    words: str
    settle: str
    fact: NftChainFact | None = None


Step = TableStep | TrackStep | TranslateStep | ConfirmStep | UnreadStep


@dataclass(frozen=True, slots=True)
class HookTables:
    """What a namespace's hooks run, for one family; make it once and keep it for all walks."""

    namespace: Namespace
    family: int
    place: str
    steps: Mapping[Hook, tuple[Step, ...]]
    sets: Sets = field(compare=False, repr=False)
    assumptions: tuple[str, ...] = ()

    @staticmethod
    def of(namespace: Namespace, family: int) -> HookTables:
        """The hooks of a namespace."""
        place = str(namespace.scope)
        steps = {hook: steps_of(namespace, family, hook, place) for hook in Hook}
        return HookTables(namespace, family, place, steps, Sets(namespace), tuple(taken_for_granted(namespace, place)))


def steps_of(namespace: Namespace, family: int, hook: Hook, place: str) -> tuple[Step, ...]:
    """The hook's steps in the order of their priorities."""
    steps = [(-1 << 31, step) for step in missing(namespace, family, place)]
    steps += tables_of(namespace, family, hook)
    steps += native_chains(namespace, family, hook, place)
    if hook in (Hook.PREROUTING, Hook.OUTPUT):
        steps.append((TRACK, TrackStep()))
    if hook in (Hook.INPUT, Hook.POSTROUTING):
        steps.append((CONFIRM, ConfirmStep()))
    if hook in HOOKS_OF["nat"]:
        destination = hook in (Hook.PREROUTING, Hook.OUTPUT)
        translate = TranslateStep(destination, tuple(rulesets_of(namespace, family, "nat", hook)))
        steps.append((TRANSLATE_DESTINATION if destination else TRANSLATE_SOURCE, translate))
    return tuple(step for _, step in sorted(steps, key=lambda item: item[0]))


def missing(namespace: Namespace, family: int, place: str) -> Iterator[Step]:
    """Rulesets that were not captured: what they do to a packet is not known."""
    keys = [f"netfilter/{family}"]
    if namespace.gaps.get("netfilter-legacy"):
        keys.append("netfilter-legacy")
    for key in keys:
        if words := namespace.missing.get(key):
            yield UnreadStep(
                f"the netfilter rules of {place} that were not captured let the packet pass unchanged ({words})", words
            )


def taken_for_granted(namespace: Namespace, place: str) -> Iterator[str]:
    """What is assumed of rulesets that were not captured and of which nothing tells that they exist."""
    if words := namespace.missing.get("nft"):
        yield f"{place} has no nft chains but those of iptables ({words})"
    if (words := namespace.missing.get("netfilter-legacy")) and not namespace.gaps.get("netfilter-legacy"):
        yield f"{place} has no rules in the legacy back end of iptables ({words})"


def tables_of(namespace: Namespace, family: int, hook: Hook) -> Iterator[tuple[int, Step]]:
    """The tables that have a base chain at the hook."""
    for table, priority in PRIORITIES.items():
        if hook in HOOKS_OF[table]:
            for _, chains in rulesets_of(namespace, family, table, hook):
                yield priority, TableStep(table, chains)


def rulesets_of(namespace: Namespace, family: int, table: str, hook: Hook) -> Iterator[tuple[str, Chains]]:
    """A table of each back end, the nft one first, where the hook's chain can do anything."""
    for ruleset in sorted(namespace.rulesets, key=lambda fact: fact.backend != "nft"):
        chain = ruleset.tables.get(table, {}).get(hook.value)
        if ruleset.family == family and chain is not None and (len(chain.rules) or chain.policy == "DROP"):
            yield ruleset.backend, ruleset.tables[table]


def native_chains(namespace: Namespace, family: int, hook: Hook, place: str) -> Iterator[tuple[int, Step]]:
    """Native nft chains at the hook that can do more than accept."""
    for fact in namespace.nft_chains:
        if not fact.inert and fact.family in FAMILIES[family] and NATIVE_HOOKS.get(fact.hook.lower()) is hook:
            words = f"the nft chain {fact.family} {fact.table} {fact.name} of {place} lets the packet pass unchanged"
            early = -1 << 30 if fact.hook.lower() == "ingress" else 0
            yield early or fact.priority, UnreadStep(words, "rules of native nft chains are not walked", fact)


def run_hook(
    tables: HookTables, hook: Hook, arriving: HookPacket, surroundings: Surroundings, connections: Connections, oracle: Oracle
) -> HookResult:
    """Takes the packet through one hook. ``connections`` belongs to the walk (one for each namespace); confirmed connections are stored in it."""
    visit = Visit(tables.place, hook, arriving.packet, arriving, arriving.tracked, tables.sets, surroundings, connections, oracle)
    stop = ACCEPTED
    for step in tables.steps[hook]:
        stop = run_step(step, visit)
        if stop is not ACCEPTED:
            break
    leaving = visit.at._replace(packet=visit.packet, tracked=visit.tracked)
    assumptions = (*tables.assumptions, *visit.assumptions)
    return HookResult(stop.judgement, leaving, stop.reason, stop.at, stop.answer, tuple(visit.hops), assumptions, stop.settle)


def run_step(step: Step, visit: Visit) -> Stop:
    """One step of a hook; ACCEPTED when the next may follow."""
    match step:
        case TableStep(table, chains):
            visit.table = table
            return walk(chains, visit.hook.value, visit)
        case TrackStep():
            if visit.tracked is None or visit.zone:
                visit.tracked = track(visit.packet, visit.at.quoted, visit.connections, visit.zone)
        case TranslateStep():
            return translate(step, visit)
        case ConfirmStep():
            visit.tracked = confirm(visit.tracked, visit.connections)
        case UnreadStep():
            return unread(step, visit)
    return ACCEPTED


def unread(step: UnreadStep, visit: Visit) -> Stop:
    """Asks whether what is not walked lets the packet pass. Nat chains are only asked where the connection is not decided yet."""
    if (
        step.fact is not None
        and step.fact.kind == "nat"
        and not undecided(visit.tracked, visit.hook in (Hook.PREROUTING, Hook.OUTPUT))
    ):
        return ACCEPTED
    at = step.fact.at if step.fact else None
    if visit.oracle.test(step.words, at, step.settle):
        return ACCEPTED
    reason = step.words.replace("lets the packet pass unchanged", "may drop or change the packet")
    return Stop(
        Judgement.UNKNOWN,
        reason.replace("let the packet pass unchanged", "may drop or change the packet"),
        at,
        settle=step.settle,
    )


def translate(step: TranslateStep, visit: Visit) -> Stop:
    """nf_nat_core.c ``nf_nat_inet_fn``: the chains decide for a connection's first packet, every packet is translated as decided."""
    if visit.connection is None:
        return ACCEPTED
    told = len(visit.hops)
    if undecided(visit.tracked, step.destination):
        stop = decide(step, visit)
        if stop is not ACCEPTED:
            return stop
    if visit.tracked is not None and visit.connection is not None:
        before = visit.packet
        visit.packet = manipulated(before, visit.tracked, step.destination)
        if len(visit.hops) > told:
            visit.hops[-1] = visit.hops[-1]._replace(packet=visit.packet)
        elif visit.packet != before:
            visit.tell("translated as its connection was", None)
    return ACCEPTED


def decide(step: TranslateStep, visit: Visit) -> Stop:
    """Asks the nat chains of each back end; where none translates, the connection is bound to what it has."""
    first = visit.tracked
    options: list[Tracked] = []
    for backend, chains in step.rulesets:
        del backend
        visit.tracked, visit.table = first, "nat"
        stop = walk(chains, visit.hook.value, visit)
        if stop is not ACCEPTED:
            return stop
        if not undecided(visit.tracked, step.destination) and visit.tracked is not None:
            options.append(visit.tracked)
    visit.tracked = chosen(options, visit) if options else first
    if undecided(visit.tracked, step.destination) and visit.connection is not None:
        connection = visit.connection
        visit.change_connection(bind(connection, step.destination, connection.reply.inverse, visit.connections))
    return ACCEPTED


def chosen(options: list[Tracked], visit: Visit) -> Tracked:
    """What the first nat table decided; which one is first matters where both translate, and differently."""
    if len(options) == 1 or options[0] == options[1]:
        return options[0]
    words = f"{visit.place}: the nat table of the nft back end is asked before that of the legacy back end"
    return options[0] if visit.oracle.test(words, None, "the order in which the tables were loaded") else options[1]
