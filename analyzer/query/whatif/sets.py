"""``ipset`` as an edit of facts (ipset(8); ``-exist`` and ``-!``: what is there, or is not, is no error)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from analyzer.facts.netfilter import IpsetFact
from analyzer.parsers.ipset import PARSER as SETS
from analyzer.parsers.iptables_save import PARSER as SAVED
from analyzer.query.whatif.state import NodeState, Run, taken

VERBS = {
    "create": "create",
    "new": "create",
    "-N": "create",
    "add": "add",
    "-A": "add",
    "del": "del",
    "-D": "del",
    "flush": "flush",
    "-F": "flush",
    "destroy": "destroy",
    "-X": "destroy",
    "x": "destroy",
    "swap": "swap",
    "-W": "swap",
    "rename": "rename",
    "-E": "rename",
}
EXIST = frozenset({"-exist", "-!"})
MANY = ("-", "/")
SINGLE = ("hash:ip", "hash:ip,port", "hash:ip,mark", "hash:ip,port,ip", "hash:ip,mac")
"""Types whose addresses are single: a network or a range that is added becomes each of its addresses."""


def ip_set(state: NodeState, run: Run) -> NodeState:
    """``ipset create|add|del|flush|destroy …``."""
    lenient = bool(EXIST.intersection(run.words))
    words = [word for word in run.words if word not in EXIST]
    verb = VERBS.get(words[0]) if words else None
    if verb is None or (len(words) < 2 and verb not in ("flush", "destroy")):
        raise run.wrong(
            "expected ipset create NAME TYPE, add NAME MEMBER, del NAME MEMBER, flush NAME, destroy NAME, swap NAME NAME or rename NAME NAME"
        )
    known = {fact.name: fact for fact in state.of(IpsetFact, run.scope)}
    if verb == "create":
        return created(state, run, words[1:], known.get(words[1]), lenient)
    if len(words) > 1 and words[1] not in known:
        raise run.wrong(f"there is no set {words[1]} (The set with the given name does not exist)")
    if verb in ("swap", "rename"):
        return exchanged(state, run, known, words, verb)
    chosen = [known[words[1]]] if len(words) > 1 else list(known.values())
    if verb in ("flush", "destroy"):
        if verb == "destroy" and (held := [one.name for one in chosen if used(state, run, one.name)]):
            raise run.wrong(f"a rule or a list names {held[0]} (Set cannot be destroyed: it is in use by a kernel component)")
        state = state.without(chosen)
        return state if verb == "destroy" else state.joined(*(altered(run, one, ()) for one in chosen))
    one, member = chosen[0], spelled(run, chosen[0], words[2:])
    members = with_member(run, one, member, lenient) if verb == "add" else without_member(run, one, member, lenient)
    return state.without([one]).joined(altered(run, one, members))


def exchanged(state: NodeState, run: Run, known: Mapping[str, IpsetFact], words: Sequence[str], verb: str) -> NodeState:
    """Two sets with each other's members, or a set with another name: what names it names the other then (net/netfilter/ipset/ip_set_core.c, ip_set_swap)."""
    if len(words) != 3 or (words[2] in known) != (verb == "swap"):
        why = "the second set does not exist" if verb == "swap" else "a set with the new name already exists"
        raise run.wrong(f"expected ipset {verb} NAME NAME ({why})")
    one = known[words[1]]
    if verb == "rename":
        if used(state, run, one.name):
            raise run.wrong(f"a rule or a list names {one.name} (Set cannot be renamed: it is in use by another system)")
        return state.without([one]).joined(replace(one, name=words[2], at=run.at))
    other = known[words[2]]
    if (one.type, one.family) != (other.type, other.family):
        raise run.wrong("The sets cannot be swapped: their type does not match")
    return state.without([one, other]).joined(replace(one, name=other.name, at=run.at), replace(other, name=one.name, at=run.at))


def used(state: NodeState, run: Run, name: str) -> bool:
    """Whether a rule matches by the set, or a list holds it."""
    named = re.compile(rf"(--match-set|--add-set|--del-set|--map-set) {re.escape(name)} ")
    texts = (source.text for source in state.sources if source.scope == run.scope and source.kind == SAVED.kind)
    lists = (fact for fact in state.of(IpsetFact, run.scope) if fact.type == "list:set")
    return any(map(named.search, texts)) or any(name in one.members for one in lists)


def created(state: NodeState, run: Run, words: Sequence[str], known: IpsetFact | None, lenient: bool) -> NodeState:
    """With another set; one that is there already is as it was."""
    if known is not None:
        if not lenient:
            raise run.wrong(
                f"there is a set {known.name}: {known.at} (Set cannot be created: set with the same name already exists)"
            )
        return state
    return state.joined(run.read(SETS, f"create {' '.join(words)}", IpsetFact))


def altered(run: Run, fact: IpsetFact, members: tuple[str, ...]) -> IpsetFact:
    """A set with other members."""
    return replace(fact, members=members, at=run.at)


def spelled(run: Run, fact: IpsetFact, words: Sequence[str]) -> str:
    """A member as ``ipset save`` writes it, without what says how long it stays."""
    if not words:
        raise run.wrong(f"expected a member of {fact.name} ({fact.type})")
    first, rest = words[0], taken(taken(words[1:], "timeout"), "comment")
    if "timeout" in words[1:] and "timeout" not in fact.options:
        raise run.wrong(f"{fact.name} was created without timeout (Timeout cannot be used)")
    if fact.type in SINGLE and any(sign in part for part in first.split(",")[:1] for sign in MANY):
        raise run.wrong(f"{first} stands for many members of a {fact.type}: give them one by one")
    suffix = first.removesuffix("/32") if fact.family == 4 else first.removesuffix("/128")
    return " ".join((suffix, *rest))


def member_of(text: str) -> str:
    """A member without its options."""
    first = text.split(" ")[0]
    return first.removesuffix("/32") if "." in first else first.removesuffix("/128")


def with_member(run: Run, fact: IpsetFact, member: str, lenient: bool) -> tuple[str, ...]:
    """The members with one more, in the place of its like."""
    others = tuple(one for one in fact.members if member_of(one) != member_of(member))
    if len(others) < len(fact.members) and not lenient:
        raise run.wrong(f"{member} is in the set {fact.name} (Element cannot be added to the set: it's already added)")
    return (*others, member)


def without_member(run: Run, fact: IpsetFact, member: str, lenient: bool) -> tuple[str, ...]:
    """The members without one."""
    others = tuple(one for one in fact.members if member_of(one) != member_of(member))
    if len(others) == len(fact.members) and not lenient:
        raise run.wrong(f"{member} is not in the set {fact.name} (Element cannot be deleted from the set: it's not added)")
    return others
