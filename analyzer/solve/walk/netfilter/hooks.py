"""The netfilter hooks of a network namespace, walked by one packet over the records of its rulesets.

``HookTables.of`` prepares a namespace once per family; ``run_hook`` takes one packet through one hook: the base chains of the tables of both back ends and
native nft chains in the order of the kernel's priorities (``enum nf_ip_hook_priorities``), conntrack and address translation in between. Where both
back ends have a chain at one priority, the nft back end's goes first; no capture tells the order in which they were registered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from analyzer.facts.netfilter import NftChainFact, RulesetFact
from analyzer.model.early_chains import EARLY, FAMILIES, lets_pass, ordered, plain, read
from analyzer.model.namespaces import ASSUMED
from analyzer.model.network import Namespace
from analyzer.model.unread import not_understood
from analyzer.solve.packet import Packet
from analyzer.solve.walk.netfilter.captured import translates
from analyzer.solve.walk.netfilter.chains import walk
from analyzer.solve.walk.netfilter.state import (
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
from analyzer.solve.walk.netfilter.steps import (
    BalanceStep,
    ConfirmStep,
    EarlyStep,
    NativeStep,
    Step,
    TableStep,
    TrackStep,
    TranslateStep,
    UnreadStep,
    routes_again,
)
from analyzer.solve.walk.netfilter.tables import ReadyChain, Table
from analyzer.solve.walk.netfilter.tracking import bound, clash, confirm, manipulated, mirrored, track, undecided
from analyzer.solve.walk.netfilter.visit import ACCEPTED, Sets, Stop, Visit
from analyzer.solve.walk.nft.tables import NativeChain, NativeTable, native_chains
from analyzer.solve.walk.oracle import Oracle

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
FIRST = -1 << 33
"""The chains of devices are before all others at ingress, and behind all at egress."""
NOT_WALKED = "rules of native nft chains are not walked"
MIRRORED = (
    "answers to the packet would be those of a connection whose zone is for one direction: up to Linux 6.11 it gets another source port, "
    "later it is dropped (nf_nat_core.c nf_nat_used_tuple_new)"
)
NOT_CAPTURED = "that were not captured let the packet pass unchanged"
PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
# The nft back end puts this table behind source NAT (iptables/nft.c ``xtables_ipv4``); ``nft list ruleset`` shows it.
SECURITY_OF_NFT = 150
HOOKS_OF = {
    "raw": (Hook.PREROUTING, Hook.OUTPUT),
    "mangle": tuple(Hook),
    "nat": (Hook.PREROUTING, Hook.INPUT, Hook.OUTPUT, Hook.POSTROUTING),
    "filter": (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT),
    "security": (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT),
}
NATIVE_HOOKS = {**{hook.value.lower(): hook for hook in Hook}, "ingress": Hook.PREROUTING, "egress": Hook.POSTROUTING}
Based = tuple[Table, ReadyChain]
"""A table, and its base chain at a hook."""


@dataclass(frozen=True, slots=True)
class HookTables:
    """What a namespace's hooks run, for one family; make it once and keep it for all walks.

    ``idle``: there is no chain at any hook. Nothing then sees or changes a packet, nor does anything see what conntrack says of it: with no translated
    connection every tuple is its own, and null bindings keep it (``nf_nat_used_tuple``)."""

    namespace: Namespace
    family: int
    place: str
    steps: Mapping[Hook, tuple[Step, ...]]
    sets: Sets = field(compare=False, repr=False)
    assumptions: tuple[str, ...] = ()
    idle: bool = False

    @staticmethod
    def of(namespace: Namespace, family: int) -> HookTables:
        """The hooks of a namespace."""
        place = str(namespace.scope)
        tables = tuple(tables_of(namespace, family))
        steps = {hook: steps_of(namespace, tables, family, hook, place) for hook in Hook}
        granted = tuple(taken_for_granted(namespace, place))
        idle = not any(acts(step) for found in steps.values() for step in found)
        return HookTables(namespace, family, place, steps, Sets(namespace), granted, idle)


def acts(step: Step) -> bool:
    """Whether a step has chains, or may have some that are not known."""
    return isinstance(step, TableStep | NativeStep | UnreadStep | EarlyStep | BalanceStep) or (
        isinstance(step, TranslateStep) and bool(step.chains)
    )


def steps_of(namespace: Namespace, tables: tuple[Table, ...], family: int, hook: Hook, place: str) -> tuple[Step, ...]:
    """The hook's steps in the order of their priorities."""
    steps = [(-1 << 31, step) for step in missing(namespace, family, place)]
    steps += plain_steps(tables, hook)
    natives = tuple(native_chains(namespace, FAMILIES[family], hook))
    steps += [(native.base.priority, NativeStep(native)) for native in natives if native.base.kind != "nat"]
    steps += unread_chains(namespace, family, hook)
    if hook in (Hook.PREROUTING, Hook.OUTPUT):
        steps.append((TRACK, TrackStep()))
    if hook in (Hook.INPUT, Hook.POSTROUTING):
        steps.append((CONFIRM, ConfirmStep()))
    if hook in HOOKS_OF["nat"] and translates(namespace, family):
        destination = hook in (Hook.PREROUTING, Hook.OUTPUT)
        own = TRANSLATE_DESTINATION if destination else TRANSLATE_SOURCE
        chains: list[tuple[int, TableStep | NativeStep]] = [(own, TableStep(*found)) for found in based(tables, "nat", hook)]
        chains += [(native.base.priority, NativeStep(native)) for native in natives if native.base.kind == "nat"]
        steps.append((own, TranslateStep(destination, tuple(sorted(chains, key=lambda item: item[0])))))
    if any(fact.family == family for fact in namespace.virtual_servers):
        steps += BALANCING.get(hook, ())
    return tuple(step for _, step in sorted(steps, key=lambda item: item[0]))


BALANCING: Mapping[Hook, tuple[tuple[int, Step], ...]] = {
    Hook.INPUT: ((98, BalanceStep(True)), (99, BalanceStep(False))),
    Hook.FORWARD: ((100, BalanceStep(True)),),
    Hook.OUTPUT: ((-99, BalanceStep(True)), (-98, BalanceStep(False))),
}
"""IPVS's place among the hooks (``ip_vs_ops4`` and ``ip_vs_ops6`` of net/netfilter/ipvs/ip_vs_core.c)."""


def missing(namespace: Namespace, family: int, place: str) -> Iterator[Step]:
    """Rulesets that were not captured: what they do to a packet is not known."""
    keys = [f"netfilter/{family}"]
    if namespace.gaps.get("netfilter-legacy"):
        keys.append("netfilter-legacy")
    if not_understood(namespace, "nft"):
        keys.append("nft")
    for key in keys:
        if words := namespace.missing.get(key):
            yield UnreadStep(f"the netfilter rules of {place} {NOT_CAPTURED} ({words})", words)


def taken_for_granted(namespace: Namespace, place: str) -> Iterator[str]:
    """What is assumed of rulesets that were not captured and of which nothing tells that they exist."""
    if (words := namespace.missing.get("nft")) and not not_understood(namespace, "nft"):
        yield f"{place}: {ASSUMED['nft']} ({words})"
    if (words := namespace.missing.get("netfilter-legacy")) and not namespace.gaps.get("netfilter-legacy"):
        yield f"{place}: {ASSUMED['netfilter-legacy']} ({words})"


def tables_of(namespace: Namespace, family: int) -> Iterator[Table]:
    """The tables of each back end, those of the nft one first."""
    rulesets: list[RulesetFact] = sorted(namespace.rulesets, key=lambda fact: fact.backend != "nft")
    for ruleset in rulesets:
        if ruleset.family == family:
            yield from (Table(name, chains, ruleset.backend) for name, chains in ruleset.tables.items())


def plain_steps(tables: tuple[Table, ...], hook: Hook) -> Iterator[tuple[int, Step]]:
    """The tables but nat that have a base chain at the hook."""
    for name, priority in PRIORITIES.items():
        if hook in HOOKS_OF[name]:
            for table, base in based(tables, name, hook):
                yield SECURITY_OF_NFT if (name, table.backend) == ("security", "nft") else priority, TableStep(table, base)


def based(tables: tuple[Table, ...], name: str, hook: Hook) -> Iterator[Based]:
    """The tables of this name whose base chain at the hook can do anything."""
    for table in tables:
        base = table.chain(hook.value) if table.name == name else None
        if base is not None and (base.rules or base.chain.policy == "DROP"):
            yield table, base


def unread_chains(namespace: Namespace, family: int, hook: Hook) -> Iterator[tuple[int, Step]]:
    """Native chains that can do more than accept: those of which the table is not known, which are not walked, and those of devices."""
    known = {(table.family, table.name) for table in namespace.nft_tables}
    for fact in namespace.nft_chains:
        here = fact.hook.lower() not in EARLY and NATIVE_HOOKS.get(fact.hook.lower()) is hook
        if here and not fact.inert and fact.family in FAMILIES[family] and (fact.family, fact.table) not in known:
            yield fact.priority, UnreadStep(lets_pass(namespace, fact), NOT_WALKED, fact)
    for fact in ordered(namespace):
        if not fact.inert and fact.family in FAMILIES[family] and NATIVE_HOOKS[fact.hook.lower()] is hook:
            first = FIRST if hook is Hook.PREROUTING else -FIRST
            yield first + fact.priority, early_step(namespace, fact, family)


def early_step(namespace: Namespace, fact: NftChainFact, family: int) -> Step:
    """A chain of devices: walked where its rules decide, and where what it sees comes to the IP layer too."""
    devices, table = plain(namespace, fact), read(namespace, fact, family)
    doubt = UnreadStep(lets_pass(namespace, fact), NOT_WALKED, fact, devices)
    chain = table.chains[fact.name] if table is not None else None
    if devices is None or table is None or chain is None or chain.base is None:
        return doubt
    return EarlyStep(NativeChain(NativeTable(table), chain, chain.base), devices, doubt)


def run_hook(
    tables: HookTables,
    hook: Hook,
    arriving: HookPacket,
    surroundings: Surroundings,
    connections: Connections,
    oracle: Oracle,
    first: int = 0,
) -> HookResult:
    """Takes the packet through one hook. ``connections`` belongs to the walk (one for each namespace); confirmed connections are stored in it.
    ``first`` is the step to begin with, where IPVS has looked at the packet in between."""
    if tables.idle and connections.captured is None:
        return HookResult(Judgement.ACCEPTED, arriving, assumptions=tables.assumptions)
    visit = Visit(tables.place, hook, arriving.packet, arriving, arriving.tracked, tables.sets, surroundings, connections, oracle)
    stop = ACCEPTED
    steps = tables.steps[hook]
    for position, step in enumerate(steps[first:] if first else steps, first):
        if isinstance(step, BalanceStep):
            at = visit.at.after(visit.packet, visit.tracked)
            given = (*tables.assumptions, *visit.assumptions)
            return HookResult(
                Judgement.BALANCING,
                at,
                hops=tuple(visit.hops),
                assumptions=given,
                resume=position + 1,
                answers=step.answers,
            )
        before = visit.packet
        stop = run_step(step, visit)
        if hook is Hook.OUTPUT and before is not visit.packet and routes_again(step, before, visit.packet):
            visit.at = visit.at._replace(routed_as=visit.packet)
        if stop is not ACCEPTED:
            break
    leaving = visit.at.after(visit.packet, visit.tracked)
    assumptions = (*tables.assumptions, *visit.assumptions) if visit.assumptions else tables.assumptions
    return HookResult(stop.judgement, leaving, stop.reason, stop.at, stop.answer, tuple(visit.hops), assumptions, stop.settle)


def run_step(step: Step, visit: Visit) -> Stop:
    """One step of a hook; ACCEPTED when the next may follow."""
    match step:
        case TableStep():
            visit.table = step.table.name
            return walk(step.table, step.base, visit)
        case NativeStep():
            from analyzer.solve.walk.nft.chains import walk_native  # few namespaces have native chains

            return walk_native(step.native, visit)
        case TrackStep():
            visit.looked_up = True
            if visit.tracked is None or visit.zone is not None:
                visit.tracked = track(visit.packet, visit.at.quoted, visit.connections, visit.looked_up_in())
                if visit.connections.captured is not None:
                    return recognised(visit, visit.connections.captured.doubt)
        case TranslateStep():
            return translate(step, visit)
        case ConfirmStep():
            if (taken := clash(visit.tracked, visit.connections)) is not None:
                words = "conntrack drops the packet: a connection with the tuple of its answers is tracked already"
                return Stop(Judgement.DROPPED, words, taken.entry.at if taken.entry is not None else None)
            visit.tracked = confirm(visit.tracked, visit.connections)
        case UnreadStep():
            return unread(step, visit)
        case EarlyStep():
            return early(step, visit)
        case BalanceStep():
            raise TypeError("IPVS is no step of a visit")
    return ACCEPTED


def recognised(visit: Visit, doubt: str) -> Stop:
    """Tells that a packet is of a connection that was captured. Where a flow table has it (nf_flow_table_ip.c), what becomes of it is not known."""
    entry = visit.connection.entry if visit.connection is not None else None
    at = entry.at if entry is not None else visit.connections.misfit
    if at is None:
        visit.assumptions += [doubt] if doubt else []
        return ACCEPTED
    misfit, visit.connections.misfit = visit.connections.misfit is not None, None
    became = "INVALID in its state" if misfit else "the nat chains are not asked"
    visit.tell(f"is of a connection that is tracked already: {became}", at)
    visit.assumptions.append(f"{visit.place} still tracks the connection of {at.path}:{at.line}")
    words = f"{visit.place}: no flow table passes on the packets of the connection of {at.path}:{at.line}, which is offloaded"
    if entry is None or not entry.offloaded or visit.oracle.test(words, at, "the flow tables' entries"):
        return ACCEPTED
    return Stop(
        Judgement.UNKNOWN, words.replace("no flow table passes", "a flow table passes"), at, settle="the flow tables' entries"
    )


def unread(step: UnreadStep, visit: Visit) -> Stop:
    """Asks whether what is not walked lets the packet pass. Nat chains are only asked where the connection is not decided yet."""
    if (
        step.fact is not None
        and step.fact.kind == "nat"
        and not undecided(visit.tracked, visit.hook in (Hook.PREROUTING, Hook.OUTPUT))
    ):
        return ACCEPTED
    device = visit.at.in_device if visit.hook is Hook.PREROUTING else visit.at.out_device
    if step.devices is not None and device not in step.devices:
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


def early(step: EarlyStep, visit: Visit) -> Stop:
    """A chain of devices that is decided."""
    if visit.at.physical_in or visit.at.physical_out:
        return unread(step.doubt, visit)
    device = visit.at.in_device if visit.hook is Hook.PREROUTING else visit.at.out_device
    return run_step(NativeStep(step.native), visit) if device in step.devices else ACCEPTED


def translate(step: TranslateStep, visit: Visit) -> Stop:
    """nf_nat_core.c ``nf_nat_inet_fn``: the chains decide for a connection's first packet, every packet is translated as decided."""
    told = len(visit.hops)
    if undecided(visit.tracked, step.destination):
        stop = decide(step, visit)
        if stop is not ACCEPTED:
            return stop
    if visit.tracked is None or visit.tracked.connection is None:
        return ACCEPTED
    before = visit.packet
    visit.packet = manipulated(before, visit.tracked, visit.tracked.connection, step.destination)
    if len(visit.hops) > told:
        visit.hops[-1] = visit.hops[-1].left_by(visit.packet)
    elif visit.packet is not before and visit.packet != before:
        visit.tell("translated as its connection was", entry.at if (entry := visit.tracked.connection.entry) else None)
    return ACCEPTED


def decide(step: TranslateStep, visit: Visit) -> Stop:
    """Asks the nat chains in their order, those of equal priority each for itself; where none translates, the connection is bound to what it has."""
    first, before = visit.tracked, visit.packet
    options: list[tuple[Tracked, Packet]] = []
    decided: tuple[int, object] = (0, None)
    for priority, chain in step.chains:
        if options and (priority != decided[0] or owner(chain) is decided[1]):
            break
        visit.tracked, visit.packet = first, before
        stop = run_step(chain, visit)
        if stop is not ACCEPTED:
            return stop
        if not undecided(visit.tracked, step.destination) and visit.tracked is not None:
            decided = (priority, owner(chain))
            options.append((visit.tracked, visit.packet))
        elif not options:
            first, before = visit.tracked, visit.packet
    visit.tracked, visit.packet = chosen(options, visit) if options else (first, before)
    if visit.tracked is not None and undecided(visit.tracked, step.destination) and visit.tracked.connection is not None:
        if not step.destination and mirrored(visit.tracked.connection, visit.connections):
            return Stop(Judgement.UNKNOWN, MIRRORED, settle="uname -r")
        visit.change_connection(bound(visit.tracked.connection, step.destination, visit.connections))
    return ACCEPTED


def owner(step: TableStep | NativeStep) -> object:
    """The table of a nat chain: within one, the order in which chains were registered is known."""
    return step.native.table.fact if isinstance(step, NativeStep) else step.table


def chosen(options: list[tuple[Tracked, Packet]], visit: Visit) -> tuple[Tracked, Packet]:
    """What the first nat chain decided; which one is first matters where both translate, and differently."""
    if len(options) == 1 or options[0][0] == options[1][0]:
        return options[0]
    words = f"{visit.place}: of the nat chains of one priority, the one of the nft back end, or listed last, is asked first"
    return options[0] if visit.oracle.test(words, None, "the order in which the tables were loaded") else options[1]
