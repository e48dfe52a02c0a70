"""The netfilter hooks of a namespace in the language: base chains in the order of the kernel's priorities (``enum nf_ip_hook_priorities``).

Points: ``(scope, "hook", "PREROUTING")`` is one hook, which comes back when the packet may go on; ``"PREROUTING lo"`` the same without
conntrack, for packets that were tracked when they were sent, ``"OUTPUT asking"`` for neighbour discovery, which is not tracked, ``"OUTPUT balanced"`` for what IPVS sends to a real server; ``(scope, "chain", "4/nft/nat/KUBE-SERVICES")`` one chain.
Where both back ends have a chain at one priority, the nft back end's goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.facts.matches import BalancedMatch
from analyzer.facts.netfilter import Chain, ChangeSet, Jump, NfRule, Pass, RulesetFact
from analyzer.model.network import Namespace
from analyzer.model.unread import not_understood
from analyzer.ranges import Ranges
from analyzer.source import Scope
from analyzer.transfer import ipvs
from analyzer.transfer.ir import (
    ALWAYS,
    DNAT_STATUS,
    KEEP,
    NEVER,
    SNAT_STATUS,
    Alt,
    Bits,
    Drop,
    End,
    Field,
    Hook,
    If,
    Opaque,
    Seq,
    Table,
    Transfer,
    Translate,
)
from analyzer.transfer.netfilter import early_chains, zones
from analyzer.transfer.netfilter.families import Families
from analyzer.transfer.netfilter.matches import all_of, by_chance
from analyzer.transfer.netfilter.routing_again import routed_again
from analyzer.transfer.netfilter.sharing import Part, shared
from analyzer.transfer.netfilter.targets import target
from analyzer.transfer.netfilter.where import Where, open_test
from analyzer.transfer.nft import tables as nft
from analyzer.transfer.space import Context, call, seq, unless

PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
# The nft back end puts this table behind source NAT (iptables/nft.c ``xtables_ipv4``); ``nft list ruleset`` shows it.
SECURITY_OF_NFT = 150
HOOKS_OF = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
DESTINATION_HOOKS = ("PREROUTING", "OUTPUT")
FAMILIES = {4: ("ip", "inet", "netdev"), 6: ("ip6", "inet", "netdev")}
SHORT = 8
Step = tuple[int, Transfer]


@dataclass(slots=True)
class Parts(Sequence[Transfer]):
    """The rules of a chain, each lowered when it is first looked at."""

    context: Context
    scope: Scope
    table: str
    chain: Chain
    known: Mapping[str, Chain]
    made: dict[int, Transfer] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.chain.rules)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            return [self.part(position) for position in range(*index.indices(len(self)))]
        return self.part(index)

    def part(self, index: int) -> Transfer:
        """One rule; one that was lowered for a chain of the same text is taken from there."""
        if index not in self.made:
            self.made[index] = self.taken(index)
        return self.made[index]

    def taken(self, index: int) -> Transfer:
        """A rule that is not made yet."""
        sharing, key = self.context.sharing, (self.table, self.chain.content, index)
        found = sharing.parts.get(key)
        if found is not None and (found.home is None or sharing.home(self.scope, self.table, found.chain) == found.home):
            return found.transfer
        rule = self.chain.rules[index]
        made = self.lowered(rule)
        if not sharing.alone and shared(rule) and not opened(made):
            chain = rule.target.chain if isinstance(rule.target, Jump) else ""
            home = sharing.home(self.scope, self.table, chain) if chain else None
            sharing.parts.setdefault(key, Part(made, chain, home))
        return made

    def hooks(self) -> tuple[bool, bool]:
        """Whether the chain is entered from a hook that translates destinations, and whether from another."""
        from_hooks = [hook for hook in HOOKS_OF["nat"] if self.chain.name in entered(self.known, hook)]
        return any(hook in DESTINATION_HOOKS for hook in from_hooks), any(hook not in DESTINATION_HOOKS for hook in from_hooks)

    def lowered(self, rule: NfRule) -> Transfer:
        """The rule's effect where its matches hold."""
        name = self.table.rpartition("/")[2]
        label = f"{self.scope} {name} {self.chain.name} rule {rule.number}"
        space = self.context.space(self.scope)
        template = name == "raw" and bool(zones.given(self.context, space))
        where = Where(self.context, space, rule.at, label, self.hooks, name, template)
        own = key_of(rule, where)
        match = self.context.matches.get(own)
        if match is None:
            match = all_of(rule.matches, where)
            if not open_test(match):
                self.context.matches[own] = match
        if match == NEVER or (isinstance(rule.target, ChangeSet | Pass) and not any(map(by_chance, rule.matches))):
            return KEEP
        then = target(rule, where, self.table, self.known)
        if any(by_chance(item) for item in rule.matches):
            then = Alt((then, KEEP), rule.at)
        return then if match == ALWAYS or then == KEEP else If(match, then, KEEP, rule.at)


def opened(transfer: Transfer) -> bool:
    """Whether a lowered rule asks what is not known: such a test names its namespace."""
    match transfer:
        case If(match, then, otherwise):
            return open_test(match) or opened(then) or opened(otherwise)
        case Alt(branches):
            return any(map(opened, branches))
        case Seq(parts):
            return any(map(opened, parts))
        case _:
            return False


def entered(chains: Mapping[str, Chain], start: str) -> set[str]:
    """The chains that a chain leads to, itself among them."""
    found, waiting = {start}, [start]
    while waiting:
        chain = chains.get(waiting.pop())
        for rule in chain.rules if chain is not None else ():
            if isinstance(rule.target, Jump) and rule.target.chain not in found:
                found.add(rule.target.chain)
                waiting.append(rule.target.chain)
    return found


def key_of(rule: NfRule, where: Where) -> object:
    """What the lowered matches of a rule depend on."""
    local = any(
        type(match).__name__ in ("SetMatch", "AddressTypeMatch", "ReversePathMatch", "SocketMatch") for match in rule.matches
    )
    alone = where.label if any(isinstance(match, BalancedMatch) for match in rule.matches) else ""
    return (where.space.scope if local else None, alone, where.template, rule.matches)


def chain_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """One chain: ``4/nft/nat/KUBE-SERVICES``."""
    table, _, name = detail.partition("/")[2].partition("/")[2].partition("/")
    backend = detail.split("/")[1]
    for ruleset in context.space(scope).rulesets:
        if ruleset.backend == backend and ruleset.family == context.family and name in ruleset.tables.get(table, {}):
            chains = ruleset.tables[table]
            return body(Parts(context, scope, f"{context.family}/{backend}/{table}", chains[name], chains))
    return KEEP


def body(parts: Parts) -> Transfer:
    """The rules in order; a long chain is a table that is searched by destination."""
    rules, family = parts.chain.rules, parts.context.family
    if len(rules) <= SHORT:
        return seq(*(parts.part(index) for index in range(len(rules))))

    def select(ranges: Ranges) -> Sequence[int]:
        return rules.candidates(family, ranges)

    at, context = parts.chain.at, parts.context
    where = Where(context, context.space(parts.scope), at, f"{parts.scope} {parts.chain.name}")
    return Table(parts, select, Families(where, parts.table, parts.chain, parts.known))


def base(context: Context, scope: Scope, ruleset: RulesetFact, table: str, hook: str) -> Transfer:
    """A base chain with its policy."""
    chain = ruleset.tables[table][hook]
    policy = f"dropped by the policy of {scope} {table} {hook}"
    end = End(Drop(policy), chain.at) if chain.policy == "DROP" else KEEP
    return Hook(seq(call(scope, "chain", f"{context.family}/{ruleset.backend}/{table}/{hook}"), end))


def rulesets(context: Context, space: Namespace, table: str, hook: str) -> Iterator[RulesetFact]:
    """The back ends, nft first, whose chain at the hook can do anything."""
    for ruleset in sorted(space.rulesets, key=lambda fact: fact.backend != "nft"):
        chain = ruleset.tables.get(table, {}).get(hook)
        if ruleset.family == context.family and chain is not None and (len(chain.rules) or chain.policy == "DROP"):
            yield ruleset


def tables(context: Context, space: Namespace, hook: str, question: bool) -> Iterator[Step]:
    """The tables other than nat; after mangle OUTPUT a changed mark is routed again (iptable_mangle.c ``ipt_mangle_out``)."""
    for table, priority in PRIORITIES.items():
        if hook in HOOKS_OF[table]:
            for ruleset in rulesets(context, space, table, hook):
                late = (table, ruleset.backend) == ("security", "nft")
                own = base(context, space.scope, ruleset, table, hook)
                if table == "mangle" and hook == "OUTPUT" and not question:
                    yield from routed_again(context, space, priority, own)
                else:
                    yield SECURITY_OF_NFT if late else priority, own


def native(context: Context, space: Namespace, hook: str) -> Iterator[Step]:
    """Native nft chains but those of nat, with those of devices. Where a chain of type route
    has set the mark, the packet is routed again (nft_chain_route.c ``nf_route_table_hook4``)."""
    for found in nft.natives(context, space, hook):
        if found.base.kind == "route":
            yield from routed_again(context, space, found.base.priority, nft.entered(space.scope, found))
        elif found.base.kind != "nat":
            yield found.base.priority, nft.entered(space.scope, found)
    known = {(table.family, table.name) for table in space.nft_tables}
    for fact in space.nft_chains:
        here = fact.hook.upper() == hook and not fact.inert and fact.family in FAMILIES[context.family]
        if here and (fact.family, fact.table) not in known:
            step = early_chains.unread(space, fact)
            yield fact.priority, Translate(space.scope, hook in DESTINATION_HOOKS, step) if fact.kind == "nat" else step
    yield from early_chains.at_hook(context, space, hook)


def missing(context: Context, space: Namespace) -> Iterator[Step]:
    """Rulesets that were not captured."""
    keys = [f"netfilter/{context.family}"] + (["netfilter-legacy"] if space.gaps.get("netfilter-legacy") else [])
    keys += ["nft"] if not_understood(space, "nft") else []
    for key in keys:
        if (words := space.missing.get(key)) is not None:
            yield (
                -1 << 31,
                unless(
                    f"the netfilter rules of {space.scope} that were not captured let the packet pass unchanged ({words})", KEEP
                ),
            )
    context.granted(space.scope, *(key for key in ("nft", "netfilter-legacy") if key not in keys))


def translation(context: Context, space: Namespace, hook: str) -> Transfer:
    """The nat chains in the order of their priorities, which does not move them among the others; what one has translated the rest leave. Which of
    two tables goes first at one priority no capture tells (``nf_nat_register_fn`` keeps the order in which they were registered)."""
    destinations = hook in DESTINATION_HOOKS
    own = -100 if destinations else 100
    ranked: dict[int, dict[str, list[Transfer]]] = {}
    for ruleset in rulesets(context, space, "nat", hook):
        place = ranked.setdefault(own, {}).setdefault(f"nat of the {ruleset.backend} back end", [])
        place.append(base(context, space.scope, ruleset, "nat", hook))
    for found in nft.natives(context, space, hook):
        if found.base.kind == "nat":
            place = ranked.setdefault(found.base.priority, {}).setdefault(f"{found.table.family} {found.table.name}", [])
            place.append(nft.entered(space.scope, found))
    bit = DNAT_STATUS if destinations else SNAT_STATUS
    parts = [in_some_order(f"{space.scope} {hook}", tables, bit) for _, tables in sorted(ranked.items())]
    return Translate(space.scope, destinations, one_of(parts, bit))


def one_of(parts: Sequence[Transfer], bit: int) -> Transfer:
    """Parts one after the other, until one has translated."""
    return seq(*parts[:1], *(If(Bits(Field.STATUS, bit, 0), part, KEEP) for part in parts[1:]))


def in_some_order(place: str, tables: Mapping[str, list[Transfer]], bit: int) -> Transfer:
    """Tables of one priority: each may be the first."""
    ordered = {
        name: one_of([*chains, *(chain for other, rest in tables.items() if other != name for chain in rest)], bit)
        for name, chains in tables.items()
    }
    *firsts, last = ordered.items()
    result = last[1]
    for name, order in reversed(firsts):
        result = If(Opaque(f"{place}: of the nat chains of one priority, those of {name} are asked first"), order, result)
    return result


def hook_stage(context: Context, scope: Scope, detail: str) -> Transfer:
    """One hook, from its first chain to its last. A translated packet is routed again at once, but the hook's other chains see the device
    of before (``nf_hook_state.out``)."""
    hook, _, looped = detail.partition(" ")
    space = context.space(scope)
    steps = [
        *missing(context, space),
        *tables(context, space, hook, looped in ("asking", "balanced")),
        *native(context, space, hook),
    ]
    if hook in DESTINATION_HOOKS and not looped:
        steps += [(-1 << 32, zones.none(context, scope)), (-200, zones.tracked(context, scope))]
    if hook in HOOKS_OF["nat"]:
        steps.append((-100 if hook in DESTINATION_HOOKS else 100, translation(context, space, hook)))
    if hook == "OUTPUT" and not looped:
        steps.append((1 << 30, If(Bits(Field.STATUS, DNAT_STATUS | SNAT_STATUS, 0), KEEP, call(scope, "route output"))))
    if looped == "balanced":
        steps.append((1 << 30, ipvs.rerouted(context, scope)))
    elif looped != "asking":
        steps += ipvs.steps(context, scope, hook)
    if hook in ("INPUT", "POSTROUTING"):
        steps.append((1 << 31, zones.confirmed(context, scope)))
    return Seq(tuple(step for _, step in sorted(steps, key=lambda item: item[0]) if step != KEEP))
